"""Single schedules that matter, each told once: the rules as they are come through, and a rule or a server that is broken does not.

Serials count from 1 in the order in which the events were published.
"""

from tests.rules.replay_machine import World


def a_handler_that_runs_while_its_client_is_truncated(w: World) -> None:
    w.connect(w.alice)
    w.server.publish("b", "")
    w.feed(w.alice)
    w.alice.arrive()
    w.begin(w.alice)
    w.cut(w.alice)
    w.trim(0.0)
    w.connect(w.alice)
    w.deliver(w.alice)
    w.ends_with(w.alice, [2], ["new", "truncated"])


def a_handler_that_runs_through_two_connections_to_a_new_database(w: World) -> None:
    w.connect(w.alice)
    w.server.publish("")
    w.feed(w.alice)
    w.alice.arrive()
    w.begin(w.alice)
    w.new_database()
    w.server.publish("", "")
    for _ in range(2):
        w.connect(w.alice)
        w.feed(w.alice)
        w.alice.arrive()
        w.cut(w.alice)
    w.connect(w.alice)
    w.deliver(w.alice)
    w.ends_with(w.alice, [1, 2, 3], ["new", "epoch-changed"])


def a_slow_client_that_retention_overtakes(w: World) -> None:
    w.connect(w.alice)
    w.server.publish("", "", "", "")
    w.trim(0.5)
    w.deliver(w.alice)
    w.ends_with(w.alice, [3, 4], ["new", "truncated"])


def a_slow_client_that_is_cut_when_a_part_of_what_is_left_has_come(w: World) -> None:
    w.connect(w.alice)
    w.deliver(w.alice)
    w.server.publish("", "", "", "")
    w.trim(0.5)
    w.feed(w.alice)
    w.cut(w.alice, keep=2)
    w.alice.arrive()
    w.handle(w.alice)
    w.connect(w.alice)
    w.deliver(w.alice)
    w.ends_with(w.alice, [3, 4], ["new", "truncated", ""])


def a_client_that_has_caught_up_with_what_is_not_for_it(w: World) -> None:
    w.connect(w.alice)
    w.server.publish("b", "b")
    w.deliver(w.alice)
    w.trim(1.0)
    w.server.publish("")
    w.deliver(w.alice)
    w.ends_with(w.alice, [3], ["new"])


def a_first_connection_to_an_empty_log_that_is_cut_before_its_first_event(w: World) -> None:
    w.connect(w.alice)
    w.deliver(w.alice)
    w.cut(w.alice)
    w.server.publish("", "")
    w.connect(w.alice)
    w.deliver(w.alice)
    w.ends_with(w.alice, [1, 2], ["new", ""])


def a_session_that_never_arrives(w: World) -> None:
    w.connect(w.alice)
    w.cut(w.alice, keep=0)
    w.server.publish("")
    w.connect(w.alice)
    w.server.publish("")
    w.deliver(w.alice)
    w.ends_with(w.alice, [2], ["new"])


def a_publish_during_a_replay(w: World) -> None:
    w.connect(w.alice)
    w.deliver(w.alice)
    w.cut(w.alice)
    w.server.publish("", "", "", "")
    w.connect(w.alice)
    w.feed(w.alice, pages=1, limit=2)
    w.server.publish("")
    w.alice.arrive()
    w.handle(w.alice)
    w.deliver(w.alice)
    w.ends_with(w.alice, [1, 2, 3, 4, 5], ["new", ""])


def a_publish_while_a_connection_is_being_accepted(w: World) -> None:
    w.connect(w.alice)
    w.deliver(w.alice)
    w.cut(w.alice)
    w.server.publish("")
    w.connect(w.alice, accept=False)
    w.server.publish("")
    w.connect(w.alice)
    w.server.publish("")
    w.deliver(w.alice)
    w.ends_with(w.alice, [1, 2, 3], ["new", ""])


def a_publish_after_everything_was_removed(w: World) -> None:
    w.connect(w.alice)
    w.server.publish("", "")
    w.deliver(w.alice)
    w.trim(1.0)
    w.server.publish("")
    w.deliver(w.alice)
    w.ends_with(w.alice, [1, 2, 3], ["new"])


def rooms_that_are_mixed(w: World) -> None:
    w.connect(w.bob)
    w.server.publish("a", "", "b", "a", "")
    w.deliver(w.bob)
    w.ends_with(w.bob, [1, 2, 4, 5], ["new"])


def an_older_backup(w: World) -> None:
    w.connect(w.alice)
    w.server.publish("")
    w.deliver(w.alice)
    w.back_up()
    w.server.publish("", "")
    w.deliver(w.alice)
    w.restore()
    w.connect(w.alice)
    w.server.publish("", "")
    w.deliver(w.alice)
    w.ends_with(w.alice, [1, 2, 3, 4, 5], ["new", "ahead"])


def what_was_not_committed_when_the_server_stopped(w: World) -> None:
    w.connect(w.alice)
    w.server.publish("")
    w.deliver(w.alice)
    w.server.publish("", "", commit=False)
    w.server.restart(keep=9)
    w.server.publish("")
    w.connect(w.alice)
    w.deliver(w.alice)
    assert [row.offset for row in w.server.book.rows] == [1, 2], "its offset was given again"
    w.ends_with(w.alice, [1, 4], ["new", ""])


def a_restart_of_a_client_with_a_store(w: World) -> None:
    w.connect(w.bob)
    w.server.publish("", "", "")
    w.feed(w.bob)
    w.bob.arrive()
    w.begin(w.bob)
    w.bob.step(w.now)
    w.begin(w.bob)
    w.bob.restart()
    w.connect(w.bob)
    w.deliver(w.bob)
    w.ends_with(w.bob, [1, 2, 3], ["new", ""])


def a_restart_of_a_client_without_a_store(w: World) -> None:
    w.connect(w.alice)
    w.server.publish("")
    w.deliver(w.alice)
    w.alice.restart()
    w.server.publish("")
    w.connect(w.alice)
    w.server.publish("")
    w.deliver(w.alice)
    w.ends_with(w.alice, [1, 3], ["new", "new"])


STORIES = (
    a_handler_that_runs_while_its_client_is_truncated,
    a_handler_that_runs_through_two_connections_to_a_new_database,
    a_slow_client_that_retention_overtakes,
    a_slow_client_that_is_cut_when_a_part_of_what_is_left_has_come,
    a_client_that_has_caught_up_with_what_is_not_for_it,
    a_first_connection_to_an_empty_log_that_is_cut_before_its_first_event,
    a_session_that_never_arrives,
    a_publish_during_a_replay,
    a_publish_while_a_connection_is_being_accepted,
    a_publish_after_everything_was_removed,
    rooms_that_are_mixed,
    an_older_backup,
    what_was_not_committed_when_the_server_stopped,
    a_restart_of_a_client_with_a_store,
    a_restart_of_a_client_without_a_store,
)
