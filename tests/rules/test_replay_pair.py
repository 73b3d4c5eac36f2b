"""Server and clients together: who comes back gets all that it missed, or the true reason; and what wrongly built servers lose."""

from collections.abc import Callable
from contextlib import closing

import pytest
from hypothesis import settings

from tests.examples import examples
from tests.rules import replay_stories as stories
from tests.rules.replay_machine import ReplayMachine, World
from tests.rules.replay_server import Design
from tests.rules.replay_stories import STORIES

TestReplay = ReplayMachine.TestCase
TestReplay.settings = settings(max_examples=examples(120), stateful_step_count=30, deadline=None)

Story = Callable[[World], None]

LOSES: list[tuple[Design, Story, str]] = [
    (Design(autoincrement=False), stories.a_publish_after_everything_was_removed, "moved over something that was not handled"),
    (Design(ordered=False), stories.rooms_that_are_mixed, "not what the log has"),
    (Design(broadcast=True), stories.a_publish_during_a_replay, "dropped, and it was never handled"),
    (Design(early="replay"), stories.a_publish_while_a_connection_is_being_accepted, "not what the log has"),
    (Design(early="session"), stories.a_first_connection_to_an_empty_log_that_is_cut_before_its_first_event, "never told where it stands"),
]


def told(story: Story, design: Design | None = None) -> None:
    with closing(World(design=design)) as world:
        story(world)


@pytest.mark.parametrize("story", STORIES, ids=lambda story: story.__name__)
def test_the_rules_come_through(story: Story) -> None:
    told(story)


@pytest.mark.parametrize(("design", "story", "what"), LOSES, ids=lambda value: getattr(value, "__name__", str(value)))
def test_a_server_that_is_built_wrongly_loses_something(design: Design, story: Story, what: str) -> None:
    with pytest.raises(AssertionError, match=what):
        told(story, design)


def test_a_backup_that_has_grown_past_the_offset_is_not_seen_and_nobody_can_see_it() -> None:
    with closing(World()) as w:
        w.connect(w.alice)
        w.back_up()
        w.server.publish("")
        w.deliver(w.alice)
        w.restore()
        w.server.publish("", "")
        w.connect(w.alice)
        w.deliver(w.alice)
        assert w.alice.standing.astray
        w.ends_with(w.alice, [1, 3], ["new", ""])  # 2 has the offset that 1 had


@pytest.mark.parametrize(("decision", "applied"), [("resume", [1, 2, 3]), ("skip", [2, 3])])
def test_a_halted_client_gets_everything_after_resume_and_all_but_one_after_skip(decision: str, applied: list[int]) -> None:
    with closing(World()) as w:
        w.connect(w.carol)
        w.server.publish("", "", "")
        w.feed(w.carol)
        w.carol.arrive()
        w.begin(w.carol)
        while w.carol.inbox.halted is None:
            w.carol.step(w.now, raises=True)
        w.cut(w.carol)
        w.connect(w.carol)
        w.deliver(w.carol)
        assert w.carol.standing.applied == ()
        getattr(w.carol, decision)()
        w.deliver(w.carol)
        w.ends_with(w.carol, applied, ["new", ""])
