"""Answers to the exercise of lesson 03: one that is right, and the usual mistakes."""


class Solution:
    def __init__(self, limit):
        self.limit = limit
        self.kept = []

    def emit(self, key):
        if len(self.kept) >= self.limit:
            return "refuse"
        self.kept.append(key)
        return "keep"

    def take(self, room):
        taken, self.kept = self.kept[:room], self.kept[room:]
        return taken


class Stub(Solution):
    def emit(self, key):
        raise NotImplementedError('not written yet: emit(key) returns "keep" or "refuse".')


class NewestFirst(Solution):
    """A stack where a queue is needed."""

    def emit(self, key):
        if len(self.kept) >= self.limit:
            return "refuse"
        self.kept.insert(0, key)
        return "keep"


class TakesTheNewest(Solution):
    """Kept in order, but the wrong end leaves first."""

    def take(self, room):
        taken, self.kept = self.kept[-room:], self.kept[:-room]
        return taken


class NoLimit(Solution):
    """A weekend offline fills the memory."""

    def emit(self, key):
        self.kept.append(key)
        return "keep"


class TakeDoesNotRemove(Solution):
    """Looks at the first ones, and leaves them there: they leave again."""

    def take(self, room):
        return self.kept[:room]


class RoomIgnored(Solution):
    """Everything at once, as the JavaScript client does: a cut takes it all."""

    def take(self, room):
        taken, self.kept = self.kept, []
        return taken


class RestForgotten(Solution):
    """Gives out a portion, and throws the rest away."""

    def take(self, room):
        taken, self.kept = self.kept[:room], []
        return taken


class OneTooMany(Solution):
    """`>` in place of `>=`."""

    def emit(self, key):
        if len(self.kept) > self.limit:
            return "refuse"
        self.kept.append(key)
        return "keep"


class OneTooFew(Solution):
    """The limit is thought to be the first number that is too many."""

    def emit(self, key):
        if len(self.kept) + 1 >= self.limit:
            return "refuse"
        self.kept.append(key)
        return "keep"


class OldestDropped(Solution):
    """A ring: what was promised to be kept is thrown away for what is new."""

    def emit(self, key):
        self.kept = [*self.kept, key][-self.limit :]
        return "keep"


class CountsForEver(Solution):
    """Counts what was ever kept, not what waits: after the first flush it is full for ever."""

    def __init__(self, limit):
        super().__init__(limit)
        self.count = 0

    def emit(self, key):
        if self.count >= self.limit:
            return "refuse"
        self.count += 1
        self.kept.append(key)
        return "keep"


class RefusedAndKept(Solution):
    """Says "refuse", and keeps it all the same: its application will emit it again."""

    def emit(self, key):
        self.kept.append(key)
        return "keep" if len(self.kept) <= self.limit else "refuse"


class SharedList(Solution):
    """The list is made once, in the class: all buffers share it."""

    kept = []  # noqa: RUF012  # that is the mistake

    def __init__(self, limit):
        self.limit = limit

    def take(self, room):
        taken = self.kept[:room]
        del self.kept[:room]
        return taken


BEGINS = "alice's buffer has a limit of {}, and 1 at a time can leave; she emits {} offline; the link comes back"
IN_ORDER, OVER, FIRST = BEGINS.format(2, "#1 #2"), BEGINS.format(2, "#1 #2 #3"), BEGINS.format(2, "#1")
NOT_GIVEN, TAKEN = "kept, and never given out", "#3: kept, although all 2 places were taken"
WRONG = {
    NewestFirst: (IN_ORDER, "Arrived: #2 #1.\nThat is not the order"),
    TakesTheNewest: (IN_ORDER, "Arrived: #2 #1.\nThat is not the order"),
    NoLimit: (OVER, TAKEN),
    TakeDoesNotRemove: (FIRST, "#1: sent more than once"),
    RoomIgnored: (
        f"{BEGINS.format(3, '#1 #2')}, and is cut before the first that leaves; it comes back again",
        "#2: given out although there was room for 1 only",
    ),
    RestForgotten: (IN_ORDER, f"#2: {NOT_GIVEN}"),
    OneTooMany: (OVER, TAKEN),
    OneTooFew: (IN_ORDER, "#2: refused, although only 1 of 2 places"),
    OldestDropped: (OVER, f"#1: {NOT_GIVEN}"),
    CountsForEver: (f"{IN_ORDER}, and when some have left she emits #3", "#3: refused, although only 1 of 2 places"),
    RefusedAndKept: (OVER, "3 was never kept"),
    SharedList: (FIRST, "Each buffer needs a list of its own"),
}
"""The case that breaks each of them, and what is found."""
