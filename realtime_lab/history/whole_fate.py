"""The whole fate of a message: everything that happened to it on all of its ways, in one sentence of plain words.

The words follow the message: how its client sent it, how it was stored, what each receiver got, and what its sender was told. What counts
as arrived or lost is asked of the hops, as the verdict does, so the sentence and the score cannot disagree.
"""

from collections import defaultdict
from collections.abc import Container, Iterator, Sequence

from realtime_lab.history.copies import SERVER, Copy, Message
from realtime_lab.history.hops import TURNED_AWAY, Passage, passages_of
from realtime_lab.history.journeys import Journeys

ORDINALS = ("first", "second", "third", "fourth", "fifth")
TIMES = {1: "once", 2: "twice"}


def whole_fates(journeys: Journeys, messages: Container[int] | None = None) -> dict[int, str]:
    """Where it was handed in (journal position) -> its sentence: for these messages, or for all."""
    families: dict[int, list[Message]] = {}
    for message in journeys.messages:
        if messages is None or message.source.seq in messages:
            families.setdefault(message.source.seq, []).append(message)
    return {seq: _Telling(journeys, family).sentence for seq, family in families.items()}


class _Telling:
    """One message, and what the server passed on or stored of it."""

    def __init__(self, journeys: Journeys, family: Sequence[Message]) -> None:
        self._journeys = journeys
        self._source = family[0].source
        self._from_server = [message for message in family if message.origin == SERVER]

    @property
    def sentence(self) -> str:
        first, *rest = [*self._way_up(), *self._stored(), *self._ways_down(), *self._told()]
        return f"{self._name} {'; '.join([first, *rest])}."

    @property
    def _name(self) -> str:
        source = self._source
        owner = f"{'The ' * (source.origin == SERVER)}{source.origin}'s"
        return f"{owner} {source.event or 'message'} {source.label if source.number or source.offset >= 0 else 'of an earlier time'}"

    # -- from its client to the server ------------------------------------------------------------------------------------------------

    def _way_up(self) -> Iterator[str]:
        source = self._source
        tries = [copy for copy in source.copies if copy.sender != SERVER and not copy.tombstone]
        refused = next((copy.refused for copy in tries if copy.refused), "")
        if source.origin == SERVER:
            yield from () if source.logged else ("was emitted",)
        elif refused:
            yield f"was refused by emit: {refused}"
        elif not tries:
            yield self._unsent()
        elif len(tries) == 1:
            yield _try(tries[0], "was")
        else:
            yield f"was sent {_times(len(tries))}"
            yield from _alike(tries)
        if source.given_up and not source.kept:
            yield f"{source.origin} gave it up"

    def _unsent(self) -> str:
        if self._source.kept:
            return f"is kept by {self._source.origin} and not sent yet"
        return "was never sent" + (f": {self._source.gone}" if self._source.gone else "")

    # -- in the log -------------------------------------------------------------------------------------------------------------------

    def _stored(self) -> Iterator[str]:
        """The first clause if the server itself published it."""
        for message in self._from_server:
            if message.logged:
                it = "" if message is self._source else "it "
                yield f"{it}was stored at offset {message.offset}"

    # -- from the server to each receiver ---------------------------------------------------------------------------------------------

    def _ways_down(self) -> Iterator[str]:
        """Receivers with the same fate share one clause."""
        clauses: dict[str, list[str]] = defaultdict(list)
        for receiver in self._receivers():
            for pattern in self._at(receiver):
                clauses[pattern].append(receiver)
        for pattern, names in clauses.items():
            yield _said_of(pattern, names)

    def _receivers(self) -> list[str]:
        reached = {copy.receiver for message in self._from_server for copy in message.copies if copy.receiver}
        meant = {name for message in self._from_server for name in message.meant_for}
        return [name for name in self._journeys.joined if name in reached | meant] + sorted(reached - set(self._journeys.joined))

    def _at(self, receiver: str) -> Iterator[str]:
        """What came of it at this receiver. {whose} and {who} stand for it, or for all to whom the same happened."""
        log, ends = self._journeys.log, (SERVER, receiver)
        passages = [passages[ends] for message in self._from_server if ends in (passages := passages_of(message, log))]
        copies = [copy for passage in passages for copy in passage.copies]
        if given := [copy for passage in passages for copy in passage.given]:
            yield _given(given)
            yield from (f"a copy to {{who}} was lost: {copy.reason}" for copy in copies if copy.fate == "lost")
        else:
            yield _missing(passages, copies, receiver)
        if any(copy.repeat for copy in copies):
            yield "a copy that came to {who} again was not handled"

    # -- back to its sender -----------------------------------------------------------------------------------------------------------

    def _told(self) -> Iterator[str]:
        """Only who asks for an acknowledgement is told anything."""
        source = self._source
        acks = [copy.ack for copy in source.copies if copy.ack is not None]
        lost = [ack.reason for ack in acks if ack.fate == "lost"]
        for reason in dict.fromkeys(lost):
            many = lost.count(reason)
            yield f"{'an ack was' if many == 1 else f'{many} acks were'} lost: {reason}"
        if source.settled == "acked":
            yield f"{source.origin} has {'a later' if lost else 'its'} ack"
        elif source.settled == "rejected":
            yield f"{source.origin} was told that it is rejected"
        elif source.unsure:
            yield f"{source.origin} does not know its fate"
        elif source.kept and source.tries:
            yield f"{source.origin} waits for its ack"


# -- words ------------------------------------------------------------------------------------------------------------------------------


def _try(copy: Copy, was: str) -> str:
    """What became of one try; `was`: "was", or "were" if it is said of several."""
    if copy.fate == "lost":
        return f"{was} lost on the way to the server: {copy.reason}"
    if copy.fate == "in flight":
        is_, link = "is" if was == "was" else "are", f"{copy.sender}'s link"
        return f"{is_} held by {link}" if copy.held >= 0 > copy.wire else f"{is_} still on the way to the server"
    if copy.turned_away:
        return f"reached the server, but no handler: {TURNED_AWAY.get(copy.turned_away, copy.turned_away)}"
    if copy.undone_at >= 0:
        return f"reached the server's handler, and what that did was undone: {copy.undone}"
    return "reached the server's handler" + (", which failed" if copy.failed >= 0 > copy.handled else "")


def _alike(tries: Sequence[Copy]) -> Iterator[str]:
    """Tries with the same end share one clause."""
    ends: dict[str, list[int]] = defaultdict(list)
    for number, copy in enumerate(tries):
        ends[_try(copy, "was")].append(number)
    for numbers in ends.values():
        yield f"{_which(numbers)} {_try(tries[numbers[0]], 'was' if len(numbers) == 1 else 'were')}"


def _which(numbers: Sequence[int]) -> str:
    if numbers[-1] >= len(ORDINALS):
        return f"{len(numbers)} of these" if len(numbers) > 1 else f"try {numbers[0] + 1}"
    return _listed([f"the {ORDINALS[number]}" for number in numbers])


def _given(given: Sequence[Copy]) -> str:
    if all(copy.wire_only for copy in given):
        return f"it crossed {{whose}} link {_times(len(given))}"
    replayed = " as a replay" * all(copy.replayed for copy in given)
    failed = ", and failed" * all(copy.failed >= 0 > copy.handled for copy in given)
    return f"{{whose}} handler got it {_times(len(given))}{replayed}{failed}"


def _missing(passages: Sequence[Passage], copies: Sequence[Copy], receiver: str) -> str:
    """No handler of this receiver got it."""
    ends = {passage.stage: passage.reason for passage in passages}
    moving = [copy for copy in copies if copy.fate == "in flight"]
    if any(copy.held >= 0 > copy.wire for copy in moving):
        return "it is held by {whose} link"
    if moving:
        return "it is still on the way to {who}"
    if "in flight" in ends:
        return "the log keeps it for {who}"
    reason = ends.get("lost", "").removeprefix(f"{receiver} was ")
    left = any(copy.connection is not None for copy in copies)
    return f"it was lost on the way to {{who}}: {reason}" if left else f"{{who}} missed it: {reason}"


def _said_of(pattern: str, names: Sequence[str]) -> str:
    whose = _listed([f"{name}'s" for name in names])
    handlers = f"{whose} handlers" if len(names) > 1 else f"{whose} handler"
    return pattern.replace("{whose} handler", handlers).replace("{whose}", whose).replace("{who}", _listed(names))


def _listed(words: Sequence[str]) -> str:
    return f"{', '.join(words[:-1])} and {words[-1]}" if len(words) > 1 else "".join(words)


def _times(count: int) -> str:
    return TIMES.get(count, f"{count} times")
