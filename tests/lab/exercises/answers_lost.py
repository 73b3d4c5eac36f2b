"""Answers to the exercise of lesson 02: the solution, the stub, and typical mistakes."""


def solution(total, n, side):
    first = n if side == "before" else n + 1
    return [f"#{k}" for k in range(first, total + 1)]


def stub(total, n, side):
    raise NotImplementedError('return the labels of the messages that are lost, for example ["#4", "#5"].')


def side_forgotten(total, n, side):
    """The most common one: a cut "at" n, as if there were only one kind."""
    return [f"#{k}" for k in range(n, total + 1)]


def sides_exchanged(total, n, side):
    """Reads "before #n" as "#n still arrives"."""
    first = n if side == "after" else n + 1
    return [f"#{k}" for k in range(first, total + 1)]


def only_the_message_at_the_cut(total, n, side):
    """Believes that the connection goes on after the cut."""
    return [f"#{n}"] if side == "before" else [f"#{n + 1}"][: total - n]


def last_forgotten(total, n, side):
    """range() ends before its end."""
    first = n if side == "before" else n + 1
    return [f"#{k}" for k in range(first, total)]


def what_arrives(total, n, side):
    """Answers the opposite question."""
    last = n - 1 if side == "before" else n
    return [f"#{k}" for k in range(1, last + 1)]


WRONG = {
    side_forgotten: "dave sends 1 message, and dave's link is cut after #1",
    sides_exchanged: "dave sends 1 message, and dave's link is cut before #1",
    only_the_message_at_the_cut: "dave sends 2 messages, and dave's link is cut before #1",
    last_forgotten: "dave sends 1 message, and dave's link is cut before #1",
    what_arrives: "dave sends 1 message, and dave's link is cut before #1",
}
"""The case that breaks each of them."""
