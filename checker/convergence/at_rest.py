"""Rules for the end of a run: nothing lost, nothing back, all replicas the same."""

from __future__ import annotations

from functools import partial
from itertools import combinations
from typing import TYPE_CHECKING, Final

from checker.convergence import sentences
from checker.convergence.at_reads import delete_of, is_replaced, pairs
from checker.wording import listed, of_key

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from checker.convergence.endings import Ending, Endings
    from checker.convergence.versions import Version, VersionGraph
    from checker.evidence import Evidence, Explanation

FINAL: Final = ("lost-update", "resurrection", "no-convergence")
"""The claims that are judged at the end."""


def judge_whether_there_is_an_end(endings: Endings, evidence: Evidence) -> None:
    """Doubt the final claims where the end was not seen."""
    if endings.quiescent_time is None:
        evidence.doubt("the cluster was not found at rest, so there are no final reads", *FINAL)
        return
    unread = [
        of_key(ending.graph.key).removeprefix(" of ")
        for ending in endings.by_key.values()
        if ending.graph.writes and not ending.finals
    ]
    if endings.final_reads == 0:
        evidence.doubt("too little observed: there are no final reads", *FINAL)
    elif unread:
        evidence.doubt(f"{listed(unread)} could not be read at the end", *FINAL)
    if endings.undumped:
        evidence.doubt(f"the replica on {listed(endings.undumped)} gave no dump", "no-convergence")
    elif not endings.dumped:
        evidence.doubt("no replica was dumped at the end", "no-convergence")


def judge_losses(ending: Ending, endings: Endings, evidence: Evidence) -> int:
    """Acknowledged puts of which the final reads show nothing; the set of them."""
    if not ending.finals:
        return 0
    graph = ending.graph
    seen = graph.deleted()
    for read in ending.finals:
        seen |= read.down.possible
    lost = 0
    for write in graph.members(graph.puts & ~seen):
        if endings.is_settled(write.operation):
            lost |= write.bit
            evidence.add("lost-update", partial(sentences.lost, write, ending))
    return lost


def judge_returned_deletions(ending: Ending, endings: Endings, evidence: Evidence) -> None:
    """Versions at the end that an acknowledged delete had seen."""
    graph, told = ending.graph, set[str]()
    done = [w for w in graph.writes if w.is_delete and endings.is_settled(w.operation)]
    for read in ending.finals:
        for version in read.versions:
            delete = delete_of(version, done)
            if delete is not None and version.id not in told:
                told.add(version.id)
                explain = partial(sentences.resurrected, version, delete, read, graph)
                evidence.add("resurrection", explain)


def judge_convergence(ending: Ending, endings: Endings, evidence: Evidence) -> None:
    """Replicas hold the same, and final reads return the same, all of it concurrent and written."""
    _judge_authors(ending, evidence)
    finals = [version for read in ending.finals for version in read.versions]
    for old, new in pairs(tuple({version.id: version for version in finals}.values())):
        if is_replaced(old, new, ending.graph):
            explain = partial(sentences.not_concurrent, old, new, ending)
            evidence.add("no-convergence", explain)
            break
    unsettled = _Unsettled(ending.graph, endings)
    held = [_visible(holding.versions, ending.graph) for holding in ending.holdings]
    read = [_visible(final.versions, ending.graph) for final in ending.finals]
    alike = _compare(
        held,
        lambda i, j: sentences.differing_replicas(
            ending.holdings[i], ending.holdings[j], ending.graph
        ),
        unsettled,
        evidence,
    ) and _compare(
        read,
        lambda i, j: sentences.differing_reads(ending.finals[i], ending.finals[j], ending.graph),
        unsettled,
        evidence,
    )
    everywhere = bool(endings.dumped) and not endings.undumped
    if alike and everywhere and read:
        at_rest = held[0] if held else 0
        if unsettled.leaves_a_difference(at_rest, read[0]):
            evidence.add("no-convergence", partial(sentences.unheld, ending.finals[0], ending))


def differ_by_unsettled_writes_alone(ending: Ending, endings: Endings) -> bool:
    """Whether another round of dumps and final reads may bring agreement: late writes arrived."""
    unsettled = _Unsettled(ending.graph, endings)
    shown: list[Iterable[Version]] = [h.versions for h in ending.holdings]
    shown += [read.versions for read in ending.finals]
    masks = [_visible(versions, ending.graph) for versions in shown]
    return any(
        a != b and not unsettled.leaves_a_difference(a, b) for a, b in combinations(masks, 2)
    )


def _judge_authors(ending: Ending, evidence: Evidence) -> None:
    told: set[str] = set()
    shown = [(h.operation, h.versions) for h in ending.holdings]
    shown += [(read.operation, read.versions) for read in ending.finals]
    for operation, versions in shown:
        for version in versions:
            if not version.writers and version.id not in told:
                told.add(version.id)
                explain = partial(sentences.written_by_nobody, version, operation, ending.graph)
                evidence.add("no-convergence", explain)


def _compare(
    masks: list[int],
    explain: Callable[[int, int], Explanation],
    unsettled: _Unsettled,
    evidence: Evidence,
) -> bool:
    """Whether all are alike; a finding for the first two that surely differ."""
    for i, j in combinations(range(len(masks)), 2):
        if unsettled.leaves_a_difference(masks[i], masks[j]):
            evidence.add("no-convergence", partial(explain, i, j))
            return False
    if len(set(masks)) > 1:
        evidence.doubt(
            f"what was seen{of_key(unsettled.graph.key)} at the end differs by writes whose outcome"
            f" is unknown, and was not read again",
            "no-convergence",
        )
        return False
    return True


class _Unsettled:
    """Writes that may have arrived while the end was being read, and explain a difference."""

    def __init__(self, graph: VersionGraph, endings: Endings) -> None:
        self.graph: Final = graph
        late = [write for write in graph.writes if not endings.is_settled(write.operation)]
        self._late: Final = _union(write.bit for write in late)
        self._deleted: Final = _union(w.observed.possible for w in late if w.is_delete)

    def leaves_a_difference(self, one: int, other: int) -> bool:
        """Whether the two sets differ by more than late writes and what these had replaced."""
        return bool(self._unexplained(one, other) | self._unexplained(other, one))

    def _unexplained(self, here: int, there: int) -> int:
        replaced = _union(w.observed.possible for w in self.graph.members(there & self._late))
        return here & ~there & ~self._late & ~self._deleted & ~replaced


def _visible(versions: Iterable[Version], graph: VersionGraph) -> int:
    """The puts that a client would see of these.

    Without tombstones: an acknowledged one may be collected between two dumps. Without what others
    of the same replica had replaced: a replica may clean up when it is read.
    """
    shown = list(versions)
    puts = _union(version.writers for version in shown if not version.is_tombstone)
    return puts & ~_union(graph.observed_by(version).possible for version in shown)


def _union(masks: Iterable[int]) -> int:
    union = 0
    for mask in masks:
        union |= mask
    return union
