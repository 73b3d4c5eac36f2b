// One message is acknowledged twice, and at the first try of the next one the server fails before it has stored it. Which are stored?
//
// A message is tried twice on one connection if it waited in the send buffer although the client still believed in its connection (no ping
// came for too long: the machine has slept): the new connection sends the buffer, and then the first of the queue. Argument: whose client
// it is, "bundle" (what browsers get), "node" (what Node.js imports) or "tab" (the bundle, as a tab of a lab uses it). Prints JSON.

import { Server } from "socket.io";
import { io as ofNode } from "socket.io-client";

import { Fetch, WebSocket, io as ofBundle } from "../../realtime_lab/lab/page/socket.io.esm.min.mjs";
import { Tab } from "../../realtime_lab/lab/page/tab.mjs";

const [whose] = process.argv.slice(2);
const stored = [];
const told = [];
let failed = false;

const server = new Server(0, { transports: ["polling", "websocket"] });
server.on("connection", (socket) =>
  socket.on("work", (n, done) => {
    if (n === 2 && !failed) {
      failed = true;
      setTimeout(() => socket.conn.close(), 50); // what has arrived until then is answered
      return;
    }
    stored.push(n);
    done({ ok: true });
    if (n === 5) {
      setTimeout(() => {
        console.log(JSON.stringify({ stored, told }));
        process.exit(0);
      }, 200);
    }
  }),
);
const { port } = server.httpServer.address();

function clientOf(io) {
  const socket = io(`http://127.0.0.1:${port}`, { retries: Infinity, ackTimeout: 5000, transports: ["websocket"], reconnectionDelay: 10 });
  return { socket, emit: (n) => socket.emit("work", n, () => told.push(n)) };
}

function tab() {
  const made = new Tab({
    url: { origin: `http://127.0.0.1:${port}`, path: "/socket.io/", query: {} },
    settings: { retries: Infinity, ackTimeout: 5000 },
    before: 0,
    transports: [Fetch, WebSocket],
    storage: { getItem: () => null, setItem: () => {} },
    report: (kind, details) => kind === "settled" && told.push(details.message + 1),
    changed: () => {},
  });
  return { socket: made.socket, emit: (n) => made.emit("work", n) };
}

const { socket, emit } = { bundle: () => clientOf(ofBundle), node: () => clientOf(ofNode), tab }[whose]();
socket.once("connect", () => {
  const { now } = Date;
  Date.now = () => now() + 1e9; // as on a machine that has slept
  [1, 2, 3, 4, 5].forEach(emit);
  Date.now = now;
});
setTimeout(() => process.exit(1), 10000);
