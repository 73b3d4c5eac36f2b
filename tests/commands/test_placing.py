"""What somebody has changed is never written over; what nobody touched follows our newest version."""

from pathlib import Path

from realtime_lab.commands.placing import RECORD, place
from tests.commands.folder import MY_WORK, contents


def test_a_file_that_was_there_before_us_stays_too(tmp_path: Path) -> None:
    (tmp_path / "a.ipynb").write_bytes(MY_WORK)
    placed = place({"a.ipynb": b"ours"}, tmp_path)
    assert (placed.kept, placed.newer) == (["a.ipynb"], ["a.ipynb"])
    assert (tmp_path / "a.ipynb").read_bytes() == MY_WORK


def test_what_nobody_touched_is_updated(tmp_path: Path) -> None:
    place({"a.ipynb": b"first", "b.ipynb": b"first"}, tmp_path)
    (tmp_path / "b.ipynb").write_bytes(MY_WORK)
    placed = place({"a.ipynb": b"second", "b.ipynb": b"second"}, tmp_path)
    assert (placed.new, placed.updated, placed.kept, placed.newer) == ([], ["a.ipynb"], ["b.ipynb"], ["b.ipynb"])
    assert contents(tmp_path)["a.ipynb"] == b"second"
    assert contents(tmp_path)["b.ipynb"] == MY_WORK
    assert place({"a.ipynb": b"third", "b.ipynb": b"third"}, tmp_path).updated == ["a.ipynb"], "the new hash is remembered"


def test_an_equal_file_counts_as_ours_when_the_memory_is_gone(tmp_path: Path) -> None:
    place({"a.ipynb": b"first"}, tmp_path)
    (tmp_path / RECORD).unlink()
    assert place({"a.ipynb": b"first"}, tmp_path).kept == []
    assert place({"a.ipynb": b"second"}, tmp_path).updated == ["a.ipynb"]


def test_without_the_memory_a_different_file_is_somebodys_work(tmp_path: Path) -> None:
    place({"a.ipynb": b"first"}, tmp_path)
    (tmp_path / RECORD).unlink()
    assert place({"a.ipynb": b"second"}, tmp_path).kept == ["a.ipynb"]


def test_fresh_puts_ours_beside_theirs_and_never_over_anything(tmp_path: Path) -> None:
    def fresh(version: bytes) -> list[str]:
        return place({"a.ipynb": version}, tmp_path, fresh=True).beside

    place({"a.ipynb": b"first"}, tmp_path)
    (tmp_path / "a.ipynb").write_bytes(MY_WORK)
    assert [fresh(b"first"), fresh(b"first"), fresh(b"second")] == [["a.new.ipynb"]] * 3, "a copy that nobody touched is updated"
    (tmp_path / "a.new.ipynb").write_bytes(b"I have worked here, too")
    assert [fresh(b"second"), fresh(b"second")] == [["a.new2.ipynb"]] * 2
    assert contents(tmp_path).items() >= {
        "a.ipynb": MY_WORK, "a.new.ipynb": b"I have worked here, too", "a.new2.ipynb": b"second",
    }.items()  # fmt: skip
    assert place({"a.ipynb": b"second"}, tmp_path).newer == [], "it is there already, so nobody is told to get it"
