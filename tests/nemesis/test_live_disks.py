"""Disk faults and power losses of real processes, felt by writes, and the same sabotaged."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING

import pytest

from nemesis.families import DISKS
from nemesis.plan import Fault
from nemesis.plans import parse
from systems_under_test.environments.cluster import (
    CAPABILITIES,
    ClockReading,
    DiskQuality,
    EnvironmentFailed,
)
from systems_under_test.environments.docker.disks import LoopDisk, cannot
from systems_under_test.environments.docker.options import DockerOptions
from systems_under_test.environments.local.cluster import LocalCluster
from tests.systems_under_test.docker.containers import (
    containers,
    require_docker,
    require_for_docker,
)
from tests.systems_under_test.local.clusters import ask, tally, until
from tests.systems_under_test.ssh.machines import cluster_on

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from systems_under_test.environments.docker.cluster import DockerCluster
    from systems_under_test.environments.ssh.cluster import SshCluster

    Live = LocalCluster | DockerCluster | SshCluster

pytestmark = pytest.mark.live

PLAN = parse("disk,power,disk:flip")


ENVIRONMENTS = [
    "local",
    pytest.param("docker", marks=pytest.mark.docker),
    pytest.param("ssh", marks=pytest.mark.ssh),
]


@pytest.fixture(scope="module", params=ENVIRONMENTS)
def shared(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Live]:
    directory: Path = tmp_path_factory.mktemp("nodes")
    if request.param == "ssh":
        with cluster_on(request.getfixturevalue("made"), directory, 2) as machines:
            yield machines
        return
    if request.param == "local":
        with LocalCluster(tally(directory)) as cluster:
            yield cluster
        return
    require_docker()
    with containers(directory) as cluster:
        yield cluster


@pytest.fixture
def cluster(shared: Live) -> Iterator[Live]:
    """With n1 as it was before, after each test."""
    yield shared
    shared.nodes["n1"].set_disk(DiskQuality())
    shared.nodes["n1"].start()
    until(lambda: counts(shared), within_s=10.0)


def counts(cluster: Live) -> bool:
    try:
        return bool(ask(cluster, "n1", "POST", "/add"))
    except AssertionError:
        return False


def strike(f: str, **fields: object) -> Fault:
    return Fault(1, f, {"targets": ["n1"], **fields})


def disk(variant: str) -> Fault:
    return strike("disk", quality=DISKS[variant][1])


def write_until_dead(cluster: Live) -> None:
    def write() -> bool:
        counts(cluster)
        return cluster.nodes["n1"].state() == "dead"

    until(write, within_s=20.0)


def test_it_says_what_it_carries(cluster: Live) -> None:
    assert cluster.capabilities & {"disk", "power"} == {"disk", "power"} <= CAPABILITIES.keys()


@pytest.mark.parametrize("variant", ["full", "errors", "read-errors"])
def test_a_disk_that_fails_kills_who_writes_and_that_is_nobodys_crash(
    cluster: Live, variant: str
) -> None:
    fault = disk(variant)
    injection = PLAN.nemesis.inject(cluster, fault)
    assert injection.effect == "applied", injection
    write_until_dead(cluster)
    assert cluster.unprovoked_deaths() == []
    healing = PLAN.nemesis.heal(cluster, fault)
    assert healing.effect == "healed", healing
    assert cluster.nodes["n1"].state() == "running"
    until(lambda: counts(cluster), within_s=10.0)


def test_a_slow_disk_delays_commits_and_kills_nobody(cluster: Live) -> None:
    fault = disk("slow")
    assert PLAN.nemesis.inject(cluster, fault).effect == "applied"
    began = time.monotonic()
    assert counts(cluster)
    assert time.monotonic() - began >= 0.2
    healing = PLAN.nemesis.heal(cluster, fault)
    assert healing.effect == "healed"
    assert healing.evidence["n1"]["meanwhile"]["slowed"] >= 1


def test_a_disk_that_nobody_writes_to_proves_nothing(cluster: Live) -> None:
    fault = disk("slow")
    assert PLAN.nemesis.inject(cluster, fault).effect == "applied"
    assert PLAN.nemesis.heal(cluster, fault).effect == "ineffective"


def test_a_dead_node_meets_its_disk_when_it_is_started(cluster: Live) -> None:
    cluster.nodes["n1"].kill()
    fault = disk("full")
    assert PLAN.nemesis.inject(cluster, fault).effect == "applied"
    cluster.nodes["n1"].start()
    write_until_dead(cluster)
    assert PLAN.nemesis.heal(cluster, fault).effect == "healed"


def test_a_loss_of_power_takes_what_was_not_synced_and_says_how_much(cluster: Live) -> None:
    count = ask(cluster, "n1", "POST", "/add")
    for _ in range(4):
        ask(cluster, "n1", "POST", "/add?later")
    injection = PLAN.nemesis.inject(cluster, strike("power"))
    assert injection.effect == "applied", injection
    assert injection.evidence["n1"]["lost"] == 4
    assert PLAN.nemesis.heal(cluster, strike("power")).effect == "healed"
    until(lambda: counts(cluster), within_s=10.0)
    assert ask(cluster, "n1", "POST", "/add") == count + 2
    assert cluster.unprovoked_deaths() == []


def test_a_kill_takes_nothing(cluster: Live) -> None:
    ask(cluster, "n1", "POST", "/add")
    count = ask(cluster, "n1", "POST", "/add?later")
    cluster.nodes["n1"].kill()
    cluster.nodes["n1"].start()
    until(lambda: counts(cluster), within_s=10.0)
    assert ask(cluster, "n1", "POST", "/add") == count + 2


def test_orders_that_the_disk_does_not_hear_are_ineffective_or_leak(
    cluster: Live, monkeypatch: pytest.MonkeyPatch
) -> None:
    node = type(cluster.nodes["n1"])
    with monkeypatch.context() as deaf:
        deaf.setattr(node, "set_disk", lambda node, quality: None)
        assert PLAN.nemesis.inject(cluster, disk("full")).effect == "ineffective"
        PLAN.nemesis.heal(cluster, disk("full"))
    assert PLAN.nemesis.inject(cluster, disk("slow")).effect == "applied"
    with monkeypatch.context() as deaf:
        deaf.setattr(node, "set_disk", lambda node, quality: None)
        assert PLAN.nemesis.heal(cluster, disk("slow")).effect == "leaked"


def test_damage_that_was_not_done_is_ineffective(
    cluster: Live, monkeypatch: pytest.MonkeyPatch
) -> None:
    nothing = {"file": None, "record": None}
    monkeypatch.setattr(type(cluster.nodes["n1"]), "damage_disk", lambda node, kind: nothing)
    fault = strike("damage", variant="flip")
    assert PLAN.nemesis.inject(cluster, fault).effect == "ineffective"
    assert PLAN.nemesis.heal(cluster, fault).effect == "healed"


def test_z_damage_keeps_a_node_down_and_that_is_nobodys_crash(cluster: Live) -> None:
    """The last one: who is damaged stays so."""
    ask(cluster, "n1", "POST", "/add")
    with pytest.raises(EnvironmentFailed, match="n1 runs: kill it"):
        cluster.nodes["n1"].damage_disk("truncate")
    fault = strike("damage", variant="truncate")
    injection = PLAN.nemesis.inject(cluster, fault)
    assert injection.effect == "applied", injection
    assert injection.evidence["n1"]["damaged"]["file"]
    assert PLAN.nemesis.heal(cluster, fault).effect == "healed"
    until(lambda: cluster.nodes["n1"].state() == "dead", within_s=10.0)
    assert cluster.unprovoked_deaths() == []
    cluster.nodes["n1"].damage_disk("lost")


@pytest.mark.docker
def test_a_disk_of_its_own_is_full_by_the_kernels_word(tmp_path: Path) -> None:
    require_docker()
    require_for_docker(cannot())
    with containers(tmp_path, DockerOptions(disk="loop"), nodes=("n1",)) as cluster:
        fault = disk("full")
        injection = PLAN.nemesis.inject(cluster, fault)
        assert injection.effect == "applied", injection
        assert injection.method.startswith("host; full by a file that takes the space")
        write_until_dead(cluster)
        assert cluster.unprovoked_deaths() == []
        assert "full" in cluster.nodes["n1"].log.read_text()
        cluster.nodes["n1"].start()  # Nor can it start, for want of space.
        until(lambda: cluster.nodes["n1"].state() == "dead", within_s=10.0)
        assert cluster.unprovoked_deaths() == []
        healing = PLAN.nemesis.heal(cluster, fault)
        assert healing.effect == "healed", healing
        assert healing.evidence["n1"]["meanwhile"]["refused_full"] >= 1
        until(lambda: counts(cluster), within_s=15.0)


@pytest.mark.docker
def test_a_disk_of_its_own_that_is_not_filled_is_not_full(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    require_docker()
    require_for_docker(cannot())
    monkeypatch.setattr(LoopDisk, "fill", lambda disk: None)
    with containers(tmp_path, DockerOptions(disk="loop"), nodes=("n1",)) as cluster:
        assert PLAN.nemesis.inject(cluster, disk("full")).effect == "ineffective"


@pytest.mark.docker
def test_a_disk_of_its_own_can_be_lost(tmp_path: Path) -> None:
    require_docker()
    require_for_docker(cannot())
    nemesis = parse("disk:lost").nemesis
    with containers(tmp_path, DockerOptions(disk="loop"), nodes=("n1",)) as cluster:
        assert [ask(cluster, "n1", "POST", "/add") for _ in range(3)] == [1, 2, 3]
        injection = nemesis.inject(cluster, strike("wipe", variant="lost"))
        assert injection.effect == "applied", injection
        assert injection.evidence["n1"]["damaged"]["bytes_gone"] > 0
        assert nemesis.heal(cluster, strike("wipe", variant="lost")).effect == "healed"
        until(lambda: counts(cluster), within_s=10.0)
        assert ask(cluster, "n1", "POST", "/add") == 2, "it began anew"
        assert cluster.unprovoked_deaths() == []


def test_a_clock_behind_a_slow_disk_is_moved_and_set_back_exactly(cluster: Live) -> None:
    clock, slow = parse("clock").nemesis, disk("slow")
    node = cluster.nodes["n1"]
    rested = threading.Event()
    writers = [threading.Thread(target=write_until, args=(cluster, rested)) for _ in range(4)]
    PLAN.nemesis.inject(cluster, slow)
    try:
        for writer in writers:
            writer.start()
        for number in range(2, 5):
            jump = Fault(number, "clock", {"targets": ["n1"], "wall_offset_ns": -1_210_000_000})
            injection, healing = clock.inject(cluster, jump), clock.heal(cluster, jump)
            effects = injection.effect, healing.effect
            assert effects == ("applied", "healed"), (injection, healing)
            assert node.clock_setting() == ClockReading(0, 0)
            before, after = healing.evidence["n1"]["wall_offset_ns"]
            assert abs(before + 1_210_000_000) < 50_000_000, healing
            assert abs(after) < 50_000_000, healing
    finally:
        rested.set()
        for writer in writers:
            writer.join()
        healed = PLAN.nemesis.heal(cluster, slow)
    assert healed.effect == "healed", healed


def write_until(cluster: Live, rested: threading.Event) -> None:
    while not rested.is_set():
        counts(cluster)
