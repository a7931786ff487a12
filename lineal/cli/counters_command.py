"""`lineal counters`: what the nodes of runs counted of themselves, side by side."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Final

import msgspec

from lineal.cli import exit_status
from lineal.registry import UsageProblem

FILE: Final = "counters.json"


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command."""
    command = commands.add_parser(
        "counters",
        help="the state counters of runs, side by side",
        description=(
            "Print what the nodes of runs counted of themselves, over all lives, a run in each "
            "column: a simulated one beside a live one shows which states only one of them reached."
        ),
        epilog="example:\n  lineal counters runs/dynamo-siblings/A runs/dynamo-siblings/B",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    command.add_argument("runs", type=Path, nargs="+", metavar="RUN", help="a run directory")
    command.set_defaults(command=main)


def main(args: argparse.Namespace) -> int:
    """Print the table."""
    runs: list[Path] = args.runs
    print("\n".join(table([read(run) for run in runs])))
    return exit_status.VALID


def read(run: Path) -> dict[str, int]:
    """The counters of a run, over all its nodes and their lives. Raises UsageProblem."""
    path = run / FILE
    try:
        total = msgspec.json.decode(path.read_bytes())["total"]
        return {str(name): int(count) for name, count in total.items()}
    except OSError as error:
        said = f"{path}: {error.strerror}: is {run} the directory of a run whose nodes count?"
        raise UsageProblem([said]) from error
    except (msgspec.DecodeError, AttributeError, KeyError, TypeError, ValueError) as error:
        raise UsageProblem([f"{path} has no counters as a run writes them: {error}"]) from error


def table(runs: list[dict[str, int]]) -> list[str]:
    """A line for each counter, a column for each run; marked is what moved in some of them only."""
    names = sorted({name for run in runs for name in run})
    width = max((len(name) for name in names), default=0)
    lines = []
    for name in names:
        counts = [run.get(name) for run in runs]
        moved = {bool(count) for count in counts}
        cells = "".join(f"  {'-' if count is None else f'{count:,}':>12}" for count in counts)
        lines.append(f"{name:<{width}}{cells}" + ("  in some only" if len(moved) > 1 else ""))
    return lines
