// The official client, through a link. Speaks JSON lines: one command on stdin each, one report on stdout each.
import { createInterface } from "node:readline";
import { io } from "socket.io-client";

const report = (what) => console.log(JSON.stringify(what));
const socket = io(process.argv[2], {
  transports: process.argv[3].split(","),
  reconnectionDelay: 20,
  reconnectionDelayMax: 50,
});

socket.on("connect", () => report({ connect: socket.id }));
socket.on("disconnect", (reason) => report({ disconnect: reason }));
socket.on("chat message", (data) => report({ got: data }));
socket.io.on("open", () => {
  report({ transport: socket.io.engine.transport.name });
  socket.io.engine.on("upgrade", (transport) => report({ transport: transport.name }));
});

const commands = {
  emit: ({ from, to }) => {
    for (let n = from; n < to; n += 1) socket.emit("chat message", n);
  },
  ask: async ({ event, data }) => report({ answer: await socket.timeout(5000).emitWithAck(event, data) }),
  end: () => {
    socket.disconnect();
    process.exit(0);
  },
};

for await (const line of createInterface({ input: process.stdin })) {
  const [name, options] = JSON.parse(line);
  await commands[name](options);
}
