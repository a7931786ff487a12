"""Disk faults and power losses on machines: felt by writes, and laid to the fault."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest

from nemesis.families import DISKS
from nemesis.plan import Fault
from nemesis.plans import parse
from systems_under_test.environments.cluster import DiskQuality, EnvironmentFailed
from systems_under_test.environments.ssh.node import SshNode
from tests.systems_under_test.local.clusters import ask, until
from tests.systems_under_test.ssh.machines import Machines, cluster_on

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from systems_under_test.environments.ssh.cluster import SshCluster

pytestmark = [pytest.mark.live, pytest.mark.ssh]

NEMESIS = parse("disk,power,disk:truncate").nemesis


@pytest.fixture(scope="module")
def shared(made: Machines, tmp_path_factory: pytest.TempPathFactory) -> Iterator[SshCluster]:
    with cluster_on(made, tmp_path_factory.mktemp("nodes"), 2) as cluster:
        yield cluster


@pytest.fixture
def cluster(shared: SshCluster) -> Iterator[SshCluster]:
    """With n1 as it was before, after each test."""
    yield shared
    shared.nodes["n1"].set_disk(DiskQuality())
    shared.nodes["n1"].start()
    until(lambda: counts(shared), within_s=10.0)


def counts(cluster: SshCluster) -> bool:
    try:
        return bool(ask(cluster, "n1", "POST", "/add"))
    except AssertionError:
        return False


def strike(f: str, **fields: object) -> Fault:
    return Fault(1, f, {"targets": ["n1"], **fields})


def disk(variant: str) -> Fault:
    return strike("disk", quality=DISKS[variant][1])


@pytest.mark.parametrize("variant", ["full", "errors", "read-errors"])
def test_a_disk_that_fails_kills_who_writes_and_that_is_nobodys_crash(
    cluster: SshCluster, variant: str
) -> None:
    injection = NEMESIS.inject(cluster, disk(variant))
    assert (injection.effect, injection.method) == ("applied", "host"), injection
    until(lambda: not counts(cluster) and cluster.nodes["n1"].state() == "dead", within_s=20.0)
    assert cluster.unprovoked_deaths() == []
    healing = NEMESIS.heal(cluster, disk(variant))
    assert healing.effect == "healed", healing
    until(lambda: counts(cluster), within_s=10.0)


def test_a_slow_disk_delays_commits_and_kills_nobody(cluster: SshCluster) -> None:
    assert NEMESIS.inject(cluster, disk("slow")).effect == "applied"
    began = time.monotonic()
    assert counts(cluster)
    assert time.monotonic() - began >= 0.2
    healing = NEMESIS.heal(cluster, disk("slow"))
    assert healing.effect == "healed"
    assert healing.evidence["n1"]["meanwhile"]["slowed"] >= 1


def test_an_order_that_the_disk_does_not_hear_is_ineffective(
    cluster: SshCluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as deaf:
        deaf.setattr(SshNode, "set_disk", lambda node, quality: None)
        assert NEMESIS.inject(cluster, disk("full")).effect == "ineffective"
        NEMESIS.heal(cluster, disk("full"))


def test_a_loss_of_power_takes_what_was_not_synced_and_says_how_much(cluster: SshCluster) -> None:
    count = ask(cluster, "n1", "POST", "/add")
    for _ in range(4):
        ask(cluster, "n1", "POST", "/add?later")
    injection = NEMESIS.inject(cluster, strike("power"))
    assert injection.effect == "applied", injection
    assert injection.evidence["n1"]["lost"] == 4
    assert NEMESIS.heal(cluster, strike("power")).effect == "healed"
    until(lambda: counts(cluster), within_s=10.0)
    assert ask(cluster, "n1", "POST", "/add") == count + 2
    assert cluster.unprovoked_deaths() == []


def test_damage_keeps_a_node_down_and_that_is_nobodys_crash(made: Machines, tmp_path: Path) -> None:
    with cluster_on(made, tmp_path, 2) as cluster:
        ask(cluster, "n1", "POST", "/add")
        with pytest.raises(EnvironmentFailed, match="n1 runs: kill it"):
            cluster.nodes["n1"].damage_disk("truncate")
        fault = strike("damage", variant="truncate")
        injection = NEMESIS.inject(cluster, fault)
        assert injection.effect == "applied", injection
        assert injection.evidence["n1"]["damaged"]["file"]
        assert NEMESIS.heal(cluster, fault).effect == "healed"
        until(lambda: cluster.nodes["n1"].state() == "dead", within_s=10.0)
        assert cluster.unprovoked_deaths() == []
