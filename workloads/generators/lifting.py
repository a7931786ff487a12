"""Lifts what users write into generators: operations, lists, iterators.

A list is a sequence: its items one after another, without waiting in between (see `phases`).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, Final

import msgspec

from workloads.generators.protocol import Answer, Context, Generator, Liftable, Pending
from workloads.invocations import Invocation

if TYPE_CHECKING:
    from checker.history.events import Event

EMPTY_ITEMS_MAX: Final = 10_000
"""So many items in a row that yield nothing are taken for an endless loop."""


class Nothing(msgspec.Struct, frozen=True):
    """Yields nothing."""

    def op(self, ctx: Context) -> Answer:
        """None."""
        return None

    def update(self, ctx: Context, event: Event) -> Generator:
        """The same."""
        return self


NOTHING: Final = Nothing()


class Single(msgspec.Struct, frozen=True):
    """Yields one operation once."""

    invocation: Invocation

    def op(self, ctx: Context) -> Answer:
        """The operation on a free process."""
        filled = ctx.fill(self.invocation)
        return (filled, self) if isinstance(filled, Pending) else (filled, NOTHING)

    def update(self, ctx: Context, event: Event) -> Generator:
        """The same."""
        return self


class Sequence(msgspec.Struct, frozen=True):
    """Yields from `head` until it is exhausted, then from the items not before `index`."""

    head: Generator
    items: tuple[Generator, ...]
    index: int

    def op(self, ctx: Context) -> Answer:
        """The next operation of the first item that is not exhausted."""
        head, items, index = self.head, self.items, self.index
        while True:  # Ends: the index grows.
            answer = head.op(ctx)
            if answer is None:
                if index == len(items):
                    return None
                head, index = items[index], index + 1
                continue
            op, after = answer
            if after is head and index == self.index:
                return op, self
            if index == len(items):
                return op, after
            return op, Sequence(after, items, index)

    def update(self, ctx: Context, event: Event) -> Generator:
        """Tell the item whose turn it is."""
        head = self.head.update(ctx, event)
        return self if head is self.head else Sequence(head, self.items, self.index)


class Cell:
    """One place of an iterator's memory: its item is drawn once, and is then always the same.

    An iterator changes when it is asked; a generator must not, since it may be asked again after
    its answer was dropped. Places point forwards only: those that nobody can reach are let go.
    """

    __slots__ = ("_drawn", "_following", "_iterator", "_lifted")

    def __init__(self, iterator: Iterator[Liftable]) -> None:
        self._iterator = iterator
        self._drawn = False
        self._lifted: Generator | None = None
        self._following: Cell | None = None

    def force(self) -> tuple[Generator, Cell] | None:
        """The item here, lifted, and the place after it; None at the iterator's end."""
        if not self._drawn:
            for item in self._iterator:
                self._lifted = lift(item)
                self._following = Cell(self._iterator)
                break
            self._drawn = True
        if self._lifted is None or self._following is None:
            return None
        return self._lifted, self._following


class Lazy(msgspec.Struct, frozen=True):
    """Yields from `head` until it is exhausted, then from the items of an iterator."""

    head: Generator
    rest: Cell

    def op(self, ctx: Context) -> Answer:
        """The next operation of the first item that is not exhausted."""
        head, rest = self.head, self.rest
        for _ in range(EMPTY_ITEMS_MAX):
            answer = head.op(ctx)
            if answer is not None:
                op, after = answer
                same = after is head and rest is self.rest
                return op, self if same else Lazy(after, rest)
            forced = rest.force()
            if forced is None:
                return None
            head, rest = forced
        raise RuntimeError(
            f"{EMPTY_ITEMS_MAX} items of an iterable in a row yielded no operation: end it"
        )

    def update(self, ctx: Context, event: Event) -> Generator:
        """Tell the item whose turn it is."""
        head = self.head.update(ctx, event)
        return self if head is self.head else Lazy(head, self.rest)


def sequence(items: tuple[Generator, ...]) -> Generator:
    """These generators one after another."""
    if not items:
        return NOTHING
    return items[0] if len(items) == 1 else Sequence(items[0], items, 1)


def lift(thing: Liftable) -> Generator:
    """The generator that a thing stands for.

    A generator is one. None yields nothing. An `Invocation` yields itself once (`repeat` makes it
    endless). A list, a tuple or any other iterable yields from each of its items in turn, lifted
    likewise; an iterator is drawn from when needed, remembers what it drew, and may be endless.
    Raises `TypeError` for anything else.
    """
    if thing is None:
        return NOTHING
    if isinstance(thing, Invocation):
        return Single(thing)
    if callable(getattr(thing, "op", None)) and callable(getattr(thing, "update", None)):
        if isinstance(thing, type):
            raise TypeError(f"the class {thing.__name__} is not a generator: make a value of it")
        generator: Generator = thing
        return generator
    if isinstance(thing, list | tuple):
        return sequence(tuple(lift(item) for item in thing))
    if isinstance(thing, str | bytes | Mapping | set | frozenset):
        raise TypeError(f"{_shown(thing)} is not a generator{_advice(thing)}")
    if isinstance(thing, Iterable):
        return Lazy(NOTHING, Cell(iter(thing)))
    raise TypeError(f"{_shown(thing)} is not a generator{_advice(thing)}")


def _shown(thing: Any) -> str:
    text = repr(thing)
    return text if len(text) <= 60 else f"{text[:57]}..."


def _advice(thing: Any) -> str:
    if isinstance(thing, str):
        return f": invoke({thing!r}) makes an operation"
    if isinstance(thing, set | frozenset):
        return ": a set has no order, use a list"
    if callable(thing):
        return ": wrap a function in draw(...) to have it called for each operation"
    return ": give an Invocation, a generator, an iterable of these, or None"
