"""Disks that are full, slow or failing."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nemesis.disk import DiskFault, showing, together
from nemesis.families import DISKS
from nemesis.kill import Kill
from nemesis.plan import Fault
from systems_under_test.environments.cluster import DiskQuality
from tests.nemesis.memory_cluster import MemoryCluster

DISK = DiskFault()

qualities = st.builds(
    DiskQuality,
    full=st.booleans(),
    slow_ns=st.integers(0, 1_000),
    errors_ppm=st.integers(0, 1_000_000),
    read_errors_ppm=st.integers(0, 1_000_000),
)


def fault(number: int, variant: str, *targets: str) -> Fault:
    return Fault(number, "disk", {"quality": DISKS[variant][1], "targets": list(targets)})


@pytest.mark.parametrize("variant", sorted(DISKS))
def test_a_quality_is_applied_to_the_targets_and_healed(variant: str) -> None:
    cluster = MemoryCluster()
    one = fault(1, variant, "n1", "n4")
    assert DISK.inject(cluster, one).effect == "applied"
    cluster.traffic()
    dead = "running" if variant == "slow" else "dead"
    assert [node.life for node in cluster.nodes.values()] == [
        dead, "running", "running", dead, "running",
    ]  # fmt: skip
    healing = DISK.heal(cluster, one)
    assert healing.effect == "healed"
    assert {node.life for node in cluster.nodes.values()} == {"running"}
    assert {node.quality for node in cluster.nodes.values()} == {DiskQuality()}
    (counter,) = showing(DiskQuality(**DISKS[variant][1]))
    assert healing.evidence["n4"]["meanwhile"][counter] == 1


@pytest.mark.parametrize("variant", sorted(DISKS))
def test_a_quality_that_is_not_taken_is_ineffective_and_one_that_stays_leaks(variant: str) -> None:
    cluster = MemoryCluster()
    cluster.broken.add("set_disk")
    assert DISK.inject(cluster, fault(1, variant, "n1")).effect == "ineffective"
    cluster = MemoryCluster()
    DISK.inject(cluster, fault(1, variant, "n1"))
    cluster.broken.add("set_disk")
    assert DISK.heal(cluster, fault(1, variant, "n1")).effect == "leaked"


@pytest.mark.parametrize("variant", sorted(DISKS))
def test_a_quality_that_no_write_felt_is_ineffective_when_healed(variant: str) -> None:
    cluster = MemoryCluster()
    one = fault(1, variant, "n1")
    assert DISK.inject(cluster, one).effect == "applied"
    assert DISK.heal(cluster, one).effect == "ineffective"


def test_faults_of_one_disk_add_up_and_each_healing_takes_its_own_share() -> None:
    cluster = MemoryCluster()
    slow, full = fault(1, "slow", "n1"), fault(2, "full", "n1")
    DISK.inject(cluster, slow)
    DISK.inject(cluster, full)
    assert cluster.nodes["n1"].quality == DiskQuality(full=True, slow_ns=200_000_000)
    DISK.heal(cluster, slow)
    assert cluster.nodes["n1"].quality == DiskQuality(full=True)
    DISK.heal(cluster, full)
    assert cluster.nodes["n1"].quality == DiskQuality()


def test_a_killed_node_is_not_started_by_the_healing_of_its_disk() -> None:
    cluster = MemoryCluster()
    kill, slow = Fault(1, "kill", {"targets": ["n1"]}), fault(2, "slow", "n1")
    Kill().inject(cluster, kill)
    DISK.inject(cluster, slow)
    DISK.heal(cluster, slow)
    assert cluster.nodes["n1"].state() == "dead"
    Kill().heal(cluster, kill)
    assert cluster.nodes["n1"].state() == "running"


@given(qualities, qualities)
def test_together_is_symmetric_and_never_milder_than_either(a: DiskQuality, b: DiskQuality) -> None:
    both = together(a, b)
    assert both == together(b, a)
    assert together(a, DiskQuality()) == a
    assert set(showing(a)) | set(showing(b)) == set(showing(both))
    assert a.errors_ppm <= both.errors_ppm <= 1_000_000
