// The official client follows what a server publishes. Arguments and JSON lines as in talk.mjs; the option `follows` is
//   "page"     as the page "Delivery guarantees" of the Socket.IO documentation has it, word for word but for the report
//   "session"  as a server of realtime_lab offers it: the same, and what the event "session" says is believed
import { createInterface } from "node:readline";
import { io } from "socket.io-client";

const CHAT = "chat message";
const report = (what) => console.log(JSON.stringify(what));
const { follows, ...options } = JSON.parse(process.argv[4]);
const connect = (auth) =>
  io(process.argv[2], {
    transports: process.argv[3].split(","),
    reconnectionDelay: 10,
    reconnectionDelayMax: 20,
    auth,
    ...options,
  });

const clients = {
  page: () => {
    const socket = connect({
      offset: undefined,
    });

    socket.on(CHAT, ({ id, data }) => {
      // do something with the data, and then update the offset
      report({ got: { id, data } });
      socket.auth.offset = id;
    });
    return socket;
  },

  session: () => {
    const position = { replay: true };
    const socket = connect({ realtime_lab: position });

    socket.on("session", ({ epoch, offset, recovered, reason }) => {
      if (!recovered) position.offset = offset;
      position.epoch = epoch;
      report({ session: { offset, recovered, reason } });
    });
    socket.on(CHAT, ({ id, data }, handled) => {
      report({ got: { id, data } });
      position.offset = id;
      handled?.(); // the server asks now and then, and sends no more than it may until it knows
    });
    return socket;
  },
};

const socket = clients[follows]();
socket.on("connect", () => report({ connect: socket.id }));
socket.on("disconnect", (reason) => report({ disconnect: reason }));

for await (const line of createInterface({ input: process.stdin })) {
  if (JSON.parse(line)[0] === "end") {
    socket.disconnect();
    process.exit(0);
  }
}
