"""What cannot be is said in words that name the node and its log, and everything is taken down."""

from __future__ import annotations

import os
import socket
import subprocess
import threading
from typing import TYPE_CHECKING

import pytest

from systems_under_test.environments.cluster import ClusterSpec, EnvironmentFailed
from systems_under_test.environments.local import cluster as cluster_module
from systems_under_test.environments.local import ports
from systems_under_test.environments.local.cluster import LocalCluster
from tests.systems_under_test.local.clusters import ask, tally

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from systems_under_test.replica import Place

pytestmark = pytest.mark.live

HERE = "tests.systems_under_test.local.test_failures"


@pytest.fixture(autouse=True)
def nothing_is_left() -> Iterator[None]:
    """Every child that a test started has been waited for, and no thread goes on."""
    threads = threading.active_count()
    yield
    with pytest.raises(ChildProcessError):
        os.waitpid(-1, os.WNOHANG)
    assert threading.active_count() == threads


def make_broken(place: Place, options: object, bug: object) -> None:
    raise RuntimeError("this replica cannot be made")


def make_slow(place: Place, options: object, bug: object) -> None:
    import time

    time.sleep(60)


def test_a_node_that_dies_at_its_start_is_named_with_the_end_of_its_log(tmp_path: Path) -> None:
    with pytest.raises(EnvironmentFailed) as failed:
        LocalCluster(tally(tmp_path, replica=f"{HERE}:make_broken")).up()
    said = str(failed.value)
    assert said.startswith("node n")
    assert "node.log" in said
    assert "this replica cannot be made" in said


def test_a_replica_that_does_not_exist_is_named(tmp_path: Path) -> None:
    with pytest.raises(EnvironmentFailed, match="no_such_module"):
        LocalCluster(tally(tmp_path, replica="no_such_module:f")).up()


def test_a_node_that_does_not_come_up_is_given_up_in_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cluster_module, "READY_S_MAX", 0.5)
    with pytest.raises(EnvironmentFailed, match=r"was not ready within 0\.5 s; its log"):
        LocalCluster(tally(tmp_path, replica=f"{HERE}:make_slow")).up()


def test_a_port_in_use_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as stranger:
        port = stranger.getsockname()[1]
        monkeypatch.setattr(cluster_module, "HeldPort", lambda: _Taken(port))
        with pytest.raises(EnvironmentFailed, match=rf"cannot listen for .* on 127.0.0.1:{port}"):
            LocalCluster(tally(tmp_path)).up()


class _Taken(ports.HeldPort):
    def __init__(self, port: int) -> None:
        self.address = ("127.0.0.1", port)

    def release(self) -> None:
        pass


@pytest.mark.skipif(os.geteuid() != 0, reason="mounting needs root")
def test_a_full_disk_is_named(tmp_path: Path) -> None:
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(tmp_path)],
        capture_output=True,
        check=False,
    )
    if mounted.returncode:
        pytest.skip("a small file system cannot be mounted here")
    try:
        with pytest.raises(EnvironmentFailed, match=r"node n\d .*its log .*node\.log") as failed:
            LocalCluster(tally(tmp_path)).up()
        assert "full" in str(failed.value) or "No space" in str(failed.value)
    finally:
        subprocess.run(["umount", str(tmp_path)], check=True)


def test_a_directory_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(EnvironmentFailed, match="file/nodes"):
        LocalCluster(tally(tmp_path / "file" / "nodes")).up()
    (tmp_path / "nodes").mkdir()
    (tmp_path / "nodes" / "n2").write_text("in the way")
    with pytest.raises(EnvironmentFailed, match="node n2"):
        LocalCluster(tally(tmp_path / "nodes")).up()


def test_without_a_directory_it_is_no_cluster() -> None:
    spec = ClusterSpec(
        nodes=("n1",), replica_path="m:f", options={}, bug=None, engine="memory", seed=1
    )
    with pytest.raises(ValueError, match="directory"):
        LocalCluster(spec)


def test_a_cluster_that_is_down_says_so_and_can_be_taken_down_again(tmp_path: Path) -> None:
    cluster = LocalCluster(tally(tmp_path, nodes=("n1",)))
    cluster.down()
    with cluster:
        pass
    cluster.down()
    with pytest.raises(EnvironmentFailed, match="not up"):
        cluster.probe([])


def test_an_interrupt_while_coming_up_takes_everything_down(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(self: LocalCluster) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(LocalCluster, "_check_links", interrupted)
    with pytest.raises(KeyboardInterrupt):
        LocalCluster(tally(tmp_path)).up()


def test_two_clusters_side_by_side_do_not_meet(tmp_path: Path) -> None:
    with (
        LocalCluster(tally(tmp_path / "a")) as one,
        LocalCluster(tally(tmp_path / "b")) as other,
    ):
        one.set_cut([("n1", "n2")])
        assert ask(one, "n1", "POST", "/add") == 1
        assert ask(one, "n1", "POST", "/add") == 2
        assert ask(other, "n1", "POST", "/add") == 1
        assert not one.probe([("n1", "n2")])["n1", "n2"]
        assert other.probe([("n1", "n2")])["n1", "n2"]


def test_five_nodes_are_up_soon(tmp_path: Path) -> None:
    import time

    began = time.monotonic()
    with LocalCluster(tally(tmp_path, nodes=("n1", "n2", "n3", "n4", "n5"))):
        assert time.monotonic() - began < 5.0
