"""The things that are measured; each runs once and answers one figure."""

from __future__ import annotations

import contextlib
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from checker.history.columns import History
from checker.history.encoding import encode
from checker.history.events import Event
from checker.models import MODELS
from checker.verdict import Budget, Verdict
from lineal import check
from lineal.definition import standard
from lineal.recorder import Recorder
from lineal.running import Outcome, run
from systems_under_test.rng import Rng
from tests.lineal.echo import echo_world
from workloads.generators import limit, on_clients, repeat
from workloads.invocations import invoke

if TYPE_CHECKING:
    from collections.abc import Callable

EVENTS = 2_000_000
OPERATIONS = 1_000_000


@dataclass(frozen=True, slots=True)
class Measure:
    """A name, what to run, how to show the figure, and the target."""

    name: str
    run: Callable[[], float]
    unit: str
    target: str = ""
    repeats: int | None = None

    def show(self, figure: float) -> str:
        """The figure with its unit."""
        return f"{figure:,.3g} {self.unit}" if figure < 100 else f"{figure:,.0f} {self.unit}"


def register_history(operations: int, processes: int, values: int, seed: int) -> bytes:
    """A linearizable history of one compare-and-set register, as JSON Lines.

    Every operation takes effect at its own moment inside its interval; the processes overlap.
    """
    rng = Rng(f"{seed}/benchmark")
    lines: list[bytes] = []
    state: int | None = None
    open_operations: list[tuple[int, str, object]] = []
    free = list(range(processes))
    invoked = time_ns = 0
    while invoked < operations or open_operations:
        time_ns += rng.between(1, 1000)
        index = len(lines)
        if free and invoked < operations and (not open_operations or rng.below(2)):
            process = free.pop(rng.below(len(free)))
            f = ("read", "write", "cas")[rng.below(3)]
            given: object = None
            if f == "write":
                given = rng.below(values)
            elif f == "cas":
                given = [rng.below(values), rng.below(values)]
            invoked += 1
            open_operations.append((process, f, given))
            event = Event(
                index=index, time=time_ns, process=process, type="invoke", f=f, input=given
            )
        else:
            process, f, given = open_operations.pop(rng.below(len(open_operations)))
            output: object = None
            if f == "read":
                output = state
            elif f == "write":
                state = int(str(given))
            elif isinstance(given, list):
                output = state == given[0]
                state = given[1] if output else state
            free.append(process)
            event = Event(index=index, time=time_ns, process=process, type="ok", f=f, output=output)
        lines.append(encode(event))
    return b"".join(lines)


def reading() -> float:
    """Seconds to read and pair a history of two million events."""
    data = register_history(EVENTS // 2, 5, 5, 1)
    began = time.perf_counter()
    history = History.from_bytes(data)
    took = time.perf_counter() - began
    assert len(history) == EVENTS // 2
    return took


def searching() -> float:
    """Seconds to decide a million operations on one key."""
    history = History.from_bytes(register_history(OPERATIONS, 5, 5, 2))
    began = time.perf_counter()
    verdict: Verdict = check(history, MODELS["cas-register"](), budget=Budget(seconds=120))
    took = time.perf_counter() - began
    assert verdict.status == "valid", verdict.explain()
    return took


def echoing() -> float:
    """Operations per second of the live interpreter against clients that answer at once."""
    with (
        tempfile.TemporaryDirectory() as folder,
        Recorder(Path(folder) / "history.jsonl") as recorder,
        contextlib.closing(echo_world(recorder, clients=10)) as world,
    ):
        began = time.perf_counter()
        world.run(on_clients(limit(10_000, repeat(invoke("echo", 7)))))
        return 10_000 / (time.perf_counter() - began)


def simulating(faults: str) -> float:
    """Simulated client operations per second of wall time, checking excluded."""
    marks: dict[str, float] = {}

    def phase(name: str) -> None:
        marks[name] = time.perf_counter()

    test = standard(
        system="dynamo",
        environment="simulated",
        faults=faults,
        rate=500,
        concurrency=50,
        time_limit_s=20,
        seed=1,
        options={"engine": "memory"},
    )
    from lineal.running import Listener

    with tempfile.TemporaryDirectory() as folder:
        outcome: Outcome = run(test, runs=Path(folder), listener=Listener(phase), report=False)
        operations = len(History.read(outcome.directory.history))
    return operations / (marks["checking"] - marks["starting"])


MEASURES = (
    Measure("read and pair 2,000,000 events", reading, "s", "2.0 s", repeats=1),
    Measure("1,000,000 operations, one key, cas-register", searching, "s", "1.0 s", repeats=1),
    Measure("live interpreter, in-process echo", echoing, "operations/s"),
    Measure("simulated Dynamo, no faults", lambda: simulating("none"), "operations/s", "3,000"),
    Measure(
        "simulated Dynamo, partition,kill", lambda: simulating("partition,kill"), "operations/s"
    ),
)
