"""Why a history is not linearizable: the operation that fits nowhere, and what it was up against.

The small history is made by `relaxing.py`, whose steps can invent no violation. In the end the
simple twin must find it illegal too, as it stands after the last step; or, where the twin comes to
no end with intervals so wide, as it stood before they were widened.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from checker.linearizability import orders, twin
from checker.linearizability.allowance import Allowance
from checker.linearizability.relaxing import Relaxing
from checker.linearizability.states import ModelFailed, shown
from checker.models.model import Unfit

if TYPE_CHECKING:
    from collections.abc import Sequence

    from checker._core import SearchBudget, SearchResult
    from checker.history.events import Operation
    from checker.linearizability.orders import Order
    from checker.linearizability.problem import Problem
    from checker.models.model import Specification

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
    where that is little, or else of `relaxed`. `untold` says at what the model failed.
    `refuted` is True if the twin holds that history for
    linearizable: then one of the two searches is wrong.
    """

    culprit: Operation
    reasons: tuple[str, ...]
    operations: tuple[Operation, ...] = ()
    configurations: tuple[Configuration, ...] = ()
    relaxed: tuple[Operation, ...] = ()
    ordered: tuple[Operation, ...] = ()
    orders: tuple[Order, ...] = ()
    untold: tuple[str, ...] = ()
    refuted: bool = False


def witness(
    problem: Problem,
    number: int,
    result: SearchResult,
    budget: SearchBudget,
    *,
    alone: bool = False,
    allowance: Allowance | None = None,
) -> Witness:
    """Explain why the search of the object with this number found it illegal.

    With `alone` everything is told of the small history: the object is itself but a part of one.
    Raises WrongDeclaration if an operation without which it is illegal has an effect after all.
    """
    allowance = allowance or Allowance(budget)
    over = allowance.over
    plain = _plain(problem, result, range(len(problem.action)), allowance)
    relaxing = Relaxing(problem, list(problem.objects.group(number)), result, budget, over)
    whole = relaxing.relaxed() if len(relaxing.rows) <= WHOLE_MAX and not alone else ()
    if len(relaxing.rows) > OPERATIONS_MAX or over():
        return plain
    try:
        if not relaxing.run() or over():
            return plain
        narrow = relaxing.relaxed()
        if alone:
            rows = relaxing.in_order(relaxing.rows)
            again = relaxing.search(rows)
            if again is not None and again.outcome == "illegal":
                plain = _plain(problem, again, rows, allowance)
        relaxing.widen()
    except Unfit as unfit:
        return replace(plain, untold=(str(unfit),))
    agreed, relaxed, untold = _agreed(relaxing, (relaxing.relaxed(), narrow))
    if agreed is None:
        return replace(plain, untold=untold)
    ordered = whole
    longest = orders.longest(whole, problem.model, steps_max=TWIN_STEPS, over=over) if whole else ()
    if not longest:
        ordered = relaxed
        longest = orders.longest(relaxed, problem.model, steps_max=TWIN_STEPS, over=over)
    return replace(
        plain,
        operations=tuple(problem.history[row] for row in relaxing.rows),
        relaxed=relaxed,
        ordered=ordered,
        orders=longest,
        refuted=agreed,
    )


def _agreed(
    relaxing: Relaxing, tries: Sequence[tuple[Operation, ...]]
) -> tuple[bool | None, tuple[Operation, ...], tuple[str, ...]]:
    """What the twin says of the first of these that it comes to an end with, and at what it failed.

    What is idle was left out. In every state that the twin comes upon it is asked: if it changes
    none of them, then the history is illegal with it too.
    """
    automaton = relaxing.problem.automaton
    untold: list[str] = []
    for relaxed in tries:
        met: list[Specification] = []
        try:
            agreed = twin.search(
                relaxed, relaxing.problem.model, steps_max=TWIN_STEPS, over=relaxing.over, met=met
            )
        except (Unfit, ModelFailed) as error:
            untold.append(str(error))
            continue
        if agreed is None or len(met) * len(relaxing.idle) > TWIN_STEPS:
            continue
        for state in met:
            for action in relaxing.idle:
                if relaxing.over():
                    return None, (), tuple(untold)
                automaton.check_pure(state, action)
        return agreed, relaxed, ()
    return None, (), tuple(dict.fromkeys(untold))


def _plain(
    problem: Problem, result: SearchResult, rows: Sequence[int], allowance: Allowance
) -> Witness:
    """What a search of these rows tells by itself, which counts them from 0."""
    assert result.row is not None
    culprit = rows[result.row]
    action, automaton = problem.action[culprit], problem.automaton
    refusals = (
        automaton.refusal(state, action) for state in result.tried if not allowance.grace_over()
    )
    configurations = []
    for state, early in result.configurations:
        if allowance.grace_over():
            break
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
