"""`make bench`: run every benchmark and print one table; `--write` puts it into the docs.

With `--only` the rows of the other measures stay as they are there: each names its commit.
"""

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
COLUMNS = "| work | by the clock | by the processor | target | commit |\n|---|---|---|---|---|"
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


def rows(chosen: list[Measure], measured_at: str) -> dict[str, str]:
    """The line of each measure, measured one after another."""
    lines = {}
    for measure in chosen:
        print(f"{measure.name} ...", file=sys.stderr, flush=True)
        try:
            row = measure.row()
        except FileNotFoundError as absent:
            row = f"| {measure.name} | not measured: no {Path(absent.filename).name} | | |"
        lines[measure.name] = f"{row} {measured_at} |"
    return lines


def written(page: str) -> dict[str, str]:
    """The lines of the table that is in the docs, by the name of the measure."""
    table = page.partition(BEGIN)[2].partition(END)[0]
    lines = [line for line in table.splitlines() if line.startswith("| ")][1:]
    return {line.split(" | ")[0].removeprefix("| "): line for line in lines}


def main() -> None:
    """Measure everything asked for."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks", description=__doc__)
    parser.add_argument("--only", default="", help="measures whose name contains this")
    parser.add_argument("--write", action="store_true", help="write docs/performance.md")
    args = parser.parse_args()
    head = f"Machine: {machine()}. Date: {datetime.now(UTC):%Y-%m-%d}."
    measured = rows([measure for measure in MEASURES if args.only in measure.name], commit())
    page = PAGE.read_text(encoding="utf-8")
    kept = {**written(page), **measured} if args.write else measured
    if args.write and args.only:
        # What it says of the machine is of the other rows.
        head = page.partition(BEGIN)[2].strip().partition("\n")[0]
    lines = [kept[measure.name] for measure in MEASURES if measure.name in kept]
    table = "\n".join([head, "", COLUMNS, *lines, ""])
    print(table)
    if args.write:
        before, _, rest = page.partition(BEGIN)
        after = rest.partition(END)[2]
        PAGE.write_text(f"{before}{BEGIN}\n{table}{END}{after}", encoding="utf-8")


if __name__ == "__main__":
    main()
