"""Labels: what a message is called where there is little room. #4, with more words only where that would mean two messages."""

from collections import Counter, defaultdict
from collections.abc import Iterable

from realtime_lab.history.copies import Copy, Message


class Names:
    """Whose messages, and of which events, there are in a history."""

    def __init__(self) -> None:
        self._known: set[int] = set()
        self._origins: set[str] = set()
        self._events: Counter[str] = Counter()

    def add(self, source: Message) -> None:
        """An application handed this in."""
        if source.seq not in self._known:
            self._known.add(source.seq)
            self._origins.add(source.origin)
            self._events[source.event] += 1

    @property
    def many(self) -> bool:
        """Are there several authors?"""
        return len(self._origins) > 1

    @property
    def usual(self) -> str:
        """The event of most of them."""
        return min(self._events, key=lambda event: (-self._events[event], event), default="")


class Labels:
    """Short names for the messages of one picture."""

    def __init__(self, names: Names, copies: Iterable[Copy]) -> None:
        self._many, self._usual = names.many, names.usual
        self._authors: dict[tuple[str, str, int], set[str]] = defaultdict(set)
        """(node, event, n) -> who wrote the #n of this event that this node received."""
        for copy in copies:
            source = copy.message.source
            if copy.received >= 0:
                self._authors[copy.receiver, source.event, source.number].add(source.origin)

    def on_arrow(self, copy: Copy) -> str:
        """The author only on a relay, and only where there are several; a lost relay is seen to come from its arrow."""
        author = self._many and copy.message.source.origin != copy.sender and copy.fate == "arrived"
        return self._label(copy.message.source, author) + (" skip" if copy.tombstone else f" try {copy.attempt}" * (copy.attempt > 1))

    def at_node(self, copy: Copy) -> str:
        """Beside the receiver's own marks, where no arrow tells whose it is."""
        source = copy.message.source
        label = self._label(source, len(self._authors[copy.receiver, source.event, source.number]) > 1)
        return label + f" try {copy.attempt}" * (copy.attempt > 1)

    def at_home(self, message: Message) -> str:
        """Beside its author's own marks."""
        return self._label(message.source, author=False)

    def in_log(self, message: Message) -> str:
        """Beside the log's own marks."""
        return self._label(message.source, self._many and message.root is not None)

    def _label(self, source: Message, author: bool) -> str:
        named = source.number > 0 and source.event != self._usual
        return " ".join([source.origin] * author + [source.event] * named + [source.label])


def full_name(copy: Copy) -> str:
    """For a tooltip: which message, whose, from where to where."""
    source = copy.message.source
    author = "" if source.origin == copy.sender else f" of {source.origin}"
    again = ", tombstone" if copy.tombstone else f", try {copy.attempt}" * (copy.attempt > 1)
    named = source.number or source.offset >= 0
    name = f"{source.event or 'message'} {source.label}" if named else "an earlier message"
    sender = "the log" if copy.from_log else copy.sender
    return f"{name}{author} from {sender} to {copy.receiver}{again}"
