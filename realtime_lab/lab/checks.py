"""The exercises of the lessons: `from realtime_lab import check`, then for example `check.lost(lost)`.

Each of them runs what you wrote on the real stack, in cases that try to break its promise, and returns a Report, which the cell shows.
They are plain functions: no await.
"""

from realtime_lab.lab.exercise import check as _check
from realtime_lab.lab.exercises.begin import BEGIN, Begin
from realtime_lab.lab.exercises.lost import LOST, Lost
from realtime_lab.lab.report import Report

__all__ = ["begin", "lost"]


def lost(answer: Lost) -> Report:
    """Lesson 02. `lost(total, n, side)`: the labels of the messages that are lost, for example ["#4", "#5"].

    `total` messages are sent, and the link is cut `side` ("before" or "after") message n.
    """
    return _check(LOST, answer)


def begin(answer: Begin) -> Report:
    """Lesson 08. `begin(epoch, offset, log_epoch, trimmed, head)`: where the replay begins, and the reason, as (3, "").

    Everything after that offset is sent. The reason tells the client why that is not all it missed: "" if it is, "new", "truncated", "epoch-changed" or "ahead".
    """
    return _check(BEGIN, answer)
