"""The same replica as five processes: kill -9, partitions and handoff on real disks and sockets."""

from __future__ import annotations

import contextlib
import time
from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from systems_under_test.dynamo.quiescence import unrest
from systems_under_test.environments.cluster import ClusterSpec
from systems_under_test.environments.http_client import HttpClient
from systems_under_test.environments.local.cluster import LocalCluster
from tests.systems_under_test.dynamo.driving import NODES, put
from workloads.client import Reply, Request

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.live


@pytest.fixture
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalCluster]:
    spec = ClusterSpec(
        nodes=NODES,
        replica_path="systems_under_test.dynamo.replica:make_replica",
        options={},
        bug=None,
        engine="sqlite",
        seed=1,
        directory=tmp_path_factory.mktemp("nodes"),
    )
    with LocalCluster(spec) as cluster:
        yield cluster


def ask(cluster: LocalCluster, node: str, request: Request) -> Reply:
    with contextlib.closing(HttpClient(cluster.client_address(node))) as client:
        reply = client.call(request, 5)
    assert isinstance(reply, Reply), reply
    return reply


def values(cluster: LocalCluster, node: str, key: str) -> set[str]:
    reply = ask(cluster, node, Request("GET", f"/kv/{key}?r=all"))
    assert reply.status == 200, reply
    versions: list[dict[str, Any]] = msgspec.json.decode(reply.body)["versions"]
    return {version["value"] for version in versions}


def await_everyone(cluster: LocalCluster, bound_s: float) -> None:
    deadline = time.monotonic() + bound_s
    for node in NODES:
        with contextlib.closing(HttpClient(cluster.client_address(node))) as client:
            while not isinstance(client.call(Request("GET", "/status"), 5), Reply):
                assert time.monotonic() < deadline, f"{node} does not answer"
                time.sleep(0.05)


def settle(cluster: LocalCluster, bound_s: float) -> None:
    deadline = time.monotonic() + bound_s
    reasons = ["never asked"]
    while reasons:
        assert time.monotonic() < deadline, reasons
        time.sleep(0.2)
        statuses = {node: ask(cluster, node, Request("GET", "/status")) for node in NODES}
        reasons = unrest(statuses)


def test_nothing_acknowledged_is_lost_to_kill_nine_and_partitions(cluster: LocalCluster) -> None:
    acknowledged: set[str] = set()

    def write(name: str) -> None:
        for node in NODES:
            if cluster.nodes[node].state() == "running":
                reply = ask(cluster, node, put("k", f"{name}-{node}"))
                if reply.status == 200:
                    acknowledged.add(f"{name}-{node}")

    write("calm")
    assert len(acknowledged) == 5
    cluster.nodes["n1"].kill()
    cluster.nodes["n2"].kill()
    write("killed")
    write("killed again")
    cluster.nodes["n1"].start()
    cluster.nodes["n2"].start()
    cluster.set_cut((a, b) for a in NODES for b in NODES if (a in NODES[:3]) != (b in NODES[:3]))
    await_everyone(cluster, bound_s=20)
    time.sleep(1.0)
    write("cut")
    write("cut again")
    cluster.set_cut([])
    settle(cluster, bound_s=10)
    assert len(acknowledged) >= 12
    assert all(values(cluster, node, "k") >= acknowledged for node in NODES)
    assert cluster.unprovoked_deaths() == []
