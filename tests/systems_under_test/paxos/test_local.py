"""Real processes on loopback: runs judged, invariants seen from outside, how long writes stand."""

from __future__ import annotations

import contextlib
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from lineal.definition import standard
from lineal.running import run
from systems_under_test.environments.cluster import ClusterSpec
from systems_under_test.environments.http_client import HttpClient
from systems_under_test.environments.local.cluster import LocalCluster
from systems_under_test.paxos.api import REQUEST_HEADER
from systems_under_test.replica import STOPPING_NS_MAX
from tests.systems_under_test.paxos.diagnostics import (
    Watch,
    applied_lines,
    broken_by,
    lines_of,
    two_holders,
)
from tests.systems_under_test.paxos.driving import THREE, put
from workloads.client import Reply, Request

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.live

FAIL_OVER_S = 3.0
HAND_OVER_S = 0.2
BEHIND_CUTS_S = 5.0
STOPPING_S_MAX = STOPPING_NS_MAX / 1e9
TRIES = 3
"""So many tries, of which the best counts: other processes may have the processor."""


class Live:
    """A local cluster, asked by hand."""

    def __init__(
        self,
        directory: Path,
        options: dict[str, Any] | None = None,
        nodes: tuple[str, ...] = THREE,
        objects: str | None = None,
    ) -> None:
        self.directory = directory
        self.nodes = nodes
        self.cluster = LocalCluster(
            ClusterSpec(
                nodes=nodes,
                replica_path="systems_under_test.paxos.replica:make_replica",
                options=options or {},
                bug=None,
                engine="sqlite",
                seed=1,
                directory=directory,
                objects=objects or directory / "objects",
            )
        )
        self._clients: dict[str, HttpClient] = {}
        self._written = 0

    def ask(self, node: str, request: Request) -> Reply | None:
        """The reply, None if there was none."""
        if node not in self._clients:
            self._clients[node] = HttpClient(self.cluster.client_address(node))
        reply = self._clients[node].call(request, 5)
        return reply if isinstance(reply, Reply) else None

    def status(self, node: str) -> dict[str, Any] | None:
        """What a node says of itself, if it answers."""
        reply = self.ask(node, Request("GET", "/status"))
        return None if reply is None else msgspec.json.decode(reply.body)

    def leader(self) -> str:
        """The node that leads and can be read from; waits for one."""
        deadline = time.monotonic() + 15
        while time.monotonic() < deadline:
            for node in THREE:
                status = (
                    self.status(node) if self.cluster.nodes[node].state() == "running" else None
                )
                if status is not None and status["role"] == "leader" and status["ready"]:
                    return node
            time.sleep(0.02)
        raise AssertionError("nobody leads")

    def until_written(self, nodes: tuple[str, ...], limit_s: float) -> float:
        """Write through these nodes by turns until it succeeds; the seconds that it took."""
        began = time.monotonic()
        while time.monotonic() - began < limit_s:
            for node in nodes:
                self._written += 1
                reply = self.ask(node, put("probe", self._written))
                if reply is not None and reply.status == 200:
                    return time.monotonic() - began
            time.sleep(0.005)
        raise AssertionError(f"no write through {nodes} succeeded within {limit_s} s")

    def elections(self) -> int:
        """Elections begun so far, by all nodes."""
        found = [self.status(node) for node in THREE]
        return sum(status["counters"]["elections_begun"] for status in found if status is not None)

    def close(self) -> None:
        """Let go of the connections."""
        for client in self._clients.values():
            client.close()


@contextlib.contextmanager
def live(
    directory: Path,
    options: dict[str, Any] | None = None,
    nodes: tuple[str, ...] = THREE,
    objects: str | None = None,
) -> Iterator[Live]:
    """A cluster with a leader, taken down at the end."""
    made = Live(directory, options, nodes, objects)
    with made.cluster, contextlib.closing(made):
        made.leader()
        made.until_written(THREE, 15)
        yield made


@pytest.mark.parametrize("workload", ["register", "eventual-reads"])
def test_a_local_run_under_kills_and_partitions_keeps_its_promises(
    workload: str, tmp_path: Path
) -> None:
    test = standard(
        system="paxos",
        workload=workload,
        environment="local",
        faults="partition,kill@minority",
        options={"checkpoint_slots": 10},
        time_limit_s=6.0,
        seed=7,
    )
    outcome = run(test, runs=tmp_path, report=False)
    assert "linearizable" in outcome.judgement.promises.claims
    assert outcome.judgement.status == "valid", outcome.judgement.explain()
    found = {path.parent.name: path for path in tmp_path.glob("*/*/nodes/*/node.log")}
    assert found.keys() == set(THREE)
    logs = {name: lines_of(path.read_text(encoding="utf-8")) for name, path in found.items()}
    assert broken_by(logs) == []
    assert applied_lines(logs) >= 10


def test_nobody_holds_the_lease_beside_another_while_leaders_die(tmp_path: Path) -> None:
    with live(tmp_path) as cluster, Watch(cluster.cluster) as watch:
        for _ in range(3):
            leader = cluster.leader()
            others = tuple(node for node in THREE if node != leader)
            cluster.cluster.nodes[leader].pause()
            cluster.until_written(others, 10)
            cluster.cluster.nodes[leader].resume()
            time.sleep(0.5)
    leaders = {look.node for look in watch.looks if look.ballot is not None and look.left}
    assert len(leaders) > 1
    assert two_holders(watch.looks) == []


def test_a_write_succeeds_within_three_seconds_of_the_leaders_death(tmp_path: Path) -> None:
    took = []
    with live(tmp_path) as cluster:
        for _ in range(TRIES):
            leader = cluster.leader()
            cluster.cluster.nodes[leader].kill()
            others = tuple(node for node in THREE if node != leader)
            took.append(cluster.until_written(others, 15))
            cluster.cluster.nodes[leader].start()
            time.sleep(1.5)  # It grants nothing for one lease: both others would have to live.
    print("after a kill (s):", [round(seconds, 3) for seconds in took])
    assert min(took) <= FAIL_OVER_S, took


def test_a_write_succeeds_within_200_ms_of_a_planned_hand_over(tmp_path: Path) -> None:
    took = []
    with live(tmp_path) as cluster:
        for _ in range(TRIES):
            leader = cluster.leader()
            reply = cluster.ask(leader, Request("POST", "/admin/handover"))
            assert reply is not None
            assert reply.status == 200
            others = tuple(node for node in THREE if node != leader)
            took.append(cluster.until_written(others, 10))
            assert cluster.leader() != leader
            time.sleep(0.5)
    print("after a hand-over (s):", [round(seconds, 3) for seconds in took])
    assert min(took) <= HAND_OVER_S, took


def ended(cluster: Live, node: str) -> float:
    """End a node in order, its status is 0; the seconds that it took."""
    place = cluster.cluster.nodes[node]
    process, began = place._process, time.monotonic()
    place.stop()
    assert process is not None
    assert process.poll() == 0
    return time.monotonic() - began


def test_a_leader_that_is_asked_to_end_hands_over_first(tmp_path: Path) -> None:
    took, gone = [], []
    with live(tmp_path) as cluster, ThreadPoolExecutor(1) as beside:
        for _ in range(TRIES):
            leader = cluster.leader()
            others = tuple(node for node in THREE if node != leader)
            log = cluster.cluster.nodes[leader].log
            read = len(log.read_bytes())
            ending = beside.submit(ended, cluster, leader)
            while b" stopping handed_over=true" not in log.read_bytes()[read:]:
                time.sleep(0.002)
            took.append(cluster.until_written(others, 10))
            gone.append(ending.result())
            cluster.cluster.nodes[leader].start()
            time.sleep(1.5)
            status = cluster.status(cluster.leader())
            assert status is not None
            assert status["leader"] != leader
    print("after SIGTERM (s):", [round(s, 3) for s in took], [round(s, 3) for s in gone])
    assert min(took) <= HAND_OVER_S, took
    assert min(gone) < STOPPING_S_MAX, gone


def test_a_request_that_a_leader_has_taken_in_is_answered_before_it_ends(tmp_path: Path) -> None:
    """Writes through the leader itself go on until its process is gone: none is left open."""
    with live(tmp_path) as cluster, ThreadPoolExecutor(1) as beside:
        leader = cluster.leader()
        ending = beside.submit(ended, cluster, leader)
        statuses: list[int | None] = []
        while not ending.done():
            reply = cluster.ask(leader, put("k", len(statuses)))
            statuses.append(reply.status if reply is not None else None)
        ending.result()
        assert statuses.count(200) >= 1, statuses
        assert set(statuses) <= {200, None}, statuses


def test_who_does_not_lead_ends_at_once_and_a_leader_alone_after_a_while(tmp_path: Path) -> None:
    with live(tmp_path) as cluster:
        leader = cluster.leader()
        one, other = (node for node in THREE if node != leader)
        assert ended(cluster, one) < STOPPING_S_MAX
        cluster.cluster.nodes[other].kill()
        assert ended(cluster, leader) < 3 * STOPPING_S_MAX


def test_no_life_ends_of_what_is_large(tmp_path: Path) -> None:
    """Values of a MiB, lists that grow, and transactions that read many of them."""
    with live(tmp_path) as cluster:
        leader = cluster.leader()
        one, other = (node for node in THREE if node != leader)
        large = "x" * 1_000_000
        grown, wrote = [], []
        for n in range(9):
            steps = msgspec.json.encode([["append", "list", large]])
            reply = cluster.ask(one, Request("POST", "/txn", {}, steps))
            grown.append(reply.status if reply is not None else None)
            reply = cluster.ask(leader, put(f"k{n}", large))
            wrote.append(reply.status if reply is not None else None)
        assert grown == [200] + 8 * [413]
        assert wrote == 9 * [200]
        read = [["r", f"k{n}", None] for n in range(9)]
        for count, status in ((4, 200), (9, 413)):
            for attempt in range(2):  # The second time from memory.
                headers = {REQUEST_HEADER: f"{count}/1"}
                steps = msgspec.json.encode(read[:count])
                reply = cluster.ask((one, other)[attempt], Request("POST", "/txn", headers, steps))
                assert reply is not None
                assert reply.status == status
        assert [cluster.cluster.nodes[node].incarnation() for node in THREE] == [1, 1, 1]
        assert {cluster.cluster.nodes[node].state() for node in THREE} == {"running"}


@pytest.mark.parametrize(
    "cut", [(("L", "f"),), (("f", "L"),), (("L", "f"), ("f", "L")), (("L", "f"), ("g", "L"))]
)
def test_one_way_cuts_leave_a_writable_quorum(tmp_path: Path, cut: tuple[Any, ...]) -> None:
    with live(tmp_path) as cluster:
        leader = cluster.leader()
        f, g = (node for node in THREE if node != leader)
        names = {"L": leader, "f": f, "g": g}
        before = cluster.elections()
        cluster.cluster.set_cut([(names[a], names[b]) for a, b in cut])
        time.sleep(2.0)
        took = cluster.until_written((g, f), BEHIND_CUTS_S - 2.0)
        print("behind", cut, "(s):", round(2 + took, 3))
        if {"g"} & {end for link in cut for end in link}:
            return
        # One link is cut, in one direction or in both: the leader is left alone.
        assert cluster.elections() == before
