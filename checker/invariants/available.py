"""Did writes succeed while enough nodes were up and connected?

A *stretch* is a time in which no fault begins or ends, less its first two seconds, in which nodes
find out who is missing. In it a *company* is a set of nodes that are struck by no fault, of which
each is connected with each other, both ways, and none with any further such node. Two companies
never share a node that is asked: where a node is connected with two that are not connected with
one another nothing is said of it. Nor is anything said while a fault is open that was not seen to
be applied as asked, or from when its healing was asked for, be it that it leaked: a cut that is
half a cut leaves nodes that reach some of a company.

A company that is large enough has to take writes. It did not, if in one stretch at least three
writes of a key through it were refused for certain and none succeeded, while as many of other keys
did; or if twenty failed and no write of any key succeeded. One failure alone says little: a machine
may be slow. Nor do a key's writes that timed out: each node finds out by one of them who is
missing, and where there is little to do that may be long after the cut.
A refusal that is about the write itself (an error that begins with `status 4`) is an answer.

Source: DeCandia et al., SOSP 2007, 4.6 (sloppy quorum: writes to the first N healthy nodes).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Final

from checker.evidence import Evidence, Explanation
from checker.history.layout import NO_ROW
from checker.wording import listed, of_key, seconds

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from checker.history.columns import History
    from checker.history.events import FaultWindow, Operation
    from checker.verdict import CheckContext, Verdict

UNAVAILABLE: Final = "unavailable"
SETTLE_NS: Final = 2_000_000_000
"""So long after a fault began or ended nothing is expected."""
OF_A_KEY_MIN: Final = 3
"""So many writes of a key have to be refused, while as many of others succeed."""
OF_ALL_MIN: Final = 20
"""So many have to fail where none succeeds: a machine that stands still fails a few as well."""

OF_ALL_NS: Final = 2_000_000_000
"""For so long at least: many clients meet one disk that stalls for a second."""

Company = frozenset[str]


@dataclass(frozen=True, slots=True)
class Stretch:
    """A time without change, in nanoseconds, and the companies that were large enough in it."""

    start: int
    end: int
    open: tuple[FaultWindow, ...]
    companies: tuple[Company, ...]


@dataclass(slots=True)
class Tally:
    """What came of the writes through a company in a stretch, by key."""

    failed: dict[Any, list[Operation]] = field(default_factory=dict)
    taken: dict[Any, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Available:
    """Judges `unavailable`, of operations of these names.

    How many nodes a company needs is the bound that belongs to the claim; without one more than
    half of all that clients asked.
    """

    writes: frozenset[str]

    @property
    def name(self) -> str:
        """`available`."""
        return "available"

    @property
    def claims(self) -> frozenset[str]:
        """What it can judge."""
        return frozenset({UNAVAILABLE})

    def check(self, history: History, context: CheckContext) -> Verdict:
        """Judge every stretch. What no stretch has shown is not held against a run: it is told.

        Where there is neither claim nor bound nothing is told.
        """
        evidence = Evidence(history, context.claims)
        if UNAVAILABLE not in context.claims and UNAVAILABLE not in context.bounds:
            return evidence.verdict({})
        writes = list(self._over(history))
        nodes = sorted({op.node for op in history if op.node is not None})
        found = stretches(history, nodes, context.bounds.get(UNAVAILABLE, len(nodes) // 2 + 1))
        judged = 0
        for stretch in found:
            inside = [op for op, end in writes if stretch.start <= op.call and end < stretch.end]
            for company in stretch.companies:
                tally = _tally(op for op in inside if op.node in company)
                judged += sum(map(len, tally.failed.values())) + sum(tally.taken.values())
                for failed in _unavailable(tally):
                    explain = partial(_explained, stretch, company, failed, tally)
                    evidence.add(UNAVAILABLE, explain)
        return evidence.verdict({"stretches": len(found), "writes_judged": judged})

    def _over(self, history: History) -> Iterator[tuple[Operation, int]]:
        """The writes that were over for their clients, and when: they may take effect later."""
        rows, times = history.columns.completion, history.lines.time
        for position, operation in enumerate(history):
            if operation.f in self.writes and rows[position] != NO_ROW:
                yield operation, times[rows[position]]


def stretches(history: History, nodes: Iterable[str], needed: int) -> list[Stretch]:
    """The stretches in which some company has as many nodes as are needed."""
    rest = history.quiescent_time
    last = max(history.lines.time, default=0) + 1 if rest is None else rest
    faults = history.faults
    moments = [time for f in faults for time in (f.start, f.seen, f.healing, f.end)]
    times = {0, last, *(time for time in moments if time is not None and time < last)}
    found: list[Stretch] = []
    for start, end in pairwise(sorted(times)):
        if end - start <= SETTLE_NS:
            continue
        still_open = tuple(f for f in faults if f.start <= start and (f.end or last) >= end)
        large = tuple(one for one in companies(nodes, still_open) if len(one) >= needed)
        if large and all(_holds(fault, start, end) for fault in still_open):
            found.append(Stretch(start + SETTLE_NS, end, still_open, large))
    return found


def _holds(fault: FaultWindow, start: int, end: int) -> bool:
    """Whether all of a fault, and no more, was there the whole time."""
    was_seen = fault.effect == "applied" and fault.seen is not None and fault.seen <= start
    return was_seen and (fault.healing is None or fault.healing >= end)


def companies(nodes: Iterable[str], faults: Iterable[FaultWindow]) -> list[Company]:
    """The companies while these faults are open; none where one of them is not understood."""
    every = list(nodes)
    struck: set[str] = set()
    cut: set[frozenset[str]] = set()
    for fault in faults:
        given = fault.input if isinstance(fault.input, dict) else {}
        grudge, links, targets = (given.get(name) for name in ("grudge", "links", "targets"))
        if isinstance(grudge, dict):
            cut |= {frozenset((to, sender)) for to, senders in grudge.items() for sender in senders}
        elif isinstance(links, list):
            cut |= {frozenset(link) for link in links}
        elif isinstance(targets, list):
            struck |= set(targets)
        else:
            return []
    up = [node for node in every if node not in struck]
    found = {
        node: frozenset(
            other for other in up if other == node or frozenset((node, other)) not in cut
        )
        for node in up
    }
    whole = {one for node, one in found.items() if all(found[other] == one for other in one)}
    return sorted(whole, key=sorted)


def _tally(operations: Iterable[Operation]) -> Tally:
    tally = Tally()
    for operation in operations:
        if operation.outcome == "ok":
            tally.taken[operation.key] = tally.taken.get(operation.key, 0) + 1
        elif not str(operation.error).startswith("status 4"):
            tally.failed.setdefault(operation.key, []).append(operation)
    return tally


def _unavailable(tally: Tally) -> Iterator[list[Operation]]:
    """The writes that ought to have been taken, key by key; or all together."""
    everything = sum(tally.taken.values())
    together = [operation for failed in tally.failed.values() for operation in failed]
    if not everything and len(together) >= OF_ALL_MIN:
        calls = [operation.call for operation in together]
        if max(calls) - min(calls) >= OF_ALL_NS:
            yield together
    for key, failed in tally.failed.items():
        refused = sum(operation.outcome == "fail" for operation in failed)
        enough = refused >= OF_A_KEY_MIN and everything >= len(failed)
        if enough and not tally.taken.get(key):
            yield failed


def _explained(
    stretch: Stretch, company: Company, failed: list[Operation], tally: Tally
) -> Explanation:
    keys = {operation.key for operation in failed}
    of_what = of_key(failed[0].key) if len(keys) == 1 else ""
    others = sum(tally.taken.values())
    meanwhile = f", while {others} of other keys succeeded" if others else ""
    last = failed[-1]
    return Explanation(
        f"from {seconds(stretch.start)} to {seconds(stretch.end)} {listed(sorted(company))} were up"
        f" and connected with one another, and no fault began or ended; all {len(failed)} writes"
        f"{of_what} through them failed{meanwhile}. The last one, asked at {seconds(last.call)}"
        f" through {last.node}, was told: {last.error}",
        tuple(failed),
        faults=tuple(fault.fault for fault in stretch.open),
    )
