"""Why a history is not linearizable: the operation that fits nowhere, and what it was up against.

The small history is made by `relaxing.py`, whose steps can invent no violation. In the end the
simple twin must find it illegal too, as it stands after the last step; or, where the twin comes to
no end with intervals so wide, as it stood before they were widened.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Final

from checker.linearizability import orders, twin
from checker.linearizability.allowance import Allowance
from checker.linearizability.culprit import WALK_STEPS, culprit_of, found
from checker.linearizability.relaxing import Relaxing
from checker.linearizability.states import ModelFailed, shown
from checker.models.model import NULL, Unfit, text
from checker.models.register import CasRegister, Register
from checker.wording import counted

if TYPE_CHECKING:
    from checker._core import SearchBudget, SearchResult
    from checker.history.events import Operation
    from checker.linearizability.culprit import Culprit
    from checker.linearizability.orders import Order
    from checker.linearizability.problem import Problem
    from checker.models.model import Specification

TWIN_STEPS: Final = 10_000
"""Some 10 ms: what is small takes a few hundred, and what is not is not worth waiting for."""
NARROW_STEPS: Final = 100_000
"""The same for intervals that were not widened: nothing else is left for the twin to try."""
NARROW_MAX: Final = 60
"""Of more operations the twin mostly tries more orders than that."""
TWIN_MAX: Final = 500
"""Of more it takes long already to see which come before which."""
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

    `culprit` could not be linearized, and is the first such unless it is not `first`, or even no
    earlier one was `sought`; `reasons` say why, for the states that were possible then (`freer`: or
    would be if crashed operations could do more than they can), and `configurations` for each that
    was possible before anything took effect just for it: with `alone` where only `operations`
    happened. `operations` are a small history that is not linearizable, in order of invocation;
    empty if none was found within the bounds. `relaxed` are the same as far as they are needed for
    that, with wider intervals or (`ret` None) as if nobody knew that they happened; empty where the
    twin came to no end with them. If they begin late they are so from any of the states `starts`.
    `unmade` says why there is no small history, or none smaller than what was searched, and
    `unchecked` why the twin did not come to an end with it. `orders` are the longest orders that
    the model allows of `ordered`: of all that was called before the culprit returned, where that is
    little, or else of `relaxed`.
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
    sought: bool = True
    freer: bool = False
    alone: bool = False
    unwritten: bool = False
    starts: tuple[str, ...] = ()
    unmade: str | None = None
    unchecked: str | None = None


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
    rows = list(problem.objects.group(number))
    culprit = culprit_of(problem, rows, result, budget, allowance.over)
    plain = _plain(problem, culprit, allowance)
    relaxing = Relaxing(problem, rows, culprit.row, culprit.steps, budget, allowance.over)
    whole = relaxing.relaxed() if len(relaxing.rows) <= WHOLE_MAX and not alone else ()
    if alone:
        given = tuple(problem.history[row] for row in relaxing.rows)
        # Rules stop at the first contradiction that they come upon, which need not be the earliest.
        plain = replace(plain, alone=True, operations=given, first=False, sought=False)
    try:
        if allowance.over() or not relaxing.run():
            return replace(plain, unmade=allowance.why() or _why_not_made(relaxing))
        narrow = relaxing.relaxed()
        part = plain
        if alone or not (culprit.configurations or relaxing.late):
            part = _told_alone(relaxing, plain, allowance)
        relaxing.widen()
    except Unfit as unfit:
        return replace(plain, untold=(str(unfit),))
    agreed, relaxed, untold = _agreed(relaxing, narrow)
    small = tuple(problem.history[row] for row in relaxing.rows)
    unwritten = len(small) == 1 and _is_unwritten(problem, rows, small[0])
    begun = relaxing.models() if relaxing.late else ()
    part = replace(part, operations=small, unwritten=unwritten, starts=tuple(map(shown, begun)))
    if agreed is None:
        if untold:
            return replace(plain, untold=untold)
        if relaxing.idle or len(small) > SMALL_MAX:
            return replace(plain, unmade=allowance.why() or _why_not_shown(relaxing))
        return replace(part, unchecked=allowance.why() or "it is too much for the twin")
    part = replace(part, relaxed=relaxed, refuted=agreed)
    return _with_orders(part, whole, relaxing)


def _why_not_made(relaxing: Relaxing) -> str:
    if relaxing.is_long():
        return f"{len(relaxing.rows):,} operations are too many to try without each"
    return f"it was not found again within {relaxing.steps:,} steps in what was called before"


def _why_not_shown(relaxing: Relaxing) -> str:
    left = f"what is left, {counted(len(relaxing.rows), 'operation')},"
    if len(relaxing.rows) > SMALL_MAX:
        return f"{left} is not small"
    return f"{left} is too much for the twin, which has to ask what the model declares pure"


def _with_orders(part: Witness, whole: tuple[Operation, ...], relaxing: Relaxing) -> Witness:
    """With the longest orders: of the whole history if that is little, or of the small one."""
    longest = partial(orders.longest_from, steps_max=TWIN_STEPS, over=relaxing.over)
    found = longest([relaxing.problem.model], whole) if whole else ()
    if found:
        return replace(part, ordered=whole, orders=found)
    return replace(part, ordered=part.relaxed, orders=longest(relaxing.models(), part.relaxed))


def _told_alone(relaxing: Relaxing, plain: Witness, allowance: Allowance) -> Witness:
    """What the walk over everything tells of the small history, if it comes to its end.

    It may name an earlier operation: what fits nowhere in a part fits nowhere in the whole.
    """
    rows = relaxing.in_order(relaxing.rows)
    again = relaxing.search(rows, rung="exact", steps=WALK_STEPS)
    if again is None or again.outcome != "illegal":
        # What was told of more operations need not be so of these.
        return replace(plain, reasons=(), configurations=()) if plain.alone else plain
    culprit = found(rows, again)
    told = _plain(relaxing.problem, culprit, allowance)
    first = plain.first and told.culprit == plain.culprit
    return replace(told, alone=True, first=first, sought=plain.sought)


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
        if len(relaxed) > TWIN_MAX:
            continue
        met: list[Specification] = []
        try:
            agreed = _asked(relaxing, relaxed, steps_max, met)
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


def _asked(
    relaxing: Relaxing,
    relaxed: tuple[Operation, ...],
    steps_max: int,
    met: list[Specification],
) -> bool | None:
    """Whether the twin finds an order from any of the states in which the history may begin."""
    for model in relaxing.models():
        some: list[Specification] = []
        found = twin.search(relaxed, model, steps_max=steps_max, over=relaxing.over, met=some)
        if found is not False:
            return found
        met += some
    return False


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
