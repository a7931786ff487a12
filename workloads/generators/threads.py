"""Who does it: clients or nemesis, so many threads for this, each process its own copy."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from checker.history.events import NEMESIS
from workloads.generators.choosing import is_due, soonest
from workloads.generators.counting import counted
from workloads.generators.lifting import NOTHING, lift
from workloads.generators.protocol import (
    PENDING,
    Answer,
    Context,
    Generator,
    Liftable,
)

if TYPE_CHECKING:
    from collections.abc import Iterable

    from checker.history.events import Event

Thread = int | str


class OnClients(msgspec.Struct, frozen=True):
    """Sees all threads but the nemesis."""

    generator: Generator

    def op(self, ctx: Context) -> Answer:
        """The next operation, by a client."""
        answer = self.generator.op(ctx.without(NEMESIS))
        if answer is None:
            return None
        op, after = answer
        return op, self if after is self.generator else OnClients(after)

    def update(self, ctx: Context, event: Event) -> Generator:
        """Pass on what a client did."""
        if event.process == NEMESIS:
            return self
        after = self.generator.update(ctx.without(NEMESIS), event)
        return self if after is self.generator else OnClients(after)


class OnThreads(msgspec.Struct, frozen=True):
    """Sees some threads alone."""

    threads: tuple[Thread, ...]
    generator: Generator

    def op(self, ctx: Context) -> Answer:
        """The next operation, by one of the threads."""
        own = ctx.only(self.threads)
        if not own.processes:
            raise ValueError(
                f"a generator is for the threads {list(self.threads)} alone, and none of them is "
                f"here; there are {list(ctx.threads)}"
            )
        answer = self.generator.op(own)
        if answer is None:
            return None
        op, after = answer
        return op, self if after is self.generator else OnThreads(self.threads, after)

    def update(self, ctx: Context, event: Event) -> Generator:
        """Pass on what one of the threads did."""
        thread = ctx.thread_of(event.process)
        if thread is None or thread not in self.threads:
            return self
        after = self.generator.update(ctx.only(self.threads), event)
        return self if after is self.generator else OnThreads(self.threads, after)


class Reserve(msgspec.Struct, frozen=True):
    """The first threads for the first generator, and so on; the last one gets the rest."""

    counts: tuple[int, ...]
    generators: tuple[Generator, ...]

    def op(self, ctx: Context) -> Answer:
        """The soonest operation; among equals in proportion to the threads."""
        parts = self._parts(ctx)
        answers: list[Answer] = []
        for generator, part in zip(self.generators, parts, strict=True):
            own = ctx.only(part)
            if own.free:
                answers.append(generator.op(own))
            else:
                answers.append((PENDING, generator) if part else None)
        answer = soonest(ctx, self.generators, answers, [len(part) for part in parts])
        if answer is None:
            return None
        op, after = answer
        return op, self if after is self.generators else Reserve(self.counts, after)

    def update(self, ctx: Context, event: Event) -> Generator:
        """Tell the one whose thread it is."""
        thread = ctx.thread_of(event.process)
        for i, part in enumerate(self._parts(ctx)):
            if thread not in part:
                continue
            after = self.generators[i].update(ctx.only(part), event)
            if after is self.generators[i]:
                return self
            generators = (*self.generators[:i], after, *self.generators[i + 1 :])
            return Reserve(self.counts, generators)
        return self

    def _parts(self, ctx: Context) -> list[list[Thread]]:
        """The threads of each generator; the last part is the rest, the nemesis among it."""
        threads = [t for t in ctx.processes if t != NEMESIS]
        if sum(self.counts) > len(threads):
            raise ValueError(
                f"reserve keeps {sum(self.counts)} threads ({list(self.counts)}), but there are "
                f"{len(threads)} client threads: raise the concurrency or reserve fewer"
            )
        parts, first = [], 0
        for count in self.counts:
            parts.append(threads[first : first + count])
            first += count
        rest = threads[first:]
        parts.append([*rest, NEMESIS] if NEMESIS in ctx.processes else rest)
        return parts


class Copy(msgspec.Struct, frozen=True):
    """What a thread has left of its copy, and the process for which it was made."""

    process: int | str
    generator: Generator


class Each(msgspec.Struct, frozen=True):
    """A copy for each thread; with `renewed`, a fresh one for each new process of a thread."""

    origin: Generator
    copies: dict[Thread, Copy]
    renewed: bool

    def op(self, ctx: Context) -> Answer:
        """The soonest operation of the threads that are free.

        They are asked from a random one onwards, up to the first that has something to do now:
        nothing can be sooner, and every free thread comes first equally often.
        """
        free, processes = ctx.free, ctx.processes
        if not free:
            return (PENDING, self) if processes else None
        first = ctx.rng.below(len(free))
        threads = free[first:] + free[:first]
        generators: list[Generator] = []
        answers: list[Answer] = []
        for thread in threads:
            generator = self._copy(thread, processes[thread])
            answer = generator.op(ctx.alone(thread))
            generators.append(generator)
            answers.append(answer)
            if answer is not None and is_due(answer[0], ctx):
                break
        chosen = soonest(ctx, tuple(generators), answers)
        if chosen is None:
            return (PENDING, self) if len(free) < len(processes) else None
        changed = {
            thread: Copy(processes[thread], after)
            for thread, generator, after in zip(threads, generators, chosen[1], strict=False)
            if after is not generator
        }
        if not changed:
            return chosen[0], self
        return chosen[0], Each(self.origin, {**self.copies, **changed}, self.renewed)

    def _copy(self, thread: Thread, process: int | str) -> Generator:
        copy = self.copies.get(thread)
        if copy is None or (self.renewed and copy.process != process):
            return self.origin
        return copy.generator

    def update(self, ctx: Context, event: Event) -> Generator:
        """Tell the copy of the thread whose event it is."""
        thread = ctx.thread_of(event.process)
        if thread is None:
            return self
        generator = self._copy(thread, event.process)
        after = generator.update(ctx.only((thread,)), event)
        if after is generator:
            return self
        copies = {**self.copies, thread: Copy(event.process, after)}
        return Each(self.origin, copies, self.renewed)


def on_threads(threads: Iterable[Thread], generator: Liftable) -> Generator:
    """The generator for these threads alone: it sees no others and no others' events."""
    return OnThreads(tuple(dict.fromkeys(threads)), lift(generator))


def on_clients(generator: Liftable) -> Generator:
    """The generator for all threads but the nemesis."""
    return OnClients(lift(generator))


def on_nemesis(generator: Liftable) -> Generator:
    """The generator for the nemesis alone."""
    return OnThreads((NEMESIS,), lift(generator))


def reserve(*kept: tuple[int, Liftable], rest: Liftable = None) -> Generator:
    """So many client threads for each generator, in order, and all other threads for `rest`.

    `reserve((2, writes), (3, reads), rest=scans)`. Where no thread is left, `rest` yields nothing.
    Raises `ValueError` when it is first asked with fewer threads than it keeps.
    """
    for count, _ in kept:
        if counted(count, "the number of threads that reserve keeps") < 1:
            raise ValueError("reserve keeps 0 threads for a generator: leave it out")
    generators = (*(lift(g) for _, g in kept), lift(rest))
    return Reserve(tuple(count for count, _ in kept), generators)


def each_thread(generator: Liftable) -> Generator:
    """A copy of the generator for each thread; ends when all are done and free."""
    return _each(generator, renewed=False)


def each_process(generator: Liftable) -> Generator:
    """A copy of the generator for each process; ends when all are done and free.

    A process that takes a retired one's place begins with a fresh copy. A `sleep` inside begins
    when the copy is first asked, which may be a few operations after its thread came free.
    """
    return _each(generator, renewed=True)


def _each(generator: Liftable, *, renewed: bool) -> Generator:
    lifted = lift(generator)
    return lifted if lifted is NOTHING else Each(lifted, {}, renewed)
