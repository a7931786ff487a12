"""Session guarantees by version ids and causal contexts.

`down` of a read is what it returned with everything that this had replaced. A version that is in
the `down` of a read was seen by it, replaced or not; so a client that saw a version is owed reads
with that version in their `down`. One exception: what a delete may have covered can be gone without
a trace, once its tombstone is collected.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Final, Literal

from checker.convergence.sentences import versions, written
from checker.convergence.versions import Read
from checker.evidence import Explanation, in_order
from checker.sessions.order import (
    GUARANTEES,
    MONOTONIC_READS,
    MONOTONIC_WRITES,
    READ_YOUR_WRITES,
    WRITES_FOLLOW_READS,
)
from checker.wording import asked, of_key, through, value

if TYPE_CHECKING:
    from checker.convergence.contexts import Versions
    from checker.convergence.versions import VersionGraph, Write
    from checker.evidence import Evidence


@dataclass(frozen=True, slots=True)
class CausalOrder:
    """Judges all four guarantees of every key. Each client is told of each write once."""

    versions: Versions

    @property
    def name(self) -> str:
        """`version ids and causal contexts`."""
        return "version ids and causal contexts"

    def judge(self, evidence: Evidence) -> None:
        """All four guarantees, by key."""
        for graph in self.versions.by_key.values():
            if graph.problem is not None:
                evidence.doubt(graph.problem, *GUARANTEES)
                continue
            if graph.gap is not None:
                evidence.doubt(graph.gap, *GUARANTEES)
            key = _Key(graph, evidence)
            key.walk_sessions()
            key.judge_readers()


@dataclass(slots=True)
class _Session:
    """What one process did to a key so far: sets of puts as in the version graph.

    `written` are its puts, `seen` what its reads had certainly seen, `told` the puts
    of which a violation was told already.
    """

    written: int = 0
    seen: int = 0
    deletes: list[Write] = field(default_factory=list)
    last_read: Read | None = None
    told: int = 0


class _Key:
    """One key: walks every session, then asks every read for what its writers had done before."""

    def __init__(self, graph: VersionGraph, evidence: Evidence) -> None:
        self.graph: Final = graph
        self.evidence: Final = evidence
        count = len(graph.writes)
        self.written_before: Final = [0] * count
        """By position: puts that the writer's session had made before."""
        self.seen_before: Final = [0] * count
        """By position: puts that the writer's session had seen before."""

    def walk_sessions(self) -> None:
        """Read-your-writes and monotonic reads; notes what precedes each write."""
        sessions: dict[int, _Session] = {}
        steps: list[Write | Read] = [*self.graph.writes, *self.graph.reads]
        for step in sorted(steps, key=lambda step: step.operation.index):
            session = sessions.setdefault(step.operation.process, _Session())
            if isinstance(step, Read):
                self._own_writes(session, step)
                self._earlier_reads(session, step)
                session.seen |= step.down.certain & self.graph.puts
                session.last_read = step
                continue
            self.written_before[step.position] = session.written
            self.seen_before[step.position] = session.seen
            # A write without an answer ends its session, so that it is held against nothing.
            if step.is_delete:
                session.deletes.append(step)
            else:
                session.written |= step.bit

    def judge_readers(self) -> None:
        """Monotonic writes and writes-follow-reads, for every reader."""
        self._judge_predecessors(MONOTONIC_WRITES, self.written_before)
        self._judge_predecessors(WRITES_FOLLOW_READS, self.seen_before)

    def _own_writes(self, session: _Session, read: Read) -> None:
        unseen = self._gone(session.written, read) & ~session.told
        session.told |= unseen
        for write in self.graph.members(unseen):
            self.evidence.add(READ_YOUR_WRITES, partial(_own_unseen, write, read, self.graph))
        for delete in session.deletes:
            if not session.told & delete.bit and self._is_undone(delete, read):
                session.told |= delete.bit
                explain = partial(_own_undone, delete, read, self.graph)
                self.evidence.add(READ_YOUR_WRITES, explain)

    def _earlier_reads(self, session: _Session, read: Read) -> None:
        earlier = session.last_read
        if earlier is None:
            return
        before = earlier.down.certain
        for write in self.graph.members(self._gone(before, read)):
            explain = partial(_seen_no_more, write, earlier, read, self.graph)
            self.evidence.add(MONOTONIC_READS, explain)
        for delete in self.graph.members(before & ~self.graph.puts & ~read.down.possible):
            if self._is_undone(delete, read):
                explain = partial(_seen_undone, delete, earlier, read, self.graph)
                self.evidence.add(MONOTONIC_READS, explain)

    def _judge_predecessors(self, guarantee: _Guarantee, before: list[int]) -> None:
        """Whoever sees a write has to see what the session of its writer had before it.

        `owed` adds up what is owed to whoever sees a write: also what is owed for the writes that
        its writer had seen, so that a read only asks the writes that it returned.
        """
        owed: list[int] = []
        for write in self.graph.writes:
            due = before[write.position]
            for parent in write.parents:
                due |= owed[parent]
            owed.append(due)
        told = 0
        for read in self.graph.reads:
            due = 0
            for position in read.parents:
                due |= owed[position]
            missing = self._gone(due, read) & ~told
            told |= missing
            for earlier in self.graph.members(missing):
                later = self._later(earlier, read, before)
                explain = partial(_EXPLAIN[guarantee], earlier, later, read, self.graph)
                self.evidence.add(guarantee, explain)

    def _later(self, earlier: Write, read: Read, before: list[int]) -> Write:
        """A write that the read saw and that came after the earlier one in its session."""
        seen = self.graph.members(read.down.certain)
        return next(write for write in seen if before[write.position] & earlier.bit)

    def _gone(self, owed: int, read: Read) -> int:
        """Those of these puts that the read surely did not see, and that no delete may explain."""
        missing = owed & self.graph.puts & ~read.down.possible
        return missing & ~self.graph.deleted(read.operation.ret) if missing else 0

    def _is_undone(self, delete: Write, read: Read) -> bool:
        """Whether the read does not know the delete and returned what the delete had replaced.

        The tombstone alone may be gone, for it may be collected; what it covers is gone before.
        """
        if read.down.possible & delete.bit:
            return False
        return any(
            version.writers and not version.writers & ~delete.observed.certain
            for version in read.versions
        )


def _own_unseen(write: Write, read: Read, graph: VersionGraph) -> Explanation:
    put, get = write.operation, read.operation
    return Explanation(
        f"Process {put.process} put {value(put.input['value'])}{of_key(graph.key)}{through(put)}"
        f" ({asked(put)}; stored as {write.id}). Then it read the key itself{through(get)}"
        f" ({asked(get)}) and got {versions(read.versions)}: neither its own write nor anything"
        f" that had replaced it.",
        in_order([put, get]),
    )


def _own_undone(delete: Write, read: Read, graph: VersionGraph) -> Explanation:
    deleted, get = delete.operation, read.operation
    return Explanation(
        f"Process {get.process} deleted key {value(graph.key)}{through(deleted)}"
        f" ({asked(deleted)}; stored as {delete.id}). Then it read the key itself{through(get)}"
        f" ({asked(get)}) and got {versions(read.versions)}, of which its delete had covered some.",
        in_order([deleted, get]),
    )


def _seen_no_more(write: Write, earlier: Read, read: Read, graph: VersionGraph) -> Explanation:
    first, second = earlier.operation, read.operation
    return Explanation(
        f"Process {second.process} read key {value(graph.key)}{through(first)} ({asked(first)}) and"
        f" got {versions(earlier.versions)}, so it had seen {written(write)}. Its next read"
        f"{through(second)} ({asked(second)}) got {versions(read.versions)}: neither that nor"
        f" anything that had replaced it.",
        in_order([write.operation, first, second]),
    )


def _seen_undone(delete: Write, earlier: Read, read: Read, graph: VersionGraph) -> Explanation:
    first, second = earlier.operation, read.operation
    return Explanation(
        f"Process {second.process} read key {value(graph.key)}{through(first)} ({asked(first)}) and"
        f" had then seen {written(delete)}. Its next read{through(second)} ({asked(second)}) got"
        f" {versions(read.versions)}, of which that delete had covered some.",
        in_order([delete.operation, first, second]),
    )


def _later_alone(earlier: Write, later: Write, read: Read, graph: VersionGraph) -> Explanation:
    get, first, second = read.operation, earlier.operation, later.operation
    return Explanation(
        f"Process {first.process} wrote {written(earlier)}{of_key(graph.key)} ({asked(first)}) and"
        f" after it {written(later)} ({asked(second)}). Process {get.process} read the key"
        f"{through(get)} ({asked(get)}) and got {versions(read.versions)}: the later write, or what"
        f" had replaced it, but neither the earlier one nor anything that had replaced that.",
        in_order([first, second, get]),
    )


def _without_cause(earlier: Write, later: Write, read: Read, graph: VersionGraph) -> Explanation:
    get, second = read.operation, later.operation
    return Explanation(
        f"Process {second.process} had read {written(earlier)}{of_key(graph.key)} before it wrote"
        f" {written(later)} ({asked(second)}). Process {get.process} read the key{through(get)}"
        f" ({asked(get)}) and got {versions(read.versions)}: that write, or what had replaced it,"
        f" but neither what its writer had read nor anything that had replaced that.",
        in_order([earlier.operation, second, get]),
    )


_Guarantee = Literal["monotonic-writes", "writes-follow-reads"]

_EXPLAIN: Final = {MONOTONIC_WRITES: _later_alone, WRITES_FOLLOW_READS: _without_cause}
