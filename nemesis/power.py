"""Power losses: the process is killed, and what was not durable is gone."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, ClassVar, Final

from nemesis.processes import crash, crashed, injected, struck, uncrash

if TYPE_CHECKING:
    from nemesis.plan import Effect, Fault
    from systems_under_test.environments.cluster import Cluster

POWER: Final = "power"


@dataclass(frozen=True, slots=True)
class Power:
    """Takes the power from its targets.

    Input: `{"targets": [node, ...]}`. Proved by the state of the process and by how many writes the
    disks lost. Where all of them were durable that is rightly none: such a loss of power was a kill
    and no more, and its effect is `partly`.
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
        effect = injected(crashed(evidence), cluster.method.get(POWER, POWER), evidence)
        if effect.effect == "applied" and not any(seen["lost"] for seen in evidence.values()):
            return replace(effect, effect="partly")
        return effect

    def heal(self, cluster: Cluster, fault: Fault) -> Effect:
        """Start the targets, except those that another open fault wants dead."""
        return uncrash(cluster, fault, cluster.method.get(POWER, POWER))
