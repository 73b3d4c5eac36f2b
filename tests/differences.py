"""The README's table of differences, and the tests behind each cell. `test_differences.py` holds the README against it."""

from dataclasses import dataclass

JS = "tests/net/test_javascript_claims.py::"
PY = "tests/net/test_python_socketio_claims.py::"
LAB = "tests/lab/test_guarantees.py::"
STORED = "tests/lab/test_stored_events.py::"
CLIENT = "tests/net/test_client.py::"
TAB = "tests/lab/test_tab.py::"

NONE = "none"


@dataclass(frozen=True)
class Row:
    """One thing that three clients do in three ways. A cell that says more than "none" is backed by a test."""

    topic: str
    javascript: str
    python_socketio: str
    realtime_lab: str
    tests: tuple[str, ...]

    def __str__(self) -> str:
        return f"| {self.topic} | {self.javascript} | {self.python_socketio} | {self.realtime_lab} |"


HEAD = "| | Socket.IO in JavaScript | python-socketio | realtime_lab |\n|---|---|---|---|"

ROWS = (
    Row(
        "`emit` while disconnected",
        "kept in memory, sent in order after reconnecting",
        "raises `BadNamespaceError`",
        "bare: raises `NotConnected`; `send_buffer=True`: kept, sent in order, in portions",
        (
            JS + "test_what_is_emitted_offline_is_kept_and_sent_in_order_before_what_the_connect_handler_emits",
            PY + "test_emit_while_disconnected_raises_and_keeps_nothing",
            LAB + "test_a_bare_client_beside_it_still_refuses",
            LAB + "test_what_is_emitted_offline_is_kept_and_arrives_in_order_before_what_comes_later",
        ),
    ),
    Row(
        "a full buffer",
        "no limit",
        NONE,
        "`buffer_limit`, `buffer_limit_bytes`: `BufferFull`, nothing kept is lost; `max_age`",
        (
            JS + "test_the_send_buffer_has_no_limit_that_ten_thousand_events_would_meet",
            LAB + "test_a_full_buffer_refuses_and_what_it_holds_arrives",
        ),
    ),
    Row(
        "volatile events",
        "dropped while a transport is being opened, kept right after a break",
        NONE,
        "dropped whenever they would have to wait",
        (
            JS + "test_a_volatile_event_is_dropped_from_the_first_attempt_to_reconnect_on",
            JS + "test_a_volatile_event_is_kept_between_the_disconnect_and_the_first_attempt_to_reconnect",
            PY + "test_its_client_has_no_volatile_events_and_no_retries",
            LAB + "test_what_is_emitted_offline_is_kept_and_arrives_in_order_before_what_comes_later",
        ),
    ),
    Row(
        "`emit` after the break, before it is noticed",
        "lost, except with `retries`",
        "lost",
        "lost, except with `retries`",
        (
            JS + "test_with_retries_every_connection_burns_a_try_and_an_event_that_never_arrived_is_given_up",
            PY + "test_what_is_emitted_into_a_break_that_is_not_noticed_yet_is_lost_without_a_word",
            CLIENT + "test_what_is_emitted_before_the_break_is_noticed_is_lost_without_a_word",
            LAB + "test_a_lost_acknowledgement_repeats_the_message_and_only_a_server_that_dedupes_applies_it_once",
        ),
    ),
    Row(
        "no acknowledgement when the connection breaks",
        "a promise or timeout gets an error at once, a plain callback is never called",
        "`call()` waits for its whole timeout",
        "the `Delivery` is `unknown` at once, or the event is sent again",
        (
            JS + "test_a_disconnect_fails_promises_and_timeouts_at_once_and_a_plain_callback_is_never_called",
            PY + "test_call_waits_its_whole_timeout_after_a_disconnect",
            CLIENT + "test_a_disconnect_makes_a_pending_fate_unknown_at_once",
        ),
    ),
    Row(
        "the timeout of an event that waits offline",
        "begins with `emit`, and takes the event out of the buffer",
        NONE,
        "begins when the event is sent",
        (
            JS + "test_a_timeout_takes_an_offline_event_out_of_the_buffer_and_it_is_never_sent",
            PY + "test_emit_while_disconnected_raises_and_keeps_nothing",
            LAB + "test_the_patience_for_an_acknowledgement_begins_when_the_event_is_sent",
        ),
    ),
    Row(
        "retries",
        "`retries`: each connection burns a try, then an error",
        "none: nothing is sent again",
        "`retries`, also `math.inf`: each send is a try, then `unknown`; the next event goes on",
        (
            JS + "test_with_retries_every_connection_burns_a_try_and_an_event_that_never_arrived_is_given_up",
            PY + "test_nothing_is_sent_again",
            LAB + "test_a_finite_budget_is_burnt_by_reconnects_and_then_the_fate_is_unknown",
        ),
    ),
    Row(
        "retries without a timeout",
        "each acknowledged event is sent retries + 1 times",
        NONE,
        "`InvalidSetting`",
        (
            JS + "test_retries_without_an_ack_timeout_send_every_acknowledged_event_retries_plus_one_times",
            LAB + "test_slips_are_named",
        ),
    ),
    Row(
        "events under way at once",
        "one, if `retries` are on",
        "no limit",
        "`window`, 1 to 512, in order",
        (
            JS + "test_with_retries_one_event_is_in_flight_at_a_time",
            LAB + "test_a_window_is_faster_and_keeps_the_order",
        ),
    ),
    Row(
        "a late acknowledgement of an earlier try",
        "forgotten: sent again, and given up with an error although handled",
        NONE,
        "counts",
        (
            JS + "test_with_retries_a_late_acknowledgement_makes_duplicates_and_keeps_the_order",
            JS + "test_with_retries_an_event_that_the_server_has_handled_is_given_up_with_an_error",
            LAB + "test_a_late_acknowledgement_of_an_earlier_try_counts",
        ),
    ),
    Row(
        "an event that is acknowledged twice, with retries",
        "in the files for browsers a line is missing: the second takes the next event out of the queue. `socket.io-client/debug` has it",
        NONE,
        "the first one counts, the next event stays",
        (
            TAB + "test_the_official_bundle_loses_a_message_if_the_one_before_it_is_acknowledged_twice",
            TAB + "test_neither_the_client_of_node_nor_a_tab_does",
            LAB + "test_a_late_acknowledgement_of_an_earlier_try_counts",
        ),
    ),
    Row(
        'the server answers `{"ok": false}`',
        "any answer is success",
        "an answer like any other",
        "`rejected`, or sent again if it says `retryable`",
        (
            JS + "test_the_retry_queue_takes_a_refusal_for_success",
            LAB + "test_a_handler_can_ask_for_another_try_or_refuse_for_good",
        ),
    ),
    Row(
        "what a restart (a refreshed page) loses",
        "all that waits",
        NONE,
        "all that waits, or nothing with `store=`",
        (
            JS + "test_what_waits_is_lost_when_the_page_is_refreshed",
            LAB + "test_a_refresh_loses_what_only_memory_held_and_a_store_keeps_it",
        ),
    ),
    Row(
        "an event that arrives twice",
        "left to you; the tutorial's key makes two events one",
        "left to you",
        "`Server(log=EventLog(...), dedupe=True)`: applied once, answered always",
        (
            JS + "test_two_offline_clients_make_the_same_key_in_the_tutorial",
            LAB + "test_a_lost_acknowledgement_repeats_the_message_and_only_a_server_that_dedupes_applies_it_once",
            LAB + "test_a_crash_at_any_point_leaves_one_effect_and_a_told_sender",
        ),
    ),
    Row(
        "what the server sends while a client is away",
        "left to you: the page describes how, and loses some",
        "lost",
        "`publish` stores it, `Client(replay=True)` gets it, in order, at least once; over a restart with `store=`",
        (
            STORED + "test_what_was_published_while_a_client_was_away_comes_in_order_and_once",
            STORED + "test_a_crash_between_storing_and_sending_loses_nothing",
            STORED + "test_a_refresh_starts_anew_and_a_store_goes_on",
            STORED + "test_a_server_of_the_page_s_own_kind_is_judged_by_the_ids_in_what_it_emits",
            PY + "test_what_its_server_emits_while_a_client_is_away_is_lost",
        ),
    ),
    Row(
        "what cannot be replayed",
        "left to you; the page's offset goes over it in silence",
        "left to you",
        "`client.recovered` is false, and says why: `new`, `truncated`, `epoch-changed`, `ahead`",
        (
            STORED + "test_a_server_of_the_page_s_own_kind_is_judged_by_the_ids_in_what_it_emits",
            STORED + "test_a_trimmed_history_is_said_and_judged",
            STORED + "test_a_new_database_is_another_epoch",
            STORED + "test_a_client_that_never_received_an_event_still_loses_nothing",
        ),
    ),
    Row(
        "a client's handler raises",
        "—",
        "the event is over",
        "with `replay=True`: tried four times, then the client halts there, until `resume()` or `skip()`; what its store raises, a full "
        "disk for example, does not count",
        (
            PY + "test_an_event_whose_handler_raises_is_over",
            STORED + "test_a_handler_that_fails_halts_visibly_which_counts_as_settled",
            "tests/net/test_incoming.py::test_a_store_that_failed_is_no_reason_to_halt_or_to_skip",
        ),
    ),
    Row(
        "17 events in one long-polling request",
        "—",
        "its server answers OK and throws them away",
        "never more than 10 at once",
        (
            PY + "test_seventeen_events_in_one_long_polling_request_are_thrown_away_by_its_server",
            "tests/net/test_outbox.py::test_a_long_buffer_is_flushed_in_portions_that_a_plain_long_polling_server_takes",
        ),
    ),
)

TABLE = "\n".join([HEAD, *map(str, ROWS)])

if __name__ == "__main__":
    print(TABLE)
