// One life of a page, from its loading to its end: it does what the lab asks, in order, and says when it is done.
//
// post(body) is synchronous: it returns when the lab has answered. commands arrive from the lab one by one. `here` is where the page came
// from: its own address says how the link is reached.

import { Tab } from "./tab.mjs";

// Through jupyter-server-proxy a port has the address .../proxy/PORT/... on the server of Jupyter; otherwise it is a port of this machine.
export function linkAt(here, { port, side, token }) {
  const at = here.pathname.indexOf(`/proxy/${side}/`);
  const direct = { origin: `http://${here.hostname}:${port}`, path: "/socket.io/" };
  const proxied = { origin: here.origin, path: `${here.pathname.slice(0, at)}/proxy/${port}/socket.io/` };
  return { ...(at < 0 ? direct : proxied), query: { token } };
}

export class Life {
  // reload(), moved(): what the surroundings do when the page is to be loaded anew, or is open elsewhere.
  constructor({ here, post, storage, transports, changed, reload, moved }) {
    Object.assign(this, { here, post, storage, transports, changed, reload, moved, tab: null, settings: {} });
  }

  obey({ n, do: verb, ...details }) {
    this[`on_${verb}`](details);
    if (n !== undefined) {
      this.post({ did: n });
    }
  }

  on_open({ name, link, settings, before }) {
    this.name = name;
    this.settings = settings;
    const report = (kind, more = {}) => this.post({ kind, ...more });
    const url = linkAt(this.here, link);
    const { transports, storage, changed } = this;
    this.tab = new Tab({ url, settings, before, transports, storage, report, changed });
    this.changed();
  }

  on_emit({ event, data, options }) {
    this.tab.emit(event, data, options);
  }

  on_refresh() {
    this.reload();
  }

  on_moved() {
    this.tab?.vanish();
    this.moved();
  }
}
