"""What the Docker environment leaves in the run directory, and what it refuses."""

from __future__ import annotations

import gc
import json
import os
import socket
from typing import TYPE_CHECKING, Any

import pytest

from systems_under_test.environments.cluster import EnvironmentFailed
from systems_under_test.environments.docker import construction
from systems_under_test.environments.docker.engine import connect
from systems_under_test.environments.docker.options import DockerOptions, options_of
from tests.systems_under_test.docker.containers import containers, left_of, require_docker
from tests.systems_under_test.local.clusters import ask

if TYPE_CHECKING:
    from pathlib import Path

docker = pytest.mark.docker
live = pytest.mark.live


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


@docker
@live
def test_lives_logs_and_events_land_in_the_run_directory(tmp_path: Path) -> None:
    require_docker()
    with containers(tmp_path, DockerOptions(pause="container")) as cluster:
        cluster.nodes["n1"].kill()
        cluster.nodes["n2"].pause()
        cluster.nodes["n2"].resume()
        with pytest.raises(AssertionError):
            ask(cluster, "n3", "POST", "/raise")
    first, last = lines(tmp_path / "n1" / "lives.jsonl")
    assert (first["event"], last["event"], last["status"]) == ("start", "end", -9)
    assert lines(tmp_path / "n3" / "lives.jsonl")[1]["status"] == 70
    assert "told to raise" in (tmp_path / "n3" / "node.log").read_text()
    actions = [event["Action"] for event in lines(tmp_path / "events.jsonl")]
    assert {"create", "start", "pause", "unpause"} <= set(actions)
    about = json.loads((tmp_path / "docker.json").read_text())
    assert about["partition"] == cluster.method["partition"]
    assert (tmp_path / "n1" / "lives.jsonl").stat().st_uid == os.getuid()
    assert left_of(cluster.run_id) == []


@docker
@live
def test_everything_carries_the_label_and_no_privilege(tmp_path: Path) -> None:
    require_docker()
    with containers(tmp_path, nodes=("n1", "n2")) as cluster:
        client = connect()
        try:
            label = f"lineal={cluster.run_id}"
            made = client.containers.list(filters={"label": label})
            assert sorted(each.attrs["Config"]["Hostname"] for each in made) == ["n1", "n2"]
            assert len(client.networks.list(filters={"label": label})) == 1
            for each in made:
                host = each.attrs["HostConfig"]
                assert host["Privileged"] is False
                assert host["CapDrop"] == ["ALL"]
                assert not host["CapAdd"]
                bound = [p["HostIp"] for ports in host["PortBindings"].values() for p in ports]
                assert set(bound) == {"127.0.0.1"}
        finally:
            client.close()


@docker
@live
def test_where_no_sidecar_is_allowed_links_are_cut_inside_the_nodes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    require_docker()
    monkeypatch.setattr(construction, "host_can", lambda: "the harness is not root")
    monkeypatch.setattr(construction, "SIDECAR_CAPABILITIES", ("NOBODY_HAS_THIS",))
    with containers(tmp_path, nodes=("n1", "n2")) as cluster:
        assert cluster.method["partition"] == "in-container"
        cluster.set_cut([("n1", "n2")])
        assert cluster.probe([("n1", "n2"), ("n2", "n1")]) == {
            ("n1", "n2"): False,
            ("n2", "n1"): True,
        }
    assert left_of(cluster.run_id) == []


@docker
@live
def test_a_replica_that_cannot_start_is_an_error_that_shows_its_log(tmp_path: Path) -> None:
    require_docker()
    cluster = containers(tmp_path)
    (tmp_path / "n2" / "data").mkdir(parents=True)
    (tmp_path / "n2" / "data" / "incarnation").write_text("nonsense")
    with pytest.raises(EnvironmentFailed, match=r"node n2 .* log .*\n.*storage damaged"):
        cluster.up()
    assert left_of(cluster.run_id) == []


@live
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_no_engine_is_said_in_words(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/nobody.sock")
    with pytest.raises(EnvironmentFailed, match=r"no engine answers: .*start a Docker engine"):
        containers(tmp_path).up()
    gc.collect()  # The SDK leaves a socket that could not be connected to be collected.


@docker
@live
def test_a_supervisor_obeys_only_who_knows_the_token(tmp_path: Path) -> None:
    require_docker()
    with containers(tmp_path, nodes=("n1",)) as cluster:
        host, port = cluster.nodes["n1"].container.control
        with socket.create_connection((host, port), timeout=2) as stranger:
            stranger.sendall(b'{"token": "guessed", "do": "kill"}\n')
            assert stranger.recv(100) == b""
        assert cluster.nodes["n1"].state() == "running"


def test_options_are_refused_all_at_once() -> None:
    with pytest.raises(ValueError, match=r"no option 'moon'.*\n.*kill=axe: there are process"):
        options_of({"moon": 1, "kill": "axe"})


def test_options_that_cannot_carry_the_faults_are_told_before_a_run() -> None:
    assert DockerOptions().problems({"partition", "link", "kill"}) == []
    assert DockerOptions(links="kernel").problems({"link"}, {"loss_ppm", "hold"}) == []
    assert "partition=sidecar" in DockerOptions(partition="sidecar").problems({"link"})[0]


def test_disks_of_their_own_need_root_and_power_losses_do_not(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    assert "it takes root" in DockerOptions(disk="loop").problems({"power"})[0]
    assert DockerOptions().problems({"power"}) == []
    assert DockerOptions().resolved({"power"}).disk == "directory"
