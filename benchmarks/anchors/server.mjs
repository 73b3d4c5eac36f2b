// A Socket.IO server as its documentation has it. It acknowledges each message, and keeps what a client missed (connection state recovery).
// Asked for n, it sends n messages to everybody.
import { createServer } from "node:http";
import { EVENT, Server, TRANSPORTS, body, serve } from "./lines.mjs";

const http = createServer();
const io = new Server(http, { ...TRANSPORTS, connectionStateRecovery: {}, maxHttpBufferSize: 1e8 });
io.on("connection", (socket) => {
  socket.on(EVENT, (data, acknowledge) => acknowledge());
  if (!socket.recovered) socket.emit(EVENT, body(0)); // only who has an offset can be recovered
});
http.listen(0, "127.0.0.1", () =>
  serve(http.address().port, (events) => {
    for (let n = 1; n <= events; n += 1) io.emit(EVENT, body(n));
  }),
);
