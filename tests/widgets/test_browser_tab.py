"""A tab in a real browser: by itself, in a frame of JupyterLab, and through jupyter-server-proxy; and what a stranger's page gets."""

import asyncio
import contextlib
import re
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from playwright.sync_api import Page, Route
from playwright.sync_api import TimeoutError as NothingCame

from realtime_lab import Lab
from realtime_lab.lab.side_channel import PAGE
from realtime_lab.lab.tab import Tab
from tests.lab.storm import retrying, storm
from tests.widgets.browser import Notebook, browser_page, jupyterlab, write_notebook

ARTEFACTS = Path(__file__).resolve().parents[2] / "artefacts"
CHAT = "chat message"

CELLS = (
    "from realtime_lab import Lab\nfrom realtime_lab.widgets import browser_tab, control_room\nlab = await Lab.start(log=True)",
    'carol = await browser_tab(lab, "carol")',
    "await lab.settle()",
    "print(len(lab.participants), carol.connected)",
)

STRANGER = """<!doctype html><title>a page of somebody else</title><script type="module">
import { io } from "./socket.io.esm.min.mjs";
const attempt = (url, transports) => new Promise((done) => {
  const socket = io(url, { transports, reconnection: false, forceNew: true });
  socket.on("connect", () => done("connected"));
  socket.on("connect_error", (error) => done(error.message));
});
window.attempt = attempt;
window.read = (url) => fetch(url).then((answer) => answer.text(), (error) => String(error));
window.ready = true;
</script>"""


class OnLoop:
    """A loop in a thread, for the tests here are synchronous."""

    def __init__(self) -> None:
        self.loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self.loop.run_forever, daemon=True)
        self._thread.start()

    def __call__(self, work: Any) -> Any:
        return asyncio.run_coroutine_threadsafe(work, self.loop).result(30)

    def stop(self) -> None:
        self.loop.call_soon_threadsafe(self.loop.stop)
        self._thread.join()
        self.loop.close()


@pytest.fixture
def run() -> Iterator[OnLoop]:
    on_loop = OnLoop()
    yield on_loop
    on_loop.stop()


@pytest.fixture
def lab(run: OnLoop) -> Iterator[Lab]:
    lab = run(_started())
    yield lab
    run(lab.close())


async def _started() -> Lab:
    return await Lab.start(name="browser", log=True)


@pytest.fixture
def page(browser: str, tmp_path: Path) -> Iterator[Page]:
    with browser_page(browser, tmp_path, width=980, height=300) as page:
        yield page


def chips(page: Any, name: str) -> list[str]:
    return page.get_by_role("list", name=name, exact=True).locator("li").all_text_contents()


def shows(page: Page, name: str, *labels: str) -> None:
    """Wait until the list has these chips."""
    for _ in range(100):
        if chips(page, name) == list(labels):
            return
        page.wait_for_timeout(20)
    assert chips(page, name) == list(labels)


def press(page: Any, name: str) -> None:
    page.get_by_role("button", name=name, exact=True).click()


@pytest.mark.full
@pytest.mark.browser
def test_a_tab_is_cut_refreshed_and_opened_elsewhere(lab: Lab, run: OnLoop, page: Page) -> None:
    carol = run(lab.open_tab("carol"))
    bob = run(lab.join("bob"))
    wrong: list[str] = []
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.goto(carol.address)
    assert run(carol.until_opened(10))
    page.get_by_text("connected", exact=True).wait_for()
    press(page, "Emit")
    press(page, "Emit, 1 s for an ack")
    run(lab.settle())
    bob.emit(CHAT, 1)
    run(lab.settle())
    page.get_by_text("chat message: 1 · offset 3").wait_for()
    shows(page, "What it was told", "#2 acknowledged")
    assert [event.transport for event in lab.wire("carol") if event.text in ("2probe", "open")] == ["polling", "websocket"]
    boxes = [box.bounding_box() for box in page.get_by_role("button").all()]
    press(page, "Go offline")
    page.get_by_text(re.compile("^disconnected")).wait_for()
    for _ in range(2):
        press(page, "Emit")
    shows(page, "Send buffer", "#3", "#4")
    assert [box.bounding_box() for box in page.get_by_role("button").all()] == boxes  # nothing jumps
    ARTEFACTS.mkdir(exist_ok=True)
    page.screenshot(path=ARTEFACTS / "tab_offline.png")
    press(page, "Refresh the tab")  # although it is cut off
    page.get_by_text(re.compile("^disconnected")).wait_for()
    shows(page, "Send buffer")
    press(page, "Go online")
    page.get_by_text("connected", exact=True).wait_for()
    press(page, "Emit")
    run(lab.settle())
    leg = lab.verdict().leg("carol", "server")
    assert (leg.received, [label for label, _ in leg.lost]) == (("#1", "#2", "#5"), ["#3", "#4"])
    page.get_by_label("keep the offset in localStorage").click()
    page.get_by_label("keep the offset in localStorage").and_(page.locator(":checked")).wait_for()
    run(lab.settle())
    with page.context.expect_page() as opening:
        page.get_by_role("link", name="Open in a tab of its own").click()
    opening.value.get_by_text("connected", exact=True).wait_for()
    page.get_by_text("This tab is open elsewhere now.").wait_for()
    press(page, "Bring it back here")
    page.get_by_text("connected", exact=True).wait_for()
    opening.value.get_by_text("This tab is open elsewhere now.").wait_for()
    run(lab.settle())
    assert len(lab.server.sids) == 2
    run(lab.close())
    page.get_by_text("The lab is gone.").wait_for()
    with pytest.raises(NothingCame), page.expect_request("**/socket.io/**", timeout=1500):
        pass  # nobody goes on trying to connect
    assert wrong == []
    assert lab.errors == []


@pytest.mark.full
@pytest.mark.browser
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_page_is_readable_by_everybody(lab: Lab, run: OnLoop, page: Page, axe: str, scheme: Any) -> None:
    carol = run(lab.open_tab("carol"))
    page.emulate_media(color_scheme=scheme)
    page.goto(carol.address)
    assert run(carol.until_opened(10))
    press(page, "Emit, 1 s for an ack")
    page.get_by_text("#1 acknowledged").wait_for()
    page.evaluate(axe)
    found = page.evaluate("async () => (await axe.run()).violations.map(rule => `${rule.impact} ${rule.id}: ${rule.nodes[0].html}`)")
    assert found == []
    page.set_viewport_size({"width": 490, "height": 300})  # 200 % zoom
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    page.get_by_role("button", name="Emit", exact=True).focus()
    for _ in range(5):
        page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "Refresh the tab"


@pytest.mark.browser
def test_a_strangers_page_and_a_client_without_the_token_are_refused(lab: Lab, run: OnLoop, page: Page) -> None:
    carol = run(lab.open_tab("carol"))
    with _strangers_site(run) as site:
        page.goto(site)
        page.wait_for_function("window.ready")
        url = str(carol.link.url)
        bare = url.split("/?", maxsplit=1)[0]
        for transports in (["polling"], ["websocket"]):
            for where in (url, bare, f"{bare}/?token=guess"):
                said = page.evaluate("([url, transports]) => attempt(url, transports)", [where, transports])
                assert said in ("xhr poll error", "websocket error"), (where, transports)
        for where in (carol.address, carol.address.replace(carol.address.split("/")[3], "guess"), f"{carol.address}tab.mjs"):
            assert "Failed to fetch" in page.evaluate("url => read(url)", where)
    page.goto(bare + "/")
    assert "whole address" in (page.text_content("body") or "")
    page.goto(carol.address.replace(carol.address.split("/")[3], "guess"))
    assert "not its whole address" in (page.text_content("body") or "")
    assert lab.server.sids == ()
    page.goto(carol.address)  # the right page, in the same browser, comes in
    assert run(carol.until_opened(10))
    assert len(lab.server.sids) == 1


@pytest.mark.full
@pytest.mark.browser
@pytest.mark.parametrize("ids", [False, True])
def test_five_hundred_messages_each_way_over_ten_cuts_lose_nothing(run: OnLoop, page: Page, ids: bool) -> None:
    async def opened() -> tuple[Lab, Tab]:
        lab = await Lab.start(name="browser", log=True, dedupe=ids)
        return lab, await lab.open_tab("carol", **retrying(ids=ids))

    lab, carol = run(opened())
    page.goto(carol.address)
    assert run(carol.until_opened(10))
    work = asyncio.run_coroutine_threadsafe(storm(lab, carol, ids=ids), run.loop)
    while not work.done():
        page.wait_for_timeout(100)  # the page's own events are seen to meanwhile
    page.screenshot(path=ARTEFACTS / "tab_storm.png")
    work.result()
    run(lab.close())


@contextlib.contextmanager
def _strangers_site(run: OnLoop) -> Iterator[str]:
    async def page(request: web.Request) -> web.Response:
        return web.Response(text=STRANGER, content_type="text/html")

    async def client(request: web.Request) -> web.Response:
        return web.Response(body=(PAGE / "socket.io.esm.min.mjs").read_bytes(), content_type="text/javascript")

    async def start() -> web.AppRunner:
        app = web.Application()
        app.add_routes([web.get("/", page), web.get("/socket.io.esm.min.mjs", client)])
        runner = web.AppRunner(app, handle_signals=False, shutdown_timeout=0.1)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        return runner

    runner = run(start())
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}/"
    finally:
        run(runner.cleanup())


@pytest.mark.full
@pytest.mark.browser
@pytest.mark.parametrize("route", ["a port of this machine", "jupyter-server-proxy", "none"])
def test_a_frame_in_jupyterlab_finds_its_way(browser: str, tmp_path: Path, route: str) -> None:
    folder = tmp_path / "notebooks"
    write_notebook(folder / "tab.ipynb", CELLS)
    with jupyterlab(folder, tmp_path) as address, browser_page(browser, tmp_path) as page:
        lab_port = address.rsplit(":", 1)[1]

        def blocked(way: Route) -> None:
            """What a reader elsewhere cannot reach."""
            if way.request.url.split("/")[2] != f"127.0.0.1:{lab_port}" or (route == "none" and "/proxy/" in way.request.url):
                way.abort()
            else:
                way.continue_()

        if route != "a port of this machine":
            page.context.route("http://127.0.0.1:*/**", blocked)
        opened = Notebook(page, address, "tab.ipynb")
        opened.run_all()
        frame = page.frame_locator('iframe[title="carol\'s browser tab"]')
        if route == "none":
            frame.get_by_text("no way from this browser").wait_for()
        else:
            frame.get_by_text("connected", exact=True).wait_for()
            inner = page.frames[-1].url
            assert ("/proxy/" in inner) == (route == "jupyter-server-proxy")
            frame.get_by_role("button", name="Emit", exact=True).click()
            frame.get_by_text("chat message: 1 · offset 1").wait_for()
        page.screenshot(path=ARTEFACTS / f"tab_{route.split(maxsplit=1)[0]}.png")
        opened.sees("1 True")
        page.evaluate("() => window.jupyterapp.commands.execute('docmanager:save')")
        stored = (folder / "tab.ipynb").read_text(encoding="utf-8")
        assert "carol's browser tab" in stored
        assert not re.search(r"/[\w-]{22}/carol/|token=", stored)
