"""Kills: SIGKILL now, a start on what was stored when the fault is healed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Final

from nemesis.processes import crash, crashed, injected, uncrash

if TYPE_CHECKING:
    from nemesis.plan import Effect, Fault
    from systems_under_test.environments.cluster import Cluster

KILL: Final = "kill"


@dataclass(frozen=True, slots=True)
class Kill:
    """Kills the processes of its targets; what they wrote survives, also un-synced.

    Input: `{"targets": [node, ...]}`. Proved by the state that the operating system (or the
    simulator) reports, and after healing by the state and the next incarnation.
    """

    faults: ClassVar[frozenset[str]] = frozenset({KILL})
    needs: ClassVar[frozenset[str]] = frozenset({KILL})

    def inject(self, cluster: Cluster, fault: Fault) -> Effect:
        """Kill the targets. One that was dead already is no effect of this fault."""
        evidence = crash(cluster, fault, lambda node: node.kill())
        return injected(crashed(evidence), cluster.method.get(KILL, KILL), evidence)

    def heal(self, cluster: Cluster, fault: Fault) -> Effect:
        """Start the targets, except those that another open fault wants dead."""
        return uncrash(cluster, fault, cluster.method.get(KILL, KILL))
