"""Copies: what a message, a connection and an acknowledgement say of themselves."""

import pytest

from realtime_lab.history.copies import Connection, Copy, Message


def test_its_sender_waited_in_vain_for_what_timed_out_was_given_up_or_got_no_answer() -> None:
    message = Message("alice", "chat", 1, "", 7, settled="unknown")
    assert not message.unsure
    assert Message("alice", "chat", 1, "", 7, settled="unknown", timed_out=True).unsure
    assert Message("alice", "chat", 1, "", 7, settled="unknown", unanswered=True).unsure
    message.copies.append(Copy(message, "alice", "server", "upstream", 8, tombstone=True))
    assert message.unsure


@pytest.mark.parametrize(("before", "said"), [("acked", "acked"), ("rejected", "rejected"), ("unknown", "unknown"), ("", "unknown")])
def test_what_its_sender_was_told_is_not_taken_back_where_nobody_knows_any_more(before: str, said: str) -> None:
    message = Message("alice", "chat", 1, "", 7, settled=before, kept=True)
    message.settle("unknown", "the server does not know any more")
    assert (message.settled, message.kept) == (said, False)
    assert message.unanswered is message.unsure is (said == "unknown")


@pytest.mark.parametrize(("server_up", "client_over", "open_"), [(True, False, True), (True, True, False), (False, False, False)])
def test_a_connection_is_open_until_one_side_has_ended_it(server_up: bool, client_over: bool, open_: bool) -> None:
    assert Connection("sid1", server_up=server_up, client_over=client_over).open is open_
