"""Several keys: one after another, or groups of threads on keys that are out of phase."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from workloads.generators.choosing import is_due, soonest
from workloads.generators.counting import counted
from workloads.generators.lifting import EMPTY_ITEMS_MAX, NOTHING, Cell, lift
from workloads.generators.protocol import (
    PENDING,
    Answer,
    Context,
    Generator,
    Liftable,
    Pending,
    is_client_thread,
)
from workloads.invocations import Invocation

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from checker.history.events import Event


class Keyed(msgspec.Struct, frozen=True):
    """Operations on one key."""

    key: Any
    generator: Generator

    def op(self, ctx: Context) -> Answer:
        """The next operation, with the key."""
        answer = self.generator.op(ctx)
        if answer is None:
            return None
        op, after = answer
        rest = self if after is self.generator else Keyed(self.key, after)
        if isinstance(op, Pending):
            return op, rest
        if op.key is not None:
            # Overwritten, its events would not be known again inside: they carry the outer key.
            raise ValueError(f"{op!r} is to be on the key {self.key!r}, but has one already")
        return Invocation(op.f, op.input, self.key, op.process, op.time, op.node, op.extra), rest

    def update(self, ctx: Context, event: Event) -> Generator:
        """Pass on what was done to the key."""
        if event.key != self.key:
            return self
        after = self.generator.update(ctx, event)
        return self if after is self.generator else Keyed(self.key, after)


class ConcurrentKeys(msgspec.Struct, frozen=True):
    """Groups of threads, each on a key of its own until that key's generator has ended."""

    size: int
    """Threads in a group."""
    active: tuple[Generator, ...]
    """What each group has left of its key, for the groups that have begun."""
    rest: Cell
    """The keys that no group has begun."""

    def op(self, ctx: Context) -> Answer:
        """The soonest operation of the groups that have a free thread.

        They are asked from a random one onwards, up to the first that has something to do now.
        """
        groups = self._groups(ctx)
        if not groups:
            return None
        active, rest = [*self.active, *[NOTHING] * (len(groups) - len(self.active))], self.rest
        first = ctx.rng.below(len(groups))
        asked: list[int] = []
        answers: list[Answer] = []
        for i in (*range(first, len(groups)), *range(first)):
            own = ctx.only(groups[i])
            answer: Answer = (PENDING, active[i])
            if own.free:
                active[i], rest, answer = _advanced(active[i], rest, own)
            asked.append(i)
            answers.append(answer)
            if answer is not None and is_due(answer[0], ctx):
                break
        chosen = soonest(ctx, tuple([active[i] for i in asked]), answers)
        if chosen is None:
            return None
        for i, after in zip(asked, chosen[1], strict=True):
            active[i] = after
        return chosen[0], ConcurrentKeys(self.size, tuple(active), rest)

    def update(self, ctx: Context, event: Event) -> Generator:
        """Tell the group whose thread it is."""
        thread = ctx.thread_of(event.process)
        for i, group in enumerate(self._groups(ctx)[: len(self.active)]):
            if thread not in group:
                continue
            after = self.active[i].update(ctx.only(group), event)
            if after is self.active[i]:
                return self
            active = (*self.active[:i], after, *self.active[i + 1 :])
            return ConcurrentKeys(self.size, active, self.rest)
        return self

    def _groups(self, ctx: Context) -> list[list[int | str]]:
        threads = [t for t in ctx.processes if is_client_thread(t)]
        return [threads[i : i + self.size] for i in range(0, len(threads), self.size)]


def _advanced(generator: Generator, rest: Cell, ctx: Context) -> tuple[Generator, Cell, Answer]:
    """The generator, or that of the next key that yields anything, the other keys, its answer."""
    for _ in range(EMPTY_ITEMS_MAX):
        answer = generator.op(ctx)
        forced = rest.force() if answer is None else None
        if forced is None:
            return generator, rest, answer
        generator, rest = forced
    raise RuntimeError(f"the generators of {EMPTY_ITEMS_MAX} keys in a row yielded no operation")


def on_key(key: Any, generator: Liftable) -> Generator:
    """The generator's operations on this key; it is told of events of this key alone.

    They must have none yet: `ValueError` when one is asked that does.
    """
    return Keyed(key, lift(generator))


def sequential_keys(keys: Iterable[Any], make: Callable[[Any], Liftable]) -> Generator:
    """All threads on one key, until `make(key)` has ended, then on the next; keys may be endless.

    `make` is called once for each key, when its turn comes.
    """
    return lift(on_key(key, make(key)) for key in keys)


def concurrent_keys(
    threads_per_key: int, keys: Iterable[Any], make: Callable[[Any], Liftable]
) -> Generator:
    """Groups of so many client threads, each on a key of its own; keys may be endless.

    When `make(key)` has ended, the group goes on with the next key that nobody has begun: keys
    begin and end out of phase, so that at any moment some are young and some are old. The last
    group has the threads that remain. `make` is called once for each key, when its turn comes.
    """
    if counted(threads_per_key, "threads_per_key") < 1:
        raise ValueError("threads_per_key is 0: a key needs a thread")
    made = (on_key(key, make(key)) for key in keys)
    return ConcurrentKeys(threads_per_key, (), Cell(made))
