"""Partitions: cut, proved, composed, healed, and seen through when they do nothing."""

from __future__ import annotations

from typing import Any

import pytest

from nemesis.grudges import VARIANTS, grudge_of, to_json
from nemesis.link import LinkFault
from nemesis.partition import Partition
from nemesis.plan import Fault
from systems_under_test.environments.cluster import links_of
from systems_under_test.rng import Rng
from tests.nemesis.memory_cluster import MemoryCluster


def partition(number: int, grudge: dict[str, list[str]]) -> Fault:
    return Fault(number, "partition", {"grudge": grudge, "targets": []})


SPLIT = {
    "n1": ["n3", "n4", "n5"],
    "n2": ["n3", "n4", "n5"],
    "n3": ["n1", "n2"],
    "n4": ["n1", "n2"],
    "n5": ["n1", "n2"],
}


@pytest.mark.parametrize("variant", sorted(VARIANTS))
def test_every_shape_is_applied_exactly_and_healed(variant: str) -> None:
    cluster = MemoryCluster()
    grudge = VARIANTS[variant].make(tuple(cluster.nodes), Rng(f"1/{variant}"))
    fault = partition(1, to_json(grudge))
    effect = Partition().inject(cluster, fault)
    assert effect.effect == "applied"
    assert effect.method == "a set of links"
    assert cluster.cut == links_of(grudge)
    assert effect.evidence["cut"] + effect.evidence["spared"] == 20
    cluster.traffic()
    healing = Partition().heal(cluster, fault)
    assert healing.effect == "healed"
    assert healing.evidence["dropped_meanwhile"] == len(links_of(grudge))
    assert not cluster.cut


def test_a_cut_that_does_nothing_is_ineffective() -> None:
    cluster = MemoryCluster()
    cluster.broken.add("set_cut")
    effect = Partition().inject(cluster, partition(1, SPLIT))
    assert effect.effect == "ineffective"
    assert len(effect.evidence["uncut"]) == 12


def test_a_cut_that_cannot_be_mended_leaks() -> None:
    cluster = MemoryCluster()
    fault = partition(1, SPLIT)
    Partition().inject(cluster, fault)
    cluster.broken.add("set_cut")
    healing = Partition().heal(cluster, fault)
    assert healing.effect == "leaked"
    assert "n1->n3" in healing.evidence["still_blocked"]


class HalfDone(MemoryCluster):
    """Forgets the links of one sender."""

    def set_cut(self, links: Any) -> None:
        super().set_cut([link for link in links if link[0] != "n1"])


class TooMuch(MemoryCluster):
    """Cuts the way back too."""

    def set_cut(self, links: Any) -> None:
        super().set_cut([*links, *((b, a) for a, b in links)])


def test_a_cut_of_some_links_is_partly_applied() -> None:
    effect = Partition().inject(HalfDone(), partition(1, SPLIT))
    assert effect.effect == "partly"
    assert effect.evidence["uncut"] == ["n1->n3", "n1->n4", "n1->n5"]


def test_a_one_way_cut_that_cuts_both_ways_is_partly_applied() -> None:
    effect = Partition().inject(TooMuch(), partition(1, {"n2": ["n1"]}))
    assert effect.effect == "partly"
    assert effect.evidence["cut_too_much"] == ["n2->n1"]


@pytest.mark.parametrize("broken", [False, True])
def test_a_cut_around_a_node_that_is_down_is_proved_by_what_it_drops(broken: bool) -> None:
    cluster = MemoryCluster()
    cluster.nodes["n2"].life = "paused"
    fault = partition(1, {"n2": ["n1"]})
    if broken:
        cluster.broken.add("set_cut")
    effect = Partition().inject(cluster, fault)
    assert effect.effect == "partly"
    assert effect.evidence["blocked_before"] == 1
    cluster.nodes["n2"].life = "running"
    cluster.traffic()
    healing = Partition().heal(cluster, fault)
    assert healing.effect == ("ineffective" if broken else "healed")
    assert healing.evidence["dropped_meanwhile"] == (0 if broken else 1)


def test_healing_does_not_blame_the_cut_for_dead_nodes() -> None:
    cluster = MemoryCluster()
    fault = partition(1, SPLIT)
    Partition().inject(cluster, fault)
    cluster.nodes["n1"].life = "dead"
    healing = Partition().heal(cluster, fault)
    assert healing.effect == "healed"
    assert healing.evidence["mended"] == 6


def test_two_partitions_cut_their_union_and_each_healing_leaves_the_other() -> None:
    cluster = MemoryCluster()
    first, second = partition(1, {"n1": ["n2", "n3"]}), partition(2, {"n1": ["n3"], "n4": ["n5"]})
    assert Partition().inject(cluster, first).effect == "applied"
    assert Partition().inject(cluster, second).effect == "applied"
    assert cluster.cut == {("n2", "n1"), ("n3", "n1"), ("n5", "n4")}
    healing = Partition().heal(cluster, first)
    assert healing.effect == "healed"
    assert healing.evidence["cut_by_others"] == 1
    assert cluster.cut == {("n3", "n1"), ("n5", "n4")}
    assert Partition().heal(cluster, second).effect == "healed"
    assert not cluster.cut


def test_a_partition_that_was_there_already_proves_nothing_of_its_own() -> None:
    cluster = MemoryCluster()
    Partition().inject(cluster, partition(1, SPLIT))
    again = Partition().inject(cluster, partition(2, SPLIT))
    assert again.effect == "partly"
    assert again.evidence["blocked_before"] == 12


def test_healing_twice_does_no_harm() -> None:
    cluster = MemoryCluster()
    fault, other = partition(1, SPLIT), partition(2, {"n1": ["n2"]})
    Partition().inject(cluster, fault)
    Partition().inject(cluster, other)
    Partition().heal(cluster, fault)
    assert Partition().heal(cluster, fault).effect == "healed"
    assert cluster.cut == {("n2", "n1")}


def test_a_held_link_is_not_taken_for_a_cut_too_many() -> None:
    class HoldsLater(MemoryCluster):
        def set_cut(self, links: Any) -> None:
            super().set_cut(links)
            self.qualities = dict.fromkeys(self.qualities, held)

    from systems_under_test.environments.cluster import LinkQuality

    held = LinkQuality(hold=True)
    cluster = HoldsLater()
    slow = {"links": [["n4", "n5"]], "quality": {"delay_ns": 1}, "targets": ["n4"]}
    LinkFault().inject(cluster, Fault(1, "link", slow))
    effect = Partition().inject(cluster, partition(2, {"n1": ["n2"]}))
    assert effect.effect == "applied"


def test_clusters_do_not_share_their_open_faults() -> None:
    nemesis = Partition()
    one, other = MemoryCluster(), MemoryCluster()
    nemesis.inject(one, partition(1, SPLIT))
    nemesis.inject(other, partition(1, {"n1": ["n2"]}))
    assert len(one.cut) == 12
    assert other.cut == {("n2", "n1")}


def test_a_grudge_of_strangers_is_refused() -> None:
    with pytest.raises(ValueError, match="grudge"):
        Partition().inject(MemoryCluster(), Fault(1, "partition", {"grudge": "n1"}))
    assert grudge_of({"n1": ["n1"]}) == {}
