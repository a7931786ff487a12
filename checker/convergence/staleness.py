"""How far behind reads were: versions missed, time lag, and k-atomicity of registers.

Measured and never judged: where reads have to be fresh, that is a claim of its own. Everything here
is a lower bound: only what is proved to be newer counts as missed.

Sources: Golab, Li, Shah, PODC 2011 (zones, Delta-atomicity); Gibbons and Korach, SIAM J. Comput.
1997 (zones of unique writes); Bailis et al., VLDB 2012 (staleness in versions and in time).
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import Counter
from dataclasses import dataclass, field
from itertools import accumulate, pairwise
from typing import TYPE_CHECKING, Any, Final

from checker.convergence.contexts import Versions, shows_versions
from checker.convergence.registers import registers
from checker.quantiles import percentiles
from checker.verdict import Verdict

if TYPE_CHECKING:
    from checker.convergence.registers import Register, RegisterRead
    from checker.convergence.versions import VersionGraph, Write
    from checker.history.columns import History
    from checker.verdict import CheckContext

BEGINNING: Final = -1
"""Before every stamp: when the value before any write was written."""
NEVER: Final = 2**63
NO_READS: Final = "too little observed: no read of a register or of versions was answered"


@dataclass(frozen=True, slots=True)
class Staleness:
    """Measures reads of registers and gets of versions.

    A register needs unique values, versions need contexts that replies gave; a key without is not
    measured.
    """

    @property
    def name(self) -> str:
        """`staleness`."""
        return "staleness"

    @property
    def claims(self) -> frozenset[str]:
        """None: staleness is measured only."""
        return frozenset()

    def check(self, history: History, context: CheckContext) -> Verdict:
        """Unknown if there was no read to measure, otherwise valid. `context` changes nothing."""
        measured = _Measured()
        for register in registers(history):
            measured.take(register)
        if shows_versions(history):
            for graph in Versions.of(history).by_key.values():
                measured.take_versions(graph)
        if not measured.lags and not measured.causes:
            return Verdict.unknown(NO_READS, observed=measured.observed())
        return Verdict.of((), observed=measured.observed())


@dataclass(slots=True)
class _Measured:
    missed: list[int] = field(default_factory=list)
    lags: list[int] = field(default_factory=list)
    keys: Counter[str] = field(default_factory=Counter)
    k_at_least: int | None = None
    causes: dict[str, None] = field(default_factory=dict)

    def take(self, register: Register) -> None:
        if register.problem is not None:
            self.leave_out(register.problem)
            return
        lags = read_lags(register)
        self.add(lags)
        worst = max((missed for missed, _ in lags), default=0)
        self.k_at_least = max(self.k_at_least or 1, worst + 1)
        if register.has_cas:
            self.keys["atomicity_not_measured"] += 1
        elif is_atomic(register):
            self.keys["atomic"] += 1
        else:
            self.keys["not_atomic"] += 1
            self.k_at_least = max(self.k_at_least, 2)

    def take_versions(self, graph: VersionGraph) -> None:
        if graph.problem is not None:
            self.leave_out(graph.problem)
        else:
            self.add(version_lags(graph))

    def add(self, lags: list[tuple[int, int]]) -> None:
        self.missed += [missed for missed, _ in lags]
        self.lags += [lag for _, lag in lags]

    def leave_out(self, cause: str) -> None:
        self.keys["not_measured"] += 1
        self.causes[cause] = None

    def observed(self) -> dict[str, Any]:
        found: dict[str, Any] = {
            "reads": len(self.missed),
            "stale_reads": sum(missed > 0 for missed in self.missed),
            "versions_missed": percentiles(self.missed),
            "lag_ns": percentiles(self.lags),
            "k_at_least": self.k_at_least,
            "keys": dict(sorted(self.keys.items())),
        }
        return {**found, "not_measured": list(self.causes)} if self.causes else found


def read_lags(register: Register) -> list[tuple[int, int]]:
    """For each read the versions that it certainly missed, and for how long (nanoseconds).

    Missed is an acknowledged write that was called after the value read had been seen or
    acknowledged, and that returned before the read was called. The lag is the time from the first
    return of such a write to the call of the read. O(n log n).
    """
    settled = settled_at(register)
    writes = [(w.operation.call, w.operation.ret) for w in register.writes]
    done = sorted((call, ret) for call, ret in writes if ret is not None)
    calls = [call for call, _ in done]
    first_return_from = list(accumulate((ret for _, ret in reversed(done)), min))[::-1]
    by_return = sorted((ret, rank) for rank, (_, ret) in enumerate(done))
    over = _Counting(len(done))
    lags: dict[int, tuple[int, int]] = {}
    position = 0
    for read in sorted(register.reads, key=lambda read: read.operation.call):
        asked = read.operation.call
        while position < len(by_return) and by_return[position][0] < asked:
            over.add(by_return[position][1])
            position += 1
        newer = bisect_right(calls, settled[_cluster(read)])
        missed = over.count_from(newer)
        lag = asked - first_return_from[newer] if missed else 0
        lags[read.operation.index] = (missed, lag)
    return [lags[read.operation.index] for read in register.reads]


def version_lags(graph: VersionGraph) -> list[tuple[int, int]]:
    """For each get the puts that it certainly missed, and for how long (nanoseconds).

    Missed is an acknowledged put that had returned before the get was called, and of which the get
    shows neither the version nor one that had replaced it, though no delete may explain it.
    """
    acknowledged = [w for w in graph.writes if w.is_acknowledged and not w.is_delete]
    waiting = sorted(((_returned(write), write.bit) for write in acknowledged), reverse=True)
    over, lags = 0, {}
    for read in sorted(graph.reads, key=lambda read: read.operation.call):
        asked = read.operation.call
        while waiting and waiting[-1][0] < asked:
            over |= waiting.pop()[1]
        missed = over & ~read.down.possible
        missed &= ~graph.deleted(read.operation.ret) if missed else 0
        since = min(map(_returned, graph.members(missed)), default=asked)
        lags[read.operation.index] = (missed.bit_count(), asked - since)
    return [lags[read.operation.index] for read in graph.reads]


def settled_at(register: Register) -> dict[int | None, int]:
    """When each value had certainly been written: its write, or a read of it, had returned.

    By the index of the write's invocation, None for the value before any write.
    """
    settled: dict[int | None, int] = {None: BEGINNING}
    for write in register.writes:
        ret = write.operation.ret
        settled[write.operation.index] = NEVER if ret is None else ret
    for read in register.reads:
        ret = read.operation.ret
        cluster = _cluster(read)
        if ret is not None:
            settled[cluster] = min(settled[cluster], ret)
    return settled


def is_atomic(register: Register) -> bool:
    """Whether the reads and writes of a register without compare-and-set are linearizable.

    The cluster of a value is its write and the reads of it; f is its first return, g its last call.
    One cluster has to be before another if f of the one is before g of the other, so the history is
    linearizable iff no two clusters have to be before each other: forward zones (f < g) are
    disjoint, and no backward zone lies inside a forward one (Gibbons and Korach 1997). Stamps alone
    count, also within a process: where one returns and calls again at the same stamp, the answer
    errs toward atomic.
    """
    if register.unwritten or any(_is_from_the_future(read) for read in register.reads):
        return False
    first = settled_at(register)
    last: dict[int | None, int] = {
        write.operation.index: write.operation.call for write in register.writes
    }
    for read in register.reads:
        cluster = _cluster(read)
        last[cluster] = max(last.get(cluster, BEGINNING), read.operation.call)
    zones = [(first[cluster], last[cluster]) for cluster in last if first[cluster] != NEVER]
    forward = sorted((f, g) for f, g in zones if f < g)
    if any(later[0] < earlier[1] for earlier, later in pairwise(forward)):
        return False
    starts = [f for f, _ in forward]
    for f, g in zones:
        around = bisect_left(starts, g) - 1
        if f >= g and around >= 0 and f < forward[around][1]:
            return False
    return True


def _returned(write: Write) -> int:
    assert write.operation.ret is not None
    return write.operation.ret


def _cluster(read: RegisterRead) -> int | None:
    return None if read.write is None else read.write.operation.index


def _is_from_the_future(read: RegisterRead) -> bool:
    """Whether the read had returned before its value was asked to be written."""
    ret = read.operation.ret
    return read.write is not None and ret is not None and ret < read.write.operation.call


class _Counting:
    """Counts marked ranks from a rank on, both in O(log n) (a Fenwick tree over mirrored ranks)."""

    def __init__(self, size: int) -> None:
        self._size: Final = size
        self._sums: Final = [0] * (size + 1)

    def add(self, rank: int) -> None:
        """Mark a rank from 0."""
        at = self._size - rank
        while at <= self._size:
            self._sums[at] += 1
            at += at & -at

    def count_from(self, rank: int) -> int:
        """How many marked ranks are at least this one."""
        at, count = self._size - rank, 0
        while at > 0:
            count += self._sums[at]
            at -= at & -at
        return count
