"""What a turn does that is more than one fault; roles, zones, orders, limits."""

from __future__ import annotations

import itertools
from typing import Any

import msgspec
import pytest

from checker.history.events import NEMESIS
from lineal.definition import Test
from nemesis.options import FaultOptions, options_of
from nemesis.plan import Fault
from nemesis.plans import parse
from nemesis.schedule import QuietTail
from nemesis.stop import Stop
from nemesis.zones import thirds, zones_of
from systems_under_test.atomic.system import SYSTEM
from systems_under_test.environments.cluster import EnvironmentFailed
from systems_under_test.rng import Rng
from tests.nemesis.memory_cluster import MemoryCluster
from tests.nemesis.rehearsal import SECOND, Rehearsal
from workloads.generators.protocol import Context, Pending
from workloads.invocations import Invocation

FIVE = ("n1", "n2", "n3", "n4", "n5")


def struck(rehearsal: Rehearsal, f: str) -> list[list[str]]:
    return [event.input["targets"] for event in rehearsal.invoked(f)]


def most_open(rehearsal: Rehearsal) -> int:
    """The most faults that were open at any moment."""
    count, most = 0, 0
    for event in rehearsal.invoked():
        count += -1 if event.f == "heal" else 1
        most = max(most, count)
    return most


def is_whole(rehearsal: Rehearsal) -> bool:
    rehearsal.heal()
    return {node.state() for node in rehearsal.cluster.nodes.values()} == {"running"}


@pytest.mark.parametrize("f", ["kill", "stop"])
def test_a_brief_end_is_over_at_once(f: str) -> None:
    rehearsal = Rehearsal(parse(f"{f}:brief"), seconds=30)
    assert len(rehearsal.invoked(f)) >= 5
    for begin, end in rehearsal.windows():
        assert end is None or end.time - begin.time < 0.5 * SECOND
    assert rehearsal.effects() == {(f, "applied"), ("heal", "healed")}


@pytest.mark.parametrize("f", ["kill", "stop"])
def test_a_rolling_restart_takes_one_node_after_the_other(f: str) -> None:
    rehearsal = Rehearsal(parse(f"{f}:rolling@all"), seconds=60)
    nodes = [target for targets in struck(rehearsal, f) for target in targets]
    assert sorted(nodes[:5]) == list(FIVE)
    assert most_open(rehearsal) == 1
    assert nodes[:5] != nodes[5:10], "the order is drawn"
    assert is_whole(rehearsal)


def test_a_crash_loop_strikes_the_same_nodes_just_after_they_have_started() -> None:
    rehearsal = Rehearsal(parse("kill:crash-loop@minority"), seconds=30)
    turns = [list(group) for _, group in itertools.groupby(struck(rehearsal, "kill"))]
    assert all(len(turn) >= 3 for turn in turns[:-1])
    assert len(turns) >= 2
    (first, *_) = turns
    assert max(node.incarnation() for node in rehearsal.cluster.nodes.values()) > 3
    assert len(first[0]) == 2


def test_a_link_that_flaps_is_cut_and_mended_several_times_a_second() -> None:
    rehearsal = Rehearsal(parse("partition:flapping"), seconds=20)
    first = [event.input["grudge"] for event in rehearsal.invoked("partition")][:3]
    assert first[0] == first[1] == first[2]
    for begin, end in rehearsal.windows():
        assert begin.input["variant"] == "flapping"
        assert begin.input["shape"]
        assert end is None or end.time - begin.time < 0.6 * SECOND
    assert rehearsal.effects() == {("partition", "applied"), ("heal", "healed")}


def test_swizzling_cuts_one_by_one_and_heals_in_another_order() -> None:
    rehearsal = Rehearsal(parse("partition:swizzle@all"), seconds=60)
    events = rehearsal.invoked()
    cuts = list(itertools.takewhile(lambda event: event.f == "partition", events))
    assert len(cuts) == 5
    heals = [event.fault for event in events[5:10]]
    assert sorted(number or 0 for number in heals) == [1, 2, 3, 4, 5]
    later = [event.fault for event in events[15:20]]
    assert heals != [1, 2, 3, 4, 5] or later != [6, 7, 8, 9, 10]
    assert len({tuple(event.input["targets"]) for event in cuts}) == 5


def test_zones_are_struck_whole() -> None:
    zones = {("n1",), ("n2", "n3"), ("n4", "n5")}
    assert set(thirds(FIVE)) == zones
    assert {tuple(t) for t in struck(Rehearsal(parse("zone"), seconds=40), "kill")} <= zones
    cut = Rehearsal(parse("zone:cut"), seconds=40)
    for event in cut.invoked("partition"):
        side = tuple(event.input["targets"])
        assert side in zones
        assert all(set(event.input["grudge"][node]) == set(FIVE) - set(side) for node in side)
    slow = Rehearsal(parse("zone:slow"), seconds=40)
    assert {tuple(t) for t in struck(slow, "link")} <= zones
    alone = Rehearsal(parse("partition:zones"), seconds=10).invoked("partition")[0]
    assert alone.input["grudge"]["n2"] == ["n1", "n4", "n5"]


def test_zones_are_taken_as_they_are_said() -> None:
    assert zones_of("n1+n5/n3", FIVE) == (("n1", "n5"), ("n3",), ("n2",), ("n4",))
    with pytest.raises(ValueError, match="there is no node n9"):
        zones_of("n1+n9", FIVE)
    with pytest.raises(ValueError, match="stands in two zones"):
        zones_of("n1+n2/n2", FIVE)
    assert thirds(("a",)) == (("a",),)


def test_the_nemesis_looks_for_a_role_before_each_fault_of_it() -> None:
    rehearsal = Rehearsal(parse("kill@leader"), seconds=20)
    names = [event.f for event in rehearsal.invoked()]
    assert names[:3] == ["roles", "kill", "heal"]
    assert struck(rehearsal, "kill")
    assert all(targets == ["n2"] for targets in struck(rehearsal, "kill"))
    looks = [event for event in rehearsal.events if event.f == "roles"]
    assert all(event.fault is None for event in looks)


def test_targets_around_the_leader() -> None:
    minority = Rehearsal(parse("partition:one-node@leader-minority"), seconds=40)
    sides = struck(minority, "partition")
    assert all("n2" in side and len(side) == 2 for side in sides)
    assert len({tuple(side) for side in sides}) > 1
    (followers, *_) = struck(Rehearsal(parse("pause@followers"), seconds=20), "pause")
    assert followers == ["n1", "n3", "n4", "n5"]
    star = Rehearsal(parse("partition:star@leader"), seconds=20).invoked("partition")[0]
    assert star.input["grudge"]["n1"] == ["n3", "n4", "n5"]
    assert "n2" not in star.input["grudge"]


def test_while_nobody_leads_the_fault_waits_and_looks_again() -> None:
    rehearsal = Rehearsal(parse("kill@leader"), seconds=10, roles={})
    assert not rehearsal.invoked("kill")
    assert len(rehearsal.invoked("roles")) > 5


def inputs(text: str, f: str, seed: int = 5) -> list[Any]:
    rehearsal = Rehearsal(parse(text), seconds=40, seed=seed)
    return [event.input for event in rehearsal.invoked(f)]


def test_to_take_one_plan_away_reshuffles_no_other() -> None:
    alone = inputs("partition", "partition")
    assert len(alone) > 5
    for text in ("partition,clock", "link,partition,clock:jump@one", "clock,link:slow,partition"):
        assert inputs(text, "partition")[: len(alone) - 2] == alone[: len(alone) - 2]
    assert inputs("partition", "partition", seed=6) != alone


def test_two_plans_alike_do_not_do_the_same() -> None:
    rehearsal = Rehearsal(parse("clock@one,clock@one"), seconds=60)
    pairs = itertools.pairwise(rehearsal.invoked("clock"))
    assert not all(a.input == b.input for a, b in pairs)


def test_plans_may_take_turns() -> None:
    options = options_of({"order": "cycle"})
    rehearsal = Rehearsal(parse("partition,kill,pause", options=options), seconds=60)
    names = [event.f for event in rehearsal.invoked() if event.f != "heal"]
    assert names[:6] == ["partition", "kill", "pause"] * 2
    assert most_open(rehearsal) == 1


@pytest.mark.parametrize("limit", [{}, {"at-most": "minority"}])
def test_plans_that_take_turns_are_named_one_by_one(limit: dict[str, str]) -> None:
    test = Test(
        system=SYSTEM,
        nodes=FIVE,
        faults="kill:brief@n1,kill@n2",
        fault_options={"order": "cycle", **limit},
        time_limit_s=2.5,
    )
    ctx = Context(0, (NEMESIS,), {NEMESIS: NEMESIS}, FIVE, Rng("turns"))
    waiting, schedule = test.plan.schedule.op(ctx) or pytest.fail("over at once")
    assert isinstance(waiting, Pending)
    proposed, _ = schedule.op(msgspec.structs.replace(ctx, time=3 * SECOND)) or pytest.fail("over")
    assert isinstance(proposed, Invocation)
    assert proposed.plan == "kill:brief@n1"
    (missed,) = test.missed_nemeses({"kill"}, {"kill:brief@n1"})
    assert missed.startswith("kill@n2")


@pytest.mark.parametrize("text", ["clock:strobe@n1,kill@n2", "kill@n2,clock:strobe@n1"])
def test_plans_that_take_turns_keep_their_own_pace(text: str) -> None:
    rehearsal = Rehearsal(parse(text, options=options_of({"order": "cycle"})), seconds=60)
    events = rehearsal.invoked()
    lasted: dict[str, list[float]] = {"clock": [], "kill": []}
    quiet: dict[str, list[float]] = {"clock": [], "kill": []}
    for fault, healing, following in zip(events[::2], events[1::2], events[2::2], strict=False):
        lasted[fault.f].append((healing.time - fault.time) / SECOND)
        quiet[fault.f].append((following.time - healing.time) / SECOND)
    assert len(lasted["clock"]) > 5
    assert len(lasted["kill"]) > 5
    # A rehearsal's actions take a little time of their own.
    assert max(lasted["clock"] + quiet["clock"]) < 0.5
    assert min(lasted["kill"]) >= 2
    assert min(quiet["kill"]) >= 1


def test_an_option_that_says_nothing_of_a_fault_leaves_it_its_pace() -> None:
    strobing = Rehearsal(parse("clock:strobe@n1", options=options_of({"lead-in": "1"})))
    first, healing, *_ = strobing.invoked()
    assert SECOND <= first.time < 1.2 * SECOND
    assert healing.time - first.time < 0.5 * SECOND
    assert len(strobing.invoked("clock")) > 20
    slowed = Rehearsal(parse("clock:strobe@n1", options=options_of({"fault": "2-4"})))
    first, healing, *_ = slowed.invoked()
    assert healing.time - first.time >= 2 * SECOND


def test_a_budget_ends_a_plan_and_leaves_nothing_open() -> None:
    options = options_of({"budget": 2})
    rehearsal = Rehearsal(parse("kill,partition", options=options), seconds=60)
    assert len(rehearsal.invoked("kill")) == len(rehearsal.invoked("partition")) == 2
    assert not rehearsal.open


def test_plans_that_take_turns_have_a_budget_each() -> None:
    options = options_of({"budget": 2, "order": "cycle"})
    rehearsal = Rehearsal(parse("kill@one,partition,pause@one", options=options), seconds=120)
    begun = [event.f for event in rehearsal.invoked() if event.f != "heal"]
    assert begun == ["kill", "partition", "pause"] * 2
    assert not rehearsal.open


@pytest.mark.parametrize("order", ["together", "cycle"])
def test_a_plan_whose_faults_come_in_bundles_stops_within_one(order: str) -> None:
    """A loop of crashes has three at least, and a swizzle of a majority of five too."""
    options = options_of({"budget": 4, "order": order})
    text = "kill:crash-loop,partition:swizzle@majority"
    rehearsal = Rehearsal(parse(text, options=options), seconds=120)
    assert len(rehearsal.invoked("kill")) == len(rehearsal.invoked("partition")) == 4
    assert not rehearsal.open


def test_the_options_set_when_faults_come() -> None:
    options = options_of({"lead-in": 3, "fault": "0.5-0.6", "quiet": "5"})
    rehearsal = Rehearsal(parse("pause", options=options), seconds=20)
    first, second = rehearsal.invoked("pause")[:2]
    assert 3 * SECOND <= first.time < 3.2 * SECOND
    assert 5.5 * SECOND <= second.time - first.time < 6 * SECOND


def test_options_that_mean_nothing_are_refused_all_at_once() -> None:
    with pytest.raises(ValueError, match="faults have no option 'moon'; there are: at-most"):
        options_of({"moon": 1})
    given = {"lead-in": "3-2", "order": "odd", "at-most": "some", "tail": -1, "budget": 0}
    with pytest.raises(ValueError) as raised:
        options_of(given)
    lines = str(raised.value).splitlines()
    assert [line.partition("=")[0] for line in lines] == [
        "lead-in", "order", "at-most", "tail", "budget"
    ]  # fmt: skip
    assert options_of({}) == FaultOptions()


def test_the_tail_of_a_drive_is_quiet() -> None:
    plan = parse("kill,partition,clock")
    tail = Rehearsal(plan.__class__("tail", plan.nemesis, QuietTail(plan.schedule, 8 * SECOND)))
    last = max(event.time for event in tail.invoked())
    assert 6 * SECOND < last < 8.5 * SECOND
    assert not tail.open


def test_a_stop_is_proved_by_the_state_of_the_process() -> None:
    fault = Fault(1, "stop", {"targets": ["n1", "n2"]})
    cluster = MemoryCluster()
    assert Stop().inject(cluster, fault).effect == "applied"
    assert {cluster.nodes[name].state() for name in ("n1", "n2")} == {"dead"}
    assert Stop().heal(cluster, fault).effect == "healed"
    sabotaged = MemoryCluster()
    sabotaged.broken.add("stop")
    assert Stop().inject(sabotaged, fault).effect == "ineffective"
    sabotaged = MemoryCluster()
    assert Stop().inject(sabotaged, fault).effect == "applied"
    sabotaged.broken.add("start")
    assert Stop().heal(sabotaged, fault).effect == "leaked"
    unwilling = MemoryCluster()
    unwilling.failing.add("stop")
    with pytest.raises(EnvironmentFailed):
        Stop().inject(unwilling, fault)
