"""A violation made small, by steps of which none can invent one.

* What was called after the return that could not be explained is cut off, and what returned after
  it need not have happened.
* What ended before some moment is left out, and what was open then need not have happened. As
  nobody knows what that led to, the rest has to be illegal from every state that there is.
* An operation without effect is left out. That a model of a user's declares it is not enough: the
  `idle` actions are asked in the end, see `witness.py`.
* An operation that no other can observe is left out (`observable.py`).
* What was answered need not have happened: as if nobody knew.
* An interval is widened, to the beginning or the end of all.

Whatever order explains a history explains it after such a step too. So each step is kept if the
search still finds a violation. A write that somebody may have read is never left out: that would
make the read a violation.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Final

import msgspec

from checker.history.layout import NEVER
from checker.history.values import int32, int64
from checker.linearizability.observable import closure, unobservable
from checker.linearizability.search import PRUNINGS

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from checker._core import SearchBudget, SearchResult
    from checker.history.events import Operation
    from checker.linearizability.problem import Problem
    from checker.models.model import Specification

OPERATIONS_MAX: Final = 20_000
"""A longer history is shown only as far as it begins late."""
PROBES_MAX: Final = 300
PROBE_STEPS: Final = 10_000
STEPS_MAX: Final = 5_000_000
"""About a second of searching; a history that is not small by then mostly does not become so."""
LATE_FROM: Final = 60
"""A shorter history is shown from its beginning."""
LATE_FIRST: Final = 16
"""So many operations before the violation are tried at first."""
STARTS_MAX: Final = 16
"""From so many states at most a history is tried that begins late."""
WIDENED_MAX: Final = 40
"""Of a longer small history the intervals are left as they are."""


class Relaxing:
    """The history of one object up to a return that could not be explained, ever more relaxed.

    `steps` were taken to find the `culprit`, the row of that return; a probe takes twice as many.
    `rows` are left; `call` and `ret` (NEVER: it need not have happened) are their intervals by now.
    They are illegal from each of the states `starts`: if it is `late`, from whatever there is.
    """

    def __init__(
        self,
        problem: Problem,
        rows: Sequence[int],
        culprit: int,
        steps: int,
        budget: SearchBudget,
        over: Callable[[], bool],
    ) -> None:
        columns = problem.history.columns
        self.problem: Final = problem
        self.budget: Final = budget
        self.over: Final = over
        self.culprit: Final = culprit
        self.steps: Final = 2 * steps + PROBE_STEPS
        self.starts = [0]
        self.late = False
        self.probes = 0
        self.spent = 0
        place = {row: number for number, row in enumerate(rows)}
        end = (columns.ret[culprit], place[culprit])
        self.rows = [
            row for row in rows if problem.action[row] >= 0 and columns.call[row] <= end[0]
        ]
        self.idle: Final = self._idle()
        self.call: Final = {row: columns.call[row] for row in self.rows}
        # Where one process goes on at the very stamp of the culprit's return its own order counts.
        on = {columns.process[row] for row in self.rows if columns.call[row] == end[0]}
        self.ret = {
            row: columns.ret[row]
            if (columns.ret[row], place[row]) <= end
            or (columns.ret[row] == end[0] and columns.process[row] in on)
            else NEVER
            for row in self.rows
        }

    def _idle(self) -> frozenset[int]:
        """The actions that may be left out only because a user's model declares them pure."""
        if self.problem.automaton.comes_with_lineal:
            return frozenset()
        return frozenset(self.problem.action[row] for row in self.rows if self._is_pure(row))

    def models(self) -> list[Specification]:
        """The states in which the history may begin."""
        if not self.late:
            return [self.problem.model]
        automaton, action = self.problem.automaton, self.problem.action[self.culprit]
        return [automaton.state(start, automaton.action(action)) for start in sorted(self.starts)]

    def relaxed(self) -> tuple[Operation, ...]:
        """The operations that are left, as far as they are still asked for."""
        return tuple(map(self._relaxed, self.rows))

    def _relaxed(self, row: int) -> Operation:
        ret = None if self.ret[row] == NEVER else self.ret[row]
        operation = self.problem.history[row]
        return msgspec.structs.replace(operation, call=self.call[row], ret=ret)

    def run(self) -> bool:
        """Leave out what the bounds allow. False if not even the start is found illegal."""
        if not self._begin_late() and (self.is_long() or not self._illegal(self.rows)):
            return False
        size = len(self.rows) + 1
        while len(self.rows) < size and self._may_go_on():
            size = len(self.rows)
            self._leave_out(self._is_pure)
            alphabet = self.idle.union(self.problem.action[row] for row in self.rows)
            free = unobservable(self.problem.automaton, alphabet, self.over, self.starts)
            self._leave_out(partial(self._is_one_of, free))
        return True

    def is_long(self) -> bool:
        """Whether there are too many to try without each."""
        return len(self.rows) > OPERATIONS_MAX

    def _may_go_on(self) -> bool:
        return self.probes < PROBES_MAX and self.spent < STEPS_MAX and not self.over()

    def search(
        self,
        rows: Sequence[int],
        *,
        rung: str | None = None,
        steps: int | None = None,
        start: int = 0,
    ) -> SearchResult | None:
        """What the search says of these rows alone, which are in order; it counts them from 0."""
        process, action = self.problem.history.columns.process, self.problem.action
        self.probes += 1
        [result] = self.problem.automaton.table.search(
            int64(self.call[row] for row in rows),
            int64(self.ret[row] for row in rows),
            int64(process[row] for row in rows),
            int32(action[row] for row in rows),
            int32(range(len(rows))),
            int32([len(rows)]),
            start,
            prune=sorted(PRUNINGS),
            budget=self.budget,
            rung=rung,
            steps=self.steps if steps is None else steps,
        )
        self.spent += 0 if result is None else result.steps
        return result

    def in_order(self, rows: Sequence[int]) -> list[int]:
        """These rows in the order of their calls."""
        return sorted(rows, key=lambda row: (self.call[row], row))

    def _illegal(self, rows: Sequence[int], steps: int | None = None) -> bool:
        """Whether these rows alone are known to be not linearizable."""
        ordered = self.in_order(rows)
        for place, start in enumerate(self.starts):
            result = self.search(ordered, start=start, steps=steps)
            if result is None or result.outcome != "illegal":
                # What was legal from here may be so again.
                self.starts.insert(0, self.starts.pop(place))
                return False
        return True

    def _is_one_of(self, actions: frozenset[int], row: int) -> bool:
        return self.problem.action[row] in actions

    def _is_pure(self, row: int) -> bool:
        return self.problem.automaton.is_pure(self.problem.action[row])

    def _begin_late(self) -> bool:
        """Let a long history begin as late as it is illegal; False if it is not seen to be."""
        automaton = self.problem.automaton
        if len(self.rows) <= LATE_FROM or type(automaton.model) is not type(self.problem.model):
            return False
        actions = sorted({self.problem.action[row] for row in self.rows})
        states = closure(automaton, actions, self.over)
        if states is None or len(states) > STARTS_MAX:
            return False
        whole, found = (self.rows, self.ret, self.starts), None
        calls = sorted(c for c in self.call.values() if c <= self.call[self.culprit])
        legal, size, illegal = 0, LATE_FIRST, len(calls)
        while legal < size < illegal and self._may_go_on():
            self.rows, self.ret = self.begun_at(calls[-size], *whole[:2])
            self.starts = [*states]
            share = self.steps * len(self.rows) // len(whole[0])
            if self._illegal(self.rows, PROBE_STEPS + share):
                found, illegal = (self.rows, self.ret, self.starts), size
            else:
                legal = size
            size = 2 * size if found is None else (legal + illegal) // 2
        self.rows, self.ret, self.starts = found or whole
        self.late = found is not None
        return self.late

    def begun_at(
        self, moment: int, rows: Sequence[int], ret: dict[int, int]
    ) -> tuple[list[int], dict[int, int]]:
        """What is left of these if the history begins at this moment, and when it returned.

        Take an order that explains the history, and cut it behind the last operation that had ended
        by then. What comes after explains what is left, from the state that there was.
        """
        left = [row for row in rows if ret[row] >= moment]
        return left, {row: NEVER if self.call[row] < moment else ret[row] for row in left}

    def _leave_out(self, may_go: Callable[[int], bool]) -> None:
        """Leave out what may go in ever smaller chunks, as long as the rest stays illegal."""
        chunk = sum(map(may_go, self.rows))
        while chunk and self._may_go_on():
            candidates = [row for row in self.rows if may_go(row) and row != self.culprit]
            for start in range(0, len(candidates), chunk):
                gone = set(candidates[start : start + chunk])
                rest = [row for row in self.rows if row not in gone]
                if self._may_go_on() and self._illegal(rest):
                    self.rows = rest
            chunk //= 2

    def widen(self) -> None:
        """Ask for less of each operation: neither that it happened, nor when it began or ended.

        A history that is still long is left as it is. The new ends lie outside all others, so that
        no two stamps become equal: of one process even those have an order.
        """
        if len(self.rows) > WIDENED_MAX:
            return
        low = min(self.call[row] for row in self.rows) - 1
        high = max(self.ret[row] for row in self.rows if self.ret[row] != NEVER) + 1
        for row in self.rows:
            if row != self.culprit:
                self._try(self.ret, row, NEVER)
        for row in self.rows:
            self._try(self.call, row, low)
            if self.ret[row] != NEVER:
                self._try(self.ret, row, high)

    def _try(self, of: dict[int, int], row: int, stamp: int) -> None:
        before, of[row] = of[row], stamp
        if not (before != stamp and self._may_go_on() and self._illegal(self.rows)):
            of[row] = before
