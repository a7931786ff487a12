"""Disks of programs that tell us nothing of them: full, slow, and files that are damaged."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

import pytest

from nemesis.families import DISKS
from nemesis.plan import Fault
from nemesis.plans import parse
from systems_under_test.environments.cluster import DiskQuality, EnvironmentFailed
from systems_under_test.environments.docker.disks import LoopDisk, cannot
from systems_under_test.environments.docker.options import DockerOptions
from systems_under_test.foreign import Adopted, ForeignCluster, ForeignNode
from systems_under_test.host.damage import damage_files
from systems_under_test.rng import Rng
from systems_under_test.system import FaultPlanSummary
from tests.systems_under_test.docker.containers import require_docker, require_for_docker
from tests.systems_under_test.docker.test_foreign import Shelf, cluster_of, fetch
from tests.systems_under_test.local.clusters import until

if TYPE_CHECKING:
    from pathlib import Path

PLAN = parse("disk:full,disk:flip,disk:lost").nemesis
FULL = Fault(1, "disk", {"targets": ["n1"], "quality": DISKS["full"][1]})
APPENDS = (
    "import time\n"
    "file = open('pages', 'ab', buffering=0)\n"
    "while True:\n"
    "    file.write(bytes(4096))\n"
    "    time.sleep(0.01)\n"
)


class Ledger(Shelf):
    """Appends to a file that is its data, and dies where that is refused."""

    name = "ledger"
    data_files = ("pages",)

    def start(self, node: ForeignNode, cluster: ForeignCluster) -> None:
        super().start(node, cluster)
        node.daemon("ledger", ["python3", "-c", APPENDS])


@pytest.mark.docker
@pytest.mark.live
def test_a_full_disk_refuses_what_is_tried_and_who_dies_of_it_died_of_the_fault(
    tmp_path: Path,
) -> None:
    require_docker()
    require_for_docker(cannot())
    with cluster_of(tmp_path, Ledger(), needs=("disk",)) as cluster:
        node = cluster.nodes["n1"]
        assert cluster.method["disk"].startswith("files; full by a file that takes the space")
        injection = PLAN.inject(cluster, FULL)
        assert injection.effect == "applied", injection
        until(lambda: node.state() == "dead", within_s=10.0)
        assert "No space left on device" in (tmp_path / "n1" / "ledger.log").read_text()
        assert cluster.unprovoked_deaths() == []
        assert cluster.nodes["n2"].state() == "running"
        healing = PLAN.heal(cluster, FULL)
        assert healing.effect == "healed", healing
        assert healing.evidence["n1"]["meanwhile"]["refused_full"] >= 2
        assert (node.state(), node.disk_quality()) == ("running", DiskQuality())
        until(lambda: bool(fetch(cluster.foreign.nodes["n1"], "names")), within_s=10.0)
        with pytest.raises(EnvironmentFailed, match="nothing makes their reads and writes fail"):
            node.set_disk(DiskQuality(errors_ppm=1))


@pytest.mark.docker
@pytest.mark.live
def test_a_disk_that_is_not_filled_is_not_full(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    require_docker()
    require_for_docker(cannot())
    monkeypatch.setattr(LoopDisk, "fill", lambda disk: None)
    with cluster_of(tmp_path, Shelf(), needs=("disk",), nodes=("n1",)) as cluster:
        assert PLAN.inject(cluster, FULL).effect == "ineffective"


@pytest.mark.docker
@pytest.mark.live
def test_files_are_damaged_while_the_node_is_dead_without_a_disk_of_its_own(
    tmp_path: Path,
) -> None:
    require_docker()
    options = DockerOptions(disk="directory")
    needs = ("kill", "disk")
    with cluster_of(tmp_path, Ledger(), options=options, needs=needs, nodes=("n1",)) as cluster:
        pages = tmp_path / "n1" / "data" / "pages"
        until(lambda: pages.exists() and pages.stat().st_size > 8192, within_s=10.0)
        with pytest.raises(EnvironmentFailed, match="n1 runs: kill it"):
            cluster.nodes["n1"].damage_disk("flip")
        flip = Fault(2, "damage", {"targets": ["n1"], "variant": "flip"})
        injection = PLAN.inject(cluster, flip)
        assert (injection.effect, injection.method) == ("applied", "files"), injection
        seen = injection.evidence["n1"]["damaged"]
        assert seen["file"] == "pages"
        assert pages.read_bytes()[seen["byte"]] == 1 << seen["bit"]
        assert PLAN.heal(cluster, flip).effect == "healed"
        until(lambda: cluster.nodes["n1"].state() == "running", within_s=5.0)
        lost = Fault(3, "wipe", {"targets": ["n1"], "variant": "lost"})
        assert PLAN.inject(cluster, lost).effect == "applied"
        assert PLAN.heal(cluster, lost).effect == "healed"
        until(lambda: fetch(cluster.foreign.nodes["n1"], "lives") == "1", within_s=10.0)


@pytest.mark.parametrize(("kind", "left"), [("truncate", 50), ("torn", 92), ("flip", 100)])
def test_the_file_that_is_struck_is_one_of_its_data(tmp_path: Path, kind: Any, left: int) -> None:
    (tmp_path / "aof").mkdir()
    data, config = tmp_path / "aof" / "1.aof", tmp_path / "store.conf"
    data.write_bytes(bytes(100))
    config.write_bytes(bytes(100))
    (tmp_path / "aof" / ".ballast").write_bytes(bytes(100))
    (tmp_path / "aof" / "empty.aof").touch()
    before = hashlib.sha256(data.read_bytes()).hexdigest()
    told = damage_files(tmp_path, ("aof/*",), kind, Rng("damage"))
    assert told["file"] == "aof/1.aof"
    assert hashlib.sha256(data.read_bytes()).hexdigest() != before
    assert left <= data.stat().st_size <= max(left, 99 if kind == "torn" else 0)
    assert config.read_bytes() == bytes(100)
    assert (tmp_path / "aof" / ".ballast").read_bytes() == bytes(100)


def test_where_there_is_no_data_nothing_is_damaged(tmp_path: Path) -> None:
    assert damage_files(tmp_path, ("**/*",), "flip", Rng("damage"))["file"] is None


def test_a_system_that_says_nothing_of_damage_is_held_to_nothing_under_it() -> None:
    shelf = Adopted(Shelf())
    for fault in ("damage", "wipe"):
        promised = shelf.promises({}, ("n1",), FaultPlanSummary(frozenset({fault})))
        assert promised.claims == frozenset()
        assert fault in promised.withdrawn["lost-element"]
    assert shelf.promises({}, ("n1",), FaultPlanSummary(frozenset({"disk"}))).claims
