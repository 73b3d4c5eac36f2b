"""What a failure of a piece is booked on, what is excused, and that nothing which hangs or dies stays without its seed."""

import asyncio
import logging
import subprocess
import sys
from collections import Counter
from concurrent.futures import Future
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from realtime_lab.errors import RealtimeLabError, StoreFailed, StoreInUse, TryAgain
from realtime_lab.net.reporting import report
from tests.checks import CHECKS
from tests.kept import tree_hash
from tests.soak import __main__ as soak
from tests.soak import orders, pieces
from tests.soak.down_schedule import CAST
from tests.soak.listener import NOT_NOW, Listener
from tests.soak.pieces import MODES, Failure, Mode, Outcome, fails, piece, unexpected
from tests.soak.shortest import shortest
from tests.soak.storm_server import StormServer
from tests.soak.test_soak import small
from tests.soak.totals import State
from tests.soak.watched_link import WatchedLink


@dataclass
class Ran:
    """What came out of a seed."""

    schedule: Any
    totals: Counter[str] = field(default_factory=lambda: Counter(seeds=1))
    reported: list[str] = field(default_factory=list)

    @property
    def wrong(self) -> dict[str, Any]:
        return {"reported": self.reported} if self.reported else {}


async def keeps_every_promise(schedule: Any) -> Ran:
    return Ran(schedule)


async def second_raises(seed: int) -> Ran:
    if seed == 2:
        raise ZeroDivisionError
    return Ran(seed)


async def second_reports(seed: int) -> Ran:
    await asyncio.sleep(0.01 * seed)
    if seed == 2:
        await asyncio.create_task(_reporting())
    return Ran(seed)


async def _reporting() -> None:
    report("in the background", OSError())


async def second_hangs(seed: int) -> Ran:
    try:
        await asyncio.sleep(60 if seed == 2 else 0)
    finally:
        await asyncio.sleep(60 if seed == 2 else 0)  # as a close() that does not come to its end
    return Ran(seed)


def of(monkeypatch: pytest.MonkeyPatch, run: Any) -> Outcome:
    monkeypatch.setitem(MODES, "test", Mode(3, lambda seed: seed, run))
    return piece("test", [1, 2, 3])


@pytest.mark.parametrize(
    ("run", "why", "counted"), [(second_raises, "ZeroDivisionError", 2), (second_reports, "background", 3), (second_hangs, "hangs", 2)]
)
def test_what_fails_is_booked_on_its_own_seed_and_the_others_count(
    monkeypatch: pytest.MonkeyPatch, run: Any, why: str, counted: int
) -> None:
    monkeypatch.setattr(pieces, "LIMIT", 0.1)
    outcome = of(monkeypatch, run)
    assert [failure.seed for failure in outcome.failures] == [2]
    assert why in outcome.failures[0].wrong
    assert outcome.totals == {"seeds": counted}
    assert [asyncio.run(fails("test", seed)) for seed in (1, 2)] == [False, True]  # and so it can be made shorter


def test_where_a_seed_hangs_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pieces, "LIMIT", 0.1)
    assert "await asyncio.sleep(60 if seed == 2 else 0)" in of(monkeypatch, second_hangs).failures[0].wrong


def test_what_a_piece_silences_is_heard_again_after_it(monkeypatch: pytest.MonkeyPatch) -> None:
    of(monkeypatch, second_raises)
    assert logging.getLogger("realtime_lab").isEnabledFor(logging.WARNING)


@pytest.mark.full
def test_a_process_that_does_not_come_to_its_end_is_ended_and_says_where_it_was() -> None:
    program = "import time; from tests.soak.pieces import ends_within\nwith ends_within(0.1): time.sleep(60)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, check=False, timeout=30)
    assert (done.returncode, b"Timeout" in done.stderr, b"line 2" in done.stderr) == (1, True, True)


def test_of_a_process_that_died_the_pieces_that_were_running_are_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    running = soak.Soak(State(tmp_path / "state.json", "this tree"), 60, 2, first=100)
    for mode, place in (("storm", 0), ("down", 1)):
        future = Future[Outcome]()
        future.set_exception(BrokenProcessPool())
        running.running[future] = mode, place, 0.0
        running.finish(future)
    named = [(failure.mode, failure.seed) for failure in State(tmp_path / "state.json", "this tree").failures]
    assert named == [("storm", 100), *(("down", seed) for seed in range(104, 108))]
    assert "FAILED down:107: a process ended before its piece" in capsys.readouterr().out


def test_each_content_of_the_tree_tries_other_seeds_and_any_can_be_repeated(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    firsts: list[int] = []
    monkeypatch.setattr(soak, "ROOT", tmp_path)
    monkeypatch.setattr(soak.Soak, "run", lambda self: firsts.append(self.first))
    for arguments in ([], ["--from", "7"]):
        monkeypatch.setattr(sys, "argv", ["soak", *arguments])
        soak.main()
    assert firsts == [int(tree_hash()[:5], 16), 7]


def test_what_does_not_fail_again_is_not_said_to_be_shortened(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> None:
    async def never(schedule: Any) -> bool:
        return False

    async def too_slow(schedule: Any) -> bool:
        await asyncio.sleep(60)
        return True

    assert asyncio.run(shortest(small(), never)) is None
    assert asyncio.run(shortest(small(), too_slow, seconds=0.05)) is None
    monkeypatch.setitem(MODES, "test", Mode(1, lambda seed: small(), keeps_every_promise))
    soak.shrink(Failure("test", 5, "reported"))
    assert "could not be repeated: by itself test:5 does not fail again" in capfd.readouterr().out


def test_the_check_has_the_time_that_a_soak_takes_at_most() -> None:
    (check,) = [each for each in CHECKS if each.name == "soak"]
    minutes = float(check.command[check.command.index("--minutes") + 1])
    assert check.minutes * 60 >= minutes * 60 + pieces.LIMIT + soak.SHRINKING + 2 * pieces.GRACE


# -- what is excused ----------------------------------------------------------------------------------------------------------------


def test_only_what_handlers_were_told_to_raise_is_excused_and_one_halt_for_four_of_it() -> None:
    raised = [TryAgain(NOT_NOW) for _ in range(4)]
    halt = f"the client has halted at 'news', offset 3 (TryAgain: {NOT_NOW}): client.resume() tries again", RealtimeLabError()
    assert unexpected([*((f"the handler news() raised {error}", error) for error in raised), halt], raised) == []
    assert len(unexpected([halt], raised[:3])) == 1
    assert len(unexpected([halt, halt], raised)) == 1
    assert unexpected([("the handler news() of 'news' raised TryAgain: not now", TryAgain(NOT_NOW))], raised) != []


class Halted:
    """A client that has halted."""

    resumed = 0

    def resume(self) -> None:
        self.resumed += 1


def test_who_was_not_told_to_fail_has_to_go_on_by_himself(tmp_path: Path) -> None:
    listener, client = Listener(CAST[0], tmp_path, tmp_path, []), Halted()
    listener.client, listener.link = client, WatchedLink(1)  # type: ignore[assignment]
    listener.mend()
    assert client.resumed == 0
    listener.raised.append(TryAgain(NOT_NOW))
    listener.mend()
    assert client.resumed == 1


class Limits:
    """As the module `resource`."""

    RLIMIT_FSIZE, RLIM_INFINITY = 1, -1

    def setrlimit(self, what: int, limits: tuple[int, int]) -> None: ...


def test_a_full_disk_explains_what_fails_until_a_little_after_there_is_room(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [100.0]
    monkeypatch.setattr(orders, "resource", Limits())
    monkeypatch.setattr(orders.time, "monotonic", lambda: now[0])
    disk, failed = orders.Disk(), StoreFailed("no space")
    disk.room()
    assert not disk.explains(failed)
    disk.full(1000)
    now[0] = 1e6
    assert disk.explains(failed)
    assert not disk.explains(StoreInUse("by another"))
    disk.room()
    assert disk.explains(failed)
    now[0] += orders.GRACE - 1
    disk.room()
    assert disk.explains(failed)
    now[0] += 1
    assert not disk.explains(failed)


async def test_a_server_that_cannot_store_although_there_is_room_has_not_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    async def no_space(*arguments: Any, **options: Any) -> int:
        raise StoreFailed("no space")

    server = StormServer(tmp_path / "log.db", 0, dedupe=True, red=set())
    server.server.publish = no_space  # type: ignore[method-assign]
    with pytest.raises(StoreFailed):
        await server._publish("server 1")
    assert capsys.readouterr().out == ""
