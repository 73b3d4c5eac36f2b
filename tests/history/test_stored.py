"""Stored: what was left behind for whom, and what was in the log before anybody watched."""

from realtime_lab.history.copies import Message
from realtime_lab.history.journeys import Journeys
from realtime_lab.history.stored import Loss, Standing
from tests.history.stories import CHAT
from tests.history.stories_of_replay import Replays


def test_a_session_of_which_one_learns_later_whose_it_is_counts_from_when_it_was_told() -> None:
    standing = Standing("bob", {}, [])
    standing.follows = True
    early, later, between = Loss(10, "truncated"), Loss(30, "new"), Loss(20, "ahead")
    standing.leave_behind(0, 5, early)
    standing.leave_behind(0, 9, later)
    standing.leave_behind(0, 7, between)
    standing.leave_behind(0, 3, Loss(15, "new"))
    found = [standing.loss(Message("server", CHAT, 1, "", 1, offset=offset, born=1)) for offset in range(2, 11)]
    assert found == [early, early, early, early, between, between, later, later, None]


def test_what_was_stored_before_this_history_has_what_its_first_copy_says_of_it() -> None:
    story = Replays("bob")
    story.journal.record("server", "sent", sid="sid1", event=CHAT, offset=7, text="hello")
    (message,) = Journeys(story.events).messages
    assert (message.text, message.seq, message.born, message.offset) == ("hello", story.events[-1].seq, -1, 7)
