"""Clocks that jump and drift, and come back to what they were."""

from __future__ import annotations

import pytest

from nemesis.clock import Clock
from nemesis.plan import Fault
from systems_under_test.environments.cluster import ClockReading, NodeState
from tests.nemesis.memory_cluster import SKEW_NS, MemoryCluster

SECOND = 1_000_000_000
CLOCK = Clock()


def jump(number: int, offset: int, *targets: str) -> Fault:
    return Fault(number, "clock", {"targets": list(targets), "wall_offset_ns": offset})


def drift(number: int, rate: int, *targets: str) -> Fault:
    return Fault(number, "clock", {"targets": list(targets), "rate_ppm": rate})


def test_a_jump_moves_the_targets_alone_and_is_taken_back() -> None:
    cluster = MemoryCluster()
    fault = jump(1, -10 * SECOND, "n1", "n3")
    effect = CLOCK.inject(cluster, fault)
    assert effect.effect == "applied"
    assert effect.evidence["n1"]["wall_offset_ns"] == [SKEW_NS, SKEW_NS - 10 * SECOND]
    assert [node.offset // SECOND for node in cluster.nodes.values()] == [-10, 0, -10, 0, 0]
    assert CLOCK.heal(cluster, fault).effect == "healed"
    assert {node.offset for node in cluster.nodes.values()} == {SKEW_NS}


def test_a_drift_ends_with_the_clock_where_it_would_have_been() -> None:
    cluster = MemoryCluster()
    fault = drift(1, 100_000, "n2")
    assert CLOCK.inject(cluster, fault).effect == "applied"
    cluster.pass_time(30 * SECOND)
    healing = CLOCK.heal(cluster, fault)
    assert healing.effect == "healed"
    assert healing.evidence["n2"]["wall_offset_ns"] == [3 * SECOND + SKEW_NS, SKEW_NS]
    assert cluster.nodes["n2"].read_clock() == ClockReading(SKEW_NS, 0)


@pytest.mark.parametrize("fault", [jump(1, SECOND // 4, "n1"), drift(1, -1_000, "n1")])
def test_a_clock_that_does_not_obey_is_ineffective_and_one_that_keeps_on_leaks(
    fault: Fault,
) -> None:
    cluster = MemoryCluster()
    cluster.broken.add("set_clock")
    assert CLOCK.inject(cluster, fault).effect == "ineffective"
    cluster = MemoryCluster()
    CLOCK.inject(cluster, fault)
    cluster.broken.add("set_clock")
    assert CLOCK.heal(cluster, fault).effect == "leaked"


def test_faults_of_one_clock_add_up_and_each_healing_takes_its_own_share() -> None:
    cluster = MemoryCluster()
    first, second, third = jump(1, SECOND, "n1"), drift(2, 50_000, "n1"), jump(3, -5 * SECOND, "n1")
    for fault in (first, second, third):
        assert CLOCK.inject(cluster, fault).effect == "applied"
    assert cluster.nodes["n1"].read_clock() == ClockReading(SKEW_NS - 4 * SECOND, 50_000)
    cluster.pass_time(20 * SECOND)
    assert CLOCK.heal(cluster, first).effect == "healed"
    assert cluster.nodes["n1"].read_clock() == ClockReading(SKEW_NS - 4 * SECOND, 50_000)
    assert CLOCK.heal(cluster, third).effect == "healed"
    assert cluster.nodes["n1"].read_clock() == ClockReading(SKEW_NS + SECOND, 50_000)
    assert CLOCK.heal(cluster, second).effect == "healed"
    assert cluster.nodes["n1"].read_clock() == ClockReading(SKEW_NS, 0)


@pytest.mark.parametrize("life", ["dead", "paused"])
def test_a_clock_that_cannot_be_read_is_set_and_proves_nothing(life: NodeState) -> None:
    cluster = MemoryCluster()
    cluster.nodes["n1"].life = life
    fault = jump(1, 10 * SECOND, "n1", "n2")
    effect = CLOCK.inject(cluster, fault)
    assert effect.effect == "partly"
    assert effect.evidence["n1"]["wall_offset_ns"] == [None, None]
    assert effect.evidence["uncertain"] == ["n1"]
    assert cluster.nodes["n1"].offset == SKEW_NS + 10 * SECOND
    assert CLOCK.heal(cluster, fault).effect == "healed"
    assert cluster.nodes["n1"].offset == SKEW_NS


@pytest.mark.parametrize("misread", [-400_000_000, 0, 400_000_000])
def test_a_reading_that_is_off_by_its_error_accuses_no_clock_and_sets_none(misread: int) -> None:
    cluster = MemoryCluster()
    node = cluster.nodes["n1"]
    node.misread, node.clock_error = misread, 500_000_000
    first, second = jump(1, SECOND // 4, "n1"), jump(2, 10 * SECOND, "n1")
    effect = CLOCK.inject(cluster, first)
    assert (effect.effect, effect.evidence["uncertain"]) == ("uncertain", ["n1"])
    assert effect.evidence["n1"]["error_ns"] == [500_000_000, 500_000_000]
    assert CLOCK.inject(cluster, second).effect == "applied"
    assert node.offset == SKEW_NS + 41 * SECOND // 4
    assert CLOCK.heal(cluster, second).effect == "healed"
    assert node.offset == SKEW_NS + SECOND // 4
    assert CLOCK.heal(cluster, first).effect == "uncertain"
    assert node.offset == SKEW_NS


@pytest.mark.parametrize("error", [0, 500_000_000])
def test_a_clock_that_is_far_from_where_it_should_be_is_told_within_the_error(error: int) -> None:
    cluster = MemoryCluster()
    node = cluster.nodes["n1"]
    node.clock_error = error
    cluster.broken.add("set_clock")
    assert CLOCK.inject(cluster, jump(1, 10 * SECOND, "n1")).effect == "ineffective"
    cluster.broken.clear()
    CLOCK.inject(cluster, jump(2, 10 * SECOND, "n1"))
    cluster.broken.add("set_clock")
    assert CLOCK.heal(cluster, jump(2, 10 * SECOND, "n1")).effect == "leaked"


def test_a_node_that_does_not_answer_is_uncertain_and_set_all_the_same() -> None:
    cluster = MemoryCluster()
    cluster.failing.add("read_clock")
    fault = jump(1, 10 * SECOND, "n1")
    assert CLOCK.inject(cluster, fault).effect == "uncertain"
    assert cluster.nodes["n1"].offset == SKEW_NS + 10 * SECOND
    assert CLOCK.heal(cluster, fault).effect == "uncertain"
    assert cluster.nodes["n1"].offset == SKEW_NS


def test_a_drift_goes_on_while_a_node_is_slow_to_answer() -> None:
    cluster = MemoryCluster()
    node = cluster.nodes["n1"]
    node.answers_after_ns = 2 * SECOND
    assert CLOCK.inject(cluster, drift(1, 200_000, "n1")).effect == "applied"
    assert CLOCK.inject(cluster, jump(2, SECOND // 4, "n1")).effect == "applied"


def test_healing_twice_leaves_the_clock_alone() -> None:
    cluster = MemoryCluster()
    fault, other = jump(1, SECOND, "n1"), jump(2, SECOND, "n1")
    CLOCK.inject(cluster, fault)
    CLOCK.inject(cluster, other)
    CLOCK.heal(cluster, fault)
    assert CLOCK.heal(cluster, fault).effect == "healed"
    assert cluster.nodes["n1"].offset == SKEW_NS + SECOND
