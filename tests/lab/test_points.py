"""Where a run can be broken, read from a run of it in which nothing breaks."""

import math

import pytest

from realtime_lab import InvalidSetting, Lab
from realtime_lab.lab.points import Break, Crash, Point, check_faults, points_of
from realtime_lab.lab.trial import Design, Trial, try_once

RETRY = {"retries": math.inf, "ack_timeout": 1.0}


async def two(trial: Trial) -> None:
    alice = await trial.join("alice")
    await trial.join("bob")
    alice.emit("chat message", 1)
    alice.emit("chat message", 2)


async def points(faults: tuple[str, ...], design: Design, **options: object) -> list[Point]:
    outcome = await try_once(two, design, None, name="points")
    return points_of(outcome.events, faults, commits=outcome.rows > 0, **options)  # type: ignore[arg-type]


async def test_a_cut_goes_before_and_after_each_packet_of_each_link_in_both_directions() -> None:
    found = await points(("cut",), Design("bare"))
    assert [each.name for each in found if "before" in each.name] == [
        "cut: alice from the server, before CONNECT",
        "cut: alice to the server, before CONNECT",
        "cut: alice to the server, before chat message #1",
        "cut: alice to the server, before chat message #2",
        "cut: bob from the server, before CONNECT",
        "cut: bob from the server, before chat message #1",
        "cut: bob from the server, before chat message #2",
        "cut: bob to the server, before CONNECT",
    ]
    assert [each.name.replace("after", "before") for each in found if "after" in each.name] == [
        each.name for each in found if "before" in each.name
    ]


async def test_answers_have_places_of_their_own() -> None:
    found = await points(("cut",), Design("retry", client=RETRY))
    assert "cut: alice from the server, before the answer to chat message #2" in [each.name for each in found]


async def test_stalls_are_before_packets_only_and_may_be_thinned_out_evenly() -> None:
    every = await points(("stall",), Design("bare"))
    assert len(every) == 8 and all(isinstance(each, Break) and each.stall and each.side == "before" for each in every)
    some = await points(("stall",), Design("bare"), stalls=3)
    assert some == every[::3]
    assert await points(("stall",), Design("bare"), stalls=0) == every[:1]


async def test_the_server_can_crash_at_each_point_for_each_event_it_was_given() -> None:
    without = await points(("crash",), Design("bare"))
    assert [(each.at, each.nth) for each in without if isinstance(each, Crash)] == [
        ("before_apply", 1), ("before_apply", 2), ("before_ack", 1), ("before_ack", 2),
    ]  # fmt: skip
    with_log = await points(("crash",), Design("retry", server={"dedupe": True}, client=RETRY))
    assert {each.at for each in with_log if isinstance(each, Crash)} == {
        "before_apply",
        "before_commit",
        "after_commit",
        "before_ack",
        "after_ack",
    }
    assert len(with_log) == 10


async def test_behind_an_answer_for_which_nobody_waited_it_is_chance_what_was_begun_so_that_is_no_point() -> None:
    hasty = await points(("crash",), Design("acks, no retries", client={"ack_timeout": 1.0}))
    assert [each.nth for each in hasty if isinstance(each, Crash) and each.at == "after_ack"] == [2]


async def test_a_point_is_the_line_of_code_that_does_it() -> None:
    async with Lab.start(name="points") as lab:
        alice = await lab.prepare("alice")
        for point in (
            Break("alice", "upstream", 3, "before", False, ""),
            Break("alice", "downstream", 2, "after", False, ""),
            Break("alice", "upstream", 4, "before", True, ""),
        ):
            eval(str(point), {"alice": alice})
            point.arm(lab)
        written = [str(armed) for armed in alice.link.armed]
        assert written == [each for each in written[::2] for _ in range(2)] and len(written) == 6
        eval(str(Crash("before_ack", 2)), {"lab": lab})
        assert lab.server.armed == "before_ack"


@pytest.mark.parametrize("faults", ["cut", (), ("cut", "fire")])
def test_an_unknown_kind_of_fault_is_an_error_that_names_those_there_are(faults: tuple[str, ...]) -> None:
    with pytest.raises(InvalidSetting, match="'cut', 'stall', 'crash'"):
        check_faults(faults)
