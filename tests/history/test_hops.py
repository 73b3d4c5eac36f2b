"""Hops: what one message became on each hop, whatever its copies were."""

from realtime_lab.history.copies import Connection, Copy, Message
from realtime_lab.history.hops import Passage, passages_of
from realtime_lab.history.journeys import Journeys


def sent(message: Message, sender: str, receiver: str, seq: int, connection: Connection | None = None, **more: int) -> Copy:
    """One more copy of this message; without a connection it is lost."""
    direction = "downstream" if sender == "server" else "upstream"
    message.copies.append(Copy(message, sender, receiver, direction, seq, connection, **more))
    return message.copies[-1]


def passage(message: Message) -> Passage:
    """On its only hop."""
    (found,) = passages_of(message, Journeys([]).log).values()
    return found


def test_it_was_meant_for_a_receiver_when_the_first_copy_was_sent() -> None:
    message = Message("alice", "chat", 1, "", 7)
    for seq in (8, 9):
        sent(message, "alice", "server", seq)
    assert passage(message).since == (8, 0)


def test_what_has_arrived_moves_as_long_as_another_copy_is_under_way() -> None:
    message, connection = Message("alice", "chat", 1, "", 7), Connection("sid1", "alice")
    arrived = sent(message, "alice", "server", 8, connection, received=10)
    again = sent(message, "alice", "server", 9, connection)
    assert (passage(message).stage, passage(message).given, passage(message).moving) == ("arrived", (arrived,), True)
    again.dropped = 11
    assert not passage(message).moving


def test_a_handler_was_given_what_it_refused_for_good_once() -> None:
    message, connection = Message("alice", "chat", 1, "", 7, settled="rejected"), Connection("sid1", "alice")
    for seq in (8, 9):
        sent(message, "alice", "server", seq, connection, received=seq + 10, undone_at=seq + 20, failed=seq + 20)
    assert passage(message).given == (message.copies[-1],)


def test_only_what_is_in_the_log_is_lost_by_a_standing_to_it_and_the_link_says_why() -> None:
    broken = Connection("sid1", "bob", client_over=True, why="the link was cut")
    emitted, stored = Message("server", "chat", 1, "", 7), Message("server", "chat", 2, "", 9, offset=1, born=9, logged=True)
    for message in (emitted, stored):
        sent(message, "server", "bob", message.seq + 1, broken)
        assert (passage(message).stage, passage(message).reason) == ("lost", "the link was cut")
    assert passage(emitted).loss is None
    assert passage(stored).loss is not None
