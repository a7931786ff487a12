"""Containers from which what was put in is taken out: queue, unordered queue, stack.

Taking from an empty one answers null, so null cannot be put in.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from checker.models.model import NULL, Action, Inconsistent, starting_elements, unfit, unknown_f

if TYPE_CHECKING:
    from collections.abc import Iterable

_QUEUE = ("enqueue", "dequeue")
_STACK = ("push", "pop")


@dataclass(frozen=True, slots=True)
class Queue:
    """First in, first out. `items` are canonical JSON texts, the oldest first."""

    items: tuple[str, ...] = ()
    keyless: ClassVar = True

    def step(self, op: Action) -> Queue | Inconsistent:
        """The queue after an enqueue or a dequeue."""
        if op.f not in _QUEUE:
            raise unknown_f("queue", op, _QUEUE)
        if op.f == "enqueue":
            return Queue((*self.items, _item("queue", op)))
        if op.known and op.answered != (self.items[0] if self.items else NULL):
            return _refusal(op, "at the head", self.items[:1])
        return Queue(self.items[1:])

    def canonical(self, op: Action) -> Action:
        """The output of an enqueue is not looked at."""
        return Action(op.f, op.input) if self.blind(op) else op

    def pure(self, op: Action) -> bool:
        """Finding nothing changes nothing."""
        return _found_nothing(op, "dequeue")

    def blind(self, op: Action) -> bool:
        """An enqueue is always possible."""
        return op.f == "enqueue"

    def __str__(self) -> str:
        return f"the queue [{', '.join(self.items)}]"


@dataclass(frozen=True, slots=True)
class Stack:
    """Last in, first out. `items` are canonical JSON texts, the oldest first."""

    items: tuple[str, ...] = ()
    keyless: ClassVar = True

    def step(self, op: Action) -> Stack | Inconsistent:
        """The stack after a push or a pop."""
        if op.f not in _STACK:
            raise unknown_f("stack", op, _STACK)
        if op.f == "push":
            return Stack((*self.items, _item("stack", op)))
        if op.known and op.answered != (self.items[-1] if self.items else NULL):
            return _refusal(op, "on top", self.items[-1:])
        return Stack(self.items[:-1])

    def canonical(self, op: Action) -> Action:
        """The output of a push is not looked at."""
        return Action(op.f, op.input) if self.blind(op) else op

    def pure(self, op: Action) -> bool:
        """Finding nothing changes nothing."""
        return _found_nothing(op, "pop")

    def blind(self, op: Action) -> bool:
        """A push is always possible."""
        return op.f == "push"

    def __str__(self) -> str:
        return f"the stack [{', '.join(self.items)}]"


@dataclass(frozen=True, slots=True)
class UnorderedQueue:
    """A bag: a dequeue takes any of the items. `items` are canonical JSON texts, sorted.

    A dequeue whose answer was lost may have taken any item, so several states follow it.
    """

    items: tuple[str, ...] = ()
    keyless: ClassVar = True

    def steps(self, op: Action) -> Iterable[UnorderedQueue] | Inconsistent:
        """Every bag that may be left after an enqueue or a dequeue."""
        if op.f not in _QUEUE:
            raise unknown_f("unordered-queue", op, _QUEUE)
        if op.f == "enqueue":
            items = list(self.items)
            insort(items, _item("unordered-queue", op))
            return [UnorderedQueue(tuple(items))]
        if not op.known:
            return [self._without(item) for item in sorted(set(self.items))] or [self]
        if op.output is None:
            return _refusal(op, "inside", self.items) if self.items else [self]
        if op.answered not in self.items:
            return _refusal(op, "inside", self.items)
        return [self._without(op.answered)]

    def _without(self, item: str) -> UnorderedQueue:
        place = bisect_left(self.items, item)
        return UnorderedQueue(self.items[:place] + self.items[place + 1 :])

    def canonical(self, op: Action) -> Action:
        """The output of an enqueue is not looked at."""
        return Action(op.f, op.input) if self.blind(op) else op

    def pure(self, op: Action) -> bool:
        """Finding nothing changes nothing."""
        return _found_nothing(op, "dequeue")

    def blind(self, op: Action) -> bool:
        """An enqueue is always possible."""
        return op.f == "enqueue"

    def __str__(self) -> str:
        return f"the bag [{', '.join(self.items)}]"


def _item(model: str, op: Action) -> str:
    if op.input is None:
        raise unfit(model, op, "null cannot be put in, it is the answer of an empty one")
    return op.given


def _found_nothing(op: Action, f: str) -> bool:
    return op.f == f and op.known and op.output is None


def _refusal(op: Action, where: str, items: tuple[str, ...]) -> Inconsistent:
    found = "nothing was found" if op.output is None else f"{op.answered} was taken out"
    there = f"{', '.join(items)} stood {where}" if items else "it was empty"
    return Inconsistent(f"{found}, but {there}")


def _items(initial: Iterable[Any]) -> tuple[str, ...]:
    items = starting_elements(initial)
    if NULL in items:
        raise ValueError("null cannot be put in, it is the answer of an empty one")
    return items


def queue(initial: Iterable[Any] = ()) -> Queue:
    """A queue, first in first out; initially empty, or the list given, the oldest first."""
    return Queue(_items(initial))


def unordered_queue(initial: Iterable[Any] = ()) -> UnorderedQueue:
    """A queue in no order: a bag; initially empty, or the list given."""
    return UnorderedQueue(tuple(sorted(_items(initial))))


def stack(initial: Iterable[Any] = ()) -> Stack:
    """A stack: push and pop; initially empty, or the list given, the oldest first."""
    return Stack(_items(initial))
