"""Several generators side by side: whichever is soonest, a random one, each in turn."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from workloads.generators.counting import repeat
from workloads.generators.lifting import NOTHING, lift
from workloads.generators.protocol import (
    PENDING,
    Answer,
    Context,
    Generator,
    Liftable,
    Pending,
    Rng,
    time_of,
)
from workloads.invocations import Invocation

if TYPE_CHECKING:
    from collections.abc import Sequence

    from checker.history.events import Event

Generators = tuple[Generator, ...]


def earlier(a: int | None, b: int | None) -> int | None:
    """The earlier of two times of which None is never."""
    if a is None or b is None:
        return b if a is None else a
    return min(a, b)


def waiting(until: int | None) -> Pending:
    """PENDING until that time at the latest."""
    return PENDING if until is None else Pending(until)


def is_due(op: Invocation | Pending, ctx: Context) -> bool:
    """Whether it is an operation to be invoked now."""
    return not isinstance(op, Pending) and time_of(op) <= ctx.time


def soonest(
    ctx: Context,
    generators: Generators,
    answers: Sequence[Answer],
    weights: Sequence[int] | None = None,
    *,
    drawn: bool = True,
) -> tuple[Invocation | Pending, Generators] | None:
    """Of what these generators answered, the soonest operation; among equals one by weight.

    Without `drawn` it is the first among equals, and chance is not asked.

    With it come the generators as they are once it was invoked: the winner's followed, those that
    are pending as they said, all others as they were.

    If the soonest lies ahead and a pending one has begun to wait, the answer is PENDING until
    then: the caller drops a proposal with all that follows it, and a sleep would begin again and
    again. It is PENDING too if a pending generator wants to be asked before the soonest.
    """
    after = list(generators)
    best: tuple[Invocation, Generator] | None = None
    best_index, best_time, weight_total = -1, 0, 0
    until: int | None = None
    pending = changed = False
    for i, answer in enumerate(answers):
        if answer is None:
            after[i] = NOTHING
            continue
        op, rest = answer
        if isinstance(op, Pending):
            pending = True
            until = earlier(until, op.until)
            changed = changed or rest is not generators[i]
            after[i] = rest
            continue
        time, weight = time_of(op), 1 if weights is None else weights[i]
        if best is None or time < best_time:
            best, best_index, best_time, weight_total = (op, rest), i, time, weight
        elif time == best_time and drawn:
            weight_total += weight
            if ctx.rng.below(weight_total) < weight:
                best, best_index = (op, rest), i
    if best is None:
        return (waiting(until), tuple(after) if changed else generators) if pending else None
    if best_time > ctx.time and (changed or (until is not None and until < best_time)):
        return waiting(earlier(until, best_time)), tuple(after) if changed else generators
    after[best_index] = best[1]
    return best[0], tuple(after)


def updated(generators: Generators, ctx: Context, event: Event) -> Generators:
    """Each generator after the event; the same tuple where none has changed."""
    for i, generator in enumerate(generators):
        after = generator.update(ctx, event)
        if after is not generator:
            rest = tuple([g.update(ctx, event) for g in generators[i + 1 :]])
            return (*generators[:i], after, *rest)
    return generators


class AnyOf(msgspec.Struct, frozen=True):
    """Whichever is soonest."""

    generators: Generators

    def op(self, ctx: Context) -> Answer:
        """The soonest operation."""
        answer = soonest(ctx, self.generators, [g.op(ctx) for g in self.generators])
        if answer is None:
            return None
        op, after = answer
        return op, self if after is self.generators else AnyOf(after)

    def update(self, ctx: Context, event: Event) -> Generator:
        """Tell all."""
        after = updated(self.generators, ctx, event)
        return self if after is self.generators else AnyOf(after)


class FirstOf(msgspec.Struct, frozen=True):
    """Whichever is soonest, the first among equals."""

    generators: Generators

    def op(self, ctx: Context) -> Answer:
        """The soonest operation."""
        answers = [g.op(ctx) for g in self.generators]
        answer = soonest(ctx, self.generators, answers, drawn=False)
        if answer is None:
            return None
        op, after = answer
        return op, self if after is self.generators else FirstOf(after)

    def update(self, ctx: Context, event: Event) -> Generator:
        """Tell all."""
        after = updated(self.generators, ctx, event)
        return self if after is self.generators else FirstOf(after)


class Mix(msgspec.Struct, frozen=True):
    """A random one each time."""

    generators: Generators
    weights: tuple[int, ...]

    def op(self, ctx: Context) -> Answer:
        """An operation of a random generator; where it has none now, the soonest of all."""
        generators, weights = self.generators, self.weights
        while generators:  # Ends: each turn leaves one out.
            i = drawn_index(ctx.rng, weights)
            answer = generators[i].op(ctx)
            if answer is None:
                generators = generators[:i] + generators[i + 1 :]
                weights = weights[:i] + weights[i + 1 :]
                continue
            op, after = answer
            if not is_due(op, ctx):
                return self._soonest(ctx, generators, weights)
            if after is generators[i] and generators is self.generators:
                return op, self
            return op, Mix((*generators[:i], after, *generators[i + 1 :]), weights)
        return None

    def _soonest(self, ctx: Context, generators: Generators, weights: tuple[int, ...]) -> Answer:
        answer = soonest(ctx, generators, [g.op(ctx) for g in generators], weights)
        if answer is None:
            return None
        op, after = answer
        return op, self if after is self.generators else Mix(after, weights)

    def update(self, ctx: Context, event: Event) -> Generator:
        """Tell all."""
        after = updated(self.generators, ctx, event)
        return self if after is self.generators else Mix(after, self.weights)


class FlipFlop(msgspec.Struct, frozen=True):
    """Each in turn."""

    generators: Generators
    turn: int

    def op(self, ctx: Context) -> Answer:
        """The operation of the one whose turn it is."""
        answer = self.generators[self.turn].op(ctx)
        if answer is None:
            return None
        op, after = answer
        i = self.turn
        pending = isinstance(op, Pending)
        if pending and after is self.generators[i]:
            return op, self
        generators = (*self.generators[:i], after, *self.generators[i + 1 :])
        return op, FlipFlop(generators, i if pending else (i + 1) % len(generators))

    def update(self, ctx: Context, event: Event) -> Generator:
        """Tell all."""
        after = updated(self.generators, ctx, event)
        return self if after is self.generators else FlipFlop(after, self.turn)


def drawn_index(rng: Rng, weights: tuple[int, ...]) -> int:
    """A random index, in proportion to the weights."""
    drawn = rng.below(sum(weights))
    for i, weight in enumerate(weights):
        if drawn < weight:
            return i
        drawn -= weight
    raise AssertionError("a draw beyond the sum of the weights")


def any_of(*generators: Liftable) -> Generator:
    """Whichever generator has the soonest operation; ends when all have ended.

    Among operations of the same time a random one is taken.
    """
    return AnyOf(tuple(lift(g) for g in generators)) if generators else NOTHING


def first_of(*generators: Liftable) -> Generator:
    """As `any_of`; but among operations of the same time the first is taken, and nothing drawn."""
    return FirstOf(tuple(lift(g) for g in generators)) if generators else NOTHING


def mix(*generators: Liftable, weights: Sequence[int] | None = None) -> Generator:
    """A random generator each time, with equal chance or in proportion to the weights.

    If the one drawn has nothing to do now, the soonest of all goes. One that is exhausted is left
    out; the mix ends when all have ended. A bare `Invocation` is a kind of operation here, and
    stands for itself every time it is drawn (`once` for a single one).
    """
    lifted = tuple(_kind(g) for g in generators)
    shares = (1,) * len(lifted) if weights is None else tuple(weights)
    if len(shares) != len(lifted) or any(w < 1 for w in shares):
        raise ValueError(
            f"weights {list(shares)} for {len(lifted)} generators: give one of at least 1 for each"
        )
    return Mix(lifted, shares) if lifted else NOTHING


def flip_flop(*generators: Liftable) -> Generator:
    """One operation of each generator in turn; ends as soon as the one in turn has ended.

    A bare `Invocation` is a kind of operation here too, and does not end.
    """
    return FlipFlop(tuple(_kind(g) for g in generators), 0) if generators else NOTHING


def _kind(thing: Liftable) -> Generator:
    return repeat(thing) if isinstance(thing, Invocation) else lift(thing)
