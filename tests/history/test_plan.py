"""A plan cut to its last steps keeps what reaches into them."""

from realtime_lab.history.plan import Barrier, Layout


def test_a_barrier_that_ends_where_the_last_steps_begin_is_left_out() -> None:
    whole = Layout(barriers=(Barrier("alice", "cut", 0, 4), Barrier("bob", "cut", 0, 5)), steps=8)
    assert whole.last(4).barriers == (Barrier("bob", "cut", -4, 1),)
