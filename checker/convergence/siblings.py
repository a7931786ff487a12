"""The checker of multi-version stores: nothing lost, no false siblings, nothing back, all alike.

It judges histories of `get`, `put`, `delete` with causal contexts, and the replica dumps and reads
at their end. The rules stand in `docs/guarantees.md`.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from checker.convergence import at_reads, at_rest, sentences
from checker.convergence.contexts import Versions, shows_versions
from checker.convergence.endings import Endings
from checker.convergence.exercised import RARE, unexercised
from checker.evidence import Evidence

if TYPE_CHECKING:
    from checker.history.columns import History
    from checker.verdict import CheckContext, Verdict

CLAIMS: Final = frozenset(
    {
        "lost-update",
        "lost-update-online",
        "false-sibling",
        "resurrection",
        "resurrection-online",
        "no-convergence",
        "dishonest-context",
    }
)


@dataclass(frozen=True, slots=True)
class Siblings:
    """Judges what stores of many versions promise, by version ids and causal contexts.

    A key with a value put twice is left out; one with a context that no reply gave is judged by
    what is certain all the same. Either way the verdict is unknown unless a violation is proved.
    """

    @property
    def name(self) -> str:
        """`siblings`."""
        return "siblings"

    @property
    def claims(self) -> frozenset[str]:
        """What it can judge."""
        return CLAIMS

    def check(self, history: History, context: CheckContext) -> Verdict:
        """Judge every key. Raises ValueError for operations of another shape than described."""
        evidence = Evidence(history, context.claims)
        versions = Versions.of(history)
        endings = Endings.of(history, versions)
        if not versions.by_key:
            evidence.doubt("too little observed: no get, put or delete was answered", *CLAIMS)
        else:
            at_rest.judge_whether_there_is_an_end(endings, evidence)
            evidence.unexercised(unexercised(endings), of=CLAIMS, rare=RARE)
        for found in versions.two_covers:
            evidence.add("dishonest-context", partial(sentences.two_covers, found))
        for foreign in versions.foreign:
            evidence.add("dishonest-context", partial(sentences.foreign, foreign))
        for ending in endings.by_key.values():
            graph = ending.graph
            if graph.problem is not None:
                evidence.doubt(graph.problem, *CLAIMS)
                continue
            if graph.gap is not None:
                evidence.doubt(graph.gap, *CLAIMS)
            at_reads.judge_false_siblings(graph, evidence)
            lost = at_rest.judge_losses(ending, endings, evidence)
            at_reads.judge_missed_writes(graph, evidence, lost)
            at_rest.judge_returned_deletions(ending, endings, evidence)
            at_reads.judge_resurrections(graph, evidence)
            at_rest.judge_convergence(ending, endings, evidence)
        return evidence.verdict(_observed(versions, endings))


def differences_to_read_again(history: History) -> list[Any]:
    """Keys whose dumps or final reads differ by writes of unknown outcome alone.

    A run that finds some should dump and read another round: a late write may have arrived between.
    Where operations show no versions there is nothing to tell such writes by, and none are found.
    """
    if not shows_versions(history):
        return []
    endings = Endings.of(history, Versions.of(history))
    return [
        ending.graph.key
        for ending in endings.by_key.values()
        if at_rest.differ_by_unsettled_writes_alone(ending, endings)
    ]


def _observed(versions: Versions, endings: Endings) -> dict[str, Any]:
    """Statistics: how many versions reads returned, how writes ended, what the end consisted of."""
    counts: Counter[str] = Counter()
    versions_per_read: Counter[int] = Counter()
    for graph in versions.by_key.values():
        seen = 0
        for read in graph.reads:
            versions_per_read[len(read.versions)] += 1
            for version in read.versions:
                seen |= version.writers if version.writer is not None else 0
                counts["tombstones_read"] += version.is_tombstone
                counts["versions_read_that_nobody_wrote"] += not version.writers
        for write in graph.writes:
            counts["deletes" if write.is_delete else "puts"] += write.is_acknowledged
            counts["blind_puts"] += not write.is_delete and write.source is None
            counts["info_writes"] += not write.is_acknowledged
            counts["info_writes_seen"] += not write.is_acknowledged and bool(seen & write.bit)
    return {
        **dict(sorted(counts.items())),
        "keys": len(versions.by_key),
        "reads": versions_per_read.total(),
        "versions_per_read": {str(n): versions_per_read[n] for n in sorted(versions_per_read)},
        "final_reads": endings.final_reads,
        "final_reads_unanswered": endings.final_reads_unanswered,
        "replicas_dumped": len(endings.dumped),
    }
