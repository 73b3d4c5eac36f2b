"""Answers to the exercise of lesson 06: the solution, the stub, and typical mistakes."""


def solution(last, n):
    if n == last + 1:
        return "apply"
    return "repeat" if n <= last else "gap"


def stub(last, n):
    raise NotImplementedError('return "apply", "repeat" or "gap".')


def larger_is_new(last, n):
    """A number that jumps is applied, and the one that is missing is taken for a repeat."""
    return "apply" if n > last else "repeat"


def no_memory(last, n):
    """Every message is new."""
    return "apply"


def repeats_are_refused(last, n):
    """Nothing is booked twice, but who sends a repeat is never told that he can stop."""
    return "apply" if n == last + 1 else "gap"


def only_the_last_is_a_repeat(last, n):
    """Compares with the last one instead of with all of them."""
    return "repeat" if n == last else "apply"


def gaps_are_repeats(last, n):
    """Whatever is not next is acknowledged."""
    return "apply" if n == last + 1 else "repeat"


def first_is_zero(last, n):
    """Off by one."""
    return "apply" if n == last else "repeat" if n < last else "gap"


WRONG = {
    larger_is_new: (
        "alice makes 2 deposits, and the database is busy when 1 arrives for the first time",
        "1 was acknowledged, and never booked",
    ),
    no_memory: ("alice makes 1 deposit, and her link is cut after it", "Deposit 1 was booked twice"),
    repeats_are_refused: ("alice makes 1 deposit, and her link is cut after it", "refused 3 times, although it was booked already"),
    only_the_last_is_a_repeat: ("alice makes 2 deposits, and the database is busy when 1 arrives for the first time", "not in the order"),
    gaps_are_repeats: (
        "alice makes 2 deposits, and the database is busy when 1 arrives for the first time",
        "2 was acknowledged, and never booked",
    ),
    first_is_zero: ("alice makes 1 deposit, and nothing breaks", "refused 3 times, although its turn had come"),
}
"""The case that breaks each of them, and what is said."""
