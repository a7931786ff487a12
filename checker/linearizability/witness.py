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
from checker.linearizability.culprit import WALK_STEPS, culprit_of, found
from checker.linearizability.relaxing import Relaxing
from checker.linearizability.states import ModelFailed, shown
from checker.models.model import NULL, Unfit, text
from checker.models.register import CasRegister, Register

if TYPE_CHECKING:
    from checker._core import SearchBudget, SearchResult
    from checker.history.events import Operation
    from checker.linearizability.culprit import Culprit
    from checker.linearizability.orders import Order
    from checker.linearizability.problem import Problem
    from checker.models.model import Specification

OPERATIONS_MAX: Final = 20_000
"""A longer history before the culprit is not made smaller."""
TWIN_STEPS: Final = 10_000
"""Some 10 ms: what is small takes a few hundred, and what is not is not worth waiting for."""
NARROW_STEPS: Final = 100_000
"""The same for intervals that were not widened: nothing else is left for the twin to try."""
NARROW_MAX: Final = 60
"""Of more operations the twin mostly tries more orders than that."""
WHOLE_MAX: Final = 30
"""The orders of so many operations can still be read."""
SMALL_MAX: Final = 250
"""So many operations are still shown where the twin comes to no end with them."""


@dataclass(frozen=True, slots=True)
class Configuration:
    """What was possible right before: a state, the open operations that were done, the refusal."""

    state: str
    done: tuple[Operation, ...]
    reason: str


@dataclass(frozen=True, slots=True)
class Witness:
    """What explains a violation.

    `culprit` could not be linearized, and is the first such unless it is not `first`; `reasons` say
    why, for the states that were possible then (`freer`: or would be if crashed operations could
    do more than they can), and `configurations` for each that was possible before anything took
    effect just for it: with `alone` where only `operations` happened.
    `operations` are a small history that is not linearizable, in order of invocation; empty if none
    was found within the bounds. `relaxed` are the same as far as they are needed for that, with
    wider intervals or (`ret` None) as if nobody knew that they happened; empty where the twin came
    to no end with them. `orders` are the longest orders that the model allows of `ordered`: of all
    that was called before the culprit returned, where that is little, or else of `relaxed`.
    `unwritten` says that nobody ever wrote what it saw, as far as that is sure.
    `untold` says at what the model failed. `refuted` is True if the twin holds that history for
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
    first: bool = True
    freer: bool = False
    alone: bool = False
    unwritten: bool = False


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
    over, rows = allowance.over, list(problem.objects.group(number))
    culprit = culprit_of(problem, rows, result, budget, over)
    plain = _plain(problem, culprit, allowance)
    relaxing = Relaxing(problem, rows, culprit.row, culprit.steps, budget, over)
    whole = relaxing.relaxed() if len(relaxing.rows) <= WHOLE_MAX and not alone else ()
    if len(relaxing.rows) > OPERATIONS_MAX or over():
        return plain
    try:
        if not relaxing.run() or over():
            return plain
        narrow = relaxing.relaxed()
        part = plain
        if alone or not culprit.configurations:
            part = _told_alone(relaxing, plain, allowance)
        relaxing.widen()
    except Unfit as unfit:
        return replace(plain, untold=(str(unfit),))
    agreed, relaxed, untold = _agreed(relaxing, narrow)
    small = tuple(problem.history[row] for row in relaxing.rows)
    if len(small) == 1:
        part = replace(part, unwritten=_is_unwritten(problem, rows, small[0]))
    if agreed is None:
        if untold or relaxing.idle or len(small) > SMALL_MAX:
            return replace(plain, untold=untold)
        return replace(part, operations=small)
    ordered = whole
    longest = orders.longest(whole, problem.model, steps_max=TWIN_STEPS, over=over) if whole else ()
    if not longest:
        ordered = relaxed
        longest = orders.longest(relaxed, problem.model, steps_max=TWIN_STEPS, over=over)
    return replace(
        part,
        operations=small,
        relaxed=relaxed,
        ordered=ordered,
        orders=longest,
        refuted=agreed,
    )


def _told_alone(relaxing: Relaxing, plain: Witness, allowance: Allowance) -> Witness:
    """What the walk over everything tells of the small history, if it comes to its end.

    It may name an earlier operation: what fits nowhere in a part fits nowhere in the whole.
    """
    rows = relaxing.in_order(relaxing.rows)
    again = relaxing.search(rows, rung="exact", steps=WALK_STEPS)
    if again is None or again.outcome != "illegal":
        return plain
    culprit = found(rows, again)
    told = _plain(relaxing.problem, culprit, allowance)
    return replace(told, alone=True, first=plain.first and told.culprit == plain.culprit)


def _agreed(
    relaxing: Relaxing, narrow: tuple[Operation, ...]
) -> tuple[bool | None, tuple[Operation, ...], tuple[str, ...]]:
    """What the twin says of the small history, and at what it failed; as it is after the last step,
    or as it was before intervals were widened: the first with which it comes to an end.

    What is idle was left out. In every state that the twin comes upon it is asked: if it changes
    none of them, then the history is illegal with it too.
    """
    automaton = relaxing.problem.automaton
    untold: list[str] = []
    patience = NARROW_STEPS if len(narrow) <= NARROW_MAX else TWIN_STEPS
    for relaxed, steps_max in ((relaxing.relaxed(), TWIN_STEPS), (narrow, patience)):
        met: list[Specification] = []
        try:
            agreed = twin.search(
                relaxed, relaxing.problem.model, steps_max=steps_max, over=relaxing.over, met=met
            )
        except (Unfit, ModelFailed) as error:
            untold.append(str(error))
            continue
        if agreed is None or len(met) * len(relaxing.idle) > steps_max:
            continue
        for state in met:
            for action in relaxing.idle:
                if relaxing.over():
                    return None, (), tuple(untold)
                automaton.check_pure(state, action)
        return agreed, relaxed, ()
    return None, (), tuple(dict.fromkeys(untold))


def _is_unwritten(problem: Problem, rows: list[int], culprit: Operation) -> bool:
    """Whether what was read from a register, or swapped out of it, is a value that nobody gave it.

    Of other models it is not said: a queue may have had the value from the start.
    """
    if type(problem.model) not in (Register, CasRegister):
        return False
    seen = text(culprit.input[0] if culprit.f == "cas" else culprit.output)
    if seen == NULL or (culprit.f == "cas" and culprit.output is not True):
        return False
    others = [problem.history[row] for row in rows]
    given = (op.input[1] if op.f == "cas" else op.input for op in others if op.f != "read")
    return seen not in map(text, given)


def _plain(problem: Problem, found: Culprit, allowance: Allowance) -> Witness:
    """What a search tells by itself."""
    action, automaton = problem.action[found.row], problem.automaton
    refusals = (
        automaton.refusal(state, action) for state in found.tried if not allowance.grace_over()
    )
    configurations = []
    for state, early in found.configurations:
        if allowance.grace_over():
            break
        reason = automaton.refusal(state, action)
        if reason is not None:
            done = tuple(problem.history[row] for row in sorted(early))
            told = shown(automaton.state(state, automaton.action(action)))
            configurations.append(Configuration(told, done, reason))
    return Witness(
        problem.history[found.row],
        tuple(dict.fromkeys(reason for reason in refusals if reason is not None)),
        configurations=tuple(configurations),
        first=found.first,
        freer=found.freer,
    )
