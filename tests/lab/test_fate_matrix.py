"""What a fate matrix says and shows: real sweeps, and for its order outcomes made by hand."""

import base64
import math
import re
from html.parser import HTMLParser

import pytest

from realtime_lab.history.fates import FATES
from realtime_lab.lab.fate_matrix import FateMatrix
from realtime_lab.lab.points import Break, Crash
from realtime_lab.lab.sweep import sweep
from realtime_lab.lab.trial import Design, Outcome

DESIGNS = [Design("bare"), Design("retry <again>", client={"retries": math.inf, "ack_timeout": 1.0}, server={"dedupe": True})]
RETRY = "retry <again>"


async def chat(trial):
    alice = await trial.join("alice")
    await trial.join("bob")
    alice.emit("chat message", 1)
    alice.emit("chat message", 2)


@pytest.fixture(scope="module")
def matrix():
    return sweep(chat, DESIGNS, faults=["cut"]).run()


class Page(HTMLParser):
    """The images, and the tables with their captions and cells."""

    def __init__(self, text):
        super().__init__()
        self.images, self.tables, self.scopes, self._open = [], [], [], []
        self.feed(text)
        self.close()
        assert not self._open, "every tag is closed"

    def handle_starttag(self, tag, attributes):
        if tag == "img":
            self.images.append(dict(attributes))
            return
        self._open.append(tag)
        if tag == "table":
            self.tables.append(["", []])
        if tag == "tr":
            self.tables[-1][1].append([])
        if tag in ("td", "th"):
            self.tables[-1][1][-1].append("")
            self.scopes.append((tag, dict(attributes).get("scope")))

    def handle_endtag(self, tag):
        assert self._open.pop() == tag

    def handle_data(self, data):
        if "caption" in self._open:
            self.tables[-1][0] += data
        elif self._open and self._open[-1] in ("td", "th"):
            self.tables[-1][1][-1][-1] += data


def html(matrix):
    return matrix._repr_mimebundle_()["text/html"]


@pytest.mark.full
def test_the_same_sweep_shows_the_same_again(matrix):
    again = sweep(chat, DESIGNS, faults=["cut"]).run()
    one, other = (each._repr_mimebundle_() for each in (matrix, again))
    assert one == other
    assert set(one) == {"text/html", "text/plain"}
    assert str(matrix) == str(again) == one["text/plain"]


def test_the_tables_count_the_runs_of_each_design_and_fate(matrix):
    (caption, (head, *rows)), _ = Page(html(matrix)).tables
    assert caption == f"{len(matrix.runs())} runs on the real stack, each with one fault; what became of the messages"
    assert head[:2] == ["design", "runs"]
    assert [row[0] for row in rows] == ["bare", RETRY]
    for design, runs, *counts in rows:
        assert int(runs) == len(matrix.runs(design))
        total = {fate: int(count) for fate, count in zip(head[2:], counts, strict=True) if count != "-"}
        assert total == {fate: len(matrix.runs(design, fate=fate)) for fate in FATES if matrix.runs(design, fate=fate)}
    assert any(count == "0" for row in rows for count in row) is False


def test_the_second_table_says_what_a_design_costs_without_any_time(matrix):
    _, (caption, (head, *rows)) = Page(html(matrix)).tables
    assert (caption, head) == ("what each design costs when nothing breaks", ["design", "packets per message", "rows in the database"])
    # bare: a CONNECT and its answer for each of two clients, then each message twice; with an inbox a table of clients and two rows
    assert rows == [["bare", "4.0", "0"], [RETRY, f"{matrix.packets_per_message(RETRY):.1f}", str(matrix.plain[RETRY].rows)]]
    assert matrix.packets_per_message(RETRY) > matrix.packets_per_message("bare") == (4 + 4) / 2
    assert matrix.plain[RETRY].rows > 0
    assert " ms" not in html(matrix) + str(matrix)


def test_prices_have_the_latency_too(matrix):
    bundle = matrix.prices._repr_mimebundle_()
    ((_, (head, *rows)),) = Page(bundle["text/html"]).tables
    assert head == ["design", "packets per message", "rows in the database", "latency"]
    assert [row[-1] for row in rows] == [f"{matrix.latency(design) * 1000:.1f} ms" for design in matrix.designs]
    assert all(0 < matrix.latency(design) < 5 for design in matrix.designs)
    assert bundle["text/plain"] == str(matrix.prices)
    assert all(cell in str(matrix.prices) for row in rows for cell in row)


def test_a_screen_reader_is_given_the_heads_of_rows_and_columns_and_the_picture_in_words(matrix):
    page = Page(html(matrix))
    assert set(page.scopes) == {("th", "col"), ("th", "row"), ("td", None)}
    (image,) = page.images
    assert f"{RETRY}: " in image["alt"]
    assert all(f"{len(matrix.runs(design, fate='lost'))} lost" in image["alt"] for design in matrix.designs)
    encoded = image["src"].removeprefix("data:image/svg+xml;base64,")
    assert base64.b64decode(encoded).decode() == matrix.svg


def test_the_text_twin_says_what_the_tables_say(matrix):
    lines = [re.split(r"\s{2,}", line) for line in str(matrix).splitlines()]
    for _, rows in Page(html(matrix)).tables:
        assert all(row in lines for row in rows)
    assert 'bare: lost, for example alice.link.cut(before=2, direction="upstream")' in str(matrix)


def outcome(design, point, *, reached=True, events=()):
    return Outcome(design, point, reached=reached, events=events, rows=0)


def cut(packet, side="before", *, link="alice", direction="upstream", what="", stall=False):
    return Break(link, direction, packet, side, stall, what or f"#{packet}")


def by_hand(**runs):
    """Design -> points."""
    return FateMatrix([outcome(name, None) for name in runs], [outcome(name, point) for name, points in runs.items() for point in points])


def test_the_columns_of_all_designs_are_in_one_order_whoever_has_a_point_first():
    few = [cut(1), cut(3), cut(2, stall=True), Crash("before_apply", 1), Crash("after_ack", 3)]
    many = [cut(1), cut(2), cut(3), cut(4), cut(1, stall=True), cut(2, stall=True)]
    many += [Crash(at, n) for at in ("before_apply", "before_commit", "after_ack") for n in (1, 2, 3)]
    matrix = by_hand(few=few, many=many)
    assert list(matrix.places) == [
        "cut: alice to the server", "stall: alice to the server", "crash: before_apply", "crash: before_commit", "crash: after_ack"
    ]  # fmt: skip
    assert matrix.points == tuple(point.name for point in many)
    assert [matrix.run("few", point) is not None for point in matrix.points] == [point in few for point in many]


def test_the_kinds_of_faults_keep_their_order_also_where_a_design_has_only_one_of_them():
    matrix = by_hand(a=[Crash("after_ack", 1)], b=[cut(1, stall=True)], c=[cut(1)])
    assert list(matrix.places) == ["cut: alice to the server", "stall: alice to the server", "crash: after_ack"]


def test_two_packets_of_one_name_have_a_cell_each():
    matrix = by_hand(a=[cut(1, what="CONNECT"), cut(5, what="CONNECT")])
    assert [point[-10:] for point in matrix.points] == ["re CONNECT", "ONNECT (2)"]
    assert len(matrix.fates) == len(matrix.runs()) == 2
    assert [matrix.run("a", point).point.packet for point in matrix.points] == [1, 5]


def test_the_shortest_schedule_is_the_earliest_cut_and_not_the_run_with_the_fewest_events(matrix):
    long = matrix.plain[RETRY].events
    runs = [
        outcome("a", Crash("before_ack", 1)), outcome("a", cut(1, stall=True)), outcome("a", cut(3)), outcome("a", cut(2, "after")),
        outcome("a", cut(2), events=long), outcome("a", cut(2, link="bob"), events=long),
    ]  # fmt: skip
    assert {run.fate for run in runs} == {"kept"}
    found = FateMatrix([outcome("a", None)], runs)
    assert [str(run.point) for run in found.examples("a", "kept")] == [
        'alice.link.cut(before=2, direction="upstream")', 'bob.link.cut(before=2, direction="upstream")',
        'alice.link.cut(after=2, direction="upstream")', 'alice.link.cut(before=3, direction="upstream")',
        'alice.link.stall("upstream", before=1)', 'lab.server.crash(at="before_ack")',
    ]  # fmt: skip
    assert found.shortest("a", "kept") is found.examples("a", "kept")[0]
    assert found.shortest("a", "lost") is None


def test_a_run_that_never_came_to_its_break_point_is_named_and_not_counted():
    matrix = FateMatrix([outcome("a", None)], [outcome("a", cut(1)), outcome("a", cut(2), reached=False)])
    assert len(matrix.runs()) == len(matrix.fates) == matrix.total("a").total() == 1
    note = "1 more never came to their break point, and are not counted."
    assert note in str(matrix)
    assert note in html(matrix)
    assert note not in str(FateMatrix([outcome("a", None)], [outcome("a", cut(1))]))


def test_runs_are_found_by_design_place_and_fate(matrix):
    place = "cut: alice to the server"
    assert matrix.runs("bare", place=place) == [run for run in matrix.runs() if run.design == "bare" and run.point.place == place]
    assert matrix.runs(fate="lost") == [run for run in matrix.runs() if run.fate == "lost"] != []
    assert matrix.runs("nobody") == []
