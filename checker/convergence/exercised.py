"""Which claims nothing put to the test: what was never asked cannot have gone wrong."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

    from checker.convergence.endings import Endings
    from checker.convergence.versions import VersionGraph, Write

RARE: Final = frozenset({"resurrection", "resurrection-online"})
"""Deletes are rare: a short run without one still says something about everything else."""

ONLINE: Final[dict[str, str]] = {
    "false-sibling": "no key was both written and read",
    "lost-update-online": "no key was read after a put of it was acknowledged",
    "resurrection-online": "no key was read after a delete of what it held was acknowledged",
    "dishonest-context": "there are no two replies to compare",
}
AT_REST: Final[dict[str, str]] = {
    "lost-update": "no put was acknowledged before the cluster was at rest",
    "resurrection": "no delete of a version was acknowledged before the cluster was at rest",
    "no-convergence": "no write was acknowledged before the cluster was at rest",
}
"""Where the cluster was never at rest, that is doubt enough about these."""


def unexercised(endings: Endings) -> dict[str, str]:
    """The claims that nothing put to the test, each with what was missing.

    Only acknowledged writes oblige a system to anything: without one no claim was.
    """
    graphs = [ending.graph for ending in endings.by_key.values()]
    if not any(write.is_acknowledged for graph in graphs for write in graph.writes):
        return dict.fromkeys([*ONLINE, *AT_REST], "no write was acknowledged")
    replies = sum(len(g.reads) + sum(w.is_acknowledged for w in g.writes) for g in graphs)
    tested = {claim for graph in graphs for claim in _tested_by_reads(graph)}
    tested |= {claim for graph in graphs for claim in _tested_at_rest(graph, endings)}
    if replies > 1:
        tested.add("dishonest-context")
    judged = ONLINE if endings.quiescent_time is None else {**ONLINE, **AT_REST}
    return {claim: why for claim, why in judged.items() if claim not in tested}


def _tested_by_reads(graph: VersionGraph) -> Iterator[str]:
    if not graph.reads:
        return
    last = max(read.operation.call for read in graph.reads)
    for write in graph.writes:
        if write.is_acknowledged:
            yield "false-sibling"
            ret = write.operation.ret
            if ret is not None and ret < last:
                yield from (f"{claim}-online" for claim in _obliges(write))


def _tested_at_rest(graph: VersionGraph, endings: Endings) -> Iterator[str]:
    for write in graph.writes:
        if endings.is_settled(write.operation):
            yield "no-convergence"
            yield from _obliges(write)


def _obliges(write: Write) -> Iterator[str]:
    """What its acknowledgement promises; a delete that had surely seen nothing promises nothing."""
    if not write.is_delete:
        yield "lost-update"
    elif write.observed.certain:
        yield "resurrection"
