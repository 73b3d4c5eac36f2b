// A tab whose client has not been pinged for too long, just before it notices: what is emitted then waits in the buffer, and its timeout
// runs out there. Prints what the tab reports about its message, as JSON.

import { Server } from "socket.io";

import { Fetch, WebSocket } from "../../realtime_lab/lab/page/socket.io.esm.min.mjs";
import { Tab } from "../../realtime_lab/lab/page/tab.mjs";

const server = new Server(0, { transports: ["polling", "websocket"] });
server.on("connection", (socket) => socket.on("work", (data, done) => done({ ok: true })));
const { port } = server.httpServer.address();

const reports = [];
const tab = new Tab({
  url: { origin: `http://127.0.0.1:${port}`, path: "/socket.io/", query: {} },
  settings: { retries: 100, ackTimeout: 10 },
  before: 0,
  transports: [Fetch, WebSocket],
  storage: { getItem: () => null, setItem: () => {} },
  report: (kind, details = {}) => {
    reports.push({ kind, ...details });
    if (kind === "settled") {
      console.log(JSON.stringify(reports.filter((each) => each.message === 0)));
      process.exit(0);
    }
  },
  changed: () => {},
});
tab.socket.once("connect", () => {
  const { now } = Date; // as on a machine that has slept
  Date.now = () => now() + 1e9;
  tab.emit("work", 1);
  Date.now = now;
});
setTimeout(() => process.exit(1), 10000);
