"""Pauses: SIGSTOP now, SIGCONT when the fault is healed; the node's clocks go on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Final

from nemesis.ledger import ledger
from nemesis.processes import PAUSE, each, healed, injected, struck, wanted

if TYPE_CHECKING:
    from nemesis.plan import Effect, Fault
    from systems_under_test.environments.cluster import Cluster, Node

METHOD: Final = "signals"


@dataclass(frozen=True, slots=True)
class Pause:
    """Stops the processes of its targets without their noticing.

    Input: `{"targets": [node, ...]}`. Proved by the state of the process. A dead node cannot be
    paused: if it is started while the fault is open, it is paused then.
    """

    faults: ClassVar[frozenset[str]] = frozenset({PAUSE})
    needs: ClassVar[frozenset[str]] = frozenset({PAUSE})

    def inject(self, cluster: Cluster, fault: Fault) -> Effect:
        """Pause the targets that run."""
        nodes = struck(cluster, fault)
        before = {node.name: node.state() for node in nodes}
        ledger(cluster).enter(fault)
        each((node for node in nodes if before[node.name] == "running"), lambda node: node.pause())
        evidence: dict[str, Any] = {
            node.name: {"before": before[node.name], "after": node.state()} for node in nodes
        }
        proved = {
            name: seen["before"] == "running" and seen["after"] == "paused"
            for name, seen in evidence.items()
        }
        return injected(proved, cluster.method.get(PAUSE, METHOD), evidence)

    def heal(self, cluster: Cluster, fault: Fault) -> Effect:
        """Let the targets go on, except those that another open fault wants paused or dead.

        One that has died meanwhile is left dead: whoever killed it starts it, and nobody may hide
        a node that died by itself.
        """
        nodes = struck(cluster, fault)
        ledger(cluster).leave(fault)

        def resume(node: Node) -> None:
            if node.state() == "paused" and wanted(cluster, node) == "running":
                node.resume()

        each(nodes, resume)
        evidence = {node.name: {"after": node.state()} for node in nodes}
        cleared = {
            node.name: node.state() != "paused" or wanted(cluster, node) != "running"
            for node in nodes
        }
        return healed(cleared, cluster.method.get(PAUSE, METHOD), evidence)
