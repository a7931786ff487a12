"""How fast the simulator is: client operations of a Dynamo cluster for each second of one core.

Memory storage, messages serialised, history recorded, checking excluded. Measured is the driving of
clients, from the first operation to the last, in CPU seconds of this process, which is single-
threaded: so what else the machine does counts little.
"""

from __future__ import annotations

import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from lineal.definition import standard
from lineal.running import Listener, run

if TYPE_CHECKING:
    from collections.abc import Iterator

    from checker.history.events import Event

RATE: Final = 2_000.0
SECONDS: Final = 5.0
"""Virtual seconds that clients are driven."""
CLIENTS: Final = 10
"""As many as `lineal run` has unless told otherwise."""
WORKLOADS: Final = (
    ("siblings", {"keys": 1_000}),
    ("siblings", {"keys": 8}),
    ("register", {"keys": 1_000}),
)


@dataclass(slots=True)
class Driven:
    """Operations that ended while clients were driven, and the CPU seconds of that."""

    operations: int = 0
    cpu_s: float = 0.0
    _since: float | None = field(default=None)

    @property
    def rate(self) -> float:
        """Operations for each CPU second."""
        return self.operations / self.cpu_s

    def phase(self, name: str) -> None:
        """A phase of the run begins."""
        now = time.process_time()
        if self._since is not None:
            self.cpu_s += now - self._since
        self._since = now if name == "driving" else None

    def event(self, event: Event) -> None:
        """An event was recorded."""
        if self._since is not None and event.type != "invoke" and event.process != "nemesis":
            self.operations += 1


def table() -> Iterator[str]:
    """A row for each workload, as soon as it is measured."""
    yield "| workload | operations | CPU | operations for each CPU second |"
    yield "|---|---|---|---|"
    for workload, options in WORKLOADS:
        driven = drive(workload, SECONDS, options)
        keys = options["keys"]
        yield (
            f"| `{workload}`, {keys:,} keys | {driven.operations:,} | {driven.cpu_s:.2f} s |"
            f" {driven.rate:,.0f} |"
        )


def drive(workload: str, seconds: float, options: dict[str, Any], seed: int = 1) -> Driven:
    """Drive a simulated cluster of five for so many virtual seconds."""
    test = standard(
        system="dynamo",
        environment="simulated",
        workload=workload,
        options={"engine": "memory", **options},
        concurrency=CLIENTS,
        rate=RATE,
        time_limit_s=seconds,
        seed=seed,
    )
    driven = Driven()
    with tempfile.TemporaryDirectory(prefix="lineal-bench-") as directory:
        run(test, runs=Path(directory), listener=Listener(driven.phase, driven.event), report=False)
    return driven
