"""Stops: SIGTERM now, a start on what was stored when the fault is healed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Final

from nemesis.processes import crash, crashed, injected, uncrash

if TYPE_CHECKING:
    from nemesis.plan import Effect, Fault
    from systems_under_test.environments.cluster import Cluster

STOP: Final = "stop"


@dataclass(frozen=True, slots=True)
class Stop:
    """Asks the processes of its targets to end, and waits until they have: an orderly shutdown.

    Input: `{"targets": [node, ...]}`. Proved by the state of the process, as a kill is. One that
    does not end in time goes on, and the fault is `ineffective`: nobody is killed instead.
    """

    faults: ClassVar[frozenset[str]] = frozenset({STOP})
    needs: ClassVar[frozenset[str]] = frozenset({STOP})

    def inject(self, cluster: Cluster, fault: Fault) -> Effect:
        """Ask the targets to end. One that was dead already is no effect of this fault."""
        evidence = crash(cluster, fault, lambda node: node.stop())
        return injected(crashed(evidence), cluster.method.get(STOP, STOP), evidence)

    def heal(self, cluster: Cluster, fault: Fault) -> Effect:
        """Start the targets, except those that another open fault wants dead."""
        return uncrash(cluster, fault, cluster.method.get(STOP, STOP))
