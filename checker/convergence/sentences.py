"""Findings about versions in words, for people who never read a paper about consistency."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from checker.evidence import Explanation, in_order
from checker.wording import asked, listed, of_key, seconds, through, value

if TYPE_CHECKING:
    from collections.abc import Iterable

    from checker.convergence.contexts import ForeignContext, TwoCovers
    from checker.convergence.endings import Ending, Holding
    from checker.convergence.versions import Read, Version, VersionGraph, Write
    from checker.history.events import Operation


ANCESTORS_MAX: Final = 100
"""Writes behind the final reads, up to which they are given as the proof of a loss."""


def version(of: Version) -> str:
    """As `n1.2.17 (5)`."""
    return f"{of.id} ({'a delete' if of.is_tombstone else value(of.value)})"


def versions(of: Iterable[Version]) -> str:
    """All versions of a reply."""
    return listed(map(version, of))


def written(write: Write) -> str:
    """As `n1.2.17 (5)`; of a write without an answer only what was asked is known."""
    what = "a delete" if write.is_delete else value(write.operation.input["value"])
    return f"{write.id} ({what})" if write.id is not None else f"the unanswered write of {what}"


def lost(write: Write, ending: Ending) -> Explanation:
    """An acknowledged put of which nothing is left."""
    graph, put = ending.graph, write.operation
    seen = [r for r in graph.reads if write.position in r.parents and r not in ending.finals]
    last = max(seen, key=lambda read: read.operation.index).operation if seen else None
    trace = (
        "No read ever returned it."
        if last is None
        else f"It was last seen by process {last.process}, {asked(last)}{through(last)}."
    )
    left = [v for read in ending.finals for v in read.versions]
    words = sorted({version(v) for v in left})
    nodes = listed(sorted({read.operation.node or "some node" for read in ending.finals}))
    reads = tuple(read.operation for read in ending.finals)
    return Explanation(
        f"Process {put.process} put {value(put.input['value'])}{of_key(graph.key)}{through(put)}"
        f" ({asked(put)}) and was told that it is stored as {write.id}, but it is lost: at the end"
        f" the key was read through {nodes} as {listed(words)}; nobody who wrote this had seen"
        f" {write.id}, and no delete had covered it. {trace}{_same_id(write, graph)}",
        in_order([put, *reads, *([last] if last is not None else [])]),
        _ancestry(write, ending),
    )


def missed(write: Write, read: Read, graph: VersionGraph) -> Explanation:
    """A read that did not see a put acknowledged before."""
    put, get = write.operation, read.operation
    return Explanation(
        f"Process {put.process} put {value(put.input['value'])}{of_key(graph.key)}{through(put)}"
        f" and was told at {seconds(_ret(put))} that it is stored as {write.id}; process"
        f" {get.process} then read the key{through(get)} ({asked(get)}) and got"
        f" {versions(read.versions)}, none of which had replaced it.",
        in_order([put, get]),
    )


def false_sibling(old: Version, new: Version, read: Read, graph: VersionGraph) -> Explanation:
    """A version returned together with one that had replaced it."""
    get = read.operation
    lineage = _Lineage.between(graph.members(new.writers), old, graph)
    return Explanation(
        f"Process {get.process} read key {value(graph.key)}{through(get)} ({asked(get)}) and got"
        f" {version(old)} together with {version(new)}, which had replaced it: {lineage.words}.",
        in_order([*lineage.writes, get]),
        in_order([*lineage.proof, get]),
    )


def twice(first: Version, second: Version, read: Read, graph: VersionGraph) -> Explanation:
    """One put that a read returned as two versions."""
    get = read.operation
    put = next(graph.members(first.writers)).operation
    return Explanation(
        f"Process {get.process} read key {value(graph.key)}{through(get)} ({asked(get)}) and got"
        f" {version(first)} and {version(second)}: the one put of process {put.process}"
        f" ({asked(put)}) became two versions.",
        in_order([put, get]),
    )


def resurrected(old: Version, delete: Write, read: Read, graph: VersionGraph) -> Explanation:
    """A version that was read after a delete of it had been acknowledged."""
    get, deleted = read.operation, delete.operation
    lineage = _Lineage.between([delete], old, graph)
    return Explanation(
        f"Process {deleted.process} deleted key {value(graph.key)}{through(deleted)} and was told"
        f" at {seconds(_ret(deleted))} that it is done (as {delete.id}). It had seen"
        f" {version(old)}: {lineage.words}. Yet process {get.process} read {version(old)}"
        f"{through(get)} afterwards ({asked(get)}).",
        in_order([*lineage.writes, deleted, get]),
        in_order([*lineage.proof, deleted, get]),
    )


def two_covers(found: TwoCovers) -> Explanation:
    """One context for two sets of versions."""
    graph, (first, _, one), (second, _, other) = found
    differ = (first.certain & ~second.possible) | (second.certain & ~first.possible)
    names = listed(written(write) for write in graph.members(differ))
    return Explanation(
        f"Key {value(graph.key)}: the replies to the {one.f} of process {one.process}"
        f" ({asked(one)}) and to the {other.f} of process {other.process} ({asked(other)}) gave"
        f" the same context, but only one of them covers {names}: when a client passes it, nobody"
        f" can know what that client had seen.",
        in_order([one, other]),
    )


def foreign(found: ForeignContext) -> Explanation:
    """A context of another key, accepted."""
    write, reply = found
    return Explanation(
        f"Process {write.process} passed with its {write.f}{of_key(write.key)} ({asked(write)}) a"
        f" context that the {reply.f}{of_key(reply.key)} ({asked(reply)}) had given: it belongs to"
        f" another key, and the write was accepted.",
        in_order([reply, write]),
    )


def differing_replicas(one: Holding, other: Holding, graph: VersionGraph) -> Explanation:
    """Two replicas that hold different versions at rest."""
    return Explanation(
        f"After healing, when the cluster was at rest, the replica on {one.node} held"
        f" {versions(one.versions)}{of_key(graph.key)}, and the replica on {other.node} held"
        f" {versions(other.versions)}.",
        in_order([one.operation, other.operation]),
    )


def differing_reads(one: Read, other: Read, graph: VersionGraph) -> Explanation:
    """Two final reads of all replicas that returned different versions."""
    a, b = one.operation, other.operation
    return Explanation(
        f"After healing, when the cluster was at rest, a read of all replicas of key"
        f" {value(graph.key)}{through(a)} ({asked(a)}) returned {versions(one.versions)}, and one"
        f"{through(b)} ({asked(b)}) returned {versions(other.versions)}.",
        in_order([a, b]),
    )


def unheld(read: Read, ending: Ending) -> Explanation:
    """A final read that does not fit what the replicas held."""
    get = read.operation
    held = {version(v) for holding in ending.holdings for v in holding.versions}
    return Explanation(
        f"After healing, when the cluster was at rest, the replicas held {listed(sorted(held))}"
        f"{of_key(ending.graph.key)}, but a read of all of them{through(get)} ({asked(get)})"
        f" returned {versions(read.versions)}.",
        in_order([*(holding.operation for holding in ending.holdings), get]),
    )


def not_concurrent(old: Version, new: Version, ending: Ending) -> Explanation:
    """Final reads that between them returned a version and one that had replaced it."""
    lineage = _Lineage.between(ending.graph.members(new.writers), old, ending.graph)
    reads = [read.operation for read in ending.finals]
    return Explanation(
        f"After healing, when the cluster was at rest, key {value(ending.graph.key)} was read as"
        f" {version(old)} and as {version(new)}, which had replaced it: {lineage.words}.",
        in_order([*lineage.writes, *reads]),
    )


def written_by_nobody(of: Version, operation: Operation, graph: VersionGraph) -> Explanation:
    """A version at the end that no client wrote."""
    return Explanation(
        f"After healing, the {operation.f}{through(operation)} ({asked(operation)}) showed"
        f" {version(of)}{of_key(graph.key)}, which no client had written.",
        (operation,),
    )


def _ancestry(write: Write, ending: Ending) -> tuple[Operation, ...]:
    """The write, the final reads, and all that these go back to: none of it had seen the write.

    Nothing where that is too much to look at.
    """
    seen = 0
    for read in ending.finals:
        seen |= read.down.possible
    if seen.bit_count() > ANCESTORS_MAX:
        return ()
    members = list(ending.graph.members(seen))
    sources = [member.source for member in members if member.source is not None]
    reads = [read.operation for read in ending.finals]
    return in_order([write.operation, *(m.operation for m in members), *sources, *reads])


def _same_id(write: Write, graph: VersionGraph) -> str:
    """A hint where the id was given to another write too."""
    others = [w.operation for w in graph.writes if w.id == write.id and w is not write]
    if not others:
        return ""
    names = listed(f"the {op.f} of process {op.process} ({asked(op)})" for op in others)
    return f" The same id was given to {names}."


class _Lineage(NamedTuple):
    """Why a write had seen a version: a chain of writes, each having seen the next.

    A version that several writes may have made has a chain for each.
    """

    chains: list[list[Write]]

    @classmethod
    def between(cls, writers: Iterable[Write], old: Version, graph: VersionGraph) -> _Lineage:
        """From each of these writes to each that may have made the old version."""
        olds = [write.position for write in graph.members(old.writers)]
        chains = [graph.chain(writer, position) for writer in writers for position in olds]
        return cls([chain for chain in chains if chain])

    @property
    def words(self) -> str:
        """The steps, from the newest write to the oldest."""
        if not self.chains:
            return "every context that led to it covers it"
        if len(self.chains) > 1:
            return "whichever of the unanswered deletes it is"
        chain = self.chains[0]
        return f"{', after '.join(map(_step, chain[:-1]))}, which had shown {written(chain[-1])}"

    @property
    def writes(self) -> list[Operation]:
        return [write.operation for chain in self.chains for write in chain]

    @property
    def proof(self) -> list[Operation]:
        """The writes, and the replies whose contexts link them."""
        sources = [write.source for chain in self.chains for write in chain[:-1]]
        return [*self.writes, *(source for source in sources if source is not None)]


def _step(write: Write) -> str:
    process, source = write.operation.process, write.source
    step = f"process {process} wrote {written(write)} at {seconds(write.operation.call)}"
    if source is None:
        return step
    whose = "its" if source.process == process else f"process {source.process}'s"
    return f"{step} with the context of {whose} {source.f} ({asked(source)})"


def _ret(operation: Operation) -> int:
    assert operation.ret is not None
    return operation.ret
