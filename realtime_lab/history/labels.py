"""Labels: what a message is called where there is little room. #4, with more words only where that would mean two messages."""

from collections import Counter, defaultdict

from realtime_lab.history.journeys import Copy, Journeys


class Labels:
    """Short names for the messages of one history."""

    def __init__(self, journeys: Journeys) -> None:
        sources = {copy.message.source.seq: copy.message.source for copy in journeys.copies}.values()
        self._many = len({source.origin for source in sources}) > 1
        counts = Counter(source.event for source in sources)
        self._usual = min(counts, key=lambda event: (-counts[event], event), default="")
        self._authors: dict[tuple[str, str, int], set[str]] = defaultdict(set)
        """(node, event, n) -> who wrote the #n of this event that this node received."""
        for (node, _), copy in journeys.receptions.items():
            source = copy.message.source
            self._authors[node, source.event, source.number].add(source.origin)

    def on_arrow(self, copy: Copy) -> str:
        """The author only on a relay, and only where there are several; a lost relay is seen to come from its arrow."""
        return self._label(copy, self._many and copy.message.source.origin != copy.sender and copy.fate == "arrived")

    def at_node(self, copy: Copy) -> str:
        """Beside the receiver's own marks, where no arrow tells whose it is."""
        source = copy.message.source
        return self._label(copy, len(self._authors[copy.receiver, source.event, source.number]) > 1)

    def _label(self, copy: Copy, author: bool) -> str:
        source = copy.message.source
        return " ".join([source.origin] * author + [source.event] * (source.event != self._usual) + [source.label])


def full_name(copy: Copy) -> str:
    """For a tooltip: which message, whose, from where to where."""
    source = copy.message.source
    author = "" if source.origin == copy.sender else f" of {source.origin}"
    return f"{source.event or 'message'} {source.label}{author} from {copy.sender} to {copy.receiver}"
