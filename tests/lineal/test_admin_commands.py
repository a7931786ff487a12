"""The admin's commands against real nodes: join, leave, replace, and what is refused."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from lineal.cli import exit_status
from lineal.cli.main import main
from systems_under_test.environments.cluster import ClusterSpec
from systems_under_test.environments.http_client import HttpClient
from systems_under_test.environments.local.cluster import LocalCluster
from workloads.client import Reply, Request

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

NODES = ("n1", "n2", "n3", "n4")


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalCluster]:
    directory: Path = tmp_path_factory.mktemp("admin")
    spec = ClusterSpec(
        nodes=NODES,
        replica_path="systems_under_test.dynamo.replica:make_replica",
        options={"spares": 1},
        bug=None,
        engine="sqlite",
        seed=1,
        directory=directory,
    )
    with LocalCluster(spec) as running:
        yield running


def at(cluster: LocalCluster, node: str) -> str:
    host, port = cluster.client_address(node)
    return f"{host}:{port}"


@pytest.mark.live
def test_members_join_and_go_by_commands_and_data_stays(
    cluster: LocalCluster, capsys: pytest.CaptureFixture[str]
) -> None:
    client = HttpClient(cluster.client_address("n1"))
    assert isinstance(reply := client.call(Request("PUT", "/kv/k", {}, b"v"), 5.0), Reply)
    assert reply.status == 200
    assert main(["join", at(cluster, "n2"), "n4"]) == exit_status.VALID
    assert "view 4 (stable): members n1 n2 n3 n4" in capsys.readouterr().out
    assert main(["leave", at(cluster, "n3"), "n1"]) == exit_status.VALID
    assert "members n2 n3 n4" in capsys.readouterr().out
    assert main(["ring", at(cluster, "n2")]) == exit_status.VALID
    assert "(stable): members n2 n3 n4" in capsys.readouterr().out
    assert isinstance(reply := client.call(Request("GET", "/kv/k?r=all"), 5.0), Reply)
    assert b'"value":"v"' in reply.body
    client.close()
    assert main(["replace", at(cluster, "n2"), "n4", "n1"]) == exit_status.VALID
    assert "members n1 n2 n3" in capsys.readouterr().out
    assert main(["status", at(cluster, "n4")]) == exit_status.VALID
    assert '"keys_given_up"' in capsys.readouterr().out


@pytest.mark.live
def test_what_cannot_be_is_refused_in_words(
    cluster: LocalCluster, capsys: pytest.CaptureFixture[str]
) -> None:
    where = at(cluster, "n2")
    assert main(["join", where, "n9"]) == exit_status.USAGE
    assert "'n9' is no node" in capsys.readouterr().err
    assert main(["abort", where]) == exit_status.USAGE
    assert "no change is under way" in capsys.readouterr().err


def test_nobody_at_the_address_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["status", "127.0.0.1:1"]) == exit_status.FAILED
    assert "cannot connect to 127.0.0.1:1" in capsys.readouterr().err
    with pytest.raises(SystemExit) as wrong:
        main(["join", "here", "n6"])
    assert wrong.value.code == exit_status.USAGE
