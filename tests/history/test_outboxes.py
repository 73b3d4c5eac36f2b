"""Outboxes: what a client has handed in, still keeps, and was told, however often that has changed."""

from realtime_lab.history.copies import Copy, Message
from realtime_lab.history.outboxes import Outboxes


def sent(message: Message, *, tombstone: bool = False) -> None:
    message.copies.append(Copy(message, "alice", "server", "upstream", 20, tombstone=tombstone))


def piles(outboxes: Outboxes, *changed: Message) -> dict[str, list[str]]:
    """What lies on alice's piles, these messages having changed."""
    outboxes.update(changed)
    return {pile: shelf.items for pile, shelf in outboxes.of("alice").piles.items() if len(shelf)}


def test_a_message_lies_on_one_pile_which_says_how_often_it_was_sent() -> None:
    outboxes, first, second = Outboxes(), Message("alice", "chat", 1, "", 7, kept=True), Message("alice", "chat", 2, "", 9, kept=True)
    assert piles(outboxes, second, first) == {"waiting": ["#1", "#2"]}
    sent(first)
    assert piles(outboxes, first) == {"waiting": ["#2"], "under way": ["#1"]}
    sent(first)
    assert piles(outboxes, first) == {"waiting": ["#2"], "under way": ["#1 (try 2)"]}
    for told in ("unknown", "acked", "rejected"):
        first.settle(told, "")
        assert piles(outboxes, first) == {"waiting": ["#2"], told: ["#1"]}
    first.settled = ""  # thrown away: it was told nothing
    assert piles(outboxes, first) == {"waiting": ["#2"]}


def test_it_was_handed_in_if_it_has_a_number_was_sent_or_was_kept() -> None:
    outboxes, other = Outboxes(), Message("alice", "chat", 0, "", 10)
    numbered, kept, tombstone = Message("alice", "chat", 1, "", 7), Message("alice", "chat", 0, "", 8), Message("alice", "chat", 0, "", 9)
    kept.was_kept = other.was_kept = True
    sent(tombstone, tombstone=True)
    passed_on = Message("server", "chat", 1, "", 11, root=numbered)
    outboxes.update([numbered, kept, tombstone, other, passed_on])
    assert outboxes.of("alice").handed_in == {7, 8, 9, 10}
    assert outboxes.of("server").handed_in == set()
    other.was_kept = False  # it turned out to be another one
    outboxes.update([other])
    assert outboxes.of("alice").handed_in == {7, 8, 9}
