"""A tally is the sum of what is known by now of each message, however often that has changed."""

from hypothesis import given, settings
from hypothesis import strategies as st

from realtime_lab.history.arrivals import Arrival
from realtime_lab.history.copies import Message
from realtime_lab.history.tally import Entry, Tally
from tests.examples import examples

LISTS = [("sent",), ("sent", "lost"), ("sent", "in flight"), ("refused",), ("sent", "unknown"), ("sent", "lost", "acked, unhandled"), ()]

entries = st.tuples(
    st.sampled_from(["alice", "bob"]),
    st.sampled_from(["chat", "news"]),
    st.sampled_from(LISTS),
    st.booleans(),
    st.booleans(),
    st.booleans(),
)
"""Origin, event, the lists; was a handler given it, has that returned, was it seen on the wire only?"""


def entry(seq: int, origin: str, event: str, on: tuple, given: bool, done: bool, wire_only: bool) -> Entry:
    """Of the message that was handed in at `seq`; given: a handler got it 100 later; done: and returned 200 later."""
    message = Message(origin, event, seq, "", seq)
    arrival = Arrival(seq + 100, seq + 200 if done else -1, seq, (origin, False), (0, seq))
    return Entry(message, f"#{seq}", (0, seq), on, (arrival,) if given else (), "the link was cut" * ("lost" in on), wire_only)


@settings(max_examples=examples(100), deadline=None)
@given(st.lists(st.tuples(st.integers(1, 5), st.none() | entries), max_size=20))
def test_it_says_what_is_known_last_of_each_message(changes: list) -> None:
    tally, known = Tally("alice", "bob"), {}
    for seq, what in changes:
        known.pop(seq, None)
        if what is not None:
            known[seq] = entry(seq, *what)
        tally.put(seq, known.get(seq))
        assert_it_says(tally, dict(sorted(known.items())))


def test_what_is_taken_back_is_counted_no_more() -> None:
    tally = Tally("alice", "bob")
    tally.put(1, entry(1, "alice", "chat", ("sent",), given=True, done=True, wire_only=True))
    assert tally.leg.wire_only
    tally.put(1, None)
    assert_it_says(tally, {})


def assert_it_says(tally: Tally, known: dict[int, Entry]) -> None:
    counted = [each.source for each in known.values() if {"sent", "refused"} & set(each.on)]
    author, event = len({each.origin for each in counted}) > 1, len({each.event for each in counted}) > 1
    labels = {seq: " ".join([each.source.origin] * author + [each.source.event] * event + [each.label]) for seq, each in known.items()}
    on = {name: tuple(labels[seq] for seq, each in known.items() if name in each.on) for names in LISTS for name in names}
    leg, done = tally.leg, tuple(labels[seq] for seq, each in known.items() for arrival in each.given if arrival.done >= 0)
    assert (leg.sent, leg.in_flight, leg.refused, leg.unknown) == (on["sent"], on["in flight"], on["refused"], on["unknown"])
    assert leg.lost == tuple((label, "the link was cut") for label in on["lost"])
    assert leg.acked_unhandled == on["acked, unhandled"]
    assert leg.received == tuple(labels[seq] for seq, each in known.items() if each.given)
    assert (leg.begun, leg.finished) == (done, done)
    assert leg.wire_only == any(each.wire_only for each in known.values())
    assert tally.leg is leg, "as long as nothing changes it is not made again"
    assert tally.first == min(((0, seq, seq) for seq in known), default=None)
