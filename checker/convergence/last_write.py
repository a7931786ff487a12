"""Where the last write wins by the wall clock: what is read at the end must not be too old.

Clocks of nodes may be apart by a bound e. A write that was called more than e after another had
returned has the later time, so it must not have lost against it. Writes that lie closer together,
or overlap, may win either way.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Final

from checker.convergence.contexts import Versions, shows_versions
from checker.convergence.endings import Endings
from checker.convergence.registers import registers
from checker.evidence import Evidence, Explanation, in_order
from checker.wording import asked, of_key, through

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from checker.convergence.endings import Ending
    from checker.history.columns import History
    from checker.history.events import Operation
    from checker.verdict import CheckContext, Verdict

CLAIM: Final = "lost-update-by-time"
BEFORE_ANY: Final = -1
NEVER: Final = 2**63
MS: Final = 1_000_000


@dataclass(frozen=True, slots=True)
class _Final:
    """What a final read of a key showed, and every write of the key.

    `shown` are the writes that may stand behind it, empty for the state before any write.
    """

    read: Operation
    shown: tuple[Operation, ...]
    writes: tuple[Operation, ...]


@dataclass(frozen=True, slots=True)
class LastWrite:
    """Judges `lost-update-by-time` on final reads, of versions or of registers."""

    @property
    def name(self) -> str:
        """`last-write`."""
        return "last-write"

    @property
    def claims(self) -> frozenset[str]:
        """What it can judge."""
        return frozenset({CLAIM})

    def check(self, history: History, context: CheckContext) -> Verdict:
        """Judge every final read by the bound that belongs to the claim, in nanoseconds; else 0.

        Where writes are not ordered by time there is neither claim nor bound, and nothing is told.
        """
        evidence = Evidence(history, context.claims)
        if CLAIM not in context.claims and CLAIM not in context.bounds:
            return evidence.verdict({})
        bound = context.bounds.get(CLAIM, 0)
        read = compared = 0
        told: set[int] = set()
        for final in _finals(history):
            read += 1
            quiescent = history.quiescent_time
            assert quiescent is not None, "without it there are no final reads"
            settled = [w for w in final.writes if w.outcome == "ok" and w.ret and w.ret < quiescent]
            last = max(settled, key=lambda write: write.call, default=None)
            if last is None:
                continue
            compared += 1
            if _newest(final.shown) + bound < last.call and last.index not in told:
                told.add(last.index)
                evidence.add("lost-update", partial(_too_old, final, last, bound), claim=CLAIM)
        if not compared:
            evidence.doubt("too little observed: no final read of a key that was written", CLAIM)
        return evidence.verdict({"final_reads": read, "clock_bound_ms": bound / MS})


def _newest(shown: Iterable[Operation]) -> int:
    """When all of these had certainly been stamped; one without an answer may be at any time."""
    times = [w.ret if w.ret is not None and w.outcome == "ok" else NEVER for w in shown]
    return max(times, default=BEFORE_ANY)


def _finals(history: History) -> Iterator[_Final]:
    if history.quiescent_time is None:
        return
    if shows_versions(history):
        endings = Endings.of(history, Versions.of(history))
        for ending in endings.by_key.values():
            if ending.graph.problem is None:
                yield from _of_versions(ending)
        return
    for register in registers(history):
        if register.problem is None:
            writes = tuple(write.operation for write in register.writes)
            for read in register.reads:
                if read.operation.call >= history.quiescent_time:
                    shown = () if read.write is None else (read.write.operation,)
                    yield _Final(read.operation, shown, writes)


def _of_versions(ending: Ending) -> Iterator[_Final]:
    graph = ending.graph
    writes = tuple(write.operation for write in graph.writes)
    for read in ending.finals:
        # Of a key that shows nothing some delete may have been the last, its tombstone collected.
        candidates = 0
        for version in read.versions:
            candidates |= version.writers
        shown = list(graph.members(candidates)) or [w for w in graph.writes if w.is_delete]
        if read.versions and not candidates:
            continue  # A version that nobody wrote: that is for another checker to tell.
        yield _Final(read.operation, tuple(write.operation for write in shown), writes)


def _too_old(final: _Final, last: Operation, bound: int) -> Explanation:
    newest = max(final.shown, key=lambda w: w.ret or 0, default=None)
    shown = "nothing"
    if newest is not None:
        shown = f"what process {newest.process} wrote{through(newest)} ({asked(newest)})"
    return Explanation(
        f"At rest, a read{of_key(final.read.key)}{through(final.read)} showed {shown}. But later,"
        f" by more than the {bound / MS:g} ms that clocks may be apart, process {last.process} had"
        f" written the key{through(last)} ({asked(last)}).",
        in_order([*([] if newest is None else [newest]), last, final.read]),
    )
