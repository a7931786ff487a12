"""How long after a healing every node answered again, by what clients saw. Judges nothing.

A run waits for the health of its cluster at the end alone: to wait after each healing would bend
the schedule of the faults. But clients ask all the time. A cluster has answered again once every
node has answered a request `ok` that was asked of it after the healing. Only healings after which
no fault is open count, and only until the next fault begins: what happens then is of that fault.
"""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from checker.history.layout import NEVER, NO_ROW, OK
from checker.invariants.availability import DUMP
from checker.quantiles import percentiles

if TYPE_CHECKING:
    from collections.abc import Iterable

    from checker.history.columns import History
    from checker.history.events import FaultWindow

UNSEEN_MAX: Final = 20
"""So many healings after which some node was not seen to answer are named."""


@dataclass(slots=True)
class Quiet:
    """A time without faults: from a healing to the next fault, in nanoseconds of the run."""

    fault: int
    """The one that was healed last."""
    start: int
    end: int
    answered: dict[str, int] = field(default_factory=dict)
    """When each node first answered what it had been asked in that time."""


def quiet_times(windows: Iterable[FaultWindow]) -> list[Quiet]:
    """The times without faults that a healing began, in order."""
    found: list[Quiet] = []
    healed: FaultWindow | None = None
    until = -1
    for window in sorted(windows, key=lambda window: window.start):
        if window.effect == "ineffective":
            continue
        if healed is not None and until < window.start:
            found.append(Quiet(healed.fault, until, window.start))
        if window.end is None:
            return found
        if window.end >= until:
            healed, until = window, window.end
    if healed is not None:
        found.append(Quiet(healed.fault, until, NEVER))
    return found


@dataclass(frozen=True, slots=True)
class Return:
    """What was seen after a healing that left no fault open."""

    fault: int
    """The one that was healed last."""
    after_ns: int | None
    """From the healing until every node had answered; None where some node was not seen to."""
    missing: tuple[str, ...]
    """Those that were not."""


def returns(history: History) -> list[Return]:
    """After every healing that left no fault open, in order: how long it took."""
    times = quiet_times(history.faults)
    nodes = _fill(times, history) if times else set()
    found: list[Return] = []
    for time in times:
        missing = tuple(sorted(nodes - time.answered.keys()))
        seen = nodes and not missing
        after = max(time.answered.values()) - time.start if seen else None
        found.append(Return(time.fault, after, missing))
    return found


def answered_again(history: History) -> dict[str, Any] | None:
    """For all healings together how long it took; None where no fault was healed.

    `after_ns` are percentiles over the healings after which every node was seen to answer,
    `unseen` the others: the nodes that were not, and the fault.
    """
    found = returns(history)
    if not found:
        return None
    took = [each.after_ns for each in found if each.after_ns is not None]
    unseen = [{"fault": each.fault, "nodes": list(each.missing)} for each in found if each.missing]
    return {
        "healings": len(found),
        "after_ns": percentiles(took),
        "unseen": unseen[:UNSEEN_MAX],
        "unseen_count": len(unseen),
    }


def _fill(times: list[Quiet], history: History) -> set[str]:
    """Note in each time which node answered when; all nodes that clients asked."""
    columns, lines, values = history.columns, history.lines, history.values
    starts = [time.start for time in times]
    nodes: set[str] = set()
    for position in range(len(history)):
        row = columns.completion[position]
        node = values[lines.node[columns.invocation[position]]]
        if node is None or values[columns.f[position]] == DUMP:
            continue
        nodes.add(node)
        if columns.outcome[position] != OK or row == NO_ROW:
            continue
        place = bisect_right(starts, columns.call[position]) - 1
        if place >= 0:
            time, ret = times[place], columns.ret[position]
            if ret < min(time.end, time.answered.get(node, NEVER)):
                time.answered[node] = ret
    return nodes
