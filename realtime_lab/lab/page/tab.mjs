// One life of a tab: the official client as it is, and a record of what its application did, saw and was told.
//
// report(kind, details) returns only when the lab has written it down, so that what is sent is on record before it leaves. Times are
// milliseconds here, as everywhere in JavaScript. Nothing of the client is changed but for one line that its bundle lacks (#tried): its
// public methods are called as an application calls them, and four of them are watched, because the client itself does not say which
// message a packet, or an acknowledgement, belongs to.

import { io } from "./socket.io.esm.min.mjs";

const EVENT = 2; // socket.io-protocol: the type of a packet
const KEPT = ["buffered", "waiting", "sent"]; // the states of a message whose fate is not known
const NOT_ASKED = "no acknowledgement was asked for";
const BROKEN = "the connection ended before an acknowledgement came";

export class Tab {
  #report;
  #changed;
  #settings;
  #storage;
  #sid = "";
  #up = 0; // events sent, and received, on this connection
  #down = 0;
  #received = 0;
  #handed; // the message that emit() is being called for
  #queued = []; // messages in the retry queue whose first try is still to come
  #current; // the message whose packet is being made
  #ofFlags = new WeakMap(); // the flags of an entry in the retry queue -> its message
  #ofPacket = new WeakMap(); // a packet in the send buffer -> its message
  #asked = new Map(); // the id of an acknowledgement -> what was sent

  // settings: retries, ackTimeout (ms), clientId (unique ids), keepOffset. storage: where the offset is kept over a refresh, if it is.
  // before: how many messages earlier lives of this tab have emitted, so that the numbers go on.
  constructor({ url, settings, before, transports, storage, report, changed }) {
    this.#report = report;
    this.#changed = changed;
    this.#settings = settings;
    this.#storage = storage;
    this.before = before;
    this.messages = [];
    this.events = [];
    this.reason = "";
    this.offset = settings.keepOffset ? JSON.parse(storage.getItem("offset") ?? "null") : null;
    report("connecting");
    const { retries, ackTimeout } = settings;
    this.socket = io(url.origin, {
      path: url.path,
      query: url.query,
      transports,
      forceNew: true,
      autoConnect: false,
      reconnectionDelay: 50,
      reconnectionDelayMax: 500,
      auth: (give) => give(this.#auth()),
      ...(retries && { retries }),
      ...(ackTimeout && { ackTimeout }),
    });
    this.#watch();
    this.#listen();
    this.socket.connect();
  }

  // What is kept: waiting in the buffer or the queue, or sent and not acknowledged yet.
  get kept() {
    return this.messages.filter(({ state }) => KEPT.includes(state));
  }

  // The number of the next message, from 1.
  get next() {
    return this.before + this.messages.length + 1;
  }

  emit(event, data, { volatile = false, ackTimeout = 0, ack = false } = {}) {
    const { retries } = this.#settings;
    const queued = retries > 0 && !volatile;
    const message = { number: this.messages.length, event, data, tries: 0, state: "new", volatile, reason: "" };
    message.asks = queued || ack || ackTimeout > 0 || this.#settings.ackTimeout > 0;
    message.timeout = ackTimeout || this.#settings.ackTimeout || 0;
    this.messages.push(message);
    this.#report("emitted", { message: message.number, event, data, reason: volatile ? "volatile" : "" });
    if (queued) {
      this.#queued.push(message);
      this.#keep(message, this.socket.connected ? "waits for its turn" : "not connected");
    }
    this.#handed = message;
    let socket = volatile ? this.socket.volatile : this.socket;
    if (ackTimeout) {
      socket = socket.timeout(ackTimeout);
    }
    const callback = (...given) => this.#answered(message, given);
    socket.emit(event, this.#envelope(message), ...(message.asks ? [callback] : []));
    this.#handed = undefined;
    if (message.state === "new") {
      this.#drop(message, "volatile, and not connected");
      this.#settle(message, "rejected", message.reason);
      message.state = "dropped";
    }
    this.#changed();
  }

  // As a browser does with the page: nothing is said to anybody any more.
  vanish() {
    this.#report = () => {};
    this.#changed = () => {};
    this.socket.sendBuffer.length = 0;
    this.socket.io.skipReconnect = true; // also what it is just about to try
    this.socket.io.engine?.close();
  }

  // "Delivery guarantees" and the tutorial of Socket.IO: the offset of the last event goes with each connection.
  #auth() {
    const { clientId } = this.#settings;
    return {
      ...(this.offset !== null && { offset: this.offset }),
      ...(clientId && { realtime_lab: { client_id: clientId, first: this.#first(), nack: false } }),
    };
  }

  // The lowest number that is not finished yet, so that the server knows what it may still be asked to apply.
  #first() {
    const open = this.messages.find((message) => !message.volatile && !["acked", "unknown"].includes(message.state));
    return 1 + (open ?? { numbered: this.messages.filter((message) => !message.volatile).length }).numbered;
  }

  #envelope(message) {
    const { clientId } = this.#settings;
    message.numbered = this.messages.filter((each) => !each.volatile).length - 1;
    return clientId && !message.volatile ? { id: `${clientId}:${message.numbered + 1}`, data: message.data } : message.data;
  }

  #watch() {
    const { socket } = this;
    const { emit, packet, onack, onconnect } = socket;
    socket.emit = (...args) => {
      const { flags } = socket; // a queue calls with the flags of its entry: the same object at each try
      const before = [socket.sendBuffer.length, this.#current];
      this.#current = flags.fromQueue ? (this.#ofFlags.get(flags) ?? this.#queued.shift()) : this.#handed;
      if (flags.fromQueue) {
        this.#ofFlags.set(flags, this.#current);
        args.push(this.#tried(this.#current, args.pop()));
      }
      emit.apply(socket, args);
      if (socket.sendBuffer.length > before[0] && !this.#ofPacket.has(socket.sendBuffer.at(-1))) { // a queue has called from inside
        this.#ofPacket.set(socket.sendBuffer.at(-1), this.#current);
        // A volatile one, too, until the first attempt to connect again (measured).
        this.#keep(this.#current, "not connected", this.#current.timeout ? "its timeout is running" : "");
      }
      this.#current = before[1];
      return socket;
    };
    socket.packet = (made) => {
      if (made.type === EVENT) {
        this.#sent(this.#ofPacket.get(made) ?? this.#current, made.id);
      }
      packet.call(socket, made);
    };
    socket.onack = (got) => {
      const asked = this.#asked.get(got.id);
      if (asked && socket.acks[got.id]) {
        const [answer] = got.data;
        this.#report("acked", { ...asked.place, message: asked.message.number, reason: answer?.ok === false ? String(answer.error) : "ok" });
      }
      onack.call(socket, got);
    };
    socket.onconnect = (sid, pid) => {
      [this.#sid, this.#up, this.#down, this.reason] = [sid, 0, 0, ""];
      this.#asked.clear();
      this.#report("connected", { sid });
      onconnect.call(socket, sid, pid);
      this.#changed();
    };
  }

  #listen() {
    const { socket } = this;
    socket.onAny((event, ...given) => {
      const asked = typeof given.at(-1) === "function" ? given.pop() : null;
      this.#came(event, given[0]);
      asked?.(); // a server of ours asks now and then, and sends no more than it may until it knows
    });
    socket.on("disconnect", (reason) => {
      this.reason = reason;
      // Which of the two it is depends on whether the upgrade was done: chance, which the record leaves out.
      this.#report("disconnected", { sid: this.#sid, reason: reason === "transport close" ? "transport error" : reason });
      for (const message of this.messages.filter((each) => each.state === "sent" && !each.timeout && !this.#settings.retries)) {
        this.#settle(message, "unknown", `${BROKEN}; the callback is never called`);
      }
      this.#changed();
    });
    socket.io.on("open", () => {
      const { engine } = socket.io;
      if (engine.transport.name === "polling") { // the server of a lab always offers the upgrade
        this.#report("upgrading");
        ["upgrade", "upgradeError", "close"].forEach((event) => engine.on(event, () => this.#report("upgraded")));
      }
    });
    let told = true;
    socket.on("connect", () => (told = false));
    socket.io.on("reconnect_attempt", () => {
      if (!told) {
        told = true; // once for all the attempts that follow
        this.#report("connecting");
      }
    });
    socket.on("connect_error", (error) => {
      this.reason ||= error.message;
      this.#changed();
    });
  }

  #came(event, data) {
    const place = { sid: this.#sid, index: this.#down++ };
    if (event === "session") {
      this.#report("recovered", { ...place, offset: data?.offset ?? -1, reason: data?.recovered ? "" : String(data?.reason) });
      return;
    }
    const stored = Number.isInteger(data?.id) && "data" in data;
    const message = this.#received++;
    const offset = stored ? { offset: data.id } : {};
    this.#report("received", { ...place, message, event, data: stored ? data.data : data, ...offset });
    this.events.push({ event, data: stored ? data.data : data, ...offset });
    if (stored) {
      this.offset = data.id;
      if (this.#settings.keepOffset) {
        this.#storage.setItem("offset", JSON.stringify(this.offset));
      }
    }
    this.#report("handled", { message });
    this.#changed();
  }

  #keep(message, reason, text = "") {
    message.state = reason === "not connected" ? "buffered" : "waiting";
    this.#report("buffered", { message: message.number, event: message.event, reason, text });
  }

  #sent(message, ack) {
    message.tries += 1;
    message.state = "sent";
    message.place = { sid: this.#sid, index: this.#up++ };
    if (ack !== undefined) {
      this.#asked.set(ack, { message, place: message.place });
    }
    this.#report("sent", { ...message.place, message: message.number, event: message.event, attempt: message.tries });
    if (!message.asks) {
      this.#settle(message, "unknown", NOT_ASKED);
    }
    this.#changed();
  }

  // What the queue is told about one try; nothing any more if another try was acknowledged. The client's source has that line, and the
  // bundle for browsers has lost it: there the second acknowledgement takes the next message out of the queue (measured: twice.mjs).
  #tried(message, told) {
    return (...given) => {
      if (!KEPT.includes(message.state)) {
        return;
      }
      if (given[0] instanceof Error) {
        this.#rang(message, given[0]);
      }
      told(...given);
      this.#changed();
    };
  }

  #rang(message, error) {
    if (error.message !== "operation has timed out" || message.state === "buffered") {
      return; // what waits in the buffer has not been sent, so nothing of it is late (also where no ping came for too long: measured)
    }
    const details = { message: message.number, event: message.event, attempt: message.tries };
    this.#report("timed_out", { ...details, ...message.place, reason: `no acknowledgement in ${message.timeout / 1000} s` });
  }

  // What the application's callback is called with: an error first where there is a timeout, or a queue.
  #answered(message, given) {
    const { retries } = this.#settings;
    const [error, answer] = message.timeout || (retries && !message.volatile) ? given : [null, given[0]];
    if (error === null) {
      const refused = answer?.ok === false;
      this.#settle(message, refused ? "rejected" : "acked", refused ? String(answer.error) : "");
    } else if (message.state === "buffered") {
      this.#drop(message, "its timeout took it out of the buffer");
      this.#settle(message, "unknown", message.reason);
    } else if (retries && !message.volatile) {
      const why = error instanceof Error ? error.message : "each acknowledgement was taken for an error";
      this.#settle(message, "unknown", `given up after ${message.tries} tries: ${why}`);
    } else if (error.message === "operation has timed out") {
      this.#rang(message, error);
      this.#settle(message, "unknown", `no acknowledgement in ${message.timeout / 1000} s`);
    } else {
      this.#settle(message, "unknown", BROKEN);
    }
    this.#changed();
  }

  #drop(message, reason) {
    message.reason = reason;
    this.#report("discarded", { message: message.number, event: message.event, reason });
  }

  #settle(message, reason, text) {
    message.state = reason;
    message.reason = text;
    this.#report("settled", { message: message.number, reason, text });
  }
}
