// A program of a benchmark: one line of JSON when it is ready, then an answer for each line that it is sent (see processes.py).
import { createInterface } from "node:readline";
import { createRequire } from "node:module";

// The packages are those of the tests: npm install --prefix tests/js
const { Server } = createRequire(new URL("../../tests/js/package.json", import.meta.url))("socket.io");
const { io } = createRequire(new URL("../../tests/js/package.json", import.meta.url))("socket.io-client");
export { Server, io };

export const options = JSON.parse(process.argv[2]);
export const EVENT = "chat message";
export const TRANSPORTS = { transports: ["websocket"] };
export const body = (n) => ({ id: n.toString(16).padStart(32, "0"), n, text: "a message of the usual length, some words." });

// Seconds that one of so many events took.
export const timed = async (events, work) => {
  const began = process.hrtime.bigint();
  await work();
  return Number(process.hrtime.bigint() - began) / 1e9 / events;
};

export const serve = async (ready, answer) => {
  console.log(JSON.stringify(ready));
  for await (const line of createInterface({ input: process.stdin })) console.log(JSON.stringify((await answer(JSON.parse(line))) ?? null));
  process.exit(0);
};
