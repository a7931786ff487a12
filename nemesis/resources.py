"""Faults of resources: a node that is given little of a processor, or runs out of memory."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Final, cast

from nemesis.ledger import ledger
from nemesis.plan import Effect
from nemesis.processes import crash, crashed, each, healed, injected, struck, uncrash

if TYPE_CHECKING:
    from nemesis.plan import Fault
    from systems_under_test.environments.cluster import Cluster, LimitedNode

CPU: Final = "cpu"
MEMORY: Final = "memory"


@dataclass(frozen=True, slots=True)
class CpuShare:
    """Leaves its targets so much of a processor.

    Input: `{"targets": [...], "percent": n}`, a hundredth of one processor each. Of several open
    faults on a node the smallest share counts. Proved by reading the limit back from the kernel; if
    the kernel never withheld the processor meanwhile, the healing is `ineffective`.
    """

    faults: ClassVar[frozenset[str]] = frozenset({CPU})
    needs: ClassVar[frozenset[str]] = frozenset({CPU})

    def inject(self, cluster: Cluster, fault: Fault) -> Effect:
        """Limit the targets."""
        nodes = _limited(cluster, fault)
        was = {node.name: dict(node.usage()) for node in nodes}
        ledger(cluster).enter(
            fault, throttled={name: seen["throttled"] for name, seen in was.items()}
        )
        each(nodes, lambda node: _limited_one(node).limit_cpu(_share(cluster, node.name)))
        evidence: dict[str, Any] = {}
        proved: dict[str, bool] = {}
        for node in nodes:
            percent, before = node.usage()["cpu_percent"], was[node.name]["cpu_percent"]
            evidence[node.name] = {"cpu_percent": [before or None, percent or None]}
            proved[node.name] = percent == _share(cluster, node.name) != before
        return injected(proved, cluster.method.get(CPU, CPU), evidence)

    def heal(self, cluster: Cluster, fault: Fault) -> Effect:
        """Give the targets what other open faults leave them."""
        nodes = _limited(cluster, fault)
        before = ledger(cluster).leave(fault).get("throttled")
        each(nodes, lambda node: _limited_one(node).limit_cpu(_share(cluster, node.name)))
        evidence: dict[str, Any] = {}
        cleared: dict[str, bool] = {}
        for node in nodes:
            seen = node.usage()
            cleared[node.name] = (seen["cpu_percent"] or None) == _share(cluster, node.name)
            evidence[node.name] = {"cpu_percent": seen["cpu_percent"] or None}
            if before is not None:
                evidence[node.name]["withheld"] = seen["throttled"] - before[node.name]
        method = cluster.method.get(CPU, CPU)
        felt = before is None or any(seen["withheld"] > 0 for seen in evidence.values())
        if all(cleared.values()) and not felt:
            return Effect("ineffective", method, evidence)
        return healed(cleared, method, evidence)


@dataclass(frozen=True, slots=True)
class OutOfMemory:
    """Leaves its targets no memory, so that the kernel kills their processes.

    Input: `{"targets": [...]}`. Proved by the state of the process and the kernel's own count.
    """

    faults: ClassVar[frozenset[str]] = frozenset({MEMORY})
    needs: ClassVar[frozenset[str]] = frozenset({MEMORY})

    def inject(self, cluster: Cluster, fault: Fault) -> Effect:
        """Let the targets run out of memory."""
        nodes = _limited(cluster, fault)
        before = {node.name: node.usage()["oom_kills"] for node in nodes}
        evidence = crash(cluster, fault, lambda node: _limited_one(node).exhaust_memory())
        died = crashed(evidence)
        for node in nodes:
            kills = node.usage()["oom_kills"] - before[node.name]
            evidence[node.name]["oom_kills"] = kills
            died[node.name] = died[node.name] and kills > 0
        return injected(died, cluster.method.get(MEMORY, MEMORY), evidence)

    def heal(self, cluster: Cluster, fault: Fault) -> Effect:
        """Start the targets, except those that another open fault wants dead."""
        return uncrash(cluster, fault, cluster.method.get(MEMORY, MEMORY))


def _share(cluster: Cluster, node: str) -> int | None:
    """What the open faults leave a node, in percent of a processor; None: everything."""
    shares = [int(fault.input["percent"]) for fault in ledger(cluster).on(node, CPU)]
    return min(shares, default=None)


def _limited(cluster: Cluster, fault: Fault) -> list[LimitedNode]:
    return [_limited_one(node) for node in struck(cluster, fault)]


def _limited_one(node: object) -> LimitedNode:
    """The plan's `needs` have been asked for: who carries them has these verbs."""
    return cast("LimitedNode", node)
