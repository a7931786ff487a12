"""Session guarantees of registers whose values are written once.

A read tells which write it saw, so each guarantee demands that one write comes before another in
the order of the register's values. The value before any write comes before all.

Where real time orders writes that do not overlap (linearizability is claimed), demands that go
round in a circle with it break the guarantee. Without it the demands of read-your-writes and of
monotonic reads can still contradict one another: such checks are necessary, not sufficient. Those
of the other two never do, since each value is written once, in one session, after everything that
the session did before; so these two are not judged.

A register shown by a store that keeps siblings (its answers carry causal contexts) has no order of
values at all. Let a and b be siblings, of which it shows a: whoever wrote b reads a, so b comes
before a. Somebody who read a alone writes c. Now b and c are siblings, of which it shows b: whoever
wrote a reads b, so a comes before b, and nothing is wrong. There only the value before any write
tells.
"""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from typing import TYPE_CHECKING, Final, NamedTuple

from checker.convergence.registers import RegisterRead
from checker.evidence import Explanation, in_order
from checker.sessions.cycles import components, shortest_path
from checker.sessions.order import (
    GUARANTEES,
    MONOTONIC_READS,
    MONOTONIC_WRITES,
    READ_YOUR_WRITES,
    WRITES_FOLLOW_READS,
)
from checker.wording import asked, of_key, seconds, through, value

if TYPE_CHECKING:
    from collections.abc import Iterator

    from checker.convergence.registers import Register, RegisterWrite
    from checker.evidence import Evidence
    from checker.findings import FindingKind
    from checker.history.events import Operation

BEGINNING: Final = None
"""The write of the value before any write."""


class Demand(NamedTuple):
    """A session demands that one write comes before another; `first` and `then` are why."""

    guarantee: FindingKind
    before: RegisterWrite | None
    after: RegisterWrite | None
    first: Operation
    then: Operation


@dataclass(frozen=True, slots=True)
class RegisterOrder:
    """Judges what the values of registers tell."""

    registers: list[Register]
    real_time: bool
    keeps_siblings: bool

    @property
    def name(self) -> str:
        """How writes are ordered."""
        if self.keeps_siblings:
            return "none: only the value before any write tells"
        if self.real_time:
            return "unique values and real time between writes"
        return "unique values"

    def judge(self, evidence: Evidence) -> None:
        """What can be judged of each guarantee, by key."""
        if self.keeps_siblings or not self.real_time:
            evidence.doubt("no version order", MONOTONIC_WRITES, WRITES_FOLLOW_READS)
        for register in self.registers:
            if register.problem is not None:
                evidence.doubt(register.problem, *GUARANTEES)
                continue
            demands = list(_demands(register))
            for demand in demands:
                if demand.after is BEGINNING:
                    evidence.add(demand.guarantee, partial(_back_to_nothing, register, demand))
            if not self.keeps_siblings:
                for guarantee in GUARANTEES:
                    own = [d for d in demands if d.guarantee == guarantee]
                    self._judge_cycles(register, own, evidence)

    def _judge_cycles(self, register: Register, demands: list[Demand], evidence: Evidence) -> None:
        """One finding for each set of writes that demands and real time send round in a circle."""
        graph = _Graph(register, real_time=self.real_time)
        told: set[int] = set()
        inner = [d for d in demands if d.before is not BEGINNING and d.after is not BEGINNING]
        for demand in inner:
            graph.demand(demand)
        component = components(graph.successors)
        for demand in inner:
            before, after = graph.node(demand.before), graph.node(demand.after)
            if component[before] == component[after] and component[before] not in told:
                told.add(component[before])
                circle = graph.circle(demand)
                evidence.add(demand.guarantee, partial(_circle, register, circle))


def _demands(register: Register) -> Iterator[Demand]:
    """What consecutive operations of a session demand, in order of invocation.

    A compare-and-set that succeeded read first, then wrote.
    """
    steps: list[tuple[tuple[int, int], RegisterWrite | RegisterRead]] = []
    steps += [((read.operation.index, 0), read) for read in register.reads]
    steps += [((write.operation.index, 1), write) for write in register.writes]
    last_read: dict[int, RegisterRead] = {}
    last_write: dict[int, RegisterWrite] = {}
    for _, step in sorted(steps, key=lambda step: step[0]):
        now = step.operation
        read, write = last_read.get(now.process), last_write.get(now.process)
        if isinstance(step, RegisterRead):
            if write is not None and write is not step.write:
                yield Demand(READ_YOUR_WRITES, write, step.write, write.operation, now)
            if read is not None and read.write is not step.write:
                yield Demand(MONOTONIC_READS, read.write, step.write, read.operation, now)
            last_read[now.process] = step
        else:
            if write is not None:
                yield Demand(MONOTONIC_WRITES, write, step, write.operation, now)
            if read is not None and read.write is not step:
                yield Demand(WRITES_FOLLOW_READS, read.write, step, read.operation, now)
            last_write[now.process] = step


class _Graph:
    """Writes, with an edge from each to those that have to come after it.

    Real time has n * n edges; they go through a chain of moments, one for each return of a write in
    order of time: a write leads to its moment, a moment to the next, and the last moment before a
    write was called leads to that write.
    """

    def __init__(self, register: Register, *, real_time: bool) -> None:
        self._writes: Final = register.writes
        self._nodes: Final = {w.operation.index: n for n, w in enumerate(register.writes)}
        self._demands: Final[dict[tuple[int, int], Demand]] = {}
        self.successors: Final[list[list[int]]] = [[] for _ in register.writes]
        if real_time:
            self._add_real_time()

    def node(self, write: RegisterWrite | None) -> int:
        assert write is not None
        return self._nodes[write.operation.index]

    def demand(self, demand: Demand) -> None:
        before, after = self.node(demand.before), self.node(demand.after)
        if self._demands.setdefault((before, after), demand) is demand:
            self.successors[before].append(after)

    def circle(self, demand: Demand) -> list[tuple[RegisterWrite, RegisterWrite, Demand | None]]:
        """A shortest circle through a demand: each write, the next, and why (None: real time)."""
        start, end = self.node(demand.before), self.node(demand.after)
        path = shortest_path(self.successors, end, start)
        nodes = [start, *(node for node in path if node < len(self._writes))]
        return [
            (self._writes[a], self._writes[b], self._demands.get((a, b)))
            for a, b in pairwise(nodes)
        ]

    def _add_real_time(self) -> None:
        returns = sorted(
            (write.operation.ret, node)
            for node, write in enumerate(self._writes)
            if write.operation.ret is not None
        )
        first = len(self._writes)
        self.successors.extend([] for _ in returns)
        for rank, (_, node) in enumerate(returns):
            self.successors[node].append(first + rank)
            if rank:
                self.successors[first + rank - 1].append(first + rank)
        for node, write in enumerate(self._writes):
            over = bisect_left(returns, (write.operation.call, -1))
            if over:
                self.successors[first + over - 1].append(node)


def _back_to_nothing(register: Register, demand: Demand) -> Explanation:
    first, then = demand.first, demand.then
    did = "wrote" if demand.guarantee == READ_YOUR_WRITES else "read"
    assert demand.before is not None
    return Explanation(
        f"Process {first.process} {did} {value(demand.before.value)}{of_key(register.key)}"
        f"{through(first)} ({asked(first)}). Its later {then.f}{through(then)} ({asked(then)}) saw"
        f" null, as if nothing had ever been written.",
        in_order([first, then]),
    )


def _circle(
    register: Register, circle: list[tuple[RegisterWrite, RegisterWrite, Demand | None]]
) -> Explanation:
    reasons = [_reason(before, after, demand) for before, after, demand in circle]
    operations = [op for _, _, d in circle if d is not None for op in (d.first, d.then)]
    writes = [write.operation for write, _, _ in circle]
    return Explanation(
        f"The values{of_key(register.key)} cannot have any order: {'; '.join(reasons)}.",
        in_order([*writes, *operations]),
    )


def _reason(before: RegisterWrite, after: RegisterWrite, demand: Demand | None) -> str:
    order = f"{value(before.value)} came before {value(after.value)}, because"
    if demand is None:
        ret = before.operation.ret
        assert ret is not None
        return (
            f"{order} the write of {value(before.value)} had returned at {seconds(ret)}, before"
            f" that of {value(after.value)} was called at {seconds(after.operation.call)}"
        )
    first, then = demand.first, demand.then
    saw, did = {
        READ_YOUR_WRITES: ("wrote the one", "read the other"),
        MONOTONIC_READS: ("read the one", "read the other"),
        MONOTONIC_WRITES: ("wrote the one", "wrote the other"),
        WRITES_FOLLOW_READS: ("read the one", "wrote the other"),
    }[str(demand.guarantee)]
    return (
        f"{order} process {first.process} {saw}{through(first)} ({asked(first)}) and later {did}"
        f"{through(then)} ({asked(then)})"
    )
