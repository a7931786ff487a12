"""A Dynamo cluster in the simulation, driven by hand: requests, faults, rest."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import msgspec

from systems_under_test.dynamo.quiescence import unrest
from systems_under_test.environments.cluster import ClusterSpec
from systems_under_test.environments.simulated.cluster import SimulatedCluster
from systems_under_test.environments.simulated.options import SimulationOptions
from workloads.client import Reply, Request

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from workloads.client import Failure

SECOND: Final = 1_000_000_000
MILLISECOND: Final = 1_000_000
NODES: Final = ("n1", "n2", "n3", "n4", "n5")
CONTEXT: Final = "x-lineal-context"


class Drive:
    """A running cluster."""

    def __init__(
        self,
        options: Mapping[str, Any] | None = None,
        *,
        bug: str | None = None,
        seed: int = 1,
        nodes: tuple[str, ...] = NODES,
        simulation: SimulationOptions | None = None,
    ) -> None:
        options = options or {}
        spec = ClusterSpec(
            nodes=nodes,
            replica_path="systems_under_test.dynamo.replica:make_replica",
            options=options,
            bug=bug,
            engine=options.get("engine", "sqlite"),
            seed=seed,
        )
        self.cluster = SimulatedCluster(spec, simulation or SimulationOptions())
        self.cluster.up()
        self.wait(100)

    def wait(self, ms: int) -> None:
        """Let so many virtual milliseconds pass."""
        self.cluster.run_until(self.cluster.now + ms * MILLISECOND)

    def begin(self, node: str, request: Request, timeout_ms: int = 3000) -> list[Reply | Failure]:
        """Send a request; the list will hold its reply."""
        replies: list[Reply | Failure] = []
        deadline = self.cluster.now + timeout_ms * MILLISECOND
        self.cluster.submit(node, request, deadline, replies.append)
        return replies

    def ask(self, node: str, request: Request) -> Reply:
        """Send a request and wait for its reply, which must come."""
        replies = self.begin(node, request)
        while not replies:
            assert self.cluster.step()
        reply = replies[0]
        assert isinstance(reply, Reply), reply
        return reply

    def get(self, node: str, key: str, query: str = "") -> dict[str, Any]:
        """A read that must succeed."""
        return self._json(self.ask(node, Request("GET", f"/kv/{key}{query}")))

    def put(self, node: str, key: str, value: str, context: str | None = None) -> dict[str, Any]:
        """A write that must succeed."""
        return self._json(self.ask(node, put(key, value, context)))

    def delete(self, node: str, key: str, context: str) -> dict[str, Any]:
        """A delete that must succeed."""
        return self._json(self.ask(node, Request("DELETE", f"/kv/{key}", {CONTEXT: context})))

    def page(self, node: str, name: str) -> dict[str, Any]:
        """`status`, `ring` or `dump` of a node."""
        return self._json(self.ask(node, Request("GET", f"/{name}")))

    def order(self, via: str, verb: str, **whom: str) -> Reply:
        """An admin's order through a node; the reply."""
        query = "&".join(f"{name}={value}" for name, value in whom.items())
        return self.ask(via, Request("POST", f"/admin/{verb}" + (f"?{query}" if query else "")))

    def change(self, via: str, verb: str, **whom: str) -> None:
        """An order that must succeed; ends when all nodes have come to the end of the change."""
        reply = self.order(via, verb, **whom)
        assert reply.status == 200, reply
        self.settle()

    def members(self, node: str) -> list[str]:
        """The members as a node sees them."""
        view = self.page(node, "status")["view"]
        assert view["phase"] == "stable", view
        return list(view["members"])

    def values(self, node: str, key: str, query: str = "") -> list[str]:
        """The values of all versions that a read through the node returns."""
        versions = self.get(node, key, query)["versions"]
        return sorted(version.get("value", "tombstone") for version in versions)

    def home(self, key: str, node: str = "n1") -> tuple[list[str], list[str]]:
        """(home nodes, stand-ins) of a key, in order of preference."""
        from systems_under_test.dynamo.ring import Ring, Token

        ring = self.page(node, "ring")["ranges"]
        tokens = [Token(int(r["end"], 16), r["node"]) for r in ring]
        found = ring[Ring(tokens).place(key.encode()).range]
        return found["home"], found["stand_ins"]

    def isolate(self, *group: str) -> None:
        """Cut all links between these nodes and the others."""
        rest = [node for node in self.cluster.nodes if node not in group]
        self.cluster.set_cut(
            link for one in group for other in rest for link in ((one, other), (other, one))
        )

    def heal(self) -> None:
        """Mend every link."""
        self.cluster.set_cut(())

    def unrest(self) -> list[str]:
        """Why the cluster is not quiescent."""
        statuses = {
            node: self.begin(node, Request("GET", "/status")) for node in self.cluster.nodes
        }
        self.wait(20)
        replies = {node: replies[0] for node, replies in statuses.items() if replies}
        return unrest({n: r for n, r in replies.items() if isinstance(r, Reply)})

    def settle(self, bound_ms: int = 10_000) -> int:
        """Heal, start and resume everything, and wait for rest; the milliseconds that it took."""
        self.heal()
        self.cluster.shape({})
        for node in self.cluster.nodes.values():
            node.resume()
            node.start()
        quiet, waited, reasons = 0, 0, [""]
        while quiet < 2:
            assert waited <= bound_ms, reasons
            self.wait(250)
            waited += 250
            reasons = self.unrest()
            quiet = 0 if reasons else quiet + 1
        return waited

    def counter(self, name: str, nodes: Iterable[str] | None = None) -> int:
        """A counter of the status, summed over nodes."""
        return sum(
            self.page(node, "status")["counters"][name] for node in nodes or self.cluster.nodes
        )

    @staticmethod
    def _json(reply: Reply) -> dict[str, Any]:
        assert reply.status == 200, reply
        content: dict[str, Any] = msgspec.json.decode(reply.body)
        return content


def put(key: str, value: str, context: str | None = None) -> Request:
    """A put; without context a blind one."""
    headers = {CONTEXT: context} if context is not None else {}
    return Request("PUT", f"/kv/{key}", headers, value.encode())
