"""The twin: which marks make one line."""

from realtime_lab.history.plan import Lane, Layout, Mark
from realtime_lab.history.twin import text

LANES = tuple(Lane(name, row) for row, name in enumerate(("alice", "server", "bob")))


def said(*marks: Mark) -> list[str]:
    """In words, without the summary."""
    return text(Layout(LANES, marks=marks, steps=9)).splitlines()[1:]


def done(lane: str, step: int, label: str) -> Mark:
    return Mark(lane, "done", step, f"{label} done", f"the handler of {label} finished")


def test_what_was_finished_is_one_line_for_each_who_finished_it() -> None:
    assert said(done("server", 1, "#2"), done("server", 2, "#1"), done("bob", 3, "#2"), done("bob", 4, "#1")) == [
        "-- server: handlers finished in the order #2 #1 --",
        "-- bob: handlers finished in the order #2 #1 --",
    ]


def test_the_same_of_several_is_one_line_and_what_is_said_otherwise_another_one() -> None:
    cut = [Mark(name, "cut", 1, "cut", "the link was cut", on_link=True) for name in ("alice", "bob")]
    failed = [Mark("server", "failed", step, "failed", f"the handler of #{step} failed") for step in (2, 3)]
    assert said(*cut, *failed) == [
        "-- alice, bob: the link was cut --",
        "-- server: the handler of #2 failed --",
        "-- server: the handler of #3 failed --",
    ]
