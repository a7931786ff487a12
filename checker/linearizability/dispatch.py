"""Which algorithm judges which object of a history."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, Final

import msgspec

from checker import _core
from checker.history.layout import FAIL, NEVER
from checker.linearizability import rules
from checker.linearizability.known import known_automaton
from checker.linearizability.objects import Objects, by_key
from checker.linearizability.problem import Problem, action_in, problem_of
from checker.linearizability.unruled import SPENT
from checker.models.set import Set
from checker.wording import of_key

if TYPE_CHECKING:
    from collections.abc import Callable

    from checker._core import SearchBudget
    from checker.history.columns import History
    from checker.models.model import Specification

ALGORITHMS: Final[dict[str, str]] = {
    "zones": "registers in which no value is written twice, by first returns and last calls",
    "queue": "queues in which no value is put in twice, by four rules",
    "stack": "stacks in which no value is put in twice, from the outermost value to the innermost",
    "unordered-queue": "bags in which no value is put in twice, by three rules",
    "elements": "sets that nobody reads whole, each element by itself",
    "growing": "sets to which elements are only added, by the chain of the sets that were read",
    "counting": "counters to which an addition crashed, by what was added between two reads",
    "replay": "any model, where no operation overlaps another or crashed, in the one order",
    "frontier": "any model, by a search over all that may be so after each return",
}
"""How an object can be judged. The first that applies to it is taken.

Replay comes after the rules, for it asks the model about every distinct operation.
"""


class Inapplicable(ValueError):
    """An algorithm that was asked for and does not apply. The message says why."""


class Dispatch(msgspec.Struct, frozen=True):
    """What is known of a history before anything is walked or searched.

    `problem` is left: undecided objects, and of those that rules hold for illegal the operations
    that are so alone; `by_rules` numbers the latter in the problem. Beside them `legal` objects are
    decided by `rules`; `observed` tells whether any of what rules decided was read. `replay` tells
    whether objects of one order only are walked.
    """

    problem: Problem
    make: Callable[[], Problem]
    rules: str | None = None
    by_rules: frozenset[int] = frozenset()
    legal: int = 0
    observed: bool = False
    elements: bool = False
    replay: bool = True


def dispatch(
    history: History,
    model: Specification,
    algorithm: str | None = None,
    spent: SearchBudget | None = None,
) -> Dispatch:
    """Decide what can be decided at once, and how the rest is to be.

    Raises Inapplicable if an algorithm is asked for that does not apply to every object, Unfit for
    operations that the model cannot take, NotReady if the seconds are spent before it is known.
    """
    if algorithm is None:
        at_once = _at_once(history, model, spent)
        if at_once is not None:
            return at_once
    if algorithm in ("replay", "frontier"):
        make = partial(problem_of, history, model, spent=spent)
        problem = make()
        if algorithm == "replay":
            _refuse_overlap(problem)
        return Dispatch(problem, make, replay=algorithm == "replay")
    from checker.linearizability import elements

    by_element = elements.misfit(history, model)
    for name in rules.RULES:
        why = rules.misfit(name, model)
        wanted = algorithm == name or (algorithm is None and by_element is not None)
        if wanted and why is None:
            return _by_rules(name, history, model, spent, forced=algorithm == name)
        _refuse(algorithm == name, name, why)
    if by_element is None:
        assert isinstance(model, Set)
        make = partial(elements.problem_of, history, model, spent=spent)
        return Dispatch(make(), make, elements=True)
    _refuse(algorithm == "elements", "elements", by_element)
    make = partial(problem_of, history, model, spent=spent)
    return Dispatch(make(), make)


def _at_once(history: History, model: Specification, spent: SearchBudget | None) -> Dispatch | None:
    """The same for a model that the core knows, in one call; None where that does not say all."""
    known = known_automaton(model)
    if known is None:
        return None
    ruled = rules.misfit("zones", model) is None
    keyless = getattr(model, "keyless", False)
    make = partial(action_in, history, keyless=keyless)
    ready = known.prepare(history, make, spent, by_rules=ruled)
    if ready is None:
        return None
    key, values, first = history.columns.key, history.values, ready.first
    left = Objects(
        memoryview(ready.rows).cast("i"),
        memoryview(ready.ends).cast("i"),
        lambda group: values[key[first[group]]],
    )
    actions = memoryview(ready.actions).cast("i")
    problem = Problem(history, model, known, actions, left, frozenset(ready.told))
    if ready.kept is None:
        return Dispatch(problem, partial(problem_of, history, model, objects=left, spent=spent))
    outcome = memoryview(ready.kept).cast("i")
    return Dispatch(
        problem,
        partial(problem_of, history, model, outcome=outcome, spent=spent),
        "zones",
        _numbers(history, problem, [rows[0] for _, rows in ready.illegal]),
        ready.codes.count(rules.LEGAL),
        ready.observed,
    )


def _by_rules(
    name: str,
    history: History,
    model: Specification,
    spent: SearchBudget | None,
    *,
    forced: bool,
) -> Dispatch:
    from checker.linearizability.unseen import outcomes_without_unseen

    outcome = history.columns.outcome
    objects = by_key(history, outcome)
    ruled = rules.judge(name, history, objects, model, spent)
    illegal, part, beside = ruled.illegal, ruled.part or model, ruled.beside
    if ruled.part is not None and rules.UNDECIDED in ruled.codes:
        # The others are searched for the whole model, and so these are as a whole.
        illegal, part, beside = {n: [*objects.group(n)] for n in illegal}, model, {}
    if ruled.inapplicable is not None:
        number, reason = ruled.inapplicable
        _refuse(forced and reason not in SPENT, name, reason, objects.key(number))
    if ruled.codes.count(rules.UNDECIDED) == len(ruled.codes):
        kept = outcomes_without_unseen(history, model)
        if kept is not outcome:
            objects = by_key(history, kept)
        make = partial(problem_of, history, model, outcome=kept, objects=objects, spent=spent)
        return Dispatch(make(), make)
    together = [row for rows in illegal.values() for row in rows]
    left = _core.keep_rows(
        outcomes_without_unseen(history, model),
        objects.rows,
        objects.ends,
        ruled.codes,
        rules.UNDECIDED,
        together,
        FAIL,
    )
    # A violation that is known already is shown, however long that takes.
    hurry = None if illegal else spent
    make = partial(problem_of, history, part, outcome=memoryview(left).cast("i"), spent=hurry)
    shown = {illegal[number][0]: with_it for number, with_it in beside.items()}
    problem = msgspec.structs.replace(make(), beside=shown)
    return Dispatch(
        problem,
        make,
        name,
        _numbers(history, problem, [rows[0] for rows in illegal.values()]),
        ruled.codes.count(rules.LEGAL),
        ruled.observed,
    )


def _numbers(history: History, problem: Problem, rows: list[int]) -> frozenset[int]:
    """The objects of the problem to which these rows belong."""
    if not rows:
        return frozenset()
    key: Any = history.columns.key
    wanted = {key[row] for row in rows}
    objects = problem.objects
    return frozenset(n for n in range(len(objects)) if key[objects.group(n)[0]] in wanted)


def _refuse(forced: bool, name: str, why: str | None, key: Any = None) -> None:
    if forced:
        where = "" if key is None else f" to the operations{of_key(key)}"
        raise Inapplicable(f"{name} does not apply{where}: {why}")


def _refuse_overlap(problem: Problem) -> None:
    """Refuse objects of more than one order."""
    for number in range(len(problem.objects)):
        why = _overlap(problem, problem.objects.group(number))
        _refuse(why is not None, "replay", why, problem.objects.key(number))


def _overlap(problem: Problem, rows: memoryview) -> str | None:
    """Why operations have more than one order: see `twin.precedes`."""
    columns, lines = problem.history.columns, problem.history.lines
    call, ret, process, invocation = (
        columns.call,
        columns.ret,
        columns.process,
        columns.invocation,
    )
    last = None
    for row in rows:
        if ret[row] == NEVER:
            if problem.automaton.is_pure(problem.action[row]):
                continue
            return f"operation {lines.index[invocation[row]]} crashed"
        if last is not None and (
            ret[last] > call[row] or (ret[last] == call[row] and process[last] != process[row])
        ):
            both = f"{lines.index[invocation[last]]} and {lines.index[invocation[row]]}"
            return f"operations {both} overlap"
        last = row
    return None
