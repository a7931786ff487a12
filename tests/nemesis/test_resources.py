"""Little of a processor, and no memory."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import pytest

from nemesis.kill import Kill
from nemesis.plan import Fault
from nemesis.plans import missing_capabilities, parse
from nemesis.resources import CpuShare, OutOfMemory
from systems_under_test.environments.local import resources
from systems_under_test.environments.local.cluster import LocalCluster
from tests.nemesis.memory_cluster import MemoryCluster
from tests.nemesis.rehearsal import Rehearsal
from tests.systems_under_test.docker.containers import containers, require_docker
from tests.systems_under_test.local.clusters import ask, tally, until

if TYPE_CHECKING:
    from pathlib import Path

CPU, MEMORY = CpuShare(), OutOfMemory()


def cpu(number: int, *targets: str, percent: int = 2) -> Fault:
    return Fault(number, "cpu", {"targets": list(targets), "percent": percent})


def memory(number: int, *targets: str) -> Fault:
    return Fault(number, "memory", {"targets": list(targets)})


def test_a_share_is_read_back_felt_and_lifted() -> None:
    cluster = MemoryCluster()
    injection = CPU.inject(cluster, cpu(1, "n1", "n3"))
    assert injection.effect == "applied"
    assert injection.evidence["n3"] == {"cpu_percent": [None, 2]}
    cluster.traffic()
    healing = CPU.heal(cluster, cpu(1, "n1", "n3"))
    assert healing.effect == "healed"
    assert healing.evidence["n1"] == {"cpu_percent": None, "withheld": 1}
    assert CPU.heal(cluster, cpu(1, "n1", "n3")).effect == "healed", "asked for twice"


def test_the_smallest_of_several_shares_counts() -> None:
    cluster = MemoryCluster()
    CPU.inject(cluster, cpu(1, "n1", percent=5))
    CPU.inject(cluster, cpu(2, "n1", percent=2))
    assert CPU.inject(cluster, cpu(3, "n1", percent=9)).effect == "ineffective", "no change"
    cluster.traffic()
    CPU.heal(cluster, cpu(2, "n1", percent=2))
    assert cluster.nodes["n1"].percent == 5
    CPU.heal(cluster, cpu(1, "n1", percent=5))
    CPU.heal(cluster, cpu(3, "n1", percent=9))
    assert cluster.nodes["n1"].percent == 0


def test_a_limit_that_is_not_set_or_never_felt_is_ineffective_and_one_that_stays_leaks() -> None:
    cluster = MemoryCluster()
    CPU.inject(cluster, cpu(1, "n1"))
    assert CPU.heal(cluster, cpu(1, "n1")).effect == "ineffective", "nothing was withheld"
    cluster.broken.add("limit_cpu")
    assert CPU.inject(cluster, cpu(2, "n1")).effect == "ineffective"
    CPU.heal(cluster, cpu(2, "n1"))
    cluster.broken.clear()
    CPU.inject(cluster, cpu(3, "n1"))
    cluster.traffic()
    cluster.broken.add("limit_cpu")
    assert CPU.heal(cluster, cpu(3, "n1")).effect == "leaked"


def test_out_of_memory_kills_and_the_kernel_has_counted_it() -> None:
    cluster = MemoryCluster()
    injection = MEMORY.inject(cluster, memory(1, "n2"))
    assert injection.effect == "applied"
    assert injection.evidence["n2"]["oom_kills"] == 1
    assert cluster.nodes["n2"].state() == "dead"
    assert MEMORY.heal(cluster, memory(1, "n2")).effect == "healed"
    assert cluster.nodes["n2"].state() == "running"


def test_a_death_that_the_kernel_did_not_count_is_none_of_memory() -> None:
    cluster = MemoryCluster()
    cluster.broken.add("exhaust_memory")
    assert MEMORY.inject(cluster, memory(1, "n2")).effect == "ineffective"
    MEMORY.heal(cluster, memory(1, "n2"))
    Kill().inject(cluster, Fault(2, "kill", {"targets": ["n2"]}))
    cluster.broken.clear()
    assert MEMORY.inject(cluster, memory(3, "n2")).effect == "ineffective", "it was dead"
    MEMORY.heal(cluster, memory(3, "n2"))
    assert cluster.nodes["n2"].state() == "dead", "the kill is still open"


@pytest.mark.parametrize("text", ["resources", "resources:cpu@one", "resources:memory"])
def test_plans_inject_and_heal(text: str) -> None:
    plan = parse(text)
    rehearsal = Rehearsal(plan, seconds=60)
    rehearsal.heal()
    assert plan.name == text
    assert {effect for _, effect in rehearsal.effects()} == {"applied", "healed"}
    if text == "resources":
        assert rehearsal.invoked("cpu")
        assert rehearsal.invoked("memory")


def test_who_does_not_carry_them_says_so_before_the_run() -> None:
    for environment in ("local", "simulated"):
        (said,) = missing_capabilities(
            parse("resources:memory"), environment, frozenset({"kill", "disk"})
        )
        assert "run out of memory, so that the kernel kills it" in said
        assert f"the environment `{environment}` does not carry" in said


def feels_both(cluster: Any) -> None:
    """A node of a live cluster: less of a processor, then no memory; both proved and undone."""
    assert CPU.inject(cluster, cpu(1, "n1", "n2")).effect == "applied"
    throttled = cluster.nodes["n1"].usage()["throttled"]

    def felt() -> bool:
        ask(cluster, "n1", "POST", "/add")
        return bool(cluster.nodes["n1"].usage()["throttled"] > throttled)

    until(felt, within_s=20.0)
    assert CPU.heal(cluster, cpu(1, "n1", "n2")).effect == "healed"
    injection = MEMORY.inject(cluster, memory(2, "n1"))
    assert injection.effect == "applied", injection
    assert cluster.unprovoked_deaths() == []
    assert MEMORY.heal(cluster, memory(2, "n1")).effect == "healed"


@pytest.mark.live
@pytest.mark.docker
def test_containers_feel_both(tmp_path: Path) -> None:
    require_docker()
    with containers(tmp_path) as cluster:
        feels_both(cluster)
        until(lambda: cluster.try_messages([("n2", "n1")])["n2", "n1"], within_s=10.0)


@pytest.mark.live
def test_processes_feel_both_and_leave_no_group(tmp_path: Path) -> None:
    bases = resources.bases()
    if isinstance(bases, str):
        pytest.skip(bases)
    with LocalCluster(tally(tmp_path)) as cluster:
        feels_both(cluster)
        until(lambda: cluster.probe([("n2", "n1")])["n2", "n1"], within_s=10.0)
        CPU.inject(cluster, cpu(3, "n1"))
        cluster.nodes["n1"].kill()
        cluster.nodes["n1"].start()
        assert cluster.nodes["n1"].usage()["cpu_percent"] == 2, "in the next life too"
        groups = list(bases.cpu.glob(f"lineal-{os.getpid()}-*"))
        assert {group.name.rpartition("-")[2] for group in groups} == {"n1", "n2"}
    assert not any(group.exists() for group in groups)
