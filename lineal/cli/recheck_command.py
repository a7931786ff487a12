"""`lineal recheck` and `lineal report`: judge a run directory again, or write its report again."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lineal import registry
from lineal.cli import exit_status
from lineal.cli.budget_flags import add_budget_flags
from lineal.registry import UsageProblem

if TYPE_CHECKING:
    from checker.claims import Promises
    from lineal.definition import Test
    from reports.run_directory import RunDirectory


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add both commands."""
    recheck = commands.add_parser(
        "recheck",
        help="judge a run again",
        description="Judge the history of a run directory again and write verdict and report.",
        epilog="example:\n  lineal recheck runs/latest",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    recheck.add_argument("run", type=Path, metavar="RUN", help="a run directory")
    add_budget_flags(recheck)
    recheck.add_argument("--json", action="store_true", help="print the verdict as one JSON object")
    recheck.set_defaults(command=main_recheck)
    report = commands.add_parser(
        "report",
        help="write the report of a run again",
        description="Write report.html of a run directory again from its history and verdict.",
        epilog="example:\n  lineal report runs/latest",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    report.add_argument("run", type=Path, metavar="RUN", help="a run directory")
    report.set_defaults(command=main_report)


def open_run(path: Path) -> RunDirectory:
    """The run directory; UsageProblem where it cannot be read."""
    from reports.run_directory import RunDirectory, RunDirectoryProblem

    directory = RunDirectory(path.resolve() if path.is_symlink() else path)
    try:
        directory.read_test()
    except RunDirectoryProblem as error:
        raise UsageProblem([str(error)]) from error
    return directory


def test_of(meta: dict[str, Any], path: Path) -> tuple[Test, Promises | None]:
    """The test again, and its promises where only `test.json` knows them.

    A definition by name is made again. Of an inline test the system and the workload are made
    again by name, if they are bundled; its faults may be anything, so the promises are those that
    were written down.
    """
    from checker.claims import Promises
    from lineal.definition import standard

    try:
        if meta.get("definition") is not None:
            made: Test = registry.load(meta["definition"])(**meta["parameters"])
            return made, None
        if meta["system"] not in registry.SYSTEMS:
            why = f"holds an inline test of {meta['system']!r}, which is not bundled"
            raise UsageProblem([f"{path} {why}: judge it where it is defined"])
        names = ("system", "workload", "environment", "nodes", "bug", "options", "seed")
        inline = standard(**{name: meta[name] for name in names})
        bounds = meta.get("bounds", {})
        return inline, Promises(frozenset(meta["promises"]), meta["withdrawn"], bounds)
    except (KeyError, TypeError, ValueError) as error:
        raise UsageProblem([f"{path}/test.json cannot be understood: {error!r}"]) from error


def main_recheck(args: argparse.Namespace) -> int:
    """Judge again; a half-written last line, as a kill leaves it, is dropped and told."""
    from checker.history.columns import History
    from checker.verdict import Budget
    from lineal.cli.run_command import print_outcome
    from lineal.running import Outcome, judge_history, logging_to, write_report

    directory = open_run(args.run)
    test, promises = test_of(directory.read_test(), args.run)
    if not directory.history.exists():
        raise UsageProblem([f"{directory.path} has no history.jsonl: nothing was recorded"])
    data = directory.history.read_bytes()
    if data and not data.endswith(b"\n"):
        print(f"the last line of {directory.history} is half-written; dropped", file=sys.stderr)
    history = History.read(directory.history, drop_partial_line=True)
    budget = test.budget
    if args.time_budget or args.memory_budget:
        budget = Budget(seconds=args.time_budget, memory_mb=args.memory_budget)
    with logging_to(directory.log):
        judgement = judge_history(history, test, directory, budget, promises)
    reported = write_report(directory, judgement) is not None
    print_outcome(Outcome(directory, judgement, reported=reported), as_json=args.json)
    return exit_status.OF_STATUS[judgement.status]


def main_report(args: argparse.Namespace) -> int:
    """Write the report again from the verdict on disk."""
    from checker.judgement import Judgement
    from lineal.running import write_report
    from reports.run_directory import RunDirectoryProblem

    directory = open_run(args.run)
    try:
        judgement = Judgement.from_json(directory.read_verdict())
    except (RunDirectoryProblem, KeyError, ValueError, TypeError) as error:
        raise UsageProblem([f"{error}; judge it first with `lineal recheck {args.run}`"]) from error
    if write_report(directory, judgement) is None:
        print(f"the report could not be written; see {directory.log}", file=sys.stderr)
        return exit_status.FAILED
    print(directory.report)
    return exit_status.VALID
