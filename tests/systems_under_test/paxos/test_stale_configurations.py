"""Configurations that were proposed by a leader that was cut off, and lie in its log alone.

Found by a reviewer: one of them was chosen in a later slot, behind another one of the same id, and
made two groups that do not meet; an acknowledged value was lost. Others kept a living majority from
electing a leader, or a member from being heard.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from unittest.mock import patch

import pytest

from systems_under_test.paxos.election import still_open
from systems_under_test.paxos.group import Groups, first_group
from systems_under_test.paxos.messages import Ballot, Entry, Opening, Promise
from systems_under_test.paxos.reconfiguration import Reconfiguration
from tests.systems_under_test.paxos.driving import FIVE, MILLISECOND, THREE, Drive, put
from tests.systems_under_test.paxos.invariants import Observer
from workloads.client import Reply, Request

if TYPE_CHECKING:
    from collections.abc import Callable

    from systems_under_test.paxos.node import Node

FOUR = (*THREE, "n4")
ANSWERED = (Reconfiguration, "_is_sound", lambda *_: True)
"""As if those that stay had answered just before the leader was cut off: else it removes nobody."""


def order(text: str) -> Request:
    return Request("POST", f"/admin/{text}")


def parted(nodes: tuple[str, ...], *parts: list[str]) -> list[tuple[str, str]]:
    """The links between these parts."""
    part_of = {node: number for number, part in enumerate(parts) for node in part}
    return [(a, b) for a in nodes for b in nodes if part_of[a] != part_of[b]]


class Story:
    """Five nodes, two of them log replicas; operators and cut links, no crash, no wrong clock."""

    def __init__(self, seed: int) -> None:
        self.observer = Observer()
        options = {"log_replicas": 2, "repair": "off"}
        self.drive = Drive(options, nodes=FIVE, seed=seed, observer=self.observer)
        self.replies: list[Any] = []

    def node(self, name: str) -> Node:
        node = self.observer.lives[name].node
        assert node is not None
        return node

    def leads(self, name: str) -> bool:
        leadership = self.node(name).leadership
        return leadership is not None and leadership.ready

    def until(self, holds: Callable[[], bool]) -> None:
        end = self.drive.cluster.now + 6_000 * MILLISECOND
        while not holds():
            assert self.drive.cluster.now < end, "it does not come to that"
            self.drive.cluster.step()

    def await_leader(self, wanted: str) -> None:
        """Any of those that can lead, then this one, by a hand-over."""
        self.until(lambda: any(self.leads(name) for name in THREE))
        if not self.leads(wanted):
            leader = next(name for name in THREE if self.leads(name))
            self.drive.order(leader, f"handover?to={wanted}")
            self.until(lambda: self.leads(wanted))

    def tell(self) -> None:
        """n1, cut off, removes n2 in a late slot; n2 adds n5 in an early one, under the same id."""
        drive = self.drive
        self.await_leader("n1")
        drive.put("n1", "x", "old")
        assert drive.order("n1", "add?node=n4")[0] == 200
        drive.wait(600)
        drive.cut(parted(FIVE, ["n1"], ["n2", "n3", "n4", "n5"]))
        for n in range(12):
            drive.begin("n1", put(f"stuck{n}", n), 1_000)
        with patch.object(*ANSWERED):
            drive.begin("n1", order("remove?node=n2"), 1_000)
            drive.wait(300)
        assert self.node("n1").groups.newest.id == 2
        self.until(lambda: self.node("n1").leadership is None)
        self.await_leader("n2")
        assert drive.order("n2", "add?node=n5")[0] == 200
        drive.wait(3_000)
        assert self.node("n2").groups.base.id == 2

    def elect_n3_by_n1(self) -> None:
        """n3 leads by the promise of n1, which still has what it was cut off with."""
        drive = self.drive
        drive.cut(parted(FIVE, ["n1"], ["n2"], ["n3", "n4", "n5"]))
        self.until(lambda: self.node("n3").election.candidacy is not None)
        drive.cut(parted(FIVE, ["n2"], ["n5"], ["n1", "n3", "n4"]))
        self.until(lambda: self.node("n3").leadership is not None)
        drive.cut(parted(FIVE, ["n2"], ["n1", "n3", "n4", "n5"]))
        self.until(lambda: self.leads("n3"))
        drive.wait(200)

    def write_in_both_halves(self) -> list[Any]:
        """A write to n3 that has n4 alone, a read where the others are; all answers that came."""
        drive = self.drive
        drive.cut(parted(FIVE, ["n1", "n2", "n5"], ["n3", "n4"]))
        written = drive.begin("n3", put("x", "new"), 1_000)
        drive.wait(2_500)
        read = drive.begin("n2", Request("GET", "/kv/x"), 1_000)
        drive.wait(2_500)
        drive.cut([])
        drive.wait(5_000)
        return [reply.status if isinstance(reply, Reply) else "none" for reply in (*written, *read)]


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_two_configurations_of_one_id_are_never_both_in_force(seed: int) -> None:
    story = Story(seed)
    story.tell()
    story.elect_n3_by_n1()
    members = {member.node for member in story.node("n3").groups.newest.members}
    assert members == set(FIVE)
    written, read = story.write_in_both_halves()
    assert (written, read) != (200, 200), "each half of a group has carried out a request"
    assert read == 200
    assert story.observer.violations == []


def cut_off(seed: int, orders: Callable[[list[str]], str], stuck: int) -> tuple[Drive, str, str]:
    """A leader that was given an order while it was cut off, the one after it, and the drive."""
    drive = Drive({"log_replicas": 1, "repair": "off"}, nodes=FOUR, seed=seed)
    old = drive.await_leader()
    drive.put(old, "a", 1)
    drive.wait(500)
    drive.cut(parted(FOUR, [old], [node for node in FOUR if node != old]))
    for n in range(stuck):
        drive.begin(old, put(f"stuck{n}", n), 1_000)
    others = [node for node in THREE if node != old]
    with patch.object(*ANSWERED):
        drive.begin(old, order(orders(others)), 1_000)
        drive.wait(300)
    for _ in range(200):
        drive.wait(20)
        found = [drive.status(node) for node in others]
        led = [it["node"] for it in found if it["role"] == "leader" and it["ready"]]
        if led:
            return drive, old, led[0]
    raise AssertionError("nobody leads")


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("wanted", ["add?node=n4", "remove?node={0}"])
def test_what_a_leader_wrote_alone_keeps_no_majority_from_electing(seed: int, wanted: str) -> None:
    drive, _, new = cut_off(seed, lambda others: wanted.format(others[0]), stuck=1)
    drive.cluster.nodes[new].kill()
    drive.cut([])
    assert drive.await_leader(10_000) != new


@pytest.mark.parametrize("seed", range(3))
def test_who_was_removed_while_it_added_somebody_is_heard_when_it_is_a_member_again(
    seed: int,
) -> None:
    drive, old, new = cut_off(seed, lambda _: "add?node=n4", stuck=8)
    drive.order(new, f"remove?node={old}")
    drive.wait(4_500)
    drive.cut([])
    drive.wait(500)
    drive.order(new, f"add?node={old}")
    drive.wait(1_000)
    for n in range(30):
        drive.put(new, f"k{n}", n)
    drive.wait(1_000)
    assert drive.status(old)["applied"] == drive.status(new)["applied"]


def test_a_configuration_that_does_not_follow_on_the_one_before_it_is_void() -> None:
    first = first_group(THREE, 3)
    groups = Groups(0, first)
    stale, later = first.without("n2"), first.without("n3")
    groups.put(9, stale)
    assert groups.newest == stale
    groups.put(4, later)
    assert [groups.at(slot) for slot in (3, 4, 9)] == [first, later, later]
    groups.put(4, None)
    assert groups.newest == stale, "what lies before it has changed again"
    groups.put(4, later)
    groups.settle(5)
    assert (groups.base, groups.newest, groups.pending) == (later, later, [])
    groups.settle(9)
    assert (groups.base_slot, groups.base) == (4, later)


def test_a_configuration_is_void_while_the_one_before_it_is_missing() -> None:
    """Their majorities need not meet: in between one member was replaced by another."""
    first = first_group(THREE, 3)
    second = first.without("n2")
    third = second.with_member("n4", "log", 1)
    groups = Groups(0, first)
    groups.put(9, third)
    assert (groups.at(9), groups.newest, groups.named) == (first, first, 0)
    groups.put(8, second)
    assert [groups.at(slot) for slot in (7, 8, 9)] == [first, second, third]


def test_of_two_configurations_of_one_id_the_chosen_one_is_stood_for() -> None:
    first = first_group(THREE, 3)
    groups = Groups(0, first)
    groups.put(9, first.without("n2"))
    groups.hear(first.without("n3"))
    assert groups.leading == first.without("n3")


def test_what_a_ballot_was_opened_without_is_not_recovered() -> None:
    old, new = Ballot(1, "n1"), Ballot(2, "n2")
    stale = Promise(
        Ballot(3, "n3"), 1, ((5, Entry(old, 0, b"a")), (6, Entry(old, 0, b"b"))), 0, b""
    )
    told = Promise(Ballot(3, "n3"), 2, (), 0, b"", Opening(new, 6))
    recovered = {5: Entry(old, 0, b"a"), 6: Entry(old, 0, b"b"), 7: Entry(new, 0, b"c")}
    assert still_open(recovered, [stale]) == recovered
    assert set(still_open(recovered, [stale, told])) == {5, 7}
