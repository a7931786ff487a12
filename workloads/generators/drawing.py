"""Operations made afresh by a function each time, changed on their way, or left out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import msgspec

from workloads.generators.lifting import NOTHING, lift
from workloads.generators.protocol import (
    PENDING,
    Answer,
    Context,
    Generator,
    Liftable,
    Pending,
    Rng,
)
from workloads.invocations import Invocation

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from checker.history.events import Event

REFUSALS_MAX: Final = 10_000
"""So many operations in a row that a filter refuses are taken for an endless loop."""


class Draw(msgspec.Struct, frozen=True):
    """Whatever a function of chance returns, and then again; `current` is what is left of it."""

    function: Callable[[Rng], Liftable]
    current: Generator

    def op(self, ctx: Context) -> Answer:
        """The next operation of what was drawn, or of a fresh draw."""
        if self.current is not NOTHING:
            answer = self.current.op(ctx)
            if answer is not None:
                op, after = answer
                return op, self if after is self.current else Draw(self.function, after)
        if not ctx.free:
            return PENDING, self
        drawn = self.function(ctx.rng)
        if isinstance(drawn, Invocation):
            return ctx.fill(drawn), self if self.current is NOTHING else Draw(
                self.function, NOTHING
            )
        answer = lift(drawn).op(ctx)
        if answer is None:
            raise ValueError(
                f"the function of draw returned {drawn!r}, which yields nothing; it must return "
                "an operation, or operations (end a draw by limit, time_limit or filtered)"
            )
        return answer[0], Draw(self.function, answer[1])

    def update(self, ctx: Context, event: Event) -> Generator:
        """Tell what was drawn."""
        after = self.current.update(ctx, event)
        return self if after is self.current else Draw(self.function, after)


class FromContext(msgspec.Struct, frozen=True):
    """Whatever a function of the context returns."""

    function: Callable[[Context], Invocation | Pending]

    def op(self, ctx: Context) -> Answer:
        """The operation that the function makes."""
        if not ctx.free:
            return PENDING, self
        made = self.function(ctx)
        if isinstance(made, Pending):
            return made, self
        if not isinstance(made, Invocation):
            raise TypeError(
                f"the function of from_context returned {made!r}: it must return an Invocation, "
                "or PENDING to be asked later"
            )
        return ctx.fill(made), self

    def update(self, ctx: Context, event: Event) -> Generator:
        """The same."""
        return self


class Mapped(msgspec.Struct, frozen=True):
    """Each operation as a function changes it."""

    function: Callable[[Invocation], Invocation]
    generator: Generator

    def op(self, ctx: Context) -> Answer:
        """The next operation, changed."""
        answer = self.generator.op(ctx)
        if answer is None:
            return None
        op, after = answer
        rest = self if after is self.generator else Mapped(self.function, after)
        return (op if isinstance(op, Pending) else self.function(op)), rest

    def update(self, ctx: Context, event: Event) -> Generator:
        """Pass it on."""
        after = self.generator.update(ctx, event)
        return self if after is self.generator else Mapped(self.function, after)


class Filtered(msgspec.Struct, frozen=True):
    """The operations that a predicate accepts."""

    predicate: Callable[[Invocation], bool]
    generator: Generator

    def op(self, ctx: Context) -> Answer:
        """The next operation that is accepted; the others are passed over."""
        generator = self.generator
        for _ in range(REFUSALS_MAX):
            answer = generator.op(ctx)
            if answer is None:
                return None
            op, after = answer
            if isinstance(op, Pending) or self.predicate(op):
                return op, self if after is self.generator else Filtered(self.predicate, after)
            generator = after
        raise RuntimeError(
            f"a filter refused {REFUSALS_MAX} operations in a row: it would go on forever"
        )

    def update(self, ctx: Context, event: Event) -> Generator:
        """Pass it on."""
        after = self.generator.update(ctx, event)
        return self if after is self.generator else Filtered(self.predicate, after)


class Numbered(msgspec.Struct, frozen=True):
    """Operations of some names get numbers of their own."""

    inputs: Mapping[str, Callable[[int, Any], Any]]
    generator: Generator
    next: int
    step: int

    def op(self, ctx: Context) -> Answer:
        """The next operation, with the next number if its name is one of them."""
        answer = self.generator.op(ctx)
        if answer is None:
            return None
        op, after = answer
        same = after is self.generator
        make = None if isinstance(op, Pending) else self.inputs.get(op.f)
        if isinstance(op, Pending) or make is None:
            return op, self if same else Numbered(self.inputs, after, self.next, self.step)
        made = make(self.next, op.input)
        numbered = Invocation(op.f, made, op.key, op.process, op.time, op.node, op.extra)
        return numbered, Numbered(self.inputs, after, self.next + self.step, self.step)

    def update(self, ctx: Context, event: Event) -> Generator:
        """Pass it on."""
        after = self.generator.update(ctx, event)
        if after is self.generator:
            return self
        return Numbered(self.inputs, after, self.next, self.step)


def draw(function: Callable[[Rng], Liftable]) -> Generator:
    """Operations drawn by a function of `ctx.rng`, called afresh for each; without end.

    The function returns an `Invocation`, or anything that lifts into a generator, which is then
    exhausted before the function is called again. It must draw from the stream that it is given
    and from nothing else, and change nothing: it is called for proposals that are dropped, too.
    """
    if not callable(function):
        raise TypeError(f"draw needs a function of an rng, not {function!r}")
    return Draw(function, NOTHING)


def from_context(function: Callable[[Context], Invocation | Pending]) -> Generator:
    """Operations made by a function of the context, called afresh for each; without end.

    The function may return PENDING to be asked later. The rules of `draw` hold.
    """
    if not callable(function):
        raise TypeError(f"from_context needs a function of a context, not {function!r}")
    return FromContext(function)


def mapped(function: Callable[[Invocation], Invocation], generator: Liftable) -> Generator:
    """Each operation as the function changes it. Process and time are filled in, and must stay."""
    return Mapped(function, lift(generator))


def filtered(predicate: Callable[[Invocation], bool], generator: Liftable) -> Generator:
    """The operations that the predicate accepts; the others are passed over.

    Over operations drawn at random it is chance, too, whether any are left.
    """
    return Filtered(predicate, lift(generator))


def numbered(
    inputs: Mapping[str, Callable[[int, Any], Any]],
    generator: Liftable,
    *,
    start: int = 1,
    step: int = 1,
) -> Generator:
    """Gives operations unique numbers, in the order in which they are yielded.

    `inputs` maps the name of an operation to a function of its number and its input so far that
    returns its input: `numbered({"write": lambda n, _: n}, ...)` writes 1, 2, 3, ... Copies of a
    numbered generator (inside `each_process`, for each key) count on their own: number outside of
    them, or give them a `start` and a `step` that keep them apart.
    """
    if step == 0:
        raise ValueError("step is 0: the numbers would all be the same")
    return Numbered(dict(inputs), lift(generator), start, step)
