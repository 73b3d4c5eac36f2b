"""Shelf: things in the order of their keys, which mostly come in that order already."""

from bisect import bisect_left
from typing import Any, Generic, TypeVar

T = TypeVar("T")


class Shelf(Generic[T]):
    """`keys` and `items` stand side by side. Finding a place costs no more on a long shelf than on a short one."""

    def __init__(self) -> None:
        self.keys: list[Any] = []
        self.items: list[T] = []

    def put(self, key: Any, item: T) -> None:
        """In its place, which takes what was there under the same key."""
        at = bisect_left(self.keys, key)
        if at < len(self.keys) and self.keys[at] == key:
            self.items[at] = item
        else:
            self.keys.insert(at, key)
            self.items.insert(at, item)

    def drop(self, key: Any) -> None:
        """Take away what is there under this key, if anything is."""
        at = bisect_left(self.keys, key)
        if at < len(self.keys) and self.keys[at] == key:
            del self.keys[at], self.items[at]

    def since(self, key: Any) -> list[T]:
        """What has this key or a higher one."""
        return self.items[bisect_left(self.keys, key) :]

    def __len__(self) -> int:
        return len(self.keys)
