// The official client, through a link. Speaks JSON lines: one command on stdin each, reports on stdout, and {"did"} after each command.
// Arguments: the address, the transports, and further options of the client as JSON. Times are milliseconds here.
import { createInterface } from "node:readline";
import { io } from "socket.io-client";

const CHAT = "chat message";
const report = (what) => console.log(JSON.stringify(what));
const socket = io(process.argv[2], {
  transports: process.argv[3].split(","),
  reconnectionDelay: 20,
  reconnectionDelayMax: 50,
  ...JSON.parse(process.argv[4] ?? "{}"),
});

socket.on("connect", () => report({ connect: socket.id }));
socket.on("disconnect", (reason) => report({ disconnect: reason }));
socket.on(CHAT, (data) => report({ got: data }));
socket.io.on("reconnect_attempt", (number) => report({ attempt: number }));
socket.io.on("open", () => {
  report({ transport: socket.io.engine.transport.name });
  socket.io.engine.on("upgrade", (transport) => report({ transport: transport.name }));
});

// What an acknowledgement callback was called with; JSON has neither errors nor undefined.
const plain = (value) => (value instanceof Error ? value.message : value === undefined ? "undefined" : value);
const acked = (data) => (...given) => report({ acked: [data, ...given.map(plain)] });

// "Delivery guarantees" of the Socket.IO documentation, "At least once", word for word but for the report.
function emit(socket, event, arg, timeout) {
  socket.timeout(timeout).emit(event, arg, (err) => {
    if (err) {
      // no ack from the server, let's retry
      report({ again: arg });
      emit(socket, event, arg, timeout);
    }
  });
}

let counter = 0;

const commands = {
  emit: ({ from, to }) => {
    for (let n = from; n < to; n += 1) socket.emit(CHAT, n);
  },
  ask: async ({ event, data }) => report({ answer: await socket.timeout(5000).emitWithAck(event, data) }),
  say: ({ event = CHAT, data, ack = "none", timeout, volatile = false }) => {
    if (volatile) socket.volatile;
    if (timeout) socket.timeout(timeout);
    if (ack === "promise") socket.emitWithAck(event, data).then((answer) => acked(data)(null, answer), acked(data));
    else if (ack === "callback") socket.emit(event, data, acked(data));
    else socket.emit(event, data);
  },
  sayInConnect: ({ data }) => socket.once("connect", () => socket.emit(CHAT, data)),
  // When the transport is open and the namespace is not connected yet.
  sayVolatileBeforeConnect: ({ data }) =>
    socket.io.once("open", () =>
      setTimeout(() => {
        report({ connected: socket.connected });
        socket.volatile.emit(CHAT, data);
      }, 10),
    ),
  sayAtLeastOnce: ({ data, timeout }) => emit(socket, CHAT, data, timeout),
  // Step 8 of the official tutorial ("Client delivery"): the key is made from the id of the connection.
  sayWithKey: ({ data, id = socket.id }) => {
    const clientOffset = `${id}-${counter++}`;
    report({ key: clientOffset });
    socket.emit(CHAT, data, clientOffset, acked(data));
  },
  sayReserved: ({ event }) => {
    try {
      socket.emit(event, "by hand");
    } catch (error) {
      report({ threw: error.message });
    }
  },
  write: ({ packet }) => socket.io.engine.write(packet),
  end: () => {
    socket.disconnect();
    process.exit(0);
  },
};

for await (const line of createInterface({ input: process.stdin })) {
  const [name, options] = JSON.parse(line);
  await commands[name](options);
  report({ did: name });
}
