"""kill -9 of any minority at any moment, on real disks: nothing acknowledged at W=2 is lost."""

from __future__ import annotations

import contextlib
import threading
import time
from typing import TYPE_CHECKING, Literal

import msgspec
import pytest

from systems_under_test.dynamo.quiescence import unrest
from systems_under_test.environments.cluster import ClusterSpec
from systems_under_test.environments.http_client import HttpClient
from systems_under_test.environments.local.cluster import LocalCluster
from systems_under_test.rng import Rng
from tests.systems_under_test.dynamo.driving import NODES, put
from workloads.client import Reply, Request

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.live

KEYS = 40
ROUNDS = 6


class Writer(threading.Thread):
    """Writes unique values without context through one node, and knows which were acknowledged."""

    def __init__(self, cluster: LocalCluster, node: str) -> None:
        super().__init__(daemon=True)
        self.cluster = cluster
        self.node = node
        self.acknowledged: dict[str, set[str]] = {}
        self.ended = threading.Event()

    def run(self) -> None:
        number = 0
        with contextlib.closing(HttpClient(self.cluster.client_address(self.node))) as client:
            while not self.ended.is_set():
                number += 1
                key, value = f"k{number % KEYS}", f"{self.node}-{number}"
                reply = client.call(put(key, value), 3)
                if isinstance(reply, Reply) and reply.status == 200:
                    self.acknowledged.setdefault(key, set()).add(value)
                time.sleep(0.002 if isinstance(reply, Reply) else 0.02)


def kill_minorities(cluster: LocalCluster, rng: Rng) -> None:
    """Two of five at a time, at moments that have nothing to do with what they are doing."""
    for _ in range(ROUNDS):
        chosen = rng.shuffled(NODES)[:2]
        for node in chosen:
            time.sleep(rng.below(150) / 1000)
            cluster.nodes[node].kill()
        time.sleep(rng.between(200, 500) / 1000)
        for node in chosen:
            cluster.nodes[node].start()
        time.sleep(rng.between(300, 500) / 1000)


def ask(cluster: LocalCluster, node: str, target: str) -> Reply:
    with contextlib.closing(HttpClient(cluster.client_address(node))) as client:
        reply = client.call(Request("GET", target), 5)
    return reply if isinstance(reply, Reply) else Reply(503, {}, reply.reason.encode())


def settle(cluster: LocalCluster, bound_s: float) -> None:
    deadline = time.monotonic() + bound_s
    while reasons := unrest({node: ask(cluster, node, "/status") for node in NODES}):
        assert time.monotonic() < deadline, reasons
        time.sleep(0.2)


@pytest.mark.parametrize("engine", ["sqlite", "lmdb"])
def test_kill_nine_of_any_minority_loses_nothing_acknowledged(
    engine: Literal["sqlite", "lmdb"], tmp_path: Path
) -> None:
    spec = ClusterSpec(
        nodes=NODES,
        replica_path="systems_under_test.dynamo.replica:make_replica",
        options={"engine": engine, "w": 2},
        bug=None,
        engine=engine,
        seed=1,
        directory=tmp_path,
    )
    with LocalCluster(spec) as cluster:
        writers = [Writer(cluster, node) for node in NODES]
        for writer in writers:
            writer.start()
        kill_minorities(cluster, Rng(f"durability/{engine}"))
        for writer in writers:
            writer.ended.set()
        for writer in writers:
            writer.join(10)
        settle(cluster, bound_s=20)
        written = sum(len(values) for w in writers for values in w.acknowledged.values())
        assert written > 50, "too little was written to conclude anything"
        for key in (f"k{n}" for n in range(KEYS)):
            reply = ask(cluster, NODES[0], f"/kv/{key}?r=all")
            assert reply.status == 200, reply
            held = {v["value"] for v in msgspec.json.decode(reply.body)["versions"]}
            lost = set().union(*(w.acknowledged.get(key, set()) for w in writers)) - held
            assert not lost, (key, lost)
        assert cluster.unprovoked_deaths() == []
        assert list(tmp_path.glob(f"n1/**/store.{engine}"))
