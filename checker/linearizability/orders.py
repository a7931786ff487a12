"""The longest orders of a few operations that a model allows, and what stops each.

Wing and Gong's search (JPDC 1993) once more, as in `twin.py`, with the ways remembered. It is for
histories that have been made small.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from checker.linearizability.states import identity
from checker.linearizability.twin import action_of, precedes
from checker.models.model import Inconsistent, answers

if TYPE_CHECKING:
    from collections.abc import Hashable, Iterable

    from checker.history.events import Operation
    from checker.models.model import Specification

ORDERS_MAX: Final = 3

_Place = tuple[int, "Hashable"]
"""Which operations are done, as bits, and the state after them."""


@dataclass(frozen=True, slots=True)
class Order:
    """Operations in an order that the model allows, the state after them, and what stops there.

    `stuck` are the operations that could be next, each with the reason why it cannot.
    """

    operations: tuple[Operation, ...]
    state: str
    stuck: tuple[tuple[Operation, str], ...]


def longest(
    operations: Iterable[Operation], model: Specification, *, steps_max: int
) -> tuple[Order, ...]:
    """The longest orders, at most ORDERS_MAX; after `steps_max` steps the longest seen by then."""
    happened = [operation for operation in operations if operation.outcome != "fail"]
    actions = [action_of(operation) for operation in happened]
    before = [
        sum(1 << i for i, first in enumerate(happened) if precedes(first, second))
        for second in happened
    ]
    start: _Place = (0, identity(model))
    came: dict[_Place, tuple[_Place, int] | None] = {start: None}
    stuck: dict[_Place, tuple[Any, list[tuple[Operation, str]]]] = {}
    todo: list[tuple[_Place, Any]] = [(start, model)]
    steps = 0
    while todo and steps < steps_max:
        place, state = todo.pop()
        done, reasons = place[0], []
        for i, action in enumerate(actions):
            if done >> i & 1 or before[i] & ~done:
                continue
            steps += 1
            after = answers(state, action)
            if isinstance(after, Inconsistent):
                reasons.append((happened[i], after.reason))
            for following in () if isinstance(after, Inconsistent) else after:
                known = (done | 1 << i, identity(following))
                if known not in came:
                    came[known] = (place, i)
                    todo.append((known, following))
        stuck[place] = (state, reasons)
    most = max((place[0].bit_count() for place in stuck), default=0)
    best = [place for place in stuck if place[0].bit_count() == most][:ORDERS_MAX]
    return tuple(
        Order(_way(came, place, happened), str(stuck[place][0]), tuple(stuck[place][1]))
        for place in best
    )


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
