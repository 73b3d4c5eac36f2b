// Connection state recovery. Asked for null, it loses its connection; asked for n, it comes back and handles the n messages that it missed.
import { EVENT, TRANSPORTS, io, options, serve, timed } from "./lines.mjs";

const socket = io(`http://127.0.0.1:${options.port}`, { ...TRANSPORTS, reconnection: false });
let handled = 0;
let expected = 0;
let all = () => {};

socket.on(EVENT, () => {
  handled += 1;
  if (handled === expected) all();
});

const lose = () =>
  new Promise((done) => {
    socket.once("disconnect", () => done(null));
    socket.io.engine.close();
  });

const comeBack = (events) =>
  timed(events, () =>
    new Promise((done, failed) => {
      [handled, expected, all] = [0, events, done];
      socket.once("connect", () => socket.recovered || failed(new Error("the server has not recovered this connection")));
      socket.connect();
    }),
  );

socket.once(EVENT, () => serve(null, (events) => (events === null ? lose() : comeBack(events))));
