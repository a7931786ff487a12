"""Findings about versions in words, for people who never read a paper about consistency."""

from __future__ import annotations

from typing import TYPE_CHECKING

from checker.evidence import Explanation, in_order
from checker.wording import asked, listed, of_key, seconds, through, value

if TYPE_CHECKING:
    from collections.abc import Iterable

    from checker.convergence.contexts import ForeignContext, TwoCovers
    from checker.convergence.endings import Ending, Holding
    from checker.convergence.versions import Read, Version, VersionGraph, Write
    from checker.history.events import Operation


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
    writers = [w.operation for w in graph.members(_mask(left)) if w.position != write.position]
    return Explanation(
        f"Process {put.process} put {value(put.input['value'])}{of_key(graph.key)}{through(put)}"
        f" ({asked(put)}) and was told that it is stored as {write.id}, but it is lost: at the end"
        f" the key was read through {nodes} as {listed(words)}; nobody who wrote this had seen"
        f" {write.id}, and no delete had covered it. {trace}",
        in_order([put, *reads, *([last] if last is not None else [])]),
        in_order([put, *writers, *reads]),
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
    chain = _chain(old, new, graph)
    return Explanation(
        f"Process {get.process} read key {value(graph.key)}{through(get)} ({asked(get)}) and got"
        f" {version(old)} together with {version(new)}, which had replaced it: {_steps(chain)}.",
        in_order([*(write.operation for write in chain), get]),
        in_order([*_proof(chain), get]),
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
    chain = _chain_to(delete, old, graph)
    return Explanation(
        f"Process {deleted.process} deleted key {value(graph.key)}{through(deleted)} and was told"
        f" at {seconds(_ret(deleted))} that it is done (as {delete.id}). It had seen"
        f" {version(old)}: {_steps(chain)}. Yet process {get.process} read {version(old)}"
        f"{through(get)} afterwards ({asked(get)}).",
        in_order([*(write.operation for write in chain), deleted, get]),
        in_order([*_proof(chain), deleted, get]),
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
    chain = _chain(old, new, ending.graph)
    reads = [read.operation for read in ending.finals]
    return Explanation(
        f"After healing, when the cluster was at rest, key {value(ending.graph.key)} was read as"
        f" {version(old)} and as {version(new)}, which had replaced it: {_steps(chain)}.",
        in_order([*(write.operation for write in chain), *reads]),
    )


def written_by_nobody(of: Version, operation: Operation, graph: VersionGraph) -> Explanation:
    """A version at the end that no client wrote."""
    return Explanation(
        f"After healing, the {operation.f}{through(operation)} ({asked(operation)}) showed"
        f" {version(of)}{of_key(graph.key)}, which no client had written.",
        (operation,),
    )


def _steps(chain: list[Write]) -> str:
    """Why the first write of a chain had seen the last."""
    steps = []
    for write in chain[:-1]:
        source = write.source
        process = write.operation.process
        step = f"process {process} wrote {written(write)} at {seconds(write.operation.call)}"
        if source is not None:
            whose = "its" if source.process == process else f"process {source.process}'s"
            step += f" with the context of {whose} {source.f} ({asked(source)})"
        steps.append(step)
    if not chain:
        return "every delete that it may be had seen it"
    return f"{', after '.join(steps)}, which had shown {written(chain[-1])}"


def _chain(old: Version, new: Version, graph: VersionGraph) -> list[Write]:
    if new.writer is None:
        return []
    return _chain_to(graph.writes[new.writer], old, graph)


def _chain_to(write: Write, old: Version, graph: VersionGraph) -> list[Write]:
    return [] if old.writer is None else graph.chain(write, old.writer)


def _proof(chain: list[Write]) -> list[Operation]:
    """The writes of a chain and the replies whose contexts link them."""
    sources = [write.source for write in chain[:-1] if write.source is not None]
    return [*(write.operation for write in chain), *sources]


def _mask(of: Iterable[Version]) -> int:
    mask = 0
    for one in of:
        mask |= one.writers
    return mask


def _ret(operation: Operation) -> int:
    assert operation.ret is not None
    return operation.ret
