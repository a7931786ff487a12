"""How often a client's read found its own last write: measured and never judged.

Where read-your-writes is not claimed its share tells one way of routing from another. Source of the
figure: DeCandia et al., SOSP 2007, 5 (the fastest reader coordinates the next write, "thereby
increasing the chances of getting read-your-writes consistency").
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from checker.convergence.contexts import Versions
from checker.convergence.versions import Read
from checker.verdict import Verdict

if TYPE_CHECKING:
    from checker.convergence.versions import VersionGraph, Write
    from checker.history.columns import History
    from checker.verdict import CheckContext


@dataclass(frozen=True, slots=True)
class OwnWrites:
    """Counts reads that a client made of a key after an acknowledged put of its own to it."""

    @property
    def name(self) -> str:
        """`own-writes`."""
        return "own-writes"

    @property
    def claims(self) -> frozenset[str]:
        """None: it measures only."""
        return frozenset()

    def check(self, history: History, context: CheckContext) -> Verdict:
        """Valid, with the counts; the share is null where no such read was answered."""
        reads = hits = 0
        for graph in Versions.of(history).by_key.values():
            if graph.problem is None:
                asked, found = _counted(graph)
                reads, hits = reads + asked, hits + found
        percent = round(100 * hits / reads, 3) if reads else None
        counts = {"reads_after_own_write": reads, "hits": hits, "percent": percent}
        return Verdict.of((), observed=counts)


def _counted(graph: VersionGraph) -> tuple[int, int]:
    """(reads after an own acknowledged put, those that show it or what replaced it)."""
    last: dict[int, Write] = {}
    reads = hits = 0
    steps: list[Write | Read] = [*graph.writes, *graph.reads]
    for step in sorted(steps, key=lambda step: step.operation.index):
        process = step.operation.process
        if isinstance(step, Read):
            if process in last:
                reads += 1
                seen = step.down.possible | graph.deleted(step.operation.ret)
                hits += bool(seen & last[process].bit)
        elif step.is_acknowledged and not step.is_delete:
            last[process] = step
    return reads, hits
