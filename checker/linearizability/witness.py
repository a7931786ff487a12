"""Why a history is not linearizable: the operation that fits nowhere, in a small history.

The small history is made by steps that can invent no violation, each checked to keep it:

* what was called after the return that could not be explained is cut off, and what returned after
  it need not have happened;
* an operation without effect is left out;
* an operation that no other can observe is left out (`observable.py`).

A write that somebody may have read is never left out: that would make the read a violation. In the
end the twin must find the small history illegal too.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Final

import msgspec

from checker.history.layout import NEVER
from checker.history.values import int32, int64
from checker.linearizability import twin
from checker.linearizability.observable import unobservable
from checker.linearizability.search import PRUNINGS

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from checker._core import SearchBudget, SearchResult
    from checker.history.events import Operation
    from checker.linearizability.problem import Problem

OPERATIONS_MAX: Final = 20_000
"""A longer history before the culprit is not made smaller."""
PROBES_MAX: Final = 200
PROBE_STEPS: Final = 10_000
TWIN_STEPS: Final = 20_000


@dataclass(frozen=True, slots=True)
class Witness:
    """What explains a violation.

    `culprit` could not be linearized; `reasons` say why, for the states that were possible then.
    `operations` are a small history that is not linearizable, in order of invocation; empty if none
    was found within the bounds. `refuted` is True if the twin holds that history for linearizable:
    then one of the two searches is wrong.
    """

    culprit: Operation
    reasons: tuple[str, ...]
    operations: tuple[Operation, ...]
    refuted: bool = False


def witness(problem: Problem, number: int, result: SearchResult, budget: SearchBudget) -> Witness:
    """Explain why the search of the object with this number found it illegal."""
    assert result.row is not None
    rows = list(problem.objects.group(number))
    culprit = problem.history[result.row]
    reasons = _reasons(problem, result)
    probe = _Probe(problem, rows, result, budget)
    kept = probe.shrink() if len(probe.rows) <= OPERATIONS_MAX else None
    if kept is None:
        return Witness(culprit, reasons, ())
    agreed = twin.search([probe.relaxed(row) for row in kept], problem.model, steps_max=TWIN_STEPS)
    if agreed is None:
        return Witness(culprit, reasons, ())
    return Witness(culprit, reasons, tuple(problem.history[row] for row in kept), refuted=agreed)


def _reasons(problem: Problem, result: SearchResult) -> tuple[str, ...]:
    assert result.row is not None
    action = problem.action[result.row]
    refusals = (problem.automaton.refusal(state, action) for state in result.tried)
    return tuple(dict.fromkeys(reason for reason in refusals if reason is not None))


class _Probe:
    """The history up to a return that could not be explained, and searches of parts of it."""

    def __init__(
        self, problem: Problem, rows: Sequence[int], result: SearchResult, budget: SearchBudget
    ) -> None:
        assert result.row is not None
        columns = problem.history.columns
        self.problem: Final = problem
        self.budget: Final = budget
        self.culprit: Final = result.row
        self.steps: Final = 2 * result.steps + PROBE_STEPS
        self.probes = 0
        place = {row: number for number, row in enumerate(rows)}
        end = (columns.ret[result.row], place[result.row])
        self.rows: Final = [
            row for row in rows if problem.action[row] >= 0 and columns.call[row] <= end[0]
        ]
        self.ret: Final = {
            row: columns.ret[row] if (columns.ret[row], place[row]) <= end else NEVER
            for row in self.rows
        }

    def relaxed(self, row: int) -> Operation:
        """The operation, free not to have happened if it returned too late to matter."""
        operation = self.problem.history[row]
        late = self.ret[row] == NEVER
        return msgspec.structs.replace(operation, ret=None) if late else operation

    def illegal(self, rows: Sequence[int]) -> bool:
        """Whether these rows alone are known to be not linearizable."""
        columns, action = self.problem.history.columns, self.problem.action
        self.probes += 1
        results = self.problem.automaton.table.search(
            int64(columns.call[row] for row in rows),
            int64(self.ret[row] for row in rows),
            int64(columns.process[row] for row in rows),
            int32(action[row] for row in rows),
            int32(range(len(rows))),
            int32([len(rows)]),
            0,
            prune=sorted(PRUNINGS),
            budget=self.budget,
            steps=self.steps,
        )
        return results[0].outcome == "illegal"

    def shrink(self) -> list[int] | None:
        """The rows that are left when no more can be left out; None if the start is not illegal."""
        kept = self.rows
        if not self.illegal(kept):
            return None
        size = len(kept) + 1
        while len(kept) < size and self.probes < PROBES_MAX:
            size = len(kept)
            kept = self._without(kept, self._is_pure)
            alphabet = (self.problem.action[row] for row in kept)
            free = unobservable(self.problem.automaton, alphabet)
            kept = self._without(kept, partial(self._is_one_of, free))
        return kept

    def _is_one_of(self, actions: frozenset[int], row: int) -> bool:
        return self.problem.action[row] in actions

    def _is_pure(self, row: int) -> bool:
        return self.problem.automaton.is_pure(self.problem.action[row])

    def _without(self, kept: list[int], may_go: Callable[[int], bool]) -> list[int]:
        """Leave out what may go in ever smaller chunks, as long as the rest stays illegal."""
        chunk = sum(map(may_go, kept))
        while chunk and self.probes < PROBES_MAX:
            candidates = [row for row in kept if may_go(row) and row != self.culprit]
            for start in range(0, len(candidates), chunk):
                gone = set(candidates[start : start + chunk])
                rest = [row for row in kept if row not in gone]
                if self.probes < PROBES_MAX and self.illegal(rest):
                    kept = rest
            chunk //= 2
        return kept
