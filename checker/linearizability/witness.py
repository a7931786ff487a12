"""Why a history is not linearizable: the operation that fits nowhere, and what it was up against.

The small history is made by `relaxing.py`, whose steps can invent no violation. In the end the
simple twin must find it illegal too, as it stands after the last step; or, where the twin comes to
no end with intervals so wide, as it stood before they were widened.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from checker.linearizability import orders, twin
from checker.linearizability.relaxing import Relaxing
from checker.linearizability.states import shown

if TYPE_CHECKING:
    from collections.abc import Sequence

    from checker._core import SearchBudget, SearchResult
    from checker.history.events import Operation
    from checker.linearizability.orders import Order
    from checker.linearizability.problem import Problem

OPERATIONS_MAX: Final = 20_000
"""A longer history before the culprit is not made smaller."""
TWIN_STEPS: Final = 10_000
"""Some 10 ms: what is small takes a few hundred, and what is not is not worth waiting for."""
WHOLE_MAX: Final = 30
"""The orders of so many operations can still be read."""


@dataclass(frozen=True, slots=True)
class Configuration:
    """What was possible right before: a state, the open operations that were done, the refusal."""

    state: str
    done: tuple[Operation, ...]
    reason: str


@dataclass(frozen=True, slots=True)
class Witness:
    """What explains a violation.

    `culprit` could not be linearized; `reasons` say why, for the states that were possible then,
    and `configurations` for each that was possible before anything took effect just for it.
    `operations` are a small history that is not linearizable, in order of invocation; empty if none
    was found within the bounds. `relaxed` are the same as far as they are needed for that, with
    wider intervals or (`ret` None) as if nobody knew that they happened. `orders` are the longest
    orders that the model allows of `ordered`: of all that was called before the culprit returned,
    where that is little, or else of `relaxed`. `refuted` is True if the twin holds that history for
    linearizable: then one of the two searches is wrong.
    """

    culprit: Operation
    reasons: tuple[str, ...]
    operations: tuple[Operation, ...] = ()
    configurations: tuple[Configuration, ...] = ()
    relaxed: tuple[Operation, ...] = ()
    ordered: tuple[Operation, ...] = ()
    orders: tuple[Order, ...] = ()
    refuted: bool = False


def witness(
    problem: Problem,
    number: int,
    result: SearchResult,
    budget: SearchBudget,
    *,
    alone: bool = False,
) -> Witness:
    """Explain why the search of the object with this number found it illegal.

    With `alone` everything is told of the small history: the object is itself but a part of one.
    """
    plain = _plain(problem, result, range(len(problem.action)))
    relaxing = Relaxing(problem, list(problem.objects.group(number)), result, budget)
    whole = relaxing.relaxed() if len(relaxing.rows) <= WHOLE_MAX and not alone else ()
    if len(relaxing.rows) > OPERATIONS_MAX or not relaxing.run() or budget.spent():
        return plain
    narrow = relaxing.relaxed()
    if alone:
        rows = relaxing.in_order(relaxing.rows)
        again = relaxing.search(rows)
        if again is not None and again.outcome == "illegal":
            plain = _plain(problem, again, rows)
    relaxing.widen()
    for relaxed in (relaxing.relaxed(), narrow):
        agreed = twin.search(relaxed, problem.model, steps_max=TWIN_STEPS)
        if agreed is not None:
            break
    else:
        return plain
    ordered = whole
    longest = orders.longest(whole, problem.model, steps_max=TWIN_STEPS) if whole else ()
    if not longest:
        ordered, longest = relaxed, orders.longest(relaxed, problem.model, steps_max=TWIN_STEPS)
    return replace(
        plain,
        operations=tuple(problem.history[row] for row in relaxing.rows),
        relaxed=relaxed,
        ordered=ordered,
        orders=longest,
        refuted=agreed,
    )


def _plain(problem: Problem, result: SearchResult, rows: Sequence[int]) -> Witness:
    """What a search of these rows tells by itself, which counts them from 0."""
    assert result.row is not None
    culprit = rows[result.row]
    action, automaton = problem.action[culprit], problem.automaton
    refusals = (automaton.refusal(state, action) for state in result.tried)
    configurations = []
    for state, early in result.configurations:
        reason = automaton.refusal(state, action)
        if reason is not None:
            done = tuple(problem.history[row] for row in sorted(rows[n] for n in early))
            told = shown(automaton.state(state, automaton.action(action)))
            configurations.append(Configuration(told, done, reason))
    return Witness(
        problem.history[culprit],
        tuple(dict.fromkeys(reason for reason in refusals if reason is not None)),
        configurations=tuple(configurations),
    )
