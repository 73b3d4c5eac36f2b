// The client's option `retries`: at least once, one event under way at a time. Asked for n, it emits n messages and waits for the last.
import { EVENT, TRANSPORTS, body, io, options, serve, timed } from "./lines.mjs";

const socket = io(`http://127.0.0.1:${options.port}`, { ...TRANSPORTS, retries: 3, ackTimeout: 10000 });

const emit = (events) =>
  new Promise((done, failed) => {
    let open = events;
    const acknowledged = (error) => {
      if (error) failed(error);
      else if ((open -= 1) === 0) done();
    };
    for (let n = 1; n <= events; n += 1) socket.emit(EVENT, body(n), acknowledged);
  });

socket.once("connect", () => serve(null, (events) => timed(events, () => emit(events))));
