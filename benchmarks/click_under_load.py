"""From a click to what it changes, in JupyterLab and a real browser, while events flow: python -m benchmarks.click_under_load

alice emits so many messages per second to the server, through her link; each makes some seven events on record. Clicks cut bob's link and
restore it. The clock runs in the page, from a cut until the browser has painted a frame in which bob's row says so (a client that comes
back takes its time, and is not measured). Then the flow ends, and the picture must show it: what queues up in a browser would come late.
The bound: p95 under 150 ms with 2,000 events on record per second, which are 300 messages. With 2,000 messages the kernel is full.
"""

import sys
import tempfile
import time
from pathlib import Path

from playwright.sync_api import Page

from benchmarks.figures import HEAD, row
from tests.widgets.browser import Notebook, browser_page, find_browser, jupyterlab, write_notebook

CLICKS = 80
SECONDS, MESSAGES = 30, 30_000
"""For so long, and so many, the events flow at most: a record has an end (lab/recorded.py)."""

CELLS = (
    """import asyncio, math, time
from realtime_lab import Lab
from realtime_lab.widgets import control_room
lab = await Lab.start(dedupe=True)
alice = await lab.join("alice", retries=math.inf, ack_timeout=30, batch=True)
bob = await lab.join("bob")
lab.server.on("work")(lambda sid, data: None)

async def flow(rate):
    began, sent = time.monotonic(), 0
    while not stopped.is_set():
        due = int(rate * (time.monotonic() - began))
        for n in range(sent, due):
            alice.emit("work", {"n": n})
        sent = due
        await asyncio.sleep(0.01)
    return sent / (time.monotonic() - began)""",
    "control_room(lab)",
    """stopped = asyncio.Event()
flowing = asyncio.create_task(flow(RATE))
asyncio.get_running_loop().call_later(SECONDS, stopped.set)""",
    """stopped.set()
rate = await flowing
await lab.settle(30)
lab.check()
print(f"{rate:.0f} {sum(leg.arrived for leg in lab.verdict().legs)} {len(lab.journal)}")""",
)

SAYS = """([press, word]) => new Promise((resolve, reject) => {
  const [row] = [...document.querySelectorAll('button')].filter(each => each.title === press).map(each => each.parentElement);
  const says = () => row.querySelector('.widget-html').innerText.includes(word);
  const began = performance.now();
  const give_up = setTimeout(() => reject(new Error(`the row does not say ${word}`)), 10000);
  new MutationObserver((changes, observer) => {
    if (!says()) return;
    observer.disconnect();
    clearTimeout(give_up);
    requestAnimationFrame(() => setTimeout(() => resolve((performance.now() - began) / 1000)));
  }).observe(row, {subtree: true, childList: true, characterData: true});
  row.querySelector(`button[title="${press}"]`).click();
})"""

CUT = ("cut bob's connection now (RST) and keep it cut", "cut")
RESTORE = ("make bob's link work again", "connected")


def clicks(page: Page, lasting: float) -> list[float]:
    """Seconds from each click to what it changes, until shortly before the flow ends."""
    ended, seconds = time.monotonic() + lasting - 3, []
    for n in range(CLICKS):
        if time.monotonic() > ended:
            break
        took = page.evaluate(SAYS, [*(CUT, RESTORE)[n % 2]])
        seconds += [took] if n % 2 == 0 else []
        page.wait_for_timeout(200 + 37 * (n % 7))  # as a hand, and at no fixed beat
    return seconds


LAST_CHANGE = """() => new Promise(resolve => {
  const began = performance.now();
  let last = began;
  const observer = new MutationObserver(() => { last = performance.now(); });
  const picture = document.querySelector('.rl-picture svg').parentElement;
  observer.observe(picture.parentElement, {subtree: true, childList: true});
  const looking = setInterval(() => {
    if (performance.now() - last < 700) return;
    clearInterval(looking);
    observer.disconnect();
    resolve((last - began) / 1000);
  }, 50);
})"""
"""Seconds until the picture changed for the last time."""


def measure(page: Page, address: str, rate: int, lasting: float) -> tuple[list[float], str]:
    """The clicks, and a line about the flow."""
    opened = Notebook(page, address, f"{rate}.ipynb")
    opened.run(0)
    opened.run(1)
    page.locator(f'button[title="{CUT[0]}"]').wait_for(timeout=60_000)
    opened.run(2)
    page.wait_for_timeout(1_000)
    seconds = clicks(page, lasting)
    opened.run(3)
    late = page.evaluate(LAST_CHANGE)
    assert not opened.faults(), opened.faults()
    reached, arrived, events = (int(number) for number in page.locator(".jp-OutputArea-output pre").last.inner_text().split())
    told = f"{reached:,} messages per second for {lasting:.0f} s: {arrived:,} arrived, {events:,} events on record"
    return seconds, f"{told}; the picture was at rest {late:.1f} s after the lab"


def main() -> None:
    """Print the table."""
    browser = find_browser()
    if browser is None:
        raise SystemExit("no Chromium or Chrome is installed")
    print(f"from a click to what it changes\n{HEAD.replace('    events', 'messages/s')}")
    for rate in [int(each) for each in sys.argv[1:]] or [0, 300, 1_000, 2_000]:
        lasting = min(SECONDS, MESSAGES / max(1, rate))
        with tempfile.TemporaryDirectory() as scratch:
            folder = Path(scratch) / "notebooks"
            cells = [cell.replace("RATE", str(rate)).replace("SECONDS", str(lasting)) for cell in CELLS]
            write_notebook(folder / f"{rate}.ipynb", cells)
            with jupyterlab(folder, Path(scratch)) as address, browser_page(browser, Path(scratch)) as page:
                seconds, flow = measure(page, address, rate, lasting)
                print(row(rate, seconds), flush=True)
                print(f"{'':>10} {flow}", flush=True)


if __name__ == "__main__":
    main()
