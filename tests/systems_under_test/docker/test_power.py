"""Power losses take what was not synced, and nothing else."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from systems_under_test.environments.docker.disks import cannot, pages_that_differ
from tests.systems_under_test.docker.containers import (
    containers,
    left_of,
    require_docker,
    require_for_docker,
)
from tests.systems_under_test.local.clusters import ask, until

if TYPE_CHECKING:
    from pathlib import Path

    from systems_under_test.environments.docker.cluster import DockerCluster


def restart(cluster: DockerCluster) -> None:
    cluster.nodes["n1"].start()

    def answers() -> bool:
        try:
            return bool(ask(cluster, "n1", "GET", "/incarnation"))
        except AssertionError:
            return False

    until(answers, within_s=5.0)


@pytest.mark.live
@pytest.mark.docker
def test_power_loss_takes_what_was_not_synced_and_a_kill_does_not(tmp_path: Path) -> None:
    require_docker()
    require_for_docker(cannot())
    with containers(tmp_path, nodes=("n1", "n2"), needs={"power"}) as cluster:
        node = cluster.nodes["n1"]
        assert cluster.method["power"] == "copy of the disk"
        assert [ask(cluster, "n1", "POST", "/add") for _ in range(3)] == [1, 2, 3]
        assert [ask(cluster, "n1", "POST", "/add?later") for _ in range(4)] == [4, 5, 6, 7]
        node.kill()
        restart(cluster)
        assert ask(cluster, "n1", "POST", "/add") == 8, "a kill loses nothing"
        assert [ask(cluster, "n1", "POST", "/add?later") for _ in range(4)] == [9, 10, 11, 12]
        node.power_off()
        assert node.state() == "dead"
        assert node.disk_counters()["lost"] > 0
        restart(cluster)
        assert 9 <= ask(cluster, "n1", "POST", "/add") < 13, "what was synced is there"
        assert cluster.nodes["n2"].state() == "running"
        assert cluster.unprovoked_deaths() == []
    assert left_of(cluster.run_id) == []
    assert (tmp_path / "n1" / "data" / "incarnation").read_text().startswith("3\n")


def test_pages_that_differ_are_counted(tmp_path: Path) -> None:
    left, right = tmp_path / "left", tmp_path / "right"
    for root in (left, right):
        root.mkdir()
        (root / "same").write_bytes(b"x" * 10_000)
    assert pages_that_differ(left, right) == 0
    (left / "same").write_bytes(b"x" * 5_000 + b"y" + b"x" * 4_999)
    (left / "more").write_bytes(b"z" * 4_097)
    assert pages_that_differ(left, right) == 1 + 2
