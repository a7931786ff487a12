"""When: rates, delays, sleeps, limits.

What users give is in seconds; inside, times are integer nanoseconds of the run.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Final

import msgspec

from workloads.generators.choosing import earlier, waiting
from workloads.generators.lifting import NOTHING, lift
from workloads.generators.protocol import (
    PENDING,
    Answer,
    Context,
    Generator,
    Liftable,
    Pending,
    time_of,
)
from workloads.invocations import Invocation

if TYPE_CHECKING:
    from checker.history.events import Event

SECOND: Final = 1_000_000_000


def nanoseconds(seconds: Any, what: str) -> int:
    """The same in integer nanoseconds; `ValueError` if it is negative or no finite number."""
    real = isinstance(seconds, int | float) and not isinstance(seconds, bool)
    if not real or not math.isfinite(seconds) or seconds < 0:
        raise ValueError(f"{what} is {seconds!r}: give seconds that are not negative")
    whole: int = round(seconds * SECOND)
    return whole


def not_before(op: Invocation, time: int) -> Invocation:
    """The operation, at that time at the earliest."""
    if op.time is None or op.time < time:
        return Invocation(op.f, op.input, op.key, op.process, time, op.node, op.extra, op.plan)
    return op


class Spaced(msgspec.Struct, frozen=True):
    """Intervals between operations: all the same, or random with that mean."""

    generator: Generator
    interval: int
    random: bool
    next: int | None
    """The earliest time of the next operation; None before the first."""

    def op(self, ctx: Context) -> Answer:
        """The next operation, not before its time."""
        answer = self.generator.op(ctx)
        if answer is None:
            return None
        op, after = answer
        if isinstance(op, Pending):
            return op, self._around(after, self.next)
        if self.next is not None:
            op = not_before(op, self.next)
        interval = ctx.rng.below(2 * self.interval + 1) if self.random else self.interval
        return op, self._around(after, time_of(op) + interval)

    def update(self, ctx: Context, event: Event) -> Generator:
        """Pass it on."""
        return self._around(self.generator.update(ctx, event), self.next)

    def _around(self, after: Generator, time: int | None) -> Spaced:
        same = after is self.generator and time is self.next
        return self if same else Spaced(after, self.interval, self.random, time)


class Sleep(msgspec.Struct, frozen=True):
    """Waits for a time that begins when it is first asked with a thread free.

    So one thread's sleep begins when the operation before it has ended: were it counted from the
    invocation, a fault that takes three seconds to inject would be healed two seconds later by
    `[inject, sleep(5), heal]`.
    """

    duration: int

    def op(self, ctx: Context) -> Answer:
        """PENDING, from now on until the time is over."""
        if not ctx.free:
            return PENDING, self
        return SleepUntil(ctx.time + self.duration).op(ctx)

    def update(self, ctx: Context, event: Event) -> Generator:
        """The same."""
        return self


class SleepUntil(msgspec.Struct, frozen=True):
    """Waits until a time."""

    deadline: int

    def op(self, ctx: Context) -> Answer:
        """PENDING before the time, then exhausted."""
        return None if ctx.time >= self.deadline else (Pending(self.deadline), self)

    def update(self, ctx: Context, event: Event) -> Generator:
        """The same."""
        return self


class TimeLimit(msgspec.Struct, frozen=True):
    """Ends so long after its first operation."""

    generator: Generator
    duration: int
    end: int | None
    """The time at which it ends; None before the first operation."""

    def op(self, ctx: Context) -> Answer:
        """The next operation before the end.

        One that lies beyond the end is no reason to end now: an event may bring a sooner one.
        """
        end = self.end
        if end is not None and ctx.time >= end:
            return None
        answer = self.generator.op(ctx)
        if answer is None:
            return None
        op, after = answer
        if isinstance(op, Pending):
            same = after is self.generator
            pending = op if end is None else waiting(earlier(op.until, end))
            return pending, self if same else TimeLimit(after, self.duration, end)
        time = time_of(op)
        if end is None:
            end = time + self.duration
        if time >= end:
            return None if self.end is None else (Pending(end), self)
        return op, TimeLimit(after, self.duration, end)

    def update(self, ctx: Context, event: Event) -> Generator:
        """Pass it on."""
        after = self.generator.update(ctx, event)
        return self if after is self.generator else TimeLimit(after, self.duration, self.end)


def stagger(interval_s: float, generator: Liftable) -> Generator:
    """Operations at random intervals with this mean in seconds, over all threads together.

    Intervals are uniform in [0, twice the mean], so `stagger(1 / rate, g)` gives about `rate`
    operations a second. The first goes at once. An operation that comes late, because no thread
    was free, is not made up for.
    """
    mean = nanoseconds(interval_s, "the interval of stagger")
    return Spaced(lift(generator), mean, True, None) if mean else lift(generator)


def at_rate(per_second: float, generator: Liftable) -> Generator:
    """About so many operations a second over all threads: `stagger` by its rate."""
    if not per_second > 0:
        raise ValueError(f"the rate is {per_second!r}: give operations a second, more than 0")
    return stagger(1 / per_second, generator)


def delay(interval_s: float, generator: Liftable) -> Generator:
    """Operations at least this many seconds apart, over all threads together."""
    return Spaced(lift(generator), nanoseconds(interval_s, "the interval of delay"), False, None)


def sleep(duration_s: float) -> Generator:
    """No operation, for this many seconds.

    In a sequence it makes the rest wait: `[a, sleep(5), b]`. It begins when its turn has come and
    a thread is free; for the nemesis, which is one thread, when the operation before has ended.
    """
    duration = nanoseconds(duration_s, "the duration of sleep")
    return Sleep(duration) if duration else NOTHING


def time_limit(duration_s: float, generator: Liftable) -> Generator:
    """Ends this many seconds after its first operation; the end itself is outside."""
    return TimeLimit(lift(generator), nanoseconds(duration_s, "the time limit"), None)
