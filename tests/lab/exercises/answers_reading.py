"""Answers to the exercise of lesson 00: the solution, the stub, and typical mistakes."""

stub = {"A": [], "B": [], "C": [], "D": []}

solution = {"A": ["#1", "#2"], "B": ["#1"], "C": ["#1", "#2"], "D": ["#1", "#2", "#4"]}

WRONG = {
    "emit() returned, so it arrived": ({letter: ["#1", "#2", "#3", "#4"] for letter in "ABCD"}, "A"),
    "the message at the cut is the first that is lost": ({**solution, "A": ["#1"]}, "A"),
    "before is the same as after": ({**solution, "B": ["#1", "#2"]}, "B"),
    "a break of bob's link does not matter, he only listens": ({**solution, "C": ["#1", "#2", "#3", "#4"]}, "C"),
    "the server keeps what bob misses": ({**solution, "D": ["#1", "#2", "#3", "#4"]}, "D"),
    "who was away gets nothing any more": ({**solution, "D": ["#1", "#2"]}, "D"),
    "what was missed comes last": ({**solution, "D": ["#1", "#2", "#4", "#3"]}, "D"),
}
"""By the misconception: what it answers, and the letter of the break that refutes it."""
