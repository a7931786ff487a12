"""Disks that the kernel makes slow: how both versions of cgroups say it, and one of them live."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from nemesis.disk import DiskFault
from nemesis.plan import Fault
from systems_under_test.environments.cluster import DiskQuality
from systems_under_test.environments.docker import slow_writes
from systems_under_test.environments.docker.disks import cannot
from systems_under_test.environments.docker.options import DockerOptions
from systems_under_test.environments.docker.slow_writes import (
    Hierarchy,
    SlowWrites,
    hierarchy_in,
    writes_s,
)
from systems_under_test.environments.docker.slow_writes import cannot as cannot_be_slow
from tests.systems_under_test.docker.containers import (
    containers,
    require_docker,
    require_for_docker,
)
from tests.systems_under_test.local.clusters import ask, until

SLOW_NS = 200_000_000
SLOW = Fault(1, "disk", {"targets": ["n1"], "quality": {"slow_ns": SLOW_NS}})


@pytest.mark.parametrize(
    ("version", "asked", "limits", "counts"),
    [
        (1, ["7:0 5", "7:0 0"], "8:0 9\n7:0 5\n", "7:0 Read 3\n7:0 Write 14\nTotal 17\n"),
        (
            2,
            ["7:0 wiops=5", "7:0 wiops=max"],
            "7:0 rbps=max wbps=max riops=max wiops=5\n",
            "8:0 rbytes=1 wios=9\n7:0 rbytes=0 wbytes=4096 rios=3 wios=14 dbytes=0 dios=0\n",
        ),
    ],
)
def test_both_versions_of_cgroups_are_spelled_and_read(
    version: int, asked: list[str], limits: str, counts: str
) -> None:
    spelled = Hierarchy(version, Path("/sys/fs/cgroup"))
    assert [spelled.asked("7:0", 5), spelled.asked("7:0", 0)] == asked
    assert spelled.limit_in(limits, "7:0") == 5
    assert spelled.limit_in(limits, "7:1") == spelled.limit_in("", "7:0") == 0
    assert spelled.count_in(counts, "7:0") == 14
    assert spelled.count_in(counts, "7:1") == 0


def test_no_limit_of_version_2_is_none() -> None:
    unlimited = "7:0 rbps=max wbps=1048576 riops=max wiops=max\n"
    assert Hierarchy(2, Path("/")).limit_in(unlimited, "7:0") == 0


def test_the_hierarchy_is_found_among_the_mounts(tmp_path: Path) -> None:
    one = "36 25 0:30 / /sys/fs/cgroup/blkio rw,relatime - cgroup cgroup rw,blkio"
    two = f"37 25 0:31 / {tmp_path} rw - cgroup2 cgroup2 rw"
    assert hierarchy_in([two, one]) == Hierarchy(1, Path("/sys/fs/cgroup/blkio"))
    (tmp_path / "cgroup.controllers").write_text("cpu io memory\n", encoding="ascii")
    assert hierarchy_in([two, one]) == Hierarchy(2, tmp_path)
    assert hierarchy_in(["22 1 0:5 / /proc rw - proc proc rw"]) is None


def test_slow_is_said_in_whole_writes_a_second() -> None:
    assert [writes_s(ns) for ns in (0, SLOW_NS, 2 * SLOW_NS, 5_000_000_000)] == [0, 5, 2, 1]


def test_a_container_that_is_gone_is_slow_when_it_comes_again() -> None:
    slow = SlowWrites(lambda: "7:0", lambda: 0)
    slow.set(SLOW_NS)
    assert (slow.slow_ns(), slow.slowed()) == (SLOW_NS, 0)


def test_version_2_is_written_to_and_read_as_its_kernel_answers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the kernel answers to each writing is put into the files by hand, as it spells it."""
    (tmp_path / "7").mkdir()
    (tmp_path / "7" / "cgroup").write_text("0::/system.slice/docker-ab.scope\n", encoding="ascii")
    group = tmp_path / "fs" / "system.slice" / "docker-ab.scope"
    group.mkdir(parents=True)
    limits, counts = group / "io.max", group / "io.stat"
    monkeypatch.setattr(slow_writes, "PROCESSES", tmp_path)
    monkeypatch.setattr(slow_writes, "hierarchy", lambda: Hierarchy(2, tmp_path / "fs"))
    slow = SlowWrites(lambda: "7:0", lambda: 7)
    assert slow.missing() == f"{limits} cannot be written", "its parents hand on no `io`"

    def counted(wios: int) -> None:
        line = f"7:0 rbytes=0 wbytes=4096 rios=3 wios={wios} dbytes=0 dios=0"
        counts.write_text(f"8:0 rbytes=1 wbytes=1 rios=1 wios=99 dbytes=0 dios=0\n{line}\n")

    limits.write_text("8:0 rbps=max wbps=max riops=max wiops=9\n")
    counted(10)
    assert (slow.missing(), slow.slow_ns(), slow.slowed()) == (None, 0, 0)
    slow.set(SLOW_NS)
    assert limits.read_text() == "7:0 wiops=5"
    limits.write_text("8:0 rbps=max wbps=max riops=max wiops=9\n7:0 rbps=max wbps=max wiops=5\n")
    counted(24)
    assert (slow.slow_ns(), slow.slowed()) == (SLOW_NS, 14)
    limits.write_text("7:0 rbps=max wbps=max riops=max wiops=50\n")
    assert slow.slow_ns() == 20_000_000, "somebody else's limit is told as it is"
    slow.set(0)
    assert limits.read_text() == "7:0 wiops=max"
    limits.write_text("8:0 rbps=max wbps=max riops=max wiops=9\n")
    counted(40)
    assert (slow.slow_ns(), slow.slowed()) == (0, 14)


@pytest.mark.docker
@pytest.mark.live
def test_the_kernel_slows_a_disk_and_tells_of_it(tmp_path: Path) -> None:
    require_docker()
    require_for_docker(cannot())
    if reason := cannot_be_slow():
        pytest.skip(reason)
    options = DockerOptions(disk="loop", kill="container")

    def add_s(node: str) -> float:
        began = time.monotonic()
        ask(cluster, node, "POST", "/add")
        return time.monotonic() - began

    with containers(tmp_path, options, nodes=("n1", "n2")) as cluster:
        assert "slow by the cgroup" in cluster.method["disk"]
        node, nemesis = cluster.nodes["n1"], DiskFault()
        injected = nemesis.inject(cluster, SLOW)
        assert injected.effect == "applied", injected
        assert sum(add_s("n1") for _ in range(5)) > 4 * SLOW_NS / 1e9
        assert add_s("n2") < SLOW_NS / 1e9

        node.kill()
        assert node.disk_quality() == DiskQuality(slow_ns=SLOW_NS)
        node.start()
        until(lambda: cluster.try_messages([("n2", "n1")])["n2", "n1"], within_s=20.0)
        assert node.disk_quality() == DiskQuality(slow_ns=SLOW_NS), "its new cgroup has it too"
        assert sum(add_s("n1") for _ in range(5)) > 4 * SLOW_NS / 1e9

        healed = nemesis.heal(cluster, SLOW)
        assert healed.effect == "healed", healed
        assert healed.evidence["n1"]["meanwhile"]["slowed"] >= 10
        assert node.disk_quality() == DiskQuality()
        assert min(add_s("n1") for _ in range(3)) < SLOW_NS / 1e9

        nemesis.inject(cluster, SLOW)
        slow = node._slow
        assert slow is not None
        limits, hierarchy, device = slow._file("limits")
        limits.write_text(hierarchy.asked(device, 0), encoding="ascii")
        assert node.disk_quality() == DiskQuality(), "a limit that somebody lifts is missed"
