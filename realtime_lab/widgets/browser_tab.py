"""A tab of a browser in the notebook: a frame with a page in which the official JavaScript client runs. It opens as a real tab, too."""

import html
import json
import os
from typing import Any

import ipywidgets as widgets
from IPython.display import display

from realtime_lab.lab.lab import Lab
from realtime_lab.lab.tab import Tab

PATIENCE = 8.0
"""Seconds that a browser which shows this notebook has to load the frame."""
WINDOWLESS = "REALTIME_LAB_TAB"
"""The environment variable that says "without a window" where nobody looks: in tests, and where a notebook is run by a program."""

FINDS = """<!doctype html><html lang="en"><meta charset="utf-8"><title>A browser tab</title>
<style>:root { color-scheme: light dark; font: 14px system-ui, sans-serif } body { margin: 12px }</style>
<p id="say" role="status">Opening NAME's tab ...</p>
<script type="module">
const port = PORT, path = PATH, roots = [`http://127.0.0.1:${port}`];
try {
  const config = JSON.parse(parent.document.getElementById("jupyter-config-data").textContent);
  roots.push(`${parent.location.origin}${config.baseUrl}proxy/${port}`);
  if (!["127.0.0.1", "localhost", "[::1]"].includes(parent.location.hostname)) roots.reverse();
} catch {}
let theme = "";
try { theme = parent.document.body.dataset.jpThemeLight === "false" ? "#dark" : "#light" } catch {}
let found;
for (const root of roots) {
  const own = root.startsWith(roots.length > 1 ? parent.location.origin + "/" : "-");
  try {
    const answer = await fetch(root + path, { mode: own ? "same-origin" : "no-cors", cache: "no-store" });
    if (own && !answer.ok) continue;
    found = root;
    break;
  } catch {}
}
if (found) location.replace(found + path + theme);
else document.getElementById("say").textContent = "There is no way from this browser to the port of the kernel. Where JupyterLab runs on " +
  "another machine, it needs the package jupyter-server-proxy. NAME's tab runs there without a window.";
</script>"""
"""Looks for the way to the page: a port of this machine, or jupyter-server-proxy. It runs with the origin of JupyterLab."""


class TabFrame:
    """What a cell shows of a tab."""

    def __init__(self, tab: Tab) -> None:
        self._tab = tab

    def __repr__(self) -> str:
        return f"{self._tab.name}'s browser tab. Run this cell to see it."

    def _repr_mimebundle_(self, **options: Any) -> dict[str, Any]:
        """A frame, and a text for viewers that cannot show it. The address is in no stored output: a widget's content is not stored."""
        port, _, path = self._tab.address.removeprefix("http://127.0.0.1:").partition("/")
        name = html.escape(self._tab.name)
        page = FINDS.replace("NAME", name).replace("PORT", port).replace("PATH", json.dumps("/" + path))
        frame = widgets.HTML(
            f'<iframe title="{name}\'s browser tab" srcdoc="{html.escape(page)}" '
            'style="width:100%;height:232px;border:1px solid #8c8c8c;border-radius:4px;background:Canvas"></iframe>'
        )
        bundle: dict[str, Any] = frame._repr_mimebundle_(**options)
        return {**bundle, "text/plain": repr(self)}


async def browser_tab(lab: Lab, name: str, **settings: Any) -> Tab:
    """Let somebody take part from a browser: show the page, and return when that is connected.

    settings    retries, ack_timeout, ids, keep_offset: as in lab.tab.TabSettings

    A tab of this name that is there already is shown again, where it is wanted now. Where nobody looks (no page is loaded within eight
    seconds) the same client runs without a window, in Node.js or in Chromium. Raises NoBrowser if neither is installed, NameTaken,
    InvalidSetting.
    """
    if not isinstance(lab, Lab):
        raise TypeError(f"browser_tab(lab, name) takes a started lab: lab = await Lab.start(). It was given {type(lab).__name__}.")
    there = lab.participants.get(name)
    tab = there if isinstance(there, Tab) and not settings else await lab.open_tab(name, **settings)
    display(TabFrame(tab))  # type: ignore[no-untyped-call]
    patience = 0.0 if os.environ.get(WINDOWLESS) == "windowless" else PATIENCE
    if not await tab.until_opened(patience):
        await lab.open_without_window(tab)
    return tab
