"""Every family against real replicas in the simulated environment."""

from __future__ import annotations

import pytest

from lineal.definition import CAPABILITIES_BY_ENVIRONMENT
from nemesis.plans import NEMESES, missing_capabilities, parse
from systems_under_test.environments.cluster import ClusterSpec
from systems_under_test.environments.simulated.cluster import SimulatedCluster
from systems_under_test.rng import Rng
from tests.nemesis.rehearsal import SECOND, Rehearsal
from workloads.client import Request

NODES = ("n1", "n2", "n3", "n4", "n5")
TEXTS = [
    f"{name}:{variant}" if variant else name
    for name in NEMESES
    if name not in ("none", "all", "membership", "resources")
    for variant in (NEMESES[name].variants or [""])
    if variant != "any"
]


class SimulatedStage:
    """Five Dynamo nodes in virtual time, and clients that write to them all the while."""

    def __init__(self, seed: int) -> None:
        spec = ClusterSpec(
            nodes=NODES,
            replica_path="systems_under_test.dynamo.replica:make_replica",
            options={},
            bug=None,
            engine="sqlite",
            seed=seed,
        )
        self.cluster = SimulatedCluster(spec)
        self.cluster.up()
        self._rng = Rng(f"{seed}/clients")

    def advance(self, now: int, time: int) -> None:
        key = self._rng.below(8)
        request = Request("PUT", f"/kv/k{key}", {}, str(now).encode())
        deadline = self.cluster.now + SECOND
        self.cluster.submit(self._rng.choice(NODES), request, deadline, lambda reply: None)
        self.cluster.run_until(time)


@pytest.mark.parametrize("variant", ["cpu", "memory"])
def test_there_is_no_kernel_that_could_limit_a_node(variant: str) -> None:
    carried = SimulatedCluster.capabilities
    assert carried == CAPABILITIES_BY_ENVIRONMENT["simulated"]
    (why,) = missing_capabilities(parse(f"resources:{variant}"), "simulated", carried, NODES)
    assert "which the environment `simulated` does not carry" in why


@pytest.mark.parametrize("text", TEXTS)
def test_each_fault_is_applied_and_healed(text: str) -> None:
    stage = SimulatedStage(seed=1)
    plan = parse(text)
    assert missing_capabilities(plan, "simulated", stage.cluster.capabilities, NODES) == []
    rehearsal = Rehearsal(plan, seconds=20, stage=stage)
    rehearsal.heal()
    assert len(rehearsal.invoked("heal")) >= 3
    for event in rehearsal.events:
        if event.type == "info":
            # Dynamo keeps tables and no files, so no record of it can be torn.
            applied = "ineffective" if text == "disk:torn" else "applied"
            if text == "power" and event.f == "power":
                lost = sum(node["lost"] for node in event.output["evidence"].values())
                applied = "applied" if lost else "partly"  # Nothing un-synced: a kill, no more.
            assert event.output["effect"] in (applied, "healed"), event.output
            assert event.output["method"] == "simulator"
    states = {node.name: node.state() for node in stage.cluster.nodes.values()}
    dead = [name for name, state in states.items() if state != "running"]
    damaged = ("disk:torn", "disk:flip", "disk:truncate")
    assert not dead or text.startswith(damaged)


@pytest.mark.parametrize("seed", range(5))
def test_all_faults_together_never_leak(seed: int) -> None:
    stage = SimulatedStage(seed)
    plan = parse("partition,kill,pause,power,clock,link,disk")
    rehearsal = Rehearsal(plan, seconds=40, seed=seed, stage=stage)
    rehearsal.heal()
    # The clock of a node that is down cannot be read, which is all that may be uncertain.
    assert {effect for _, effect in rehearsal.effects() - {("clock", "uncertain")}} <= {
        "applied", "partly", "ineffective", "healed",
    }  # fmt: skip
    cluster = stage.cluster
    assert {node.state() for node in cluster.nodes.values()} == {"running"}
    assert all(cluster.probe(cluster.link_counters()).values())
    assert {node.read_clock().wall_offset for node in cluster.nodes.values()} == {0}


def test_the_same_seed_gives_the_same_faults_with_the_same_evidence() -> None:
    def lines() -> list[object]:
        rehearsal = Rehearsal(parse("all,partition,kill"), seconds=30, stage=SimulatedStage(5))
        return [(e.time, e.f, e.input, e.output) for e in rehearsal.events]

    assert lines() == lines()
