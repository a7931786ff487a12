"""Replays a generator against a run that is not there: what it asks, when, and of whom.

For tests of generators, yours too: a schedule is a literal list, and the same rng gives the same
one. Nothing is executed; a function says how each operation ends and how long that takes.
"""

from __future__ import annotations

import heapq
import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from checker.history.events import NEMESIS, Event, EventType, Outcome
from workloads.generators.lifting import lift
from workloads.generators.protocol import Context, Pending

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from workloads.generators.protocol import Generator, Liftable, Rng
    from workloads.invocations import Invocation

LATENCY_NS: Final = 10

NODES: Final = ("n1", "n2", "n3")


class GeneratorMisbehaved(Exception):
    """A generator broke its protocol; the message says how."""


@dataclass(frozen=True, slots=True)
class Ending:
    """How an operation ends, and after how many nanoseconds."""

    type: Outcome
    latency_ns: int = LATENCY_NS
    output: Any = None
    extra: Mapping[str, Any] = field(default_factory=dict)


def perfect(op: Invocation, rng: Rng) -> Ending:
    """Every operation is `ok` after 10 ns."""
    return Ending("ok")


def crashing(op: Invocation, rng: Rng) -> Ending:
    """Every operation ends in `info` after 10 ns: no process does a second one."""
    return Ending("info")


def imperfect(op: Invocation, rng: Rng) -> Ending:
    """`ok`, `fail` or `info` with equal chance, after 0 to 20 ns."""
    outcomes: tuple[Outcome, ...] = ("ok", "fail", "info")
    return Ending(rng.choice(outcomes), rng.between(0, 2 * LATENCY_NS))


@dataclass(frozen=True, slots=True)
class Schedule:
    """What was recorded."""

    events: tuple[Event, ...]

    @property
    def asked(self) -> list[str]:
        """The invocations, one text each: `time process: f key input @node`, null ones left out."""
        return [_line(event) for event in self.events if event.type == "invoke"]

    @property
    def lines(self) -> list[str]:
        """Every event, as `asked` and with its type: `time process: f key output ok`."""
        return [
            _line(event) if event.type == "invoke" else f"{_line(event)} {event.type}"
            for event in self.events
        ]


def _line(event: Event) -> str:
    parts = [event.f]
    value = event.input if event.type == "invoke" else event.output
    parts += [
        json.dumps(v) if not isinstance(v, str) else v for v in (event.key, value) if v is not None
    ]
    if event.extra:
        parts.append(json.dumps(event.extra))
    if event.node is not None:
        parts.append(f"@{event.node}")
    return f"{event.time} {event.process}: {' '.join(parts)}"


class Stage:
    """The run that is not there: its time, its threads, and what is in flight.

    A client whose operation ends in `info` goes on under its process number plus the number of
    clients, after the generator was told.
    """

    def __init__(self, *, clients: int, nemesis: bool, nodes: tuple[str, ...], rng: Rng) -> None:
        self.time = 0
        self.events: list[Event] = []
        self._clients = clients
        self._nodes = nodes
        self._rng = rng
        self._processes: dict[int | str, int | str] = {i: i for i in range(clients)}
        if nemesis:
            self._processes[NEMESIS] = NEMESIS
        self._free: tuple[int | str, ...] = tuple(self._processes)
        self._flight: list[tuple[int, int, Invocation, Ending]] = []

    def context(self, rng: Rng | None = None) -> Context:
        """What a generator sees now."""
        return Context(self.time, self._free, self._processes.copy(), self._nodes, rng or self._rng)

    @property
    def next_ending(self) -> int | None:
        """The time at which the next operation in flight ends."""
        return self._flight[0][0] if self._flight else None

    def begin(self, generator: Generator, op: Invocation, ending: Ending) -> Generator:
        """Invoke an operation at its time; the generator after it was told."""
        ctx = self.context()
        thread = None if op.process is None else ctx.thread_of(op.process)
        if op.time is None or op.time < self.time:
            raise GeneratorMisbehaved(f"{op!r} is to be invoked in the past: it is {self.time}")
        if thread not in self._free:
            raise GeneratorMisbehaved(f"{op!r} is for a process that is busy or not there")
        self.time = op.time
        self._free = tuple(t for t in self._free if t != thread)
        index = len(self.events)
        heapq.heappush(self._flight, (self.time + ending.latency_ns, index, op, ending))
        return self._record(generator, op, "invoke", input=op.input, extra=dict(op.extra))

    def end_next(self, generator: Generator) -> Generator:
        """Let the next operation in flight end; the generator after it was told."""
        time, _, op, ending = heapq.heappop(self._flight)
        self.time = max(self.time, time)
        thread = self.context().thread_of(op.process or 0)
        assert thread is not None, "an operation in flight has a thread"
        self._free = tuple(t for t in self._processes if t in self._free or t == thread)
        generator = self._record(
            generator, op, ending.type, output=ending.output, extra=dict(ending.extra)
        )
        if ending.type == "info" and isinstance(op.process, int):
            self._processes[thread] = op.process + self._clients
        return generator

    def _record(
        self, generator: Generator, op: Invocation, kind: EventType, **fields: Any
    ) -> Generator:
        assert op.process is not None
        event = Event(
            index=len(self.events),
            time=self.time,
            process=op.process,
            type=kind,
            f=op.f,
            key=op.key,
            node=op.node,
            **fields,
        )
        self.events.append(event)
        return generator.update(self.context(), event)


def replay(
    generator: Liftable,
    *,
    rng: Rng,
    clients: int = 2,
    nemesis: bool = False,
    nodes: tuple[str, ...] = NODES,
    ends: Callable[[Invocation, Rng], Ending] = perfect,
    operations_max: int = 100,
    drop_proposals: bool = False,
) -> Schedule:
    """Drive the generator until it is exhausted or has asked for so many operations.

    `ends` says how each operation ends: `perfect`, `imperfect`, `crashing`, or your own. With
    `drop_proposals` an operation that lies ahead is dropped, and asked for again at its time, as
    an interpreter may do. Raises `GeneratorMisbehaved` where the protocol is broken: an operation
    for a busy process, one in the past, or waiting for what can never come.
    """
    stage = Stage(clients=clients, nemesis=nemesis, nodes=nodes, rng=rng)
    current = lift(generator)
    asked = 0
    while asked < operations_max:
        answer = current.op(stage.context())
        if answer is None:
            break
        op, after = answer
        ending = stage.next_ending
        if isinstance(op, Pending):
            current = after
            if ending is not None and (op.until is None or ending <= op.until):
                current = stage.end_next(current)
            elif op.until is not None and op.until > stage.time:
                stage.time = op.until
            else:
                raise GeneratorMisbehaved(
                    f"pending at {stage.time} until {op.until} with nothing in flight: {current!r}"
                )
        elif ending is not None and op.time is not None and ending <= op.time:
            current = stage.end_next(current)
        elif drop_proposals and op.time is not None and op.time > stage.time:
            stage.time = op.time
        else:
            asked += 1
            current = stage.begin(after, op, ends(op, rng))
    while stage.next_ending is not None:
        current = stage.end_next(current)
    return Schedule(tuple(stage.events))
