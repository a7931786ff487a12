"""How fast operations are driven: by the live interpreter, and in simulation."""

from __future__ import annotations

import contextlib
import tempfile
import time
from pathlib import Path

from checker.history.columns import History
from lineal.definition import standard
from lineal.recorder import Recorder
from lineal.running import Listener, run
from tests.benchmarks.measuring import Figure, Measure
from tests.lineal.echo import echo_world
from workloads.generators import limit, on_clients, repeat
from workloads.invocations import invoke

OPERATIONS = 10_000


def echoing() -> list[Figure]:
    """The live interpreter against clients that answer at once."""
    with (
        tempfile.TemporaryDirectory() as folder,
        Recorder(Path(folder) / "history.jsonl") as recorder,
        contextlib.closing(echo_world(recorder, clients=10)) as world,
    ):
        began = time.perf_counter()
        world.run(on_clients(limit(OPERATIONS, repeat(invoke("echo", 7)))))
        return [Figure(OPERATIONS / (time.perf_counter() - began))]


def simulating(faults: str) -> list[Figure]:
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
    with tempfile.TemporaryDirectory() as folder:
        outcome = run(test, runs=Path(folder), listener=Listener(phase), report=False)
        operations = len(History.read(outcome.directory.history))
    return [Figure(operations / (marks["checking"] - marks["starting"]))]


MEASURES = (
    Measure("live interpreter, in-process echo", echoing, "operations/s"),
    Measure("simulated Dynamo, no faults", lambda: simulating("none"), "operations/s", "3,000"),
    Measure(
        "simulated Dynamo, partition,kill", lambda: simulating("partition,kill"), "operations/s"
    ),
)
