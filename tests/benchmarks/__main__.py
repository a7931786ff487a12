"""`make bench`: run every benchmark and print one table; `--write` puts it into the docs."""

from __future__ import annotations

import argparse
import gc
import os
import platform
import statistics
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

from tests.benchmarks.measures import MEASURES, Measure

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "performance.md"
INTRODUCTION = """\
# Performance

Written by `make bench`; medians of {repeats} runs in one process. Absolute times depend on the
machine and on what else it does; compare ratios between rows.

"""


def machine() -> str:
    """The processor, its cores and the Python that ran."""
    model = platform.processor() or platform.machine()
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        names = [line for line in cpuinfo.read_text().splitlines() if "model name" in line]
        model = names[0].partition(":")[2].strip() if names else model
    return (
        f"{model}, {os.cpu_count()} cores, {platform.system()}, Python {platform.python_version()}"
    )


def commit() -> str:
    """The commit that was measured."""
    words = ["git", "-C", str(ROOT), "describe", "--always", "--dirty"]
    return subprocess.run(words, capture_output=True, text=True, check=True).stdout.strip()


def row(measure: Measure, repeats: int) -> str:
    """One line of the table."""
    print(f"{measure.name} ...", file=sys.stderr, flush=True)
    figures = []
    for _ in range(measure.repeats or repeats):
        gc.collect()
        figures.append(measure.run())
    return f"| {measure.name} | {measure.show(statistics.median(figures))} | {measure.target} |"


def main() -> None:
    """Measure everything asked for."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks", description=__doc__)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--only", default="", help="measures whose name contains this")
    parser.add_argument("--write", action="store_true", help="write docs/performance.md")
    args = parser.parse_args()
    chosen = [measure for measure in MEASURES if args.only in measure.name]
    rows = [row(measure, args.repeats) for measure in chosen]
    head = [f"Machine: {machine()}. Commit: {commit()}. Date: {datetime.now(UTC):%Y-%m-%d}.", ""]
    table = "\n".join([*head, "| work | measured | target |", "|---|---|---|", *rows, ""])
    print(table)
    if args.write:
        PAGE.write_text(INTRODUCTION.format(repeats=args.repeats) + table, encoding="utf-8")


if __name__ == "__main__":
    main()
