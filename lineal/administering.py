"""Who gives a system its admin's orders in a run: in virtual time, and in real time.

An order is tried through one node after another until one accepts it, with pauses, for a bounded
number of times: a change that is under way, or a partition, keeps it waiting. Where a system names
its members, these are looked at before each try, and an order is accepted once they show it.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, cast

from nemesis.administration import REPAIR, Order, Outcome
from workloads.client import Reply

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable

    from systems_under_test.environments.cluster import Cluster
    from systems_under_test.environments.simulated.cluster import SimulatedCluster
    from systems_under_test.system import Administration, StepwiseAdministration
    from workloads.client import Failure, Request

ATTEMPTS_MAX: Final = 60
LOOKS_MAX: Final = 600
PAUSE_NS: Final = 500_000_000
LOOK_PAUSE_NS: Final = 50_000_000
TIMEOUT_NS: Final = 2_000_000_000
JOIN_S: Final = 5.0


@dataclass(slots=True)
class Giving:
    """An order that is being given."""

    order: Order
    request: Request | None
    """What to ask next; None: for the members, to see what is missing."""
    attempts: int = 0
    looks: int = 0
    accepted: bool = False
    said: str = ""
    members: tuple[str, ...] | None = None
    watched: bool = False
    """Once it is accepted, the members are looked at until they show it."""
    through: str | None = None
    """The node that was asked last."""
    stopped: threading.Event = field(default_factory=threading.Event)

    @property
    def is_open(self) -> bool:
        """Whether it is tried on."""
        tired = self.attempts >= ATTEMPTS_MAX or self.looks >= LOOKS_MAX
        shown = self.members is not None and self.order.shown_by(self.members)
        done = self.accepted and (shown or not self.watched)
        return not (done or self.stopped.is_set() or tired)

    def heard(self, reply: Reply | Failure) -> bool:
        """Note what a node has said to the order; whether it took it."""
        if isinstance(reply, Reply):
            self.said = f"{reply.status} {reply.body.decode('utf-8', 'replace').strip()}"
            return reply.status == 200
        self.said = reply.reason
        return False


class Orders:
    """The orders of a run, whichever time it lives in."""

    def __init__(
        self, cluster: Cluster, administration: Administration | StepwiseAdministration
    ) -> None:
        self._cluster = cluster
        self._administration = cast("Administration", administration)
        named = hasattr(administration, "step")
        self._stepwise = cast("StepwiseAdministration", administration) if named else None
        self._given: dict[Hashable, Giving] = {}
        self._turn = 0

    def end(self, number: Hashable) -> Outcome | None:
        """Try no more; what became of the order."""
        giving = self._given.pop(number, None)
        if giving is None:
            return None
        giving.stopped.set()
        return Outcome(giving.accepted, giving.attempts, giving.said, giving.members)

    def under_way(self) -> list[str]:
        """The orders that are still tried."""
        given = self._given.values()
        return [
            f"the order `{giving.order}` is not accepted"
            for giving in given
            if giving.is_open and not giving.accepted
        ]

    def close(self) -> None:
        """Try none any more."""
        for number in list(self._given):
            self.end(number)

    def _note(self, number: Hashable, order: Order) -> Giving:
        """Enter an order; one under the same number is given no more."""
        self.end(number)
        stepwise, request = self._stepwise, None
        if stepwise is None:
            request = self._administration.order(order.change, order.node, order.by)
        giving = self._given[number] = Giving(order, request)
        # A system that mends itself has nothing to be told.
        giving.accepted = stepwise is not None and order.change == REPAIR
        tells = hasattr(self._administration, "members_request")
        giving.watched = stepwise is None and tells and order.change != REPAIR
        return giving

    def _request(self, giving: Giving) -> Request:
        """What to ask now, which is counted."""
        if giving.request is None:
            giving.looks += 1
            return self._administration.members_request
        giving.attempts += 1
        return giving.request

    def _take(self, giving: Giving, reply: Reply | Failure) -> int:
        """Take in an answer; how many nanoseconds to wait before the next.

        A system that is led step by step has done an order when its members show it; another one
        carries it out by itself once it has accepted it, and they are only looked at.
        """
        stepwise = self._stepwise
        if giving.request is not None:
            giving.accepted = giving.heard(reply) and stepwise is None
            if stepwise is not None or (giving.accepted and giving.watched):
                giving.request = None  # The members have to show it.
            return PAUSE_NS
        seen = self._administration.members(reply) if isinstance(reply, Reply) else None
        giving.members = giving.members if seen is None else seen
        if stepwise is None:
            return PAUSE_NS
        if seen is not None:
            order = giving.order
            giving.request = stepwise.step(order.change, order.node, order.by, seen)
            giving.accepted = giving.request is None
        return LOOK_PAUSE_NS

    def _next_node(self, giving: Giving) -> str | None:
        """Through whom to try now: the running nodes in turn; a repair is the node's own affair.

        Whoever has accepted an order is asked for the members: others may not have heard of it.
        """
        order, cluster_nodes = giving.order, self._cluster.nodes
        nodes = [name for name, node in cluster_nodes.items() if node.state() == "running"]
        if order.change == REPAIR:
            return order.node if order.node in nodes else None
        if giving.request is None and giving.watched and giving.through in nodes:
            return giving.through
        self._turn += 1
        giving.through = nodes[self._turn % len(nodes)] if nodes else None
        return giving.through


class SimulatedOrders(Orders):
    """Orders in virtual time."""

    def __init__(
        self, cluster: SimulatedCluster, administration: Administration | StepwiseAdministration
    ) -> None:
        super().__init__(cluster, administration)
        self._simulation = cluster

    def begin(self, number: Hashable, order: Order) -> None:
        """Begin to give an order; returns at once."""
        self._try(self._note(number, order))

    def _try(self, giving: Giving) -> None:
        if not giving.is_open:
            return
        simulation, node = self._simulation, self._next_node(giving)
        request = self._request(giving)

        def done(reply: Reply | Failure) -> None:
            self._later(giving, self._take(giving, reply))

        if node is None:
            self._later(giving, PAUSE_NS)
        else:
            simulation.submit(node, request, simulation.now + TIMEOUT_NS, done)

    def _later(self, giving: Giving, wait_ns: int) -> None:
        if giving.is_open:
            self._simulation.at(self._simulation.now + wait_ns, lambda: self._try(giving))


class LiveOrders(Orders):
    """Orders in real time, each on a thread of its own."""

    def __init__(
        self,
        cluster: Cluster,
        administration: Administration | StepwiseAdministration,
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
            node, request, wait_ns = self._next_node(giving), self._request(giving), PAUSE_NS
            if node is not None:
                wait_ns = self._take(giving, self._ask(node, request, TIMEOUT_NS / 1e9))
            if giving.is_open:
                giving.stopped.wait(wait_ns / 1e9)
