"""Answers to the exercise of lesson 08: one that is right, and the usual mistakes."""


def solution(epoch, offset, log_epoch, trimmed, head):
    if offset is None:
        return head, "new"
    if epoch != log_epoch:
        return trimmed, "epoch-changed"
    if offset > head:
        return head, "ahead"
    if offset < trimmed:
        return trimmed, "truncated"
    return offset, ""


def stub(epoch, offset, log_epoch, trimmed, head):
    raise NotImplementedError("not written yet: where does the replay begin, and what is the client told?")


def zero_is_nothing(epoch, offset, log_epoch, trimmed, head):
    """`if not offset`: 0 is an offset, and in Python it is false."""
    return solution(epoch, offset or None, log_epoch, trimmed, head)


def trimmed_is_forgotten(epoch, offset, log_epoch, trimmed, head):
    """The history is thought to be complete for ever."""
    return solution(epoch, offset, log_epoch, 0, head)


def epoch_is_ignored(epoch, offset, log_epoch, trimmed, head):
    """An offset is taken for a number that means the same in every database."""
    return solution(log_epoch, offset, log_epoch, trimmed, head)


def ahead_is_up_to_date(epoch, offset, log_epoch, trimmed, head):
    """Nothing is newer than what the client has, so it seems to miss nothing."""
    offset_, reason = solution(epoch, offset, log_epoch, trimmed, head)
    return (offset, "") if reason == "ahead" else (offset_, reason)


def ahead_stays_ahead(epoch, offset, log_epoch, trimmed, head):
    """The client is told, but keeps an offset that the log has not reached yet."""
    offset_, reason = solution(epoch, offset, log_epoch, trimmed, head)
    return (offset, reason) if reason == "ahead" else (offset_, reason)


def ahead_gets_everything(epoch, offset, log_epoch, trimmed, head):
    """In doubt everything is sent again."""
    offset_, reason = solution(epoch, offset, log_epoch, trimmed, head)
    return (0, reason) if reason == "ahead" else (offset_, reason)


def newcomer_gets_everything(epoch, offset, log_epoch, trimmed, head):
    """The tutorial's `serverOffset: 0`: who is new gets all of history."""
    return (trimmed, "new") if offset is None else solution(epoch, offset, log_epoch, trimmed, head)


def newcomer_is_recovered(epoch, offset, log_epoch, trimmed, head):
    """Who is new is told nothing, as if they had missed nothing."""
    return (head, "") if offset is None else solution(epoch, offset, log_epoch, trimmed, head)


def trimmed_before_epoch(epoch, offset, log_epoch, trimmed, head):
    """The tests are in the wrong order: offsets of two histories are compared."""
    if offset is not None and offset < trimmed:
        return trimmed, "truncated"
    return solution(epoch, offset, log_epoch, trimmed, head)


def ahead_before_epoch(epoch, offset, log_epoch, trimmed, head):
    """The tests are in the wrong order, too: what is large in another history is no sign of a backup."""
    if offset is not None and offset > head:
        return head, "ahead"
    return solution(epoch, offset, log_epoch, trimmed, head)


def alarm_at_the_edge(epoch, offset, log_epoch, trimmed, head):
    """`<=` in place of `<`: the last one that was trimmed was handled before, so nothing is missing."""
    if epoch == log_epoch and trimmed and offset == trimmed:
        return trimmed, "truncated"
    return solution(epoch, offset, log_epoch, trimmed, head)


def stands_where_nothing_is(epoch, offset, log_epoch, trimmed, head):
    """Says "truncated", but leaves the client at its old offset, so that the same alarm comes again."""
    offset_, reason = solution(epoch, offset, log_epoch, trimmed, head)
    return (offset, reason) if reason == "truncated" else (offset_, reason)


def everything_from_one(epoch, offset, log_epoch, trimmed, head):
    """What the lesson had as its first try: `offset or 0`, and no reason ever."""
    return offset or 0, ""


EMPTY, ONE_TRIMMED, ONE = "the log 'a' is empty", "the log 'a' is empty (#1 trimmed away)", "the log 'a' has #1"
NEW, MISSES_ONE, MISSES_TWO = (
    "bob comes for the first time",
    ", is cut off, misses #1, and comes back",
    ", is cut off, misses #2, and comes back",
)
WRONG = {
    zero_is_nothing: f"{EMPTY}; {NEW}{MISSES_ONE}",
    trimmed_is_forgotten: f"{ONE_TRIMMED}; bob comes with epoch 'a' and offset 0{MISSES_TWO}",
    epoch_is_ignored: f"{EMPTY}; bob comes with epoch 'b' and offset 0{MISSES_ONE}",
    ahead_is_up_to_date: f"{EMPTY}; bob comes with epoch 'a' and offset 1{MISSES_ONE}",
    ahead_stays_ahead: f"{EMPTY}; bob comes with epoch 'a' and offset 1{MISSES_ONE}",
    ahead_gets_everything: f"{ONE}; bob comes with epoch 'a' and offset 2{MISSES_TWO}",
    newcomer_gets_everything: f"{ONE}; {NEW}{MISSES_TWO}",
    newcomer_is_recovered: f"{EMPTY}; {NEW}{MISSES_ONE}",
    trimmed_before_epoch: f"{ONE_TRIMMED}; bob comes with epoch 'b' and offset 0{MISSES_TWO}",
    ahead_before_epoch: f"{EMPTY}; bob comes with epoch 'b' and offset 1{MISSES_ONE}",
    alarm_at_the_edge: f"{ONE_TRIMMED}; {NEW}{MISSES_TWO}",
    stands_where_nothing_is: f"{ONE_TRIMMED}; bob comes with epoch 'a' and offset 0{MISSES_TWO}",
    everything_from_one: f"{EMPTY}; {NEW}{MISSES_ONE}",
}
"""The case that breaks each of them."""

NEVER, BEFORE, HAD = "never sent to him", "published before he came for the first time", "but he had it already"
FOUND = {
    zero_is_nothing: NEVER,
    trimmed_is_forgotten: "told '', but some of what he missed is stored no more",
    epoch_is_ignored: "told '', but what he has is from another log",
    ahead_is_up_to_date: "told '', but he has something that this log does not know",
    ahead_stays_ahead: NEVER,
    ahead_gets_everything: HAD,
    newcomer_gets_everything: BEFORE,
    newcomer_is_recovered: "told '', but he is here for the first time",
    trimmed_before_epoch: "told 'truncated', but what he has is from another log",
    ahead_before_epoch: "told 'ahead', but what he has is from another log",
    alarm_at_the_edge: "told 'truncated', but he gets everything that he missed",
    stands_where_nothing_is: "told 'truncated', but he gets everything that he missed",
    everything_from_one: "told '', but he is here for the first time",
}
"""What is found wrong with it."""
