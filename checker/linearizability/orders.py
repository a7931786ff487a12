"""The longest orders of a few operations that a model allows, and what stops each.

Wing and Gong's search (JPDC 1993) once more, as in `twin.py`, with the ways remembered. It is for
small histories: what the twin knows to be illegal this walks in as many steps.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from checker.linearizability.states import ModelFailed, States, shown
from checker.linearizability.twin import action_of, precedes
from checker.models.model import Inconsistent, Unfit
from checker.wording import shortened

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from checker.history.events import Operation
    from checker.models.model import Specification

ORDERS_MAX: Final = 3

_Place = tuple[int, int]
"""Which operations are done, as bits, and the number of the state after them."""


@dataclass(frozen=True, slots=True)
class Order:
    """Operations in an order that the model allows, the state after them, and what stops there.

    `start` is the state before them, where that is not the initial one. `stuck` are the operations
    that could be next, each with the reason why it cannot.
    """

    operations: tuple[Operation, ...]
    state: str
    stuck: tuple[tuple[Operation, str], ...]
    start: str | None = None


def longest(
    operations: Iterable[Operation],
    model: Specification,
    *,
    steps_max: int,
    over: Callable[[], bool] = lambda: False,
) -> tuple[Order, ...]:
    """The longest orders, at most ORDERS_MAX.

    None if that takes more than `steps_max` steps, or it is `over` before. Where the model fails
    an order is stuck for that reason.
    """
    happened = [operation for operation in operations if operation.outcome != "fail"]
    actions = [action_of(operation) for operation in happened]
    before = [
        sum(1 << i for i, first in enumerate(happened) if precedes(first, second))
        for second in happened
    ]
    states = States(model, actions)
    came: dict[_Place, tuple[_Place, int] | None] = {(0, 0): None}
    stuck: dict[_Place, list[tuple[Operation, str]]] = {}
    todo: list[_Place] = [(0, 0)]
    steps = 0
    while todo:
        if steps > steps_max:
            return ()
        place = todo.pop()
        (done, state), reasons = place, []
        for i in range(len(actions)):
            if done >> i & 1 or before[i] & ~done:
                continue
            if over():
                return ()
            steps += 1
            after = _after(states, state, i)
            if isinstance(after, Inconsistent):
                reasons.append((happened[i], shortened(after.reason)))
                continue
            for following in after:
                known = (done | 1 << i, following)
                if known not in came:
                    came[known] = (place, i)
                    todo.append(known)
        stuck[place] = reasons
    most = max((place[0].bit_count() for place in stuck), default=0)
    best = [place for place in stuck if place[0].bit_count() == most][:ORDERS_MAX]
    return tuple(
        Order(_way(came, place, happened), shown(states.met[place[1]]), tuple(stuck[place]))
        for place in best
    )


def longest_from(
    models: Sequence[Specification],
    operations: Sequence[Operation],
    *,
    steps_max: int,
    over: Callable[[], bool],
) -> tuple[Order, ...]:
    """The longest orders from any of these states; none if those from one of them are not found."""
    found: list[Order] = []
    for model in models:
        some = longest(operations, model, steps_max=steps_max, over=over)
        if not some:
            return ()
        found += (replace(order, start=shown(model)) for order in some)
    most = max(len(order.operations) for order in found)
    return tuple(order for order in found if len(order.operations) == most)[:ORDERS_MAX]


def _after(states: States, state: int, action: int) -> tuple[int, ...] | Inconsistent:
    try:
        return states.after(state, action)
    except (Unfit, ModelFailed) as error:
        return Inconsistent(f"nobody knows whether it could be next, for {error}")


def _way(
    came: dict[_Place, tuple[_Place, int] | None], place: _Place, happened: list[Operation]
) -> tuple[Operation, ...]:
    way: list[Operation] = []
    step = came[place]
    while step is not None:
        place, i = step
        way.append(happened[i])
        step = came[place]
    return tuple(reversed(way))
