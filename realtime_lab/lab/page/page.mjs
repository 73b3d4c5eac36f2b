// What a tab shows: how it is connected, what the client keeps, what is under way, and what came.

import { Life } from "./life.mjs";

const life = Math.random().toString(36).slice(2);
const find = (id) => document.getElementById(id);
const WORDS = { acked: "acknowledged", rejected: "rejected", unknown: "unknown", dropped: "dropped" };
const MOST = 200; // events that are listed

// Synchronous on purpose: what is sent is on record before it leaves, as it would be in a debugger.
function post(body) {
  const request = new XMLHttpRequest();
  request.open("POST", `report?life=${life}`, false);
  try {
    request.send(JSON.stringify(body));
  } catch {
    ended("The lab is gone. Run the set-up cell again.");
  }
}

let over = false;
let due = null; // a drawing that is to come

function ended(sentence) {
  if (due) {
    draw(); // a browser draws no frame that is out of sight: what was to be drawn is the last that one can see here
  }
  over = true;
  commands.close();
  page.tab?.vanish(); // else it tries for ever to connect
  find("state").textContent = sentence;
  find("state").dataset.state = "closed";
  for (const control of document.querySelectorAll("button, input")) {
    control.disabled = control.id !== "back";
  }
}

const chip = (text, title = "") => Object.assign(document.createElement("li"), { textContent: text, title });

// A list shows its newest end. (scrollIntoView() could scroll the notebook around the frame.)
function fill(id, items) {
  find(id).replaceChildren(...items);
  find(id).scrollTop = find(id).scrollHeight;
}

const label = ({ number, tries }) => `#${page.tab.before + number + 1}` + (tries > 1 ? ` (try ${tries})` : "");

function draw() {
  due = null;
  const { tab } = page;
  if (!tab || over) {
    return;
  }
  const { socket, kept, messages, events, reason } = tab;
  find("name").textContent = `${page.name}'s tab`;
  document.title = `${page.name} · ${socket.connected ? "connected" : "disconnected"}`;
  const word = socket.connected ? "connected" : "disconnected";
  find("state").textContent = word + (reason && !socket.connected ? `: ${reason}` : "");
  find("state").dataset.state = word;
  fill("buffer", kept.filter(({ state }) => state !== "sent").map((each) => chip(label(each), JSON.stringify(each.data))));
  fill("pending", kept.filter(({ state }) => state === "sent").map((each) => chip(label(each), JSON.stringify(each.data))));
  const told = messages.filter((each) => (each.asks || each.state === "dropped") && !kept.includes(each));
  fill("fates", told.slice(-MOST).map((each) => chip(`${label(each)} ${WORDS[each.state]}`, each.reason)));
  const shown = events.slice(-MOST).map(({ event, data, offset }) =>
    chip(`${event}: ${JSON.stringify(data)}` + (offset === undefined ? "" : ` · offset ${offset}`)),
  );
  fill("events", shown);
  find("offset").textContent = tab.offset === null ? "none" : String(tab.offset);
  find("retries").checked = page.settings.retries > 0;
  find("ids").checked = Boolean(page.settings.clientId);
  find("keep").checked = Boolean(page.settings.keepOffset);
}

const page = new Life({
  here: location,
  post,
  storage: localStorage,
  transports: ["polling", "websocket"],
  changed: () => (due ??= requestAnimationFrame(draw)),
  reload: () => location.reload(),
  moved: () => {
    ended("This tab is open elsewhere now.");
    find("back").hidden = false;
  },
});

addEventListener("error", ({ message, filename, lineno }) => post({ failed: `${message} (${filename.split("/").at(-1)}, line ${lineno})` }));
addEventListener("pagehide", () => navigator.sendBeacon(`report?life=${life}`, JSON.stringify({ gone: true })));

const actions = {
  emit: () => page.tab.emit("chat message", page.tab.next),
  volatile: () => page.tab.emit("chat message", page.tab.next, { volatile: true }),
  timeout: () => page.tab.emit("chat message", page.tab.next, { ackTimeout: 1000 }),
  offline: () => post({ ask: "offline" }),
  online: () => post({ ask: "online" }),
  refresh: () => location.reload(),
  back: () => location.reload(),
};
for (const [id, action] of Object.entries(actions)) {
  find(id).addEventListener("click", action);
}
for (const id of ["retries", "ids", "keep"]) {
  find(id).addEventListener("change", ({ target }) => post({ ask: "settings", [id]: target.checked }));
}
find("window").href = location.href.split("#")[0];
document.documentElement.style.colorScheme = location.hash.slice(1); // in a frame of JupyterLab: the theme that is chosen there

const commands = new EventSource(`commands?life=${life}`);
commands.onmessage = ({ data }) => page.obey(JSON.parse(data));
commands.onerror = () => ended("The lab is gone. Run the set-up cell again.");
