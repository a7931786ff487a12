"""`make bench`: run every benchmark and print one table; `--write` puts it into the docs."""

from __future__ import annotations

import argparse
import os
import platform
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from tests.benchmarks import judging, reading, running

if TYPE_CHECKING:
    from tests.benchmarks.measuring import Measure

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "performance.md"
BEGIN, END = "<!-- written by make bench -->", "<!-- end -->"
MEASURES: tuple[Measure, ...] = (*judging.MEASURES, *reading.MEASURES, *running.MEASURES)


def machine() -> str:
    """The processor, its cores and the Python that ran."""
    model = platform.processor() or platform.machine()
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        names = [line for line in cpuinfo.read_text().splitlines() if "model name" in line]
        model = names[0].partition(":")[2].strip() if names else model
    load = f", load {os.getloadavg()[0]:.1f} at the start" if hasattr(os, "getloadavg") else ""
    python = platform.python_version()
    return f"{model}, {os.cpu_count()} cores{load}, {platform.system()}, Python {python}"


def commit() -> str:
    """The commit that was measured."""
    words = ["git", "-C", str(ROOT), "describe", "--always", "--dirty"]
    return subprocess.run(words, capture_output=True, text=True, check=True).stdout.strip()


def rows(chosen: list[Measure]) -> list[str]:
    """The lines of the table, measured one after another."""
    lines = []
    for measure in chosen:
        print(f"{measure.name} ...", file=sys.stderr, flush=True)
        try:
            lines.append(measure.row())
        except FileNotFoundError as absent:
            lines.append(f"| {measure.name} | not measured: no {Path(absent.filename).name} | | |")
    return lines


def main() -> None:
    """Measure everything asked for."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks", description=__doc__)
    parser.add_argument("--only", default="", help="measures whose name contains this")
    parser.add_argument("--write", action="store_true", help="write docs/performance.md")
    args = parser.parse_args()
    head = f"Machine: {machine()}. Commit: {commit()}. Date: {datetime.now(UTC):%Y-%m-%d}."
    chosen = [measure for measure in MEASURES if args.only in measure.name]
    columns = "| work | by the clock | by the processor | target |\n|---|---|---|---|"
    table = "\n".join([head, "", columns, *rows(chosen), ""])
    print(table)
    if args.write:
        before, _, rest = PAGE.read_text(encoding="utf-8").partition(BEGIN)
        after = rest.partition(END)[2]
        PAGE.write_text(f"{before}{BEGIN}\n{table}{END}{after}", encoding="utf-8")


if __name__ == "__main__":
    main()
