"""Rules for single reads: what a get may return, given what its versions had replaced."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from checker.convergence import sentences

if TYPE_CHECKING:
    from checker.convergence.versions import Version, VersionGraph, Write
    from checker.evidence import Evidence


def judge_false_siblings(graph: VersionGraph, evidence: Evidence) -> None:
    """One read returns a version together with one that had seen it, or one put twice.

    Each pair is told once, of the first read that showed it.
    """
    told: set[tuple[str, str]] = set()
    for read in graph.reads:
        for old, new in pairs(read.versions):
            if (old.id, new.id) in told:
                continue
            if is_replaced(old, new, graph):
                explain = partial(sentences.false_sibling, old, new, read, graph)
            elif old.id < new.id and old.writer is not None and is_one_put(old, new):
                explain = partial(sentences.twice, old, new, read, graph)
            else:
                continue
            told.add((old.id, new.id))
            evidence.add("false-sibling", explain)


def pairs(versions: tuple[Version, ...]) -> list[tuple[Version, Version]]:
    """Every ordered pair of different versions."""
    return [(old, new) for old in versions for new in versions if old is not new]


def is_replaced(old: Version, new: Version, graph: VersionGraph) -> bool:
    """Whether whoever wrote `new` had surely seen `old`, whichever write either of them is."""
    seen = graph.observed_by(new).certain
    return old.writers != 0 and old.writers & ~seen == 0 and old.writers != new.writers


def is_one_put(one: Version, other: Version) -> bool:
    """Whether one put made both versions: their value is the same and is unique."""
    return one.writers == other.writers and not one.is_tombstone and not other.is_tombstone


def judge_missed_writes(graph: VersionGraph, evidence: Evidence, lost: int) -> None:
    """A read does not see a put that was acknowledged before it was asked.

    Claimed as `lost-update-online`. Each put is told once, of the first read that missed it; those
    that are `lost` at the end are told there.
    """
    told = lost
    acknowledged = 0
    puts = _by_return(graph, deletes=False)
    for read in sorted(graph.reads, key=lambda read: read.operation.call):
        while puts and _returned(puts[-1]) < read.operation.call:
            acknowledged |= puts.pop().bit
        missed = acknowledged & ~read.down.possible & ~told
        if missed:
            missed &= ~graph.deleted(read.operation.ret)
        for write in graph.members(missed):
            explain = partial(sentences.missed, write, read, graph)
            evidence.add("lost-update", explain, claim="lost-update-online")
        told |= missed


def judge_resurrections(graph: VersionGraph, evidence: Evidence) -> None:
    """A read returns a version that a delete acknowledged before had seen.

    Claimed as `resurrection-online`. Each version is told once.
    """
    told: set[str] = set()
    gone = 0
    deletes = _by_return(graph, deletes=True)
    done: list[Write] = []
    for read in sorted(graph.reads, key=lambda read: read.operation.call):
        while deletes and _returned(deletes[-1]) < read.operation.call:
            done.append(deletes.pop())
            gone |= done[-1].observed.certain
        for version in read.versions:
            if version.writers & ~gone or version.id in told:
                continue
            delete = delete_of(version, done)
            if delete is not None:
                told.add(version.id)
                explain = partial(sentences.resurrected, version, delete, read, graph)
                evidence.add("resurrection", explain, claim="resurrection-online")


def delete_of(version: Version, deletes: list[Write]) -> Write | None:
    """The last of these deletes that had surely seen the version, whichever write it is."""
    if not version.writers:
        return None
    seen_it = (d for d in reversed(deletes) if not version.writers & ~d.observed.certain)
    return next(seen_it, None)


def _by_return(graph: VersionGraph, *, deletes: bool) -> list[Write]:
    """Acknowledged puts or deletes, the one that returned first at the end."""
    writes = [w for w in graph.writes if w.is_delete is deletes and w.is_acknowledged]
    return sorted(writes, key=_returned, reverse=True)


def _returned(write: Write) -> int:
    assert write.operation.ret is not None
    return write.operation.ret
