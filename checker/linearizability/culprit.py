"""The operation that fits nowhere: the first return that no order of what was called explains.

The walk over everything and the search depth first name it themselves. A walk that allows more than
the model, as one count for all crashed operations does, finds a contradiction at that return or
later: its own configurations are such as never were. Then the walk over everything is tried up to
there; and where that is too wide, ever shorter beginnings of the history are searched in all ways,
until it is known which is the first that is illegal. A beginning of an illegal one may be legal,
never the other way about.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from checker.history.layout import NEVER
from checker.linearizability.relaxing import Relaxing

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from checker._core import SearchBudget, SearchResult
    from checker.linearizability.problem import Problem

OWN: Final = frozenset({"exact", "dived", "replayed"})
"""Rungs whose culprit is the operation that fits nowhere."""
WALK_STEPS: Final = 2_000_000
"""The walk over everything takes some tenths of a second for so many."""
PROBE_STEPS: Final = 500_000


@dataclass(frozen=True, slots=True)
class Culprit:
    """The row of an operation, and what is known of it.

    `configurations` and `tried` are those of `SearchResult`, with the rows of the history. Where
    only a walk that allows more came to an end there are no configurations, and the states in
    `tried` are `freer`: some may never have been. Unless it is `first`, an earlier operation may
    fit nowhere already. `steps` were taken to find it.
    """

    row: int
    steps: int
    configurations: Sequence[tuple[int, Sequence[int]]] = ()
    tried: Sequence[int] = ()
    first: bool = True
    freer: bool = False


def culprit_of(
    problem: Problem,
    rows: Sequence[int],
    result: SearchResult,
    budget: SearchBudget,
    over: Callable[[], bool],
) -> Culprit:
    """The operation of these rows, of one object, that a search held for illegal fits nowhere."""
    assert result.row is not None
    if result.rung in OWN:
        return Culprit(result.row, result.steps, result.configurations, result.tried)
    up_to = Relaxing(problem, rows, result.row, result.steps, budget, over)
    walked = up_to.search(up_to.rows, rung="exact", steps=WALK_STEPS)
    if walked is not None and walked.outcome == "illegal":
        return found(up_to.rows, walked)
    passed = 0 if walked is None else walked.passed
    return _first(problem, rows, result, passed, budget, over)


def found(rows: Sequence[int], result: SearchResult) -> Culprit:
    """What the walk over everything found among these rows, which it counts from 0."""
    assert result.row is not None
    told = [(state, [rows[n] for n in done]) for state, done in result.configurations]
    return Culprit(rows[result.row], result.steps, told, result.tried)


def _first(
    problem: Problem,
    rows: Sequence[int],
    result: SearchResult,
    passed: int,
    budget: SearchBudget,
    over: Callable[[], bool],
) -> Culprit:
    """The first return whose beginning is illegal, of those behind the `passed` ones."""
    assert result.row is not None
    ret = problem.history.columns.ret
    place = {row: number for number, row in enumerate(rows)}
    happened = (row for row in rows if problem.action[row] >= 0 and ret[row] != NEVER)
    returns = sorted(happened, key=lambda row: (ret[row], place[row]))
    low, high, tried = passed, returns.index(result.row), result.tried
    # Mostly it is the first.
    middle = high - 1
    while low < high and not over():
        up_to = Relaxing(problem, rows, returns[middle], result.steps, budget, over)
        probe = up_to.search(up_to.rows, steps=PROBE_STEPS)
        if probe is not None and probe.outcome == "legal":
            low = middle + 1
        elif probe is not None and probe.outcome == "illegal" and probe.row is not None:
            high, tried = min(middle, returns.index(up_to.rows[probe.row])), probe.tried
        else:
            break
        middle = (low + high) // 2
    return Culprit(returns[high], result.steps, (), tried, first=low == high, freer=True)
