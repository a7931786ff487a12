"""Power losses: the process is killed, and what was not durable is gone."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Final

from nemesis.processes import crash, crashed, injected, struck, uncrash

if TYPE_CHECKING:
    from nemesis.plan import Effect, Fault
    from systems_under_test.environments.cluster import Cluster

POWER: Final = "power"


@dataclass(frozen=True, slots=True)
class Power:
    """Takes the power from its targets.

    Input: `{"targets": [node, ...]}`. Proved by the state of the process; the evidence also says
    how many writes each disk lost, which is rightly none where all of them were durable.
    """

    faults: ClassVar[frozenset[str]] = frozenset({POWER})
    needs: ClassVar[frozenset[str]] = frozenset({POWER})

    def inject(self, cluster: Cluster, fault: Fault) -> Effect:
        """Take the power from the targets."""
        nodes = struck(cluster, fault)
        lost_before = {node.name: node.disk_counters().get("lost", 0) for node in nodes}
        evidence = crash(cluster, fault, lambda node: node.power_off())
        for node in nodes:
            lost = node.disk_counters().get("lost", 0) - lost_before[node.name]
            evidence[node.name]["lost"] = lost
        return injected(crashed(evidence), cluster.method.get(POWER, POWER), evidence)

    def heal(self, cluster: Cluster, fault: Fault) -> Effect:
        """Start the targets, except those that another open fault wants dead."""
        return uncrash(cluster, fault, cluster.method.get(POWER, POWER))
