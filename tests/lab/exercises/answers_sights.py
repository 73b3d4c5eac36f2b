"""Answers to the exercise of lesson 04: the solution, the stub, and typical mistakes."""

from realtime_lab.lab.exercises.sights import SIGHTS

stub = dict.fromkeys(SIGHTS, "")

solution = dict.fromkeys(SIGHTS, "cannot tell") | {
    "A: acked": "handled",
    "B: rejected (sold out)": "not handled",
    "E: emit() raised NotConnected": "not handled",
}


def _but(letters, word):
    return {sight: word if sight[0] in letters else right for sight, right in solution.items()}


WRONG = {
    "no answer means not done": (_but("CDFH", "not handled"), "C"),
    "a timeout means that it was not done": (_but("D", "not handled"), "D"),
    "the answer was lost, so it was done": (_but("C", "handled"), "C"),
    "who is connected again has lost nothing": (_but("F", "handled"), "F"),
    "no error means done": (_but("G", "handled"), "G"),
    "a server that is up has handled it": (_but("H", "handled"), "H"),
    "a refusal may have been handled all the same": (_but("B", "cannot tell"), "B"),
    "an emit() that raised may have been sent": (_but("E", "cannot tell"), "E"),
    "an acknowledgement may lie": (_but("A", "cannot tell"), "A"),
}
"""By the misconception: what it answers, and the letter of the sight that breaks it."""
