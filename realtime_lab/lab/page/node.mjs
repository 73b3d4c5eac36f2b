// The same tab without a window, in Node.js: `node --experimental-websocket node.mjs ADDRESS-OF-THE-PAGE`.

import { Worker } from "node:worker_threads";

import { Life } from "./life.mjs";
import { Fetch, WebSocket } from "./socket.io.esm.min.mjs";

const here = new URL(process.argv[2]);
const kept = new Map();
const storage = { getItem: (key) => kept.get(key) ?? null, setItem: (key, value) => kept.set(key, value) };

// A synchronous request: a worker sends it, and this thread sleeps until it is answered.
const bell = new Int32Array(new SharedArrayBuffer(4));
const worker = new Worker(
  `const { workerData: bell, parentPort } = require("node:worker_threads");
   parentPort.on("message", async ([url, body]) => {
     await fetch(url, { method: "POST", body }).catch(() => {});
     Atomics.store(bell, 0, 1);
     Atomics.notify(bell, 0);
   });`,
  { eval: true, workerData: bell },
);
worker.unref();

function poster(life) {
  return (body) => {
    Atomics.store(bell, 0, 0);
    worker.postMessage([new URL(`report?life=${life}`, here).href, JSON.stringify(body)]);
    Atomics.wait(bell, 0, 0, 5000);
  };
}

// Lines of text/event-stream. It ends when the lab does.
async function* events(url, signal) {
  const answer = await fetch(url, { signal });
  let text = "";
  for await (const chunk of answer.body.pipeThrough(new TextDecoderStream())) {
    const lines = (text + chunk).split("\n");
    text = lines.pop();
    yield* lines.filter((line) => line.startsWith("data: ")).map((line) => JSON.parse(line.slice(6)));
  }
}

// Returns whether the page was reloaded.
async function live() {
  const life = Math.random().toString(36).slice(2);
  const post = poster(life);
  process.removeAllListeners("uncaughtException").on("uncaughtException", (error) => {
    post({ failed: error.stack.split("\n", 2).join("") });
    process.exit(1);
  });
  const stop = new AbortController();
  let again = false;
  const reload = () => (again = true);
  const page = new Life({ here, post, storage, transports: [Fetch, WebSocket], changed: () => {}, reload, moved: () => process.exit(0) });
  for await (const command of events(new URL(`commands?life=${life}`, here), stop.signal)) {
    page.obey(command);
    if (again) {
      page.tab.vanish();
      post({ gone: true });
      break;
    }
  }
  stop.abort();
  return again;
}

while (await live());
process.exit(0);
