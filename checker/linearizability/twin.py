"""The reference: linearizability by definition, for any model, as simply as it can be said.

`search` is the algorithm of Wing and Gong (JPDC 1993) with Lowe's memory of what was tried (CPE
2017). `brute_force` tries every order and remembers nothing: the twin of the twin, for a handful
of operations. Every faster algorithm is compared with these two.

An operation must happen if it has a `ret`; without one it may happen at any time after its call,
or never. One that failed did not happen.
"""

from __future__ import annotations

from itertools import combinations, permutations
from typing import TYPE_CHECKING

from checker.linearizability.states import States
from checker.models.model import Action, Inconsistent, answers

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from checker.history.events import Operation
    from checker.models.model import Specification


def action_of(operation: Operation) -> Action:
    """What the operation did, for a model to look at."""
    known = operation.outcome != "info"
    return Action(
        operation.f,
        operation.input,
        operation.output,
        key=operation.key,
        outcome="ok" if known else "info",
    )


def precedes(first: Operation, second: Operation) -> bool:
    """Whether the first returned before the second was called.

    Intervals are closed: with equal stamps two operations are concurrent, for a coarse clock says
    the same before and after. Only one process's own operations are in order even then.
    """
    if first.ret is None:
        return False
    same = first.process == second.process and first.index < second.index
    return first.ret < second.call or (same and first.ret == second.call)


def search(
    operations: Iterable[Operation],
    model: Specification,
    *,
    steps_max: int | None = None,
    over: Callable[[], bool] | None = None,
    met: list[Specification] | None = None,
) -> bool | None:
    """Whether the operations of one object can be put in an order that the model allows.

    None if it took more than `steps_max` steps to know, or it was `over` before. The states that
    it came upon are added to `met`. Raises what the model raises, see `States.after`.
    """
    happened = [operation for operation in operations if operation.outcome != "fail"]
    actions = [action_of(operation) for operation in happened]
    must = sum(1 << i for i, operation in enumerate(happened) if operation.ret is not None)
    before = [
        sum(1 << i for i, first in enumerate(happened) if precedes(first, second))
        for second in happened
    ]
    states = States(model, actions, met)
    todo = [(0, 0)]
    seen = {(0, 0)}
    steps = 0
    while todo:
        done, state = todo.pop()
        if done & must == must:
            return True
        for i in range(len(actions)):
            if done >> i & 1 or before[i] & ~done:
                continue
            steps += 1
            if (steps_max is not None and steps > steps_max) or (over is not None and over()):
                return None
            after = states.after(state, i)
            for following in () if isinstance(after, Inconsistent) else after:
                known = (done | 1 << i, following)
                if known not in seen:
                    seen.add(known)
                    todo.append(known)
    return False


def brute_force(operations: Iterable[Operation], model: Specification) -> bool:
    """The same by trying every choice and every order. For at most seven operations or so."""
    happened = [operation for operation in operations if operation.outcome != "fail"]
    must = [operation for operation in happened if operation.ret is not None]
    may = [operation for operation in happened if operation.ret is None]
    return any(
        _in_real_time_order(order) and _allowed([action_of(op) for op in order], model)
        for count in range(len(may) + 1)
        for chosen in combinations(may, count)
        for order in permutations([*must, *chosen])
    )


def _in_real_time_order(order: Sequence[Operation]) -> bool:
    return not any(precedes(later, earlier) for earlier, later in combinations(order, 2))


def _allowed(actions: Sequence[Action], model: Specification) -> bool:
    if not actions:
        return True
    after = answers(model, actions[0])
    return not isinstance(after, Inconsistent) and any(
        _allowed(actions[1:], state) for state in after
    )
