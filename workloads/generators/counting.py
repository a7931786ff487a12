"""How often: once, so many times, again and again, until it worked."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from workloads.generators.lifting import NOTHING, lift, sequence
from workloads.generators.protocol import (
    PENDING,
    Answer,
    Context,
    Generator,
    Liftable,
    Pending,
    process_of,
)

if TYPE_CHECKING:
    from checker.history.events import Event
    from workloads.invocations import Invocation


class Limit(msgspec.Struct, frozen=True):
    """At most so many operations."""

    remaining: int
    generator: Generator

    def op(self, ctx: Context) -> Answer:
        """The next operation while any remains."""
        if not self.remaining:
            return None
        answer = self.generator.op(ctx)
        if answer is None:
            return None
        op, after = answer
        if isinstance(op, Pending):
            return op, self if after is self.generator else Limit(self.remaining, after)
        return op, Limit(self.remaining - 1, after)

    def update(self, ctx: Context, event: Event) -> Generator:
        """Pass it on."""
        after = self.generator.update(ctx, event)
        return self if after is self.generator else Limit(self.remaining, after)


class Repeat(msgspec.Struct, frozen=True):
    """The first operation of `origin` again and again; `current` is how far it has waited."""

    origin: Generator
    current: Generator
    remaining: int | None

    def op(self, ctx: Context) -> Answer:
        """The first operation."""
        remaining = self.remaining
        if remaining == 0:
            return None
        answer = self.current.op(ctx)
        if answer is None:
            return None
        op, after = answer
        if isinstance(op, Pending):
            return op, self if after is self.current else Repeat(self.origin, after, remaining)
        if remaining is None and self.current is self.origin:
            return op, self
        less = None if remaining is None else remaining - 1
        return op, Repeat(self.origin, self.origin, less)

    def update(self, ctx: Context, event: Event) -> Generator:
        """Pass it on to the origin too: it is what comes next."""
        origin = self.origin.update(ctx, event)
        if self.current is self.origin:
            return self if origin is self.origin else Repeat(origin, origin, self.remaining)
        return Repeat(origin, self.current.update(ctx, event), self.remaining)


class Cycle(msgspec.Struct, frozen=True):
    """All of `origin` again and again; `current` is what is left of this round."""

    origin: Generator
    current: Generator
    remaining: int | None

    def op(self, ctx: Context) -> Answer:
        """The next operation of this round, or the first of the next one."""
        remaining = self.remaining
        if remaining == 0:
            return None
        answer = self.current.op(ctx)
        if answer is None:
            remaining = None if remaining is None else remaining - 1
            if self.current is self.origin or remaining == 0:
                return None  # A round that yields nothing would go on forever.
            answer = self.origin.op(ctx)
            if answer is None:
                return None
        op, after = answer
        if after is self.current and remaining == self.remaining:
            return op, self
        return op, Cycle(self.origin, after, remaining)

    def update(self, ctx: Context, event: Event) -> Generator:
        """Tell this round."""
        after = self.current.update(ctx, event)
        return self if after is self.current else Cycle(self.origin, after, self.remaining)


class UntilOk(msgspec.Struct, frozen=True):
    """Ends once an operation of its own has completed as `ok`."""

    generator: Generator
    active: frozenset[int | str]
    """The processes that carry an operation of its own."""

    def op(self, ctx: Context) -> Answer:
        """The next operation."""
        answer = self.generator.op(ctx)
        if answer is None:
            return None
        op, after = answer
        if isinstance(op, Pending):
            return op, self if after is self.generator else UntilOk(after, self.active)
        return op, UntilOk(after, self.active | {process_of(op)})

    def update(self, ctx: Context, event: Event) -> Generator:
        """End at an `ok` of its own."""
        active = self.active
        if event.process in active and event.type != "invoke":
            if event.type == "ok":
                return NOTHING
            active = active - {event.process}
        after = self.generator.update(ctx, event)
        if after is self.generator and active is self.active:
            return self
        return UntilOk(after, active)


class Retry(msgspec.Struct, frozen=True):
    """Asks again what did not end in `ok`."""

    generator: Generator
    attempts_max: int
    outstanding: dict[int | str, tuple[Invocation, int]]
    """For each process with an operation of its own: the operation, and which attempt it is."""
    again: tuple[tuple[Invocation, int], ...]

    def op(self, ctx: Context) -> Answer:
        """What is to be asked again, then the generator's own; waits for what is outstanding."""
        if self.again:
            invocation, attempt = self.again[0]
            filled = ctx.fill(invocation)
            if isinstance(filled, Pending):
                return filled, self
            return filled, self._asked(filled, attempt, self.generator, self.again[1:])
        answer = self.generator.op(ctx)
        if answer is None:
            return (PENDING, self) if self.outstanding else None
        op, after = answer
        if isinstance(op, Pending):
            if after is self.generator:
                return op, self
            return op, Retry(after, self.attempts_max, self.outstanding, self.again)
        return op, self._asked(op, 1, after, self.again)

    def _asked(
        self,
        op: Invocation,
        attempt: int,
        after: Generator,
        again: tuple[tuple[Invocation, int], ...],
    ) -> Retry:
        outstanding = {**self.outstanding, process_of(op): (op, attempt)}
        return Retry(after, self.attempts_max, outstanding, again)

    def update(self, ctx: Context, event: Event) -> Generator:
        """Note what ended, and how."""
        after = self.generator.update(ctx, event)
        own = self.outstanding.get(event.process)
        if own is None or event.type == "invoke":
            if after is self.generator:
                return self
            return Retry(after, self.attempts_max, self.outstanding, self.again)
        op, attempt = own
        outstanding = {p: o for p, o in self.outstanding.items() if p != event.process}
        again = self.again
        if event.type != "ok" and attempt < self.attempts_max:
            open_again = type(op)(op.f, op.input, op.key, None, None, op.node, op.extra)
            again = (*again, (open_again, attempt + 1))
        return Retry(after, self.attempts_max, outstanding, again)


def counted(n: object, what: str) -> int:
    """The number, if it is a whole one that is not negative; otherwise `ValueError`."""
    if not isinstance(n, int) or isinstance(n, bool) or n < 0:
        raise ValueError(f"{what} is {n!r}: give a whole number that is not negative")
    return n


def limit(n: int, generator: Liftable) -> Generator:
    """At most `n` operations."""
    return Limit(counted(n, "the limit"), lift(generator))


def once(generator: Liftable) -> Generator:
    """The first operation alone."""
    return limit(1, generator)


def repeat(generator: Liftable, *, times: int | None = None) -> Generator:
    """The first operation again and again, without end or so many times.

    The generator never goes on from there: `repeat([a, b])` yields `a, a, a, ...`. To start over
    when it has ended, `cycle` it.
    """
    lifted = lift(generator)
    return Repeat(lifted, lifted, None if times is None else counted(times, "times"))


def cycle(*generators: Liftable, times: int | None = None) -> Generator:
    """These one after another, then again from the first, without end or for so many rounds."""
    lifted = sequence(tuple(lift(g) for g in generators))
    return Cycle(lifted, lifted, None if times is None else counted(times, "times"))


def until_ok(generator: Liftable) -> Generator:
    """Until one of its operations has completed as `ok`.

    As long as none has, other threads are given more of its operations; it ends too when the
    generator does.
    """
    return UntilOk(lift(generator), frozenset())


def retry(attempts_max: int, generator: Liftable) -> Generator:
    """Asks each operation again, on any process, if it ended in `fail` or `info`.

    At most so many attempts in all; it ends when every operation has ended for good. For reads:
    a write asked again is a second write, and the first may still happen.
    """
    if counted(attempts_max, "attempts_max") < 1:
        raise ValueError("attempts_max is 0: the first attempt is one")
    return Retry(lift(generator), attempts_max, {}, ())
