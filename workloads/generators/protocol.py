"""What a generator is, and what it may see."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final, Protocol, TypeVar

from checker.history.events import NEMESIS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from checker.history.events import Event
    from workloads.invocations import Invocation

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


class Pending:
    """Nothing to do now, ask again after the next event or when the time has passed."""

    def __repr__(self) -> str:
        return "PENDING"


PENDING: Final = Pending()


@dataclass(frozen=True, slots=True)
class Context:
    """What a generator may see: time (nanoseconds of the run), who is free, the nodes, chance.

    Threads are the fixed workers 0..n-1 and `"nemesis"`; `processes` maps each to the process it
    carries now (a thread whose operation ended in `info` goes on under a new process number).
    """

    time: int
    free: tuple[int | str, ...]
    processes: dict[int | str, int | str]
    nodes: tuple[str, ...]
    rng: Rng

    @property
    def threads(self) -> tuple[int | str, ...]:
        """Every thread of this context, busy ones too."""
        return tuple(self.processes)

    def thread_of(self, process: int | str) -> int | str | None:
        """The thread that carries this process now, None if it was retired."""
        return next((t for t, p in self.processes.items() if p == process), None)

    def only(self, threads: frozenset[int | str]) -> Context:
        """The same context, seen by a generator that has these threads alone."""
        return replace(
            self,
            free=tuple(t for t in self.free if t in threads),
            processes={t: p for t, p in self.processes.items() if t in threads},
        )

    def fill(self, invocation: Invocation) -> Invocation | Pending:
        """Give the operation a free process and a time; PENDING if nobody is free."""
        if invocation.process is None:
            if not self.free:
                return PENDING
            thread = self.free[self.rng.below(len(self.free))]
            invocation = replace(invocation, process=self.processes[thread])
        elif self.thread_of(invocation.process) not in self.free:
            return PENDING
        time = self.time if invocation.time is None else max(invocation.time, self.time)
        return replace(invocation, time=time)


class Generator(Protocol):
    """An immutable value that yields operations.

    `op` answers the next operation (its `process` and `time` filled in) with the generator that
    follows it; PENDING with the generator to ask later; None when it is exhausted. An operation
    whose time lies ahead is a proposal: the caller may wait, drop it, and ask the *same* generator
    again, so `op` must change nothing. `update` is told of every event of the threads it sees.
    """

    def op(self, ctx: Context) -> tuple[Invocation | Pending, Generator] | None:
        """The next operation and what follows it."""
        ...

    def update(self, ctx: Context, event: Event) -> Generator:
        """The generator after this event was recorded."""
        ...


def is_client_thread(thread: int | str) -> bool:
    """Whether a thread carries clients."""
    return thread != NEMESIS


Liftable = Any
"""A generator, an Invocation, None, or an iterable of these; see `lift`."""
