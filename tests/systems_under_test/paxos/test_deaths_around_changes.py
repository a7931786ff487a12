"""Members die, or lose their disks, just before or after a change of members.

Found by a reviewer: a dead node was added, and a majority that was alive had no leader any more;
an order left what was acknowledged on one disk; a log replica had forgotten what only a minority
kept.
"""

from __future__ import annotations

from itertools import permutations
from typing import TYPE_CHECKING, Any

import pytest

from systems_under_test.paxos.group import LOG, first_group
from systems_under_test.paxos.snapshots import copies_needed
from tests.systems_under_test.paxos.driving import FIVE, THREE, Drive
from tests.systems_under_test.paxos.invariants import Observer
from workloads.client import Request

if TYPE_CHECKING:
    from systems_under_test.paxos.node import Node

FOUR = (*THREE, "n4")
SIX = (*FIVE, "n6")


class Observed:
    """A cluster whose replicas can be looked into, with one value in it."""

    def __init__(self, nodes: tuple[str, ...], seed: int, **options: Any) -> None:
        self.observer = Observer()
        self.nodes = nodes
        options = {"log_replicas": 1, "checkpoint_slots": 5, **options}
        self.drive = Drive(options, nodes=nodes, seed=seed, observer=self.observer)
        self.leader = self.drive.await_leader()
        self.drive.put(self.leader, "a", 1)
        self.drive.wait(300)
        self.others = [node for node in nodes[:-1] if node != self.leader]

    def node(self, name: str) -> Node:
        node = self.observer.lives[name].node
        assert node is not None
        return node

    def kill(self, *names: str) -> None:
        for name in names:
            self.drive.cluster.nodes[name].kill()

    def isolate(self, *names: str) -> None:
        links = permutations(self.nodes, 2)
        self.drive.cut([(a, b) for a, b in links if (a in names) != (b in names)])

    def write_much(self, count: int) -> None:
        for n in range(count):
            self.drive.put(self.leader, f"k{n}", n)
        self.drive.wait(500)

    def members(self) -> list[str]:
        return [member.node for member in self.node(self.leader).groups.base.members]


@pytest.mark.parametrize("seed", [1, 2])
def test_a_dead_node_is_not_added_by_order(seed: int) -> None:
    cluster = Observed(FOUR, seed, repair="off")
    drive = cluster.drive
    cluster.kill("n4", cluster.others[0])
    drive.wait(5_000)
    assert drive.order(cluster.leader, "add?node=n4")[0] == 200
    drive.wait(500)
    assert drive.first_write_after(cluster.leader, 1_000) < 100
    assert "n4" not in cluster.members()
    drive.cluster.nodes["n4"].start()
    drive.wait(2_000)
    assert "n4" in cluster.members(), "the order waits until the node is there"


@pytest.mark.parametrize("died_before_ms", [50, 150, 300])
def test_a_stand_in_that_has_just_died_is_not_added(died_before_ms: int) -> None:
    cluster = Observed(FOUR, 1, replace_after_ms=1_000)
    cluster.kill(cluster.others[0])
    cluster.drive.wait(1_000 - died_before_ms)
    cluster.kill("n4")
    cluster.drive.wait(2_000)
    assert cluster.drive.first_write_after(cluster.leader, 1_000) < 100


@pytest.mark.parametrize("loses_disk", [False, True])
@pytest.mark.parametrize("seed", [1, 2])
def test_an_order_leaves_no_acknowledged_value_on_one_disk(seed: int, loses_disk: bool) -> None:
    cluster = Observed(FOUR, seed, repair="off")
    drive, leader = cluster.drive, cluster.leader
    behind, gone = cluster.others
    cluster.isolate(behind)
    cluster.write_much(40)
    for order in ("add?node=n4", f"remove?node={gone}"):
        assert drive.order(leader, order)[0] == 200
        drive.wait(1_000)
    assert cluster.node("n4").log.start > cluster.node(behind).log.last
    cluster.kill(leader)
    if loses_disk:
        drive.cluster.nodes[leader].disk.wipe()
        drive.cluster.nodes[leader].start()
    drive.cut([])
    assert drive.first_write_after(behind, 10_000) < 5_000
    assert drive.get(behind, "k39")["value"] == 39
    assert cluster.observer.violations == []


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_who_is_to_be_removed_may_stand_until_that_is_chosen(seed: int) -> None:
    """It alone holds what the log replica has forgotten, and the other one needs."""
    cluster = Observed(FOUR, seed, repair="off")
    drive, leader = cluster.drive, cluster.leader
    behind, other = cluster.others
    drive.order(leader, "add?node=n4")
    drive.wait(500)
    cluster.isolate(behind)
    cluster.write_much(40)
    drive.begin(leader, Request("POST", f"/admin/remove?node={leader}"), 1_000)
    while cluster.node(leader).groups.newest.id < 2:
        drive.cluster.step()
    cluster.kill(other, leader)
    drive.cut([])
    drive.cluster.nodes[leader].start()
    assert drive.first_write_after(leader, 10_000) < 5_000
    assert cluster.observer.violations == []


@pytest.mark.parametrize("lose_disks", [False, True])
def test_what_a_log_replica_counted_for_outlives_a_minority(lose_disks: bool) -> None:
    """Five members, one of them a log replica: two of them may lose their disks."""
    cluster = Observed(SIX, 1, replace_after_ms=500)
    drive, leader = cluster.drive, cluster.leader
    dead, far, farther, near = cluster.others
    cluster.kill(dead)
    while cluster.node(leader).groups.base.id < 2:
        drive.wait(10)
    assert "n6" in cluster.members()
    drive.wait(300)
    cluster.isolate(far, farther)
    cluster.write_much(60)
    cluster.kill(leader, near)
    if lose_disks:
        for name in (leader, near):
            drive.cluster.nodes[name].disk.wipe()
    drive.cut([])
    if lose_disks:
        for name in (leader, near, dead):
            drive.cluster.nodes[name].start()
    assert drive.first_write_after(far, 10_000) < 5_000
    assert drive.get(far, "k59")["value"] == 59
    assert cluster.observer.violations == []


def test_a_configuration_that_is_chosen_is_told_at_once() -> None:
    cluster = Observed(FOUR, 1, repair="off", heartbeat_ms=160)
    drive, leader = cluster.drive, cluster.leader
    assert drive.order(leader, "add?node=n4")[0] == 200
    while cluster.node(leader).groups.base.id < 1:
        drive.cluster.step()
    drive.wait(40)
    assert [cluster.node(name).groups.base.id for name in FOUR] == [1, 1, 1, 1]


@pytest.mark.parametrize(
    ("storing", "standing_in", "copies"), [(3, 0, 2), (5, 0, 2), (3, 1, 2), (4, 1, 3), (5, 1, 3)]
)
def test_a_slot_is_forgotten_when_a_minority_can_be_lost(
    storing: int, standing_in: int, copies: int
) -> None:
    group = first_group(SIX, storing)
    for n in range(standing_in):
        group = group.with_member(f"l{n}", LOG, 1)
    assert copies_needed(group) == copies
