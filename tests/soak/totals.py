"""What all runs on this content of the tree came to: kept in a file, added up, and printed with what each design promises."""

from collections import Counter
from dataclasses import asdict
from pathlib import Path

from tests.kept import read, write
from tests.soak.pieces import MODES, Failure, Outcome
from tests.soak.storm_judge import DESIGNS, FALSE, GONE, LOST, REFUSED, REJECTED, REORDERED, TWICE, UNKNOWN, UNTOLD

ENOUGH = 20
"""Storms, after which every weaker design must have been seen to break."""
WANTED = {"messages": 1_000_000, "cuts": 2_000, "crashes": 200}
"""What a soak of 30 minutes should come to."""
COLUMNS = {word: max(11, len(word) + 2) for word in ("messages", LOST, TWICE, REORDERED, FALSE, UNTOLD, GONE, UNKNOWN, REFUSED, REJECTED)}
"""What is printed of each design -> how wide."""


class State:
    """Which pieces are done, and their totals; valid for one content of the tree."""

    def __init__(self, path: Path, tree: str) -> None:
        self.path, self.tree = path, tree
        self.seconds = 0.0
        self.done: dict[str, list[int]] = {mode: [] for mode in MODES}
        """The pieces of each mode by their places, from 0."""
        self.totals: Counter[str] = Counter()
        self.failures: list[Failure] = []
        kept = read(path)
        if kept["tree"] == tree:
            self.seconds, self.done, self.totals = kept["seconds"], kept["done"], Counter(kept["totals"])
            self.failures = [Failure(**failure) for failure in kept["failures"]]

    def add(self, mode: str, place: int, outcome: Outcome) -> None:
        """A piece is done."""
        self.done[mode].append(place)
        self.totals.update(outcome.totals)
        self.failures += outcome.failures

    def save(self) -> None:
        failures = [asdict(failure) for failure in self.failures]
        write(self.path, self.tree, seconds=self.seconds, done=self.done, totals=self.totals, failures=failures)

    @property
    def messages(self) -> int:
        """Handed in by clients or published, and given to clients."""
        return sum(self.totals[f"{design}: messages"] for design in DESIGNS)

    @property
    def unbitten(self) -> list[str]:
        """What the theory says of the weaker designs, and was never seen."""
        seen = {design: each.seen for design, each in DESIGNS.items() if each.seen}
        return [f"{design} was never seen: {word}" for design, word in seen.items() if not self.totals[f"{design}: {word}"]]

    @property
    def bites(self) -> bool:
        """Few storms prove nothing about this."""
        return len(self.done["storm"]) < ENOUGH or not self.unbitten


def table(state: State) -> str:
    """All totals, in lines."""
    lines = ["".join([f"{'':33}", *(f"{word:>{width}}" for word, width in COLUMNS.items())])]
    for design, promise in DESIGNS.items():
        counts = [f"{state.totals[f'{design}: {word}']:>{width},}" for word, width in COLUMNS.items()]
        seen = f"; has to be seen: {promise.seen}" if promise.seen else ""
        lines += ["".join([f"{design:33}", *counts]), f"     never {', '.join(promise.never)}{seen}"]
    return "\n".join(lines)


def figure(state: State) -> str:
    """All totals, in one line."""
    count = state.totals
    strong = sum(count[f"{design}: {word}"] for design, promise in DESIGNS.items() for word in promise.never)
    broken = f"broken promises {strong}" if strong or state.failures else "0 lost, 0 twice, 0 reordered where it is promised"
    reached = "reached" if _reached(state) else "not reached yet"
    return (
        f"{state.messages:,} messages, {count['cuts']:,} cuts, {count['crashes']:,} crashes, {count['kills']:,} times kill -9, "
        f"{count['full disks']:,} full disks ({count['writes refused']:,} writes refused), {count['refreshes']:,} clients and "
        f"{count['labs']:,} labs started anew in {state.seconds / 60:.1f} minutes: {broken}; {len(state.failures)} schedules failed; "
        f"{' / '.join(f'{wanted:,} {word}' for word, wanted in WANTED.items())}: {reached}"
    )


def _reached(state: State) -> bool:
    return all((state.messages if word == "messages" else state.totals[word]) >= wanted for word, wanted in WANTED.items())
