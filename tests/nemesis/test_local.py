"""Every family that real processes carry, and the same sabotaged."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest

from nemesis.families import LINKS
from nemesis.grudges import VARIANTS, to_json
from nemesis.links import links_at
from nemesis.plan import Effect, Fault
from nemesis.plans import missing_capabilities, parse
from systems_under_test.environments.cluster import ClusterSpec, Link, LinkQuality
from systems_under_test.environments.local.cluster import LocalCluster
from systems_under_test.rng import Rng

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from pathlib import Path

pytestmark = pytest.mark.live

NODES = ("n1", "n2", "n3")
PLAN = parse("partition,kill,pause,link,clock")


class Deaf(LocalCluster):
    """Hears no orders about its network while `deaf` is set."""

    deaf = False

    def set_cut(self, links: Iterable[Link]) -> None:
        if not self.deaf:
            super().set_cut(links)

    def shape(self, qualities: Mapping[Link, LinkQuality]) -> None:
        if not self.deaf:
            super().shape(qualities)


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deaf]:
    directory: Path = tmp_path_factory.mktemp("nodes")
    spec = ClusterSpec(
        nodes=NODES,
        replica_path="systems_under_test.dynamo.replica:make_replica",
        options={},
        bug=None,
        engine="sqlite",
        seed=1,
        directory=directory,
    )
    with Deaf(spec) as cluster:
        yield cluster


def partition(variant: str) -> Fault:
    grudge = VARIANTS[variant].make(NODES, Rng(f"1/{variant}"))
    return Fault(1, "partition", {"grudge": to_json(grudge)})


def link(variant: str) -> Fault:
    links = [list(link) for link in links_at(NODES, ["n1"])]
    fields = {"links": links, "quality": LINKS[variant][1].quality, "targets": ["n1"]}
    return Fault(1, "link", fields)


def strike(f: str, **fields: object) -> Fault:
    return Fault(1, f, {"targets": ["n1"], **fields})


def through(cluster: LocalCluster, fault: Fault, *, seconds: float = 0.0) -> tuple[Effect, Effect]:
    injection = PLAN.nemesis.inject(cluster, fault)
    time.sleep(seconds)
    return injection, PLAN.nemesis.heal(cluster, fault)


def test_the_local_environment_carries_the_plan_of_the_demo(cluster: Deaf) -> None:
    assert missing_capabilities(PLAN, "local", cluster.capabilities, NODES) == []


@pytest.mark.parametrize("variant", ["halves", "majorities-ring", "mute-node", "deaf-node"])
def test_partitions_are_applied_and_healed(cluster: Deaf, variant: str) -> None:
    injection, healing = through(cluster, partition(variant))
    assert (injection.effect, healing.effect) == ("applied", "healed"), (injection, healing)
    assert injection.method == "proxy"
    assert injection.evidence["cut"] + injection.evidence["spared"] == 6


@pytest.mark.parametrize("f", ["kill", "pause"])
def test_kills_and_pauses_are_applied_and_healed(cluster: Deaf, f: str) -> None:
    injection, healing = through(cluster, strike(f))
    assert (injection.effect, healing.effect) == ("applied", "healed"), (injection, healing)
    assert healing.evidence["n1"]["after"] == "running"


def test_a_partition_right_after_a_start_is_healed_though_connections_are_not_there_yet(
    cluster: Deaf,
) -> None:
    through(cluster, strike("kill"))
    _, healing = through(cluster, partition("halves"))
    assert healing.effect == "healed", healing


@pytest.mark.parametrize("variant", ["slow", "hold"])
def test_spoiled_links_are_applied_felt_and_healed(cluster: Deaf, variant: str) -> None:
    injection, healing = through(cluster, link(variant), seconds=1.5)
    assert (injection.effect, healing.effect) == ("applied", "healed"), (injection, healing)
    assert healing.evidence["meanwhile"]["delayed"] > 0


@pytest.mark.parametrize("fields", [{"wall_offset_ns": -(10**10)}, {"rate_ppm": 100_000}])
def test_clocks_are_moved_and_set_back(cluster: Deaf, fields: dict[str, int]) -> None:
    injection, healing = through(cluster, strike("clock", **fields))
    assert (injection.effect, healing.effect) == ("applied", "healed"), (injection, healing)


@pytest.mark.parametrize("fault", [partition("halves"), link("hold"), link("slow")])
def test_orders_that_are_not_heard_are_ineffective_or_leak(cluster: Deaf, fault: Fault) -> None:
    cluster.deaf = True
    try:
        assert PLAN.nemesis.inject(cluster, fault).effect == "ineffective"
        cluster.deaf = False
        PLAN.nemesis.heal(cluster, fault)
        PLAN.nemesis.inject(cluster, fault)
        cluster.deaf = True
        assert PLAN.nemesis.heal(cluster, fault).effect == "leaked"
    finally:
        cluster.deaf = False
        cluster.set_cut([])
        cluster.shape({})
