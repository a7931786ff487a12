"""What a generator is, and what it may see."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, Protocol, TypeAlias, TypeVar

import msgspec

from checker.history.events import NEMESIS
from workloads.invocations import Invocation

if TYPE_CHECKING:
    from collections.abc import Sequence

    from checker.history.events import Event

T = TypeVar("T")


class Rng(Protocol):
    """A stream of random integers. No floats: the same seed must mean the same everywhere."""

    def below(self, n: int) -> int:
        """An integer in [0, n)."""
        ...

    def between(self, low: int, high: int) -> int:
        """An integer in [low, high]."""
        ...

    def chance(self, per_million: int) -> bool:
        """True in that many of a million cases."""
        ...

    def choice(self, items: Sequence[T]) -> T:
        """One of the items."""
        ...

    def shuffled(self, items: Sequence[T]) -> list[T]:
        """The items in another order."""
        ...

    def stream(self, concern: str) -> Rng:
        """A stream of its own for a concern, the same each time; draws nothing from this one."""
        ...


class Pending(msgspec.Struct, frozen=True):
    """Nothing to do now: ask again after the next event, or at the time `until` if it comes first.

    `until` (nanoseconds of the run) is set where time alone brings the next operation, as after a
    sleep: with nothing in flight no event would ever come to end it.
    """

    until: int | None = None


PENDING: Final = Pending()


class Context(msgspec.Struct, frozen=True):
    """What a generator may see: time (nanoseconds of the run), who is free, the nodes, chance.

    `zones` are groups of nodes that share a fate; `roles` which nodes play which, where that was
    looked for; `spares` are the nodes that are no members at first.

    Threads are the fixed workers 0..n-1 and `"nemesis"`; `processes` maps each to the process it
    carries now (a thread whose operation ended in `info` goes on under a new process number).
    """

    time: int
    free: tuple[int | str, ...]
    processes: dict[int | str, int | str]
    nodes: tuple[str, ...]
    rng: Rng
    zones: tuple[tuple[str, ...], ...] = ()
    roles: dict[str, tuple[str, ...]] = {}
    spares: tuple[str, ...] = ()
    clients: tuple[tuple[int | str, ...], dict[int | str, int | str]] | None = None
    """`free` and `processes` less the nemesis, where whoever made the context has them at hand: it
    is asked for them several times in each operation."""

    @property
    def threads(self) -> tuple[int | str, ...]:
        """Every thread of this context, busy ones too."""
        return tuple(self.processes)

    def thread_of(self, process: int | str) -> int | str | None:
        """The thread that carries this process now, None if it was retired."""
        if self.processes.get(process) == process:  # So it is until a thread's first `info`.
            return process
        for thread, carried in self.processes.items():
            if carried == process:
                return thread
        return None

    def only(self, threads: Sequence[int | str]) -> Context:
        """The same context, seen by a generator that has these threads alone, in this order."""
        all_processes = self.processes
        processes = {t: all_processes[t] for t in threads if t in all_processes}
        free = tuple([t for t in self.free if t in processes])
        nodes, rng, zones, roles = self.nodes, self.rng, self.zones, self.roles
        return Context(self.time, free, processes, nodes, rng, zones, roles, self.spares)

    def without(self, thread: int | str) -> Context:
        """The same context, seen by a generator that has all other threads."""
        if thread not in self.processes:
            return self
        if thread == NEMESIS and self.clients is not None:
            free, processes = self.clients
        else:
            processes = self.processes.copy()
            del processes[thread]
            free = self.free
            if thread in free:
                free = tuple([t for t in free if t != thread])
        nodes, rng, zones, roles = self.nodes, self.rng, self.zones, self.roles
        return Context(self.time, free, processes, nodes, rng, zones, roles, self.spares)

    def alone(self, thread: int | str) -> Context:
        """The same context, seen by a generator that has this one free thread."""
        carried = {thread: self.processes[thread]}
        nodes, rng, zones, roles = self.nodes, self.rng, self.zones, self.roles
        return Context(self.time, (thread,), carried, nodes, rng, zones, roles, self.spares)

    def fill(self, invocation: Invocation) -> Invocation | Pending:
        """Give the operation a free process and a time; PENDING if nobody is free.

        Raises `ValueError` where the operation names a process that no thread here carries: it
        would wait forever.
        """
        process = invocation.process
        if process is None:
            if not self.free:
                return PENDING
            process = self.processes[self.free[self.rng.below(len(self.free))]]
        else:
            thread = self.thread_of(process)
            if thread is None:
                raise ValueError(
                    f"{invocation.f!r} is to be invoked by process {process!r}, which was retired "
                    f"or belongs to other generators; processes here: "
                    f"{list(self.processes.values())}. Leave `process` open to let any free one "
                    "do it"
                )
            if thread not in self.free:
                return PENDING
        time = invocation.time
        return Invocation(
            invocation.f,
            invocation.input,
            invocation.key,
            process,
            self.time if time is None or time < self.time else time,
            invocation.node,
            invocation.extra,
            invocation.plan,
        )


Answer: TypeAlias = "tuple[Invocation | Pending, Generator] | None"
"""What `op` answers."""


class Generator(Protocol):
    """An immutable value that yields operations.

    `op` answers the next operation (its `process` and `time` filled in) with the generator that
    follows it; PENDING with the generator to ask later; None when it is exhausted, and then for
    good. An operation whose time lies ahead is a proposal: the caller may take it if nothing
    happens before, or wait, drop it with the generator that follows it, and ask the *same*
    generator again; so `op` changes nothing but the stream of `ctx.rng`. The generator that comes
    with PENDING is kept, never dropped: it may remember when a sleep began.

    `update` is told of every event of the threads it sees, invocations too. Its context still
    shows the process of the event: one that ended in `info` is replaced afterwards.
    """

    def op(self, ctx: Context) -> Answer:
        """The next operation and what follows it."""
        ...

    def update(self, ctx: Context, event: Event) -> Generator:
        """The generator after this event was recorded."""
        ...


def time_of(op: Invocation) -> int:
    """The time of an operation that a generator yielded. `TypeError` if it was left open."""
    if op.time is None:
        raise TypeError(f"{op!r} was yielded without a time: a generator fills in by ctx.fill(op)")
    return op.time


def process_of(op: Invocation) -> int | str:
    """The process of an operation that a generator yielded. `TypeError` if it was left open."""
    if op.process is None:
        raise TypeError(f"{op!r} was yielded without a process: fill it in by ctx.fill(op)")
    return op.process


def is_client_thread(thread: int | str) -> bool:
    """Whether a thread carries clients."""
    return thread != NEMESIS


Liftable = Any
"""A generator, an Invocation, None, or an iterable of these; see `lift`."""
