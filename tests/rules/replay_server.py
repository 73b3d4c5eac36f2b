"""A server made of the pure rules of replay, and of real SQL. What it tells its clients is compared with the book of its log."""

from dataclasses import dataclass
from typing import Any, Literal

from tests.rules.replay_log import Book, Log, Page, Row
from tests.rules.replay_pair import Client, Event, Link, Rules


@dataclass(frozen=True)
class Design:
    """How the server is built around the rules. Each of these, set otherwise, is a server that loses something."""

    autoincrement: bool = True
    ordered: bool = True
    broadcast: bool = False
    """What is published goes to everybody who is connected at once, beside the cursor."""
    early: Literal["", "replay", "session"] = ""
    """What the connect handler does, before the connection is accepted."""


class Server:
    """A cursor for each connection. A restart forgets them all; the log keeps what was committed."""

    def __init__(self, rules: Rules, design: Design) -> None:
        self.rules, self.design = rules, design
        self.log = Log(autoincrement=design.autoincrement, ordered=design.ordered)
        self.book = Book("A")
        self.links: dict[Client, Link] = {}
        self.serial = 0

    def dial(self, client: Client) -> None:
        """The client asks for a connection. Its old one, if the server still has it, is over."""
        if client in self.links:
            self.links[client].cut()
        known = client.inbox.position
        link = Link(known, self.book, self.rules.cursor.Cursor(known), epoch=client.standing.book.epoch if client.standing.book else "")
        self.links[client] = client.link = link
        if self.design.early:
            self._greet(link)
        if self.design.early == "replay":
            self.feed(client, 1000)
        elif self.design.early == "session":
            link.down.clear()  # who is not accepted yet does not listen

    def accept(self, client: Client) -> None:
        link = self.links[client]
        link.accepted = True
        if not self.design.early:
            self._greet(link)
        elif self.design.early == "replay":
            link.cursor.after = self.log.read(0, 0).head  # from here on it is one of the live ones

    def feed(self, client: Client, limit: int) -> bool:
        """The cursor sends one page. True: there is more."""
        link = self.links[client]
        page = self.log.read(link.cursor.after, limit, client.rooms)
        last = len(page.events) < limit
        effects = link.cursor.read([(o, Event(o, serial)) for o, serial in page.events], trimmed=page.trimmed, head=page.head, last=last)
        for effect in effects:
            if isinstance(effect, self.rules.cursor.Tell):
                self._tell(link, effect.session, page)
            else:
                link.send(effect.event)
        link.read_to = page.head if last else page.events[-1][0]
        return not last

    def publish(self, *rooms: str, gap: int = 0, commit: bool = True) -> None:
        """One event for each of these rooms, "" is everybody, in one transaction."""
        rows = self.log.append([(room, self.serial + i) for i, room in enumerate(rooms, 1)], gap=gap, commit=commit)
        self.serial += len(rows)
        if commit:
            self.book.rows += rows
        if commit and self.design.broadcast:
            self._broadcast(rows)

    def restart(self, keep: int = 0) -> None:
        for link in self.links.values():
            link.cut(keep)
        self.links = {}

    def replace(self, log: Log, book: Book, keep: int = 0) -> None:
        """It starts again, and its database is another one."""
        self.restart(keep)
        self.log.close()
        self.log, self.book = log, book

    def _greet(self, link: Link) -> None:
        page = self.log.read(0, 0)
        link.head, link.read_to = page.head, link.known.offset if link.known else page.head
        tell = link.cursor.begin(epoch=self.book.epoch, trimmed=page.trimmed, head=page.head)
        self._tell(link, tell.session, page)
        link.read_to, link.epoch = tell.session.offset, self.book.epoch

    def _tell(self, link: Link, session: Any, page: Page) -> None:
        """Every reason is true, and nothing that is left is left out."""
        book, gone = link.book, link.book.between(link.read_to, page.trimmed)
        true = {
            "": link.epoch == book.epoch and not gone,
            "new": link.known is None and session.offset == page.head,
            "epoch-changed": link.epoch not in ("", book.epoch),
            "ahead": link.epoch == book.epoch and link.known is not None and link.known.offset > book.head,
            "truncated": link.epoch == book.epoch and bool(gone),
        }
        assert true[session.reason], f"{session.reason!r} is not true"
        assert session.offset <= page.head, "it would wait for what never comes"
        assert session.reason not in ("truncated", "epoch-changed") or not book.between(page.trimmed, session.offset)
        assert session.recovered == (session.reason == "")
        link.send(session)

    def _broadcast(self, rows: list[Row]) -> None:
        for client, link in self.links.items():
            for row in rows:
                if link.accepted and row.room in ("", *client.rooms):
                    link.send(Event(row.offset, row.serial))
