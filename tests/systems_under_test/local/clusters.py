"""Clusters of the tally replica, for tests."""

from __future__ import annotations

import contextlib
import json
import time
from typing import TYPE_CHECKING, Any, Literal

from systems_under_test.environments.cluster import ClusterSpec
from systems_under_test.environments.http_client import HttpClient
from tests.systems_under_test.host.process import TALLY
from workloads.client import Reply, Request

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from systems_under_test.environments.cluster import LiveCluster


def tally(
    directory: Path,
    *,
    nodes: tuple[str, ...] = ("n1", "n2", "n3"),
    engine: Literal["memory", "sqlite"] = "sqlite",
    replica: str = TALLY,
) -> ClusterSpec:
    return ClusterSpec(
        nodes=nodes,
        replica_path=replica,
        options={"w": 2},
        bug=None,
        engine=engine,
        seed=1,
        directory=directory,
    )


def ask(cluster: LiveCluster, node: str, method: str, target: str, body: str = "") -> Any:
    with contextlib.closing(HttpClient(cluster.client_address(node))) as client:
        reply = client.call(Request(method, target, {}, body.encode()), 5)
    assert isinstance(reply, Reply), reply
    assert reply.status == 200, reply
    return json.loads(reply.body)


def told(cluster: LiveCluster, node: str) -> list[str]:
    return [body for _, _, body in ask(cluster, node, "GET", "/told")]


def until(happened: Callable[[], bool], *, within_s: float = 3.0) -> None:
    deadline = time.monotonic() + within_s
    while not happened():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.005)
