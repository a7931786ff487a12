"""A Paxos cluster in the simulation, driven by hand: requests, faults, rest."""

from __future__ import annotations

from itertools import count
from typing import TYPE_CHECKING, Any, Final

import msgspec

from systems_under_test.environments.cluster import ClusterSpec
from systems_under_test.environments.simulated.cluster import SimulatedCluster
from systems_under_test.paxos.api import REQUEST_HEADER
from tests.systems_under_test.paxos import invariants
from tests.systems_under_test.paxos.invariants import Observer
from workloads.client import Reply, Request

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from systems_under_test.replica import Write
    from workloads.client import Failure

SECOND: Final = 1_000_000_000
MILLISECOND: Final = 1_000_000
THREE: Final = ("n1", "n2", "n3")
FIVE: Final = ("n1", "n2", "n3", "n4", "n5")


class Drive:
    """A running cluster."""

    def __init__(
        self,
        options: Mapping[str, Any] | None = None,
        *,
        bug: str | None = None,
        seed: int = 1,
        nodes: tuple[str, ...] = THREE,
        led: bool = True,
        observer: Observer | None = None,
        disks: Mapping[str, Sequence[Write]] | None = None,
    ) -> None:
        options = options or {}
        module = "systems_under_test.paxos.replica"
        if observer is not None:
            module = invariants.__name__
            Observer.current = observer
        spec = ClusterSpec(
            nodes=nodes,
            replica_path=f"{module}:make_replica",
            options=options,
            bug=bug,
            engine=options.get("engine", "sqlite"),
            seed=seed,
        )
        self.cluster = SimulatedCluster(spec)
        for name, changes in (disks or {}).items():
            self.cluster.nodes[name].disk.apply(changes)
        if observer is not None:
            observer.cluster = self.cluster
        self.nodes = nodes
        self._numbers = count(1)
        self.cluster.up()
        if led:
            self.await_leader()
            self.await_ready()

    def wait(self, ms: int) -> None:
        """Let so many virtual milliseconds pass."""
        self.cluster.run_until(self.cluster.now + ms * MILLISECOND)

    def begin(self, node: str, request: Request, timeout_ms: int = 5000) -> list[Reply | Failure]:
        """Send a request; the list will hold its reply."""
        replies: list[Reply | Failure] = []
        deadline = self.cluster.now + timeout_ms * MILLISECOND
        self.cluster.submit(node, request, deadline, replies.append)
        return replies

    def ask(self, node: str, request: Request, timeout_ms: int = 5000) -> Reply | Failure:
        """Send a request and wait for its reply."""
        replies = self.begin(node, request, timeout_ms)
        while not replies:
            assert self.cluster.step()
        return replies[0]

    def answer(self, node: str, request: Request) -> tuple[int, Any]:
        """The status and the JSON of a reply that must come."""
        reply = self.ask(node, request)
        assert isinstance(reply, Reply), reply
        return reply.status, msgspec.json.decode(reply.body)

    def get(self, node: str, key: str, query: str = "") -> dict[str, Any]:
        """A read that must succeed."""
        status, content = self.answer(node, Request("GET", f"/kv/{key}{query}"))
        assert status == 200, content
        return dict(content)

    def put(self, node: str, key: str, value: Any) -> int:
        """A write that must succeed; its slot."""
        status, content = self.answer(node, put(key, value))
        assert status == 200, content
        return int(content["slot"])

    def txn(self, node: str, steps: list[list[Any]]) -> tuple[int, Any]:
        """A transaction."""
        return self.answer(node, Request("POST", "/txn", {}, msgspec.json.encode(steps)))

    def order(self, node: str, order: str) -> tuple[int, Any]:
        """An order of an operator."""
        return self.answer(node, Request("POST", f"/admin/{order}"))

    def status(self, node: str) -> dict[str, Any]:
        """What a node says of itself."""
        return dict(self.answer(node, Request("GET", "/status"))[1])

    def dump(self, node: str) -> dict[str, Any]:
        """The state of a node."""
        return dict(self.answer(node, Request("GET", "/dump"))[1])

    def leader(self) -> str | None:
        """The leader of the highest ballot among the nodes that run."""
        found = [self.status(n) for n in self.nodes if self.cluster.nodes[n].state() == "running"]
        leading = [s for s in found if s["role"] == "leader" and s["ready"]]
        return max(leading, key=lambda s: s["ballot"])["node"] if leading else None

    def await_leader(self, limit_ms: int = 10_000) -> str:
        """Wait until a node leads that can be read from."""
        for _ in range(limit_ms // 20):
            leader = self.leader()
            if leader is not None:
                return leader
            self.wait(20)
        raise AssertionError("nobody leads")

    def await_ready(self, limit_ms: int = 10_000) -> None:
        """Wait until every node takes requests: a follower first has to learn the log's time."""
        for _ in range(limit_ms // 20):
            if all(self.status(node)["ready"] for node in self.nodes):
                return
            self.wait(20)
        raise AssertionError("not every node is ready")

    def counted(self, name: str) -> int:
        """A counter, over all nodes that run."""
        running = [n for n in self.nodes if self.cluster.nodes[n].state() == "running"]
        return sum(self.status(node)["counters"][name] for node in running)

    def isolate(self, node: str) -> None:
        """Cut a node off."""
        others = [n for n in self.nodes if n != node]
        self.cut([(node, n) for n in others] + [(n, node) for n in others])

    def cut(self, links: Iterable[tuple[str, str]]) -> None:
        """Cut exactly these links (from, to)."""
        self.cluster.set_cut(links)

    def first_write_after(self, node: str, limit_ms: int) -> int:
        """Write through a node until it succeeds; the milliseconds that it took."""
        began = self.cluster.now
        while self.cluster.now - began < limit_ms * MILLISECOND:
            reply = self.ask(node, put("probe", next(self._numbers)))
            if isinstance(reply, Reply) and reply.status == 200:
                return (self.cluster.now - began) // MILLISECOND
            self.wait(10)
        raise AssertionError(f"no write through {node} succeeded within {limit_ms} ms")


def put(key: str, value: Any, request: str | None = None) -> Request:
    """A write, with a request id of its own or with none."""
    headers = {} if request is None else {REQUEST_HEADER: request}
    return Request("PUT", f"/kv/{key}", headers, msgspec.json.encode(value))
