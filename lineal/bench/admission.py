"""Admission control of background work: what clients see of members that come and go (D21).

Six nodes on loopback, one of them a spare that joins and leaves over and over, so that ranges are
moved all the time; the same without any change, and with changes that yield to nobody.
"""

from __future__ import annotations

import contextlib
import tempfile
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

import msgspec

from lineal.bench.dynamo import drive, in_ms, quantile, shown
from lineal.bench.dynamo_clients import Plan, Result
from systems_under_test.dynamo.configuration import Configuration
from systems_under_test.environments.cluster import ClusterSpec, EnvironmentFailed
from systems_under_test.environments.http_client import HttpClient
from systems_under_test.environments.local.cluster import LocalCluster
from workloads.client import Reply, Request

if TYPE_CHECKING:
    from collections.abc import Iterator

    from workloads.client import Failure

NODES: Final = ("n1", "n2", "n3", "n4", "n5", "n6")
SPARE: Final = "n6"
FILL_KEYS: Final = 4_000
FILL_BYTES: Final = 8_000
FILL_S: Final = 10.0
CLIENTS: Final = 10
POLL_S: Final = 0.1
JOIN_S: Final = 30.0

HEAD: Final = (
    "members",
    "operations per s",
    "p50 / p99 / p99.9",
    "greatest",
    "changes",
    "steps put off",
)


@dataclass(frozen=True, slots=True)
class Way:
    """One row."""

    name: str
    changes: bool
    latency_ms: int


WAYS: Final = (
    Way("stay as they are", changes=False, latency_ms=0),
    Way("change, and background work yields to nobody", changes=True, latency_ms=0),
    Way(
        "change, with admission control",
        changes=True,
        latency_ms=Configuration().background_latency_ms,
    ),
)


def table(seconds: float) -> Iterator[str]:
    """The table, a row as soon as it is measured."""
    yield f"| {' | '.join(HEAD)} |"
    yield "|" + "---|" * len(HEAD)
    for way in WAYS:
        yield measure(way, seconds)


def measure(way: Way, seconds: float) -> str:
    """Bring up a cluster, fill it, let clients ask while members change; a row."""
    with tempfile.TemporaryDirectory(prefix="lineal-bench-") as directory:
        spec = ClusterSpec(
            nodes=NODES,
            replica_path="systems_under_test.dynamo.replica:make_replica",
            options={"spares": 1, "background_latency_ms": way.latency_ms},
            bug=None,
            engine="sqlite",
            seed=1,
            directory=Path(directory),
        )
        with LocalCluster(spec, direct=True) as cluster:
            drive(_plan(cluster, keys=FILL_KEYS, value_bytes=FILL_BYTES, seconds=FILL_S))
            changing = Changing(cluster)
            if way.changes:
                changing.start()
            try:
                result = drive(_plan(cluster, keys=1_000, value_bytes=100, seconds=seconds))
            finally:
                changing.end()
            return _row(way, result, changing.done, _deferred(cluster))


class Changing(threading.Thread):
    """Has the spare join and leave until it is told to end."""

    def __init__(self, cluster: LocalCluster) -> None:
        super().__init__(daemon=True)
        self.done = 0
        self._cluster = cluster
        self._ended = threading.Event()

    def run(self) -> None:
        """Order, wait until it is over, order the opposite."""
        while not self._ended.is_set():
            for order in ("join", "leave"):
                _ask(self._cluster, "n1", Request("POST", f"/admin/{order}?node={SPARE}"))
                if not self._await_settled():
                    return
                self.done += 1

    def end(self) -> None:
        """Order no more."""
        self._ended.set()
        if self.is_alive():
            self.join(JOIN_S)

    def _await_settled(self) -> bool:
        while not self._ended.wait(POLL_S):
            reply = _ask(self._cluster, "n1", Request("GET", "/status"))
            if isinstance(reply, Reply) and reply.status == 200:
                view = msgspec.json.decode(reply.body)["view"]
                if view["phase"] == "stable" and not view["leaving"]:
                    return True
        return False


def _plan(cluster: LocalCluster, *, keys: int, value_bytes: int, seconds: float) -> Plan:
    return Plan(
        nodes={name: cluster.client_address(name) for name in NODES[:-1]},
        ask="balanced",
        clients=CLIENTS,
        keys=keys,
        value_bytes=value_bytes,
        warm_up_s=1.0,
        measure_s=seconds,
        r=2,
        seed=1,
    )


def _ask(cluster: LocalCluster, node: str, request: Request) -> Reply | Failure:
    with contextlib.closing(HttpClient(cluster.client_address(node))) as client:
        return client.call(request, 5.0)


def _deferred(cluster: LocalCluster) -> int:
    total = 0
    for node in NODES:
        reply = _ask(cluster, node, Request("GET", "/status"))
        if not isinstance(reply, Reply):
            raise EnvironmentFailed(f"{node} does not tell its status: {reply.reason}")
        total += msgspec.json.decode(reply.body)["counters"]["background_deferred"]
    return total


def _row(way: Way, result: Result, changes: int, deferred: int) -> str:
    durations = [*result.gets, *result.puts]
    return (
        f"| {way.name} | {len(durations) / result.seconds:,.0f} | {shown(durations)} |"
        f" {in_ms(quantile(durations, 1.0))} | {changes} | {deferred} |"
    )
