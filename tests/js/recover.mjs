// Connection state recovery of the official server, with the official client. Argument: the name of a story. Prints what the client was
// given, and whether its last connection was recovered, as one line of JSON.
import { Server } from "socket.io";
import { io } from "socket.io-client";

const once = (emitter, name) => new Promise((done) => emitter.once(name, done));
const got = [];
const story = process.argv[2];
let server;
let port = 0;

async function start() {
  server = new Server(port, { connectionStateRecovery: { maxDisconnectionDuration: story === "too long" ? 1 : 60_000 } });
  if (!server.httpServer.listening) await once(server.httpServer, "listening");
  port = server.httpServer.address().port;
}

// A page is loaded: a client with an empty memory.
async function load() {
  const client = io(`http://127.0.0.1:${port}`, { transports: ["websocket"], reconnectionDelay: 50, forceNew: true });
  client.on("news", (data, ack) => {
    got.push(data);
    if (typeof ack === "function") ack();
  });
  await once(client, "connect");
  return client;
}

async function heard(client, data) {
  server.emit("news", data);
  while (!got.includes(data)) await once(client, "news");
}

// `end` ends the connection, and the server has noticed.
async function gone(end) {
  const [socket] = server.sockets.sockets.values();
  const left = once(socket, "disconnect");
  end();
  await left;
}

// The connection breaks, `meanwhile` happens at the server, and the client comes back by itself.
async function breaks(client, meanwhile = missed) {
  await gone(() => client.io.engine.close());
  meanwhile();
  await once(client, "connect");
  return client;
}

const missed = () => server.emit("news", "missed");

async function loadAndHear() {
  const client = await load();
  await heard(client, "first");
  return client;
}

const stories = {
  "a break": async () => breaks(await loadAndHear()),
  "too long": async () => breaks(await loadAndHear()),
  "nothing heard before": async () => breaks(await load()),
  volatile: async () => breaks(await loadAndHear(), () => server.volatile.emit("news", "missed")),
  "with an acknowledgement": async () => breaks(await loadAndHear(), () => server.timeout(50).emit("news", "missed", () => {})),
  // What the client needs for a recovery are variables of the page.
  "a refresh": async () => {
    const old = await loadAndHear();
    await gone(() => {
      old.io.skipReconnect = true;
      old.io.engine.close();
    });
    missed();
    return load();
  },
  "disconnect()": async () => {
    const client = await loadAndHear();
    await gone(() => client.disconnect());
    missed();
    await once(client.connect(), "connect");
    return client;
  },
  "the server is restarted": async () => {
    const client = await loadAndHear();
    await server.close();
    await start();
    missed();
    await once(client, "connect");
    return client;
  },
};

await start();
const client = await stories[story]();
await heard(client, "last");
console.log(JSON.stringify({ recovered: client.recovered, got }));
process.exit(0);
