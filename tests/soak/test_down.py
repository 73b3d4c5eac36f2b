"""Random faults on the real stack while the server publishes, small; and the judge, and weaker code that it sees failing."""

import asyncio
from contextlib import nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, cast

import pytest

from realtime_lab.errors import NotConnected
from realtime_lab.net.client import Client
from realtime_lab.net.client_store import ClientStore
from realtime_lab.net.connection import Connection
from realtime_lab.net.delivery import Delivery, Fate
from realtime_lab.net.incoming import Incoming
from realtime_lab.rules import cursor
from realtime_lab.rules.replay import Position, Session, handled, welcome
from tests.examples import every_fourth
from tests.soak.down import DownResult, DownRun, run_down
from tests.soak.down_judge import Found, Life, judge, twice
from tests.soak.down_schedule import CAST, NAMES, Deed, Down, Role, down_schedule
from tests.soak.listener import DEPOSIT, Listener, answer_to
from tests.soak.pieces import several
from tests.soak.storm_judge import PUBLISHED


def test_every_client_is_given_the_log_from_its_first_offset_on_once_and_in_order() -> None:
    done = asyncio.run(several("down", range(1, 5)))
    assert {result.schedule.seed: result.wrong for result in done if result.wrong} == {}
    assert sum(result.total("applied") for result in done) > 800
    assert min(sum(result.totals[what] for result in done) for what in ("cuts", "crashes", "refreshes")) > 1


def test_who_was_away_while_the_log_was_trimmed_is_told_so() -> None:
    result = asyncio.run(run_down(Down(0, TRIMMED)))
    assert (result.wrong, result.total("excused")) == ({}, 5 * 6)


def test_a_seed_is_a_schedule() -> None:
    assert down_schedule(7) == down_schedule(7) != down_schedule(8)


# -- what the judge sees ------------------------------------------------------------------------------------------------------------

ROWS = {1: ("a", ""), 2: ("b", ""), 4: ("c", ""), 5: ("d", "red"), 7: ("e", "")}


def judged(*runs: str, first: int = 0, truncated: tuple[int, ...] = (), **life: Any) -> Found:
    return judge(Life("alice", first=first, truncated=list(truncated), runs=[list(run) for run in runs], **life), ROWS)


def test_the_judge_wants_everything_after_the_first_offset_that_may_be_seen() -> None:
    assert judged("abce") == Found(applied=4)
    assert judged("abcde", red=True) == Found(applied=5)
    assert judged("ce", first=2) == Found(applied=2)
    assert judged("ab", over=True) == Found(applied=2)
    assert judged(first=-1) == Found()
    assert judged("ab").lost == [4, 7]
    assert judged("ae").lost == [2, 4]
    assert judged("abce", red=True).lost == [5]
    assert judged("abcde").invented == ["d"]
    assert judged("abce", first=2).invented == ["a", "b"]
    assert judged("abcef").invented == ["f"]


def test_the_judge_sees_repeats_and_another_order() -> None:
    assert judged("abbce").repeated == ["b"]
    assert judged("abcabce").repeated == ["a", "b", "c"]
    assert judged("acbe") == Found(lost=[2], reordered=["b"], applied=4)


def test_a_refresh_may_cut_off_what_follows_one_handler() -> None:
    assert judged("ab", "bce") == Found(cut_off=1, applied=4)
    assert judged("ab", "abce").repeated == ["a", "b"]
    assert judged("ab", "", "e").lost == [4]


def test_only_a_session_that_said_truncated_excuses_and_only_what_came_before_it() -> None:
    assert judged("ae", truncated=(4,)) == Found(excused=2, applied=2)
    assert judged("ae", truncated=(2,)) == Found(lost=[4], excused=1, applied=2)
    assert judged("ac", truncated=(7,)) == Found(lost=[2], excused=1, applied=2)


def test_a_session_has_to_be_true() -> None:
    def untrue(*said: tuple[int, str]) -> list[str]:
        life = Life("alice", runs=[[]])
        for offset, reason in said:
            life.told(offset, reason, least=3, head=6, trims=[5])
        return life.untrue

    assert untrue((4, "new"), (4, ""), (5, "truncated")) == []
    killed = Life("alice", runs=[[], []])
    killed.told(4, "", least=3, head=6, trims=[])
    assert (killed.untrue, killed.first) == ([], 4)
    for wrong in (
        [(4, "")],
        [(2, "new")],
        [(7, "new")],
        [(4, "new"), (6, "new")],
        [(4, "new"), (4, "truncated")],
        [(4, "new"), (9, "ahead")],
    ):
        assert len(untrue(*wrong)) == 1


def test_what_is_in_the_log_twice_is_seen() -> None:
    assert twice({1: ("a", ""), 2: ("b", ""), 3: ("a", "")}) == ["a"]


# -- what clients emit --------------------------------------------------------------------------------------------------------------


def counted(folder: Path, rows: dict[int, tuple[str, str]]) -> DownResult:
    """Alice has emitted two, and "server 0" was stored at 2."""
    run = DownRun(Down(0, ()), folder, limit=1.0)
    run.listeners["alice"].voice.emitted = 2
    run.result.rows, run.published = rows, {"server 0": 2, "server 1": None}
    run.count()
    return run.result


GOOD = {1: ("red alice 1", "red"), 2: ("server 0", ""), 3: ("alice 2", ""), 4: ("the end", "")}
BAD = [
    ({2: ("server 0", ""), 3: ("alice 2", ""), 4: ("alice 1", "")}, "up: effects once: reordered", "alice"),
    ({**GOOD, 5: ("red alice 1", "red")}, "up: effects once: twice", "alice"),
    ({**GOOD, 3: ("alice 3", "")}, "up: effects once: lost", "alice"),
    ({**GOOD, 2: ("server 1", "")}, f"{PUBLISHED}: lost", "the server"),
    ({**GOOD, 5: ("server 0", "")}, f"{PUBLISHED}: twice", "the server"),
]


@pytest.mark.parametrize(("rows", "word", "of"), BAD)
def test_what_is_handed_in_is_judged_by_the_rows_of_the_log_and_counted(tmp_path: Path, rows: Any, word: str, of: str) -> None:
    assert counted(tmp_path, GOOD).wrong == {}
    result = counted(tmp_path, rows)
    assert f"{word}: {of}" in result.wrong
    assert result.totals[word] == 1


@dataclass
class Refusing:
    """A client that takes nothing."""

    connected: bool = False

    def emit(self, event: str, name: str) -> Delivery:
        raise NotConnected(name)


@pytest.mark.parametrize(("numbered", "connected"), [(False, False), (False, True), (True, False)])
def test_only_a_bare_client_may_refuse_and_only_while_it_is_not_connected(tmp_path: Path, numbered: bool, connected: bool) -> None:
    listener = Listener(Role("anna", numbered=numbered), tmp_path, tmp_path, [])
    listener.client = cast(Client, Refusing(connected))
    with pytest.raises(NotConnected) if numbered or connected else nullcontext():
        listener.emit(1)
    assert listener.voice.told == ({} if numbered or connected else {"refused": {1}})


async def test_what_an_application_was_told_is_compared_with_what_it_emitted(tmp_path: Path) -> None:
    listener, every = Listener(CAST[0], tmp_path, tmp_path, []), [Delivery(asyncio.get_running_loop()) for _ in range(5)]
    listener.deliveries = {n: (answer_to(DEPOSIT, f"alice {n}"), delivery) for n, delivery in enumerate(every, 1)}
    for delivery, fate in zip(every, (Fate("acked", "alice 1"), Fate("acked", "alice 1"), Fate("acked"), Fate("unknown")), strict=False):
        delivery.settle(fate)
    listener.outcomes()
    assert listener.voice.told == {"acked": {1}, "misanswered": {2, 3}, "unknown": {4}, "": {5}}


# -- weaker code --------------------------------------------------------------------------------------------------------------------

SETTLED = Deed("until", detail="settled")
HALTED = (SETTLED, Deed("fail", ("carol",), 4), Deed("publish", count=2), Deed("until", ("carol",), detail="halted"))
AWAY = (SETTLED, Deed("cut", NAMES), Deed("publish", count=3, pause=30), Deed("restore", NAMES))
ON_ITS_WAY = (
    Deed("stall", ("bob",), detail="downstream"),
    Deed("publish", count=3, pause=60),
    Deed("cut", ("bob",)),
    Deed("restore", ("bob",)),
)
TRIMMED = (
    SETTLED,
    Deed("cut", NAMES),
    Deed("publish", count=8),
    Deed("until", detail="stored"),
    Deed("trim", count=2),
    Deed("restore", NAMES),
)
NEWS = (Deed("publish", count=2), SETTLED)


def kept_early(patch: pytest.MonkeyPatch) -> None:
    handle = Incoming._handle

    async def early(self: Incoming, item: Any) -> None:
        self._inbox.position = handled(self._inbox.position, item.offset)
        await self._kept.keep(self._inbox.position)
        await handle(self, item)

    patch.setattr(Incoming, "_stretch", lambda self: None)
    patch.setattr(Incoming, "_handle", early)


def from_the_head(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(cursor, "welcome", lambda known, *, epoch, trimmed, head: Session(epoch, head, "" if known else "new"))


def nothing_is_told(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(cursor, "welcome", lambda known, **log: replace(welcome(known, **log), reason="" if known else "new"))


def only_the_first_is_kept(patch: pytest.MonkeyPatch) -> None:
    move = ClientStore.move

    async def once(self: ClientStore, position: Position) -> None:
        if self.position is None:
            await move(self, position)

    patch.setattr(ClientStore, "move", once)


def polled_again(patch: pytest.MonkeyPatch) -> None:
    """As aiohttp does by itself: a GET that had no answer is sent again, and with it goes what the server had answered."""
    make = Connection.__init__

    def retrying(self: Connection, *arguments: Any) -> None:
        make(self, *arguments)
        self._http._retry_connection = True

    patch.setattr(Connection, "__init__", retrying)


WEAKER = [
    (kept_early, (*HALTED, Deed("refresh", ("carol",))), "lost: carol"),
    (from_the_head, AWAY, "lost: alice"),
    (nothing_is_told, TRIMMED, "lost: alice"),
    (only_the_first_is_kept, (SETTLED, *NEWS, Deed("refresh", ("carol",))), "repeated: carol"),
    (polled_again, ON_ITS_WAY, "lost: bob"),
]


@pytest.mark.parametrize(("weaken", "steps", "broken"), every_fourth(WEAKER, several=True), ids=lambda each: getattr(each, "__name__", ""))
def test_weaker_code_is_seen_to_break(monkeypatch: pytest.MonkeyPatch, weaken: Any, steps: tuple[Deed, ...], broken: str) -> None:
    """Else the first test could not see anything."""

    schedule = Down(0, steps)
    assert asyncio.run(run_down(schedule)).wrong == {}
    weaken(monkeypatch)
    assert any(broken in word for word in asyncio.run(run_down(schedule, limit=3.0)).wrong)
