"""A pure client and a pure server over a faulty link: hypothesis chooses who moves and what breaks; the promises have to hold all the time.

At the end the link is repaired and the handler content, and everything has to come to rest.
"""

import math
from itertools import pairwise
from pathlib import Path

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from realtime_lab.rules import dedup
from tests.rules.mutation import loaded
from tests.rules.pair import Client, Link, Mood, Options, Rules, Server

MOODS = st.sampled_from(["apply", "apply", "later", "never"])
DRAWS = st.sampled_from([0.0, 0.25, 0.75])


FORGETFUL = Rules(dedup=loaded(Path(dedup.__file__), "ANSWERS = 512", "ANSWERS = 5"))
"""The server remembers as many answers as the largest window here has places, and no more."""


class Twice(AssertionError):
    """An effect happened twice."""


class Reordered(AssertionError):
    """An effect happened after a later one."""


class World:
    """Both sides, the link and the clock."""

    def __init__(self, rules: Rules, options: Options, *, numbered: bool = True) -> None:
        self.now = 0.0
        self.client, self.server = Client(rules, options), Server(rules, numbered=numbered)

    def emit(self, count: int = 1) -> None:
        for _ in range(count):
            self.client.emit(self.now)

    def connect(self) -> None:
        link = Link()
        self.server.accept(link, self.client.first)
        self.client.connected(link, self.now)

    def arrive_up(self, count: int, mood: Mood = "apply") -> None:
        for _ in range(count):
            if self.server.link is not None and self.server.link.up:
                self.server.receive(mood)

    def arrive_down(self, count: int, draw: float = 0.0) -> None:
        for _ in range(count):
            if self.client.link is not None and self.client.link.down:
                self.client.hear(self.now, draw)

    def cut(self, up: int = 0, down: int = 0) -> None:
        if self.client.link is not None:
            self.client.link.cut(up, down)

    def notice(self) -> None:
        """The client learns that its connection is over; what had arrived before was read before."""
        if self.client.link is not None and self.client.link.broken:
            self.arrive_down(len(self.client.link.down))
            self.client.disconnected()

    def wait(self, seconds: float, draw: float = 0.0) -> None:
        self.now += seconds
        self.client.tick(self.now, draw)

    def lose_acks(self) -> None:
        """The way back is stalled: everything is applied and committed, and no answer arrives before the cut."""
        self.arrive_up(100)
        self.server.commit()
        self.cut()
        self.notice()

    def heal(self) -> None:
        """Everything works again, for as long as it takes. Raises AssertionError if they do not come to rest."""
        self.notice()
        for _ in range(300):
            if self.client.link is None:
                self.connect()
            link = self.client.link
            assert link is not None
            self.arrive_up(100)
            self.server.commit()
            self.arrive_down(100)
            if not self.client.pending:
                return
            if not (link.up or link.down):
                assert self.client.next_deadline() < math.inf, f"{self.client.pending} wait for nothing"
                self.wait(max(0.0, self.client.next_deadline() - self.now))
        raise AssertionError(f"{self.client.pending} do not come to rest")


class PairMachine(RuleBasedStateMachine):
    """`under_test`: the modules under test. `numbered`: the server keeps a ledger."""

    under_test = FORGETFUL
    numbered = True
    windows = st.integers(1, 5)
    unwritten = 3
    """So many of the client's latest notes may be lost with its process."""

    @initialize(data=st.data(), retries=st.sampled_from([0, 1, 2, math.inf, math.inf]), age=st.sampled_from([None, None, 3.0]))
    def start(self, data: st.DataObject, retries: float, age: float | None) -> None:
        window, delay = data.draw(self.windows), data.draw(st.sampled_from([0.0, 1.0]))
        self.world = World(self.under_test, Options(retries, window, age, delay), numbered=self.numbered)
        self.world.connect()

    @rule(count=st.integers(1, 3))
    def emit(self, count: int) -> None:
        self.world.emit(count)

    @precondition(lambda self: self.world.client.link is None or self.world.client.link.broken)
    @rule()
    def connect(self) -> None:
        self.world.notice()
        self.world.connect()

    @precondition(lambda self: self.world.server.link and self.world.server.link.up)
    @rule(moods=st.lists(MOODS, min_size=1, max_size=5))
    def arrive_up(self, moods: list[Mood]) -> None:
        for mood in moods:
            self.world.arrive_up(1, mood)

    @precondition(lambda self: self.world.server.open)
    @rule()
    def commit(self) -> None:
        self.world.server.commit()

    @precondition(lambda self: self.world.client.link and self.world.client.link.down)
    @rule(count=st.integers(1, 5), draw=DRAWS)
    def arrive_down(self, count: int, draw: float) -> None:
        self.world.arrive_down(count, draw)

    @precondition(lambda self: self.world.client.link and not self.world.client.link.broken)
    @rule(moods=st.lists(MOODS, min_size=1, max_size=5), draw=DRAWS)
    def round_trip(self, moods: list[Mood], draw: float) -> None:
        """All at once, as on a quick link."""
        self.arrive_up(moods)
        self.world.server.commit()
        self.world.arrive_down(100, draw)

    @rule(kind=st.sampled_from(["cut", "lost acks", "server crash", "crash after commit", "client restart"]), kept=st.integers(0, 3))
    def trouble(self, kind: str, kept: int) -> None:
        """`kept`: how many in flight, or unwritten, still make it."""
        world = self.world
        if kind == "cut":
            world.cut(up=kept, down=3 - kept)
        elif kind == "lost acks":
            world.lose_acks()
        elif kind == "client restart":
            world.client.restart(world.now, lost=min(3 - kept, self.unwritten))
        else:
            world.cut(up=0, down=kept)
            if kind == "crash after commit":
                world.server.commit()
            world.server.crash()

    @precondition(lambda self: self.world.client.link and self.world.client.link.broken)
    @rule()
    def notice(self) -> None:
        self.world.notice()

    @rule(seconds=st.sampled_from([0.5, 1.0, 2.0, 4.0]), draw=DRAWS)
    def wait(self, seconds: float, draw: float) -> None:
        self.world.wait(seconds, draw)

    @invariant()
    def no_effect_happens_twice(self) -> None:
        if hasattr(self, "world"):
            effects = self.world.server.effects
            if len(effects) != len(set(effects)):
                raise Twice(effects)

    @invariant()
    def the_order_of_the_client_is_kept(self) -> None:
        if hasattr(self, "world"):
            first_times = list(dict.fromkeys(self.world.server.effects))
            if any(later < earlier for earlier, later in pairwise(first_times)):
                raise Reordered(first_times)

    @invariant()
    def what_was_acknowledged_was_applied_and_what_was_rejected_was_not(self) -> None:
        if hasattr(self, "world"):
            effects, told = set(self.world.server.effects), self.world.client.told
            assert {n for n, outcome in told.items() if outcome == "acked"} <= effects, "acknowledged, and lost"
            assert not {n for n, outcome in told.items() if outcome == "rejected"} & effects, "rejected, and applied"

    def teardown(self) -> None:
        if hasattr(self, "world"):
            self.world.heal()
            client = self.world.client
            assert set(client.told) == set(range(1, client.highest + 1)), "everything is settled in the end"
            assert not self.numbered or self.world.server.stored[0] == client.highest, "no number is left open at the server"
            self.no_effect_happens_twice()
            self.the_order_of_the_client_is_kept()
            self.what_was_acknowledged_was_applied_and_what_was_rejected_was_not()


class AtLeastOnceMachine(PairMachine):
    """No ledger: everything that arrives is applied. With a window of 1 the order holds nevertheless; effects twice are no fault here.

    Only the ledger remembers what was refused for good, so here a client has to: no note of it is lost.
    """

    numbered = False
    windows = st.just(1)
    unwritten = 0

    @invariant()
    def no_effect_happens_twice(self) -> None:
        """Not promised."""

    @invariant()
    def what_was_acknowledged_was_applied_and_what_was_rejected_was_not(self) -> None:
        if hasattr(self, "world"):
            told = self.world.client.told
            assert {n for n, outcome in told.items() if outcome == "acked"} <= set(self.world.server.effects), "acknowledged, and lost"


class OnceMachine(AtLeastOnceMachine):
    """No ledger, and yet no effect twice is asked for: hypothesis has to find the schedule that breaks this."""

    @invariant()
    def no_effect_happens_twice(self) -> None:
        PairMachine.no_effect_happens_twice(self)


class OrderedMachine(AtLeastOnceMachine):
    """No ledger and a larger window, and yet order is asked for: this has to be found broken too."""

    windows = st.integers(2, 3)
