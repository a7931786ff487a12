"""How a cluster is: who does not serve, whether it is at rest, and who plays which role.

A bundled system tells by the status of each node, asked through the world; a foreign one is asked
itself, through whatever client it has.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Protocol

from lineal.state_counters import StateCounters
from workloads.client import Reply

if TYPE_CHECKING:
    from collections.abc import Mapping

    from lineal.interpreters.world import World
    from systems_under_test.foreign import Adopted, ForeignCluster
    from systems_under_test.system import BundledSystem
    from workloads.client import Failure

STATUS_TIMEOUT_NS: Final = 1_000_000_000


class Health(Protocol):
    """What the phases of a run want to know of a cluster."""

    def silent(self) -> list[str]:
        """Which nodes do not serve, and what they do instead, in sentences."""
        ...

    def unrest(self) -> list[str]:
        """Why the cluster is not at rest, in sentences."""
        ...

    @property
    def counters(self) -> StateCounters:
        """What the nodes were seen to have counted of themselves."""
        ...


def roles_in(system: BundledSystem, statuses: Mapping[str, Reply]) -> Mapping[str, tuple[str, ...]]:
    """Which nodes play which role, by what they answered; nothing where there are no roles."""
    ask = getattr(system, "roles", None)
    good = {node: reply for node, reply in statuses.items() if reply.status in (200, 503)}
    return {} if ask is None else {role: tuple(nodes) for role, nodes in ask(good).items()}


@dataclass(frozen=True, slots=True)
class BundledHealth:
    """Of a system of our own, by the status of every node; its state counters are kept."""

    system: BundledSystem
    nodes: tuple[str, ...]
    world: World
    counters: StateCounters = field(default_factory=StateCounters)

    def silent(self) -> list[str]:
        """A node serves if it answers its status with 200."""
        return [
            f"{node}: answers status {reply.status}"
            if isinstance(reply, Reply)
            else f"{node}: {reply.reason}"
            for node, reply in self._statuses().items()
            if not isinstance(reply, Reply) or reply.status != 200
        ]

    def unrest(self) -> list[str]:
        """What the system concludes from the statuses of all nodes."""
        statuses = {n: r for n, r in self._statuses().items() if isinstance(r, Reply)}
        silent = [f"{n} does not answer" for n in self.nodes if n not in statuses]
        return silent or self.system.unrest(statuses)

    def _statuses(self) -> Mapping[str, Reply | Failure]:
        request = self.system.status_request
        replies = self.world.ask(dict.fromkeys(self.nodes, request), STATUS_TIMEOUT_NS)
        self.counters.see(replies)
        return replies


@dataclass(frozen=True, slots=True)
class ForeignHealth:
    """Of a system of others, which asks its own programs."""

    system: Adopted
    cluster: ForeignCluster
    counters: StateCounters = field(default_factory=StateCounters)
    """None: a foreign system has a status of its own."""

    def silent(self) -> list[str]:
        """What the system says of each node, asked side by side."""
        nodes = self.cluster.nodes
        with ThreadPoolExecutor(max_workers=max(1, len(nodes))) as pool:
            said = pool.map(self.system.silence, nodes.values())
            return [f"{name}: {why}" for name, why in zip(nodes, said, strict=True) if why]

    def unrest(self) -> list[str]:
        """What the system says of the whole."""
        return self.system.unrest(self.cluster)
