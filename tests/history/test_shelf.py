"""A shelf keeps things in the order of their keys, however they come."""

from realtime_lab.history.shelf import Shelf


def test_a_shelf_puts_replaces_and_drops_in_the_order_of_the_keys() -> None:
    shelf: Shelf[str] = Shelf()
    for key, item in ((1, "one"), (3, "three"), (2, "two"), (3, "three again")):
        shelf.put(key, item)
    assert (shelf.keys, shelf.items, len(shelf)) == ([1, 2, 3], ["one", "two", "three again"], 3)
    shelf.drop(2)
    shelf.drop(2)
    shelf.drop(9)
    assert (shelf.keys, shelf.items, len(shelf)) == ([1, 3], ["one", "three again"], 2)
    assert (shelf.since(1), shelf.since(2), shelf.since(3), shelf.since(4)) == (
        ["one", "three again"],
        ["three again"],
        ["three again"],
        [],
    )
