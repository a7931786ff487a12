"""Who gives a system its admin's orders in a run: in virtual time, and in real time.

An order is tried through one node after another until one accepts it, with pauses, for a bounded
number of times: a change that is under way, or a partition, keeps it waiting.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from nemesis.administration import REPAIR, Order, Outcome
from workloads.client import Reply

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable

    from systems_under_test.environments.cluster import Cluster
    from systems_under_test.environments.simulated.cluster import SimulatedCluster
    from systems_under_test.system import Administration
    from workloads.client import Failure, Request

ATTEMPTS_MAX: Final = 60
PAUSE_NS: Final = 500_000_000
TIMEOUT_NS: Final = 2_000_000_000
JOIN_S: Final = 5.0


@dataclass(slots=True)
class Giving:
    """An order that is being given."""

    order: Order
    request: Request
    attempts: int = 0
    accepted: bool = False
    said: str = ""
    stopped: threading.Event = field(default_factory=threading.Event)

    @property
    def is_open(self) -> bool:
        """Whether it is tried on."""
        return not self.accepted and not self.stopped.is_set() and self.attempts < ATTEMPTS_MAX

    def answered(self, reply: Reply | Failure) -> None:
        """Take in what a node has said."""
        if isinstance(reply, Reply):
            self.accepted = reply.status == 200
            self.said = f"{reply.status} {reply.body.decode('utf-8', 'replace').strip()}"
        else:
            self.said = reply.reason


class Orders:
    """The orders of a run, whichever time it lives in."""

    def __init__(self, cluster: Cluster, administration: Administration) -> None:
        self._cluster = cluster
        self._administration = administration
        self._given: dict[Hashable, Giving] = {}
        self._turn = 0

    def end(self, number: Hashable) -> Outcome | None:
        """Try no more; what became of the order."""
        giving = self._given.pop(number, None)
        if giving is None:
            return None
        giving.stopped.set()
        return Outcome(giving.accepted, giving.attempts, giving.said)

    def under_way(self) -> list[str]:
        """The orders that are still tried."""
        given = self._given.values()
        return [f"the order `{giving.order}` is not accepted" for giving in given if giving.is_open]

    def close(self) -> None:
        """Try none any more."""
        for number in list(self._given):
            self.end(number)

    def _note(self, number: Hashable, order: Order) -> Giving:
        """Enter an order; one under the same number is given no more."""
        self.end(number)
        request = self._administration.order(order.change, order.node, order.by)
        giving = self._given[number] = Giving(order, request)
        return giving

    def _next_node(self, order: Order) -> str | None:
        """Through whom to try now: the running nodes in turn; a repair is the node's own affair."""
        if order.change == REPAIR:
            return order.node if self._cluster.nodes[order.node].state() == "running" else None
        nodes = [n for n, node in self._cluster.nodes.items() if node.state() == "running"]
        self._turn += 1
        return nodes[self._turn % len(nodes)] if nodes else None


class SimulatedOrders(Orders):
    """Orders in virtual time."""

    def __init__(self, cluster: SimulatedCluster, administration: Administration) -> None:
        super().__init__(cluster, administration)
        self._simulation = cluster

    def begin(self, number: Hashable, order: Order) -> None:
        """Begin to give an order; returns at once."""
        self._try(self._note(number, order))

    def _try(self, giving: Giving) -> None:
        if not giving.is_open:
            return
        giving.attempts += 1
        simulation, node = self._simulation, self._next_node(giving.order)

        def done(reply: Reply | Failure) -> None:
            giving.answered(reply)
            self._later(giving)

        if node is None:
            self._later(giving)
        else:
            simulation.submit(node, giving.request, simulation.now + TIMEOUT_NS, done)

    def _later(self, giving: Giving) -> None:
        if giving.is_open:
            self._simulation.at(self._simulation.now + PAUSE_NS, lambda: self._try(giving))


class LiveOrders(Orders):
    """Orders in real time, each on a thread of its own."""

    def __init__(
        self,
        cluster: Cluster,
        administration: Administration,
        ask: Callable[[str, Request, float], Reply | Failure],
    ) -> None:
        super().__init__(cluster, administration)
        self._ask = ask
        self._threads: list[threading.Thread] = []

    def begin(self, number: Hashable, order: Order) -> None:
        """Begin to give an order; returns at once."""
        giving = self._note(number, order)
        thread = threading.Thread(target=self._give, args=(giving,), daemon=True)
        self._threads.append(thread)
        thread.start()

    def close(self) -> None:
        """Try none any more, and wait for the threads."""
        super().close()
        for thread in self._threads:
            thread.join(JOIN_S)

    def _give(self, giving: Giving) -> None:
        while giving.is_open:
            giving.attempts += 1
            node = self._next_node(giving.order)
            if node is not None:
                giving.answered(self._ask(node, giving.request, TIMEOUT_NS / 1e9))
            if giving.is_open:
                giving.stopped.wait(PAUSE_NS / 1e9)
