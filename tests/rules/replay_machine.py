"""A log, cursors and three clients: hypothesis chooses who moves and what breaks; the promise has to hold all the time.

The promise: what each client has handled is what the log has for it, in that order, from its first offset on; or it was told the true
reason why not. At the end everything is repaired, and has to come to rest with nothing left out.
"""

import math
from typing import Literal

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from tests.rules.replay_log import Book, Log
from tests.rules.replay_pair import Client, Rules
from tests.rules.replay_server import Design, Server

ALL = 200
TRIMS = {"trim one": 0.0, "trim half": 0.5, "trim all": 1.0}


class World:
    """The server, its clients, the clock, and the backups of the database that runs."""

    def __init__(self, rules: Rules | None = None, design: Design | None = None) -> None:
        rules = rules or Rules()
        self.now = 0.0
        self.server = Server(rules, design or Design())
        self.alice = Client(rules, delay=1.0)
        self.bob = Client(rules, rooms=("a",), store=True, delay=1.0)
        self.carol = Client(rules, rooms=("a", "b"), store=True)
        self.clients = (self.alice, self.bob, self.carol)
        self.backups: list[tuple[Log, Book]] = []
        self.databases = 1

    def connect(self, *clients: Client, accept: bool = True) -> None:
        for client in clients or self.clients:
            client.notice()
            if client.link is None:
                self.server.dial(client)
            if accept and not self.server.links[client].accepted:
                self.server.accept(client)

    def feed(self, client: Client, pages: int = ALL, limit: int = 2) -> None:
        """The cursor of its connection, if that was accepted, sends so many pages at most, until it has caught up."""
        link = self.server.links.get(client)
        if link is None or not link.accepted:
            return
        for _ in range(pages):
            if not self.server.feed(client, limit):
                return
        assert pages < ALL, "it never catches up"

    def handle(self, client: Client) -> None:
        """Everything that has come, and can be done now, without an error."""
        while client.step(self.now):
            pass

    def begin(self, client: Client) -> None:
        """What has come up to the next event, whose handler then runs."""
        while client.running is None:
            assert client.step(self.now), "there is none"

    def deliver(self, *clients: Client) -> None:
        """All at once, as on a quick link."""
        for client in clients or self.clients:
            self.feed(client)
            client.arrive()
            self.handle(client)

    def cut(self, client: Client, keep: int = 0) -> None:
        if client.link is not None:
            client.link.cut(keep)

    def trim(self, share: float, beyond: int = 0) -> None:
        """Remove the older part of what is there `beyond` an offset, one event at least, and everything before it."""
        page = self.server.log.read(0, 0)
        rows = self.server.book.between(max(page.trimmed, beyond), page.head)
        if rows:
            self.server.log.trim(rows[max(0, math.ceil(share * len(rows)) - 1)].offset + 1)

    def new_database(self, keep: int = 0) -> None:
        self.databases += 1
        design = self.server.design
        log = Log(autoincrement=design.autoincrement, ordered=design.ordered)
        self._forget_backups(0)
        self.server.replace(log, Book(f"epoch {self.databases}"), keep)

    def back_up(self) -> None:
        """The last two are kept."""
        self._forget_backups(0, len(self.backups) - 1)
        book = self.server.book
        self.backups.append((self.server.log.copy(), Book(book.epoch, list(book.rows))))

    def restore(self, keep: int = 0) -> None:
        """The oldest backup. Later ones are of a history that did not happen."""
        log, book = self.backups[0]
        self._forget_backups(1)
        self.server.replace(log.copy(), Book(book.epoch, list(book.rows)), keep)

    def heal(self) -> None:
        """Everything works again, for as long as it takes. Raises AssertionError if something is left out then."""
        for client in self.clients:
            self.connect(client)
            for _ in range(100):
                self.deliver(client)
                client.resume()
                deadline = client.inbox.next_deadline()
                if deadline is None and client.inbox.idle:
                    break
                self.now = max(self.now, deadline or 0.0)
            assert client.inbox.idle and client.inbox.halted is None, "it does not come to rest"
        self.check()
        for client in self.clients:
            at, book = client.standing, self.server.book
            assert at.book is book, "it was never told where it stands"
            assert at.astray or len(at.behind) == len(book.visible(client.rooms, at.start)), "lost, and nobody told it"

    def check(self) -> None:
        for client in self.clients:
            client.standing.check(client.rooms)

    def ends_with(self, client: Client, applied: list[int], told: list[str]) -> None:
        self.heal()
        found = (list(client.standing.applied), client.told)
        assert found == (applied, told), f"it ends with {found}"

    def close(self) -> None:
        self._forget_backups(0)
        self.server.log.close()

    def _forget_backups(self, first: int, end: int | None = None) -> None:
        for log, _ in self.backups[first:end]:
            log.close()
        del self.backups[first:end]


class ReplayMachine(RuleBasedStateMachine):
    """`under_test`: the modules under test. `design`: how the server is built around them."""

    under_test = Rules()
    design = Design()
    who = st.integers(0, 2)
    rooms = st.lists(st.sampled_from(["", "", "a", "b"]), min_size=1, max_size=4)
    few = st.lists(st.sampled_from(["", "", "a", "b"]), max_size=2)
    troubles = st.sampled_from(
        ["", "trim one", "trim one", "trim half", "trim all", "restart", "uncommitted", "new database", "restore", "restore"]
    )

    def __init__(self) -> None:
        super().__init__()
        self.world = World(self.under_test, self.design)

    @initialize(connected=st.integers(0, 3), published=st.integers(0, 3))
    def some_are_there_already(self, connected: int, published: int) -> None:
        for client in self.world.clients[:connected]:
            self.world.connect(client)
        self.world.server.publish(*[""] * published)

    @rule(rooms=rooms, gap=st.sampled_from([0, 0, 2]), backed_up=st.booleans(), delivered=st.booleans())
    def publish(self, rooms: list[str], gap: int, backed_up: bool, delivered: bool) -> None:
        if backed_up:
            self.world.back_up()
        self.world.server.publish(*rooms, gap=gap)
        if delivered:
            self.world.deliver()

    @rule(who=who, pages=st.integers(1, 2), limit=st.integers(1, 3), count=st.integers(0, 6), steps=st.integers(0, 6))
    def go_on_a_little(self, who: int, pages: int, limit: int, count: int, steps: int) -> None:
        """The cursor sends some of what there is, some of what is in flight arrives, and a handler may still be running after this."""
        client = self.world.clients[who]
        self.world.connect(client)
        self.world.feed(client, pages, limit)
        client.arrive(count)
        for _ in range(steps):
            client.step(self.world.now)

    @rule(who=who, dialled=st.booleans())
    def connect(self, who: int, dialled: bool) -> None:
        """`dialled`: only that; it is accepted later."""
        self.world.connect(self.world.clients[who], accept=not dialled)

    @rule()
    def all_go_on(self) -> None:
        self.world.connect()
        self.world.deliver()

    @rule(
        who=who,
        times=st.integers(1, 9),
        full=st.sampled_from([0, 0, 2, 5]),
        draw=st.sampled_from([0.0, 0.5]),
        then=st.sampled_from(["", "resume", "resume", "skip"]),
    )
    def its_handler_raises(self, who: int, times: int, full: int, draw: float, then: Literal["", "resume", "skip"]) -> None:
        """`full`: so long because of a full disk. `then`: what the application says when it halts."""
        client, world = self.world.clients[who], self.world
        world.connect(client)
        world.server.publish("", "")
        world.feed(client)
        client.arrive()
        for turn in range(2 * times):
            if not client.step(world.now, raises=True, counts=turn >= full, draw=draw):
                world.now = max(world.now, client.inbox.next_deadline() or 0.0)
            if client.inbox.halted is not None and then == "resume":
                client.resume()
            elif client.inbox.halted is not None and then == "skip":
                client.skip()

    @rule(
        who=who,
        keep=st.integers(0, 3),
        steps=st.sampled_from([0, 1, 1, 2]),
        trimmed=st.sampled_from([None, None, 0.0, 0.5]),
        troubles=st.lists(troubles, max_size=2),
        caught_up=st.booleans(),
        before=st.sampled_from([[], [""], ["", "", ""], ["b", ""], ["a", "b", "", ""]]),
        after=few,
        back=st.sampled_from(["", "dialled", "connected", "connected", "delivered"]),
    )
    def gone_for_a_while(
        self,
        who: int,
        keep: int,
        steps: int,
        trimmed: float | None,
        troubles: list[str],
        caught_up: bool,
        before: list[str],
        after: list[str],
        back: str,
    ) -> None:
        """`keep`: so many in flight still arrive. `steps`: of its handlers, so one may still be running when it is back.

        `trimmed`: that part of what it would need.
        """
        client, world = self.world.clients[who], self.world
        if caught_up:
            world.connect(client)
            world.deliver(client)
        world.server.publish(*before)
        world.feed(client, 2)
        world.cut(client, keep)
        client.arrive()
        for _ in range(steps):
            client.step(world.now)
        if trimmed is not None and client.inbox.position is not None:
            world.trim(trimmed, client.inbox.position.offset)
        for trouble in troubles:
            self.trouble(trouble, keep)
        world.server.publish(*after)
        if back:
            world.connect(client, accept=back != "dialled")
        if back == "delivered":
            world.deliver(client)

    @rule(trouble=troubles, rooms=few)
    def trouble_after_all_have_caught_up(self, trouble: str, rooms: list[str]) -> None:
        """And whoever is still connected goes on."""
        self.world.server.publish(*rooms)
        self.world.deliver()
        self.trouble(trouble, 0)
        self.world.deliver()

    @rule(trouble=troubles, keep=st.integers(0, 3))
    def trouble(self, trouble: str, keep: int) -> None:
        world = self.world
        if trouble == "new database":
            world.new_database(keep)
        elif trouble == "restore" and world.backups:
            world.restore(keep)
        elif trouble in TRIMS:
            world.trim(TRIMS[trouble])
        elif trouble in ("restart", "uncommitted"):
            if trouble == "uncommitted":
                world.server.publish("", "a", commit=False)
            world.server.restart(keep)

    @rule(who=who, lost=st.integers(0, 2), steps=st.integers(0, 3))
    def restart_a_client(self, who: int, lost: int, steps: int) -> None:
        """Before the last `lost` of its notes are written."""
        for _ in range(steps):
            self.world.clients[who].step(self.world.now)
        self.world.clients[who].restart(lost)

    @invariant()
    def each_has_what_the_log_has_or_was_told_why_not(self) -> None:
        self.world.check()

    def teardown(self) -> None:
        try:
            self.world.heal()
        finally:
            self.world.close()
