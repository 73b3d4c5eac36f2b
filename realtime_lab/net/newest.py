"""Remembering the newest few of many things."""

from typing import TypeVar

K = TypeVar("K")
V = TypeVar("V")


def remember(known: dict[K, V], key: K, value: V, most: int) -> V:
    """Put it in as the newest, also if it was there. Of more than `most` the oldest is forgotten. Returns the value."""
    known.pop(key, None)
    known[key] = value
    if len(known) > most:
        del known[next(iter(known))]
    return value
