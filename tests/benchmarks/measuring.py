"""What a benchmark is: something that runs, is timed, and is compared with a target."""

from __future__ import annotations

import gc
import statistics
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence


@dataclass(frozen=True, slots=True)
class Figure:
    """What came out: a number, and the processor seconds where the number is seconds of a clock."""

    value: float
    cpu_s: float | None = None


@dataclass(frozen=True, slots=True)
class Measure:
    """A name, what to run, the unit of its figures, and the target in words.

    `run` answers one figure for each history, or each run, that is measured.
    """

    name: str
    run: Callable[[], Sequence[Figure]]
    unit: str = "s"
    target: str = ""

    def row(self) -> str:
        """Run it, and answer its line of the table: median, worst, processor time, target."""
        gc.collect()
        figures = sorted(self.run(), key=lambda figure: figure.value)
        median = statistics.median(figure.value for figure in figures)
        shown = shown_in(self.unit, median)
        if len(figures) > 1 and self.unit == "s":
            shown += f" (worst {shown_in(self.unit, figures[-1].value)})"
        used = [figure.cpu_s for figure in figures if figure.cpu_s is not None]
        cpu = shown_in("s", statistics.median(used)) if used else ""
        return f"| {self.name} | {shown} | {cpu} | {self.target} |"


def shown_in(unit: str, value: float) -> str:
    """A number with its unit; seconds below one as milliseconds."""
    if unit == "s" and value < 1:
        value, unit = value * 1000, "ms"
    return f"{value:,.3g} {unit}" if value < 1000 else f"{value:,.0f} {unit}"


def timed(work: Callable[[], object]) -> Figure:
    """The time that this takes, by the clock and by the processor."""
    began, used = time.perf_counter(), time.process_time()
    work()
    return Figure(time.perf_counter() - began, time.process_time() - used)
