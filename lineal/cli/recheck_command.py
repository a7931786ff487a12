"""`lineal recheck` and `lineal report`: judge a run directory again, or write its report again."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lineal import registry
from lineal.cli import exit_status, values
from lineal.registry import UsageProblem

if TYPE_CHECKING:
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
    recheck.add_argument("--time-budget", type=values.positive, metavar="S")
    recheck.add_argument("--memory-budget", type=values.count, metavar="MB")
    recheck.add_argument("--json", action="store_true")
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


def test_of(meta: dict[str, Any], path: Path) -> Test:
    """The test again, from the definition that `test.json` names."""
    if meta.get("definition") is None:
        why = "holds an inline test, which cannot be made again from its folder"
        raise UsageProblem([f"{path} {why}: run it again where it is defined"])
    made: Test = registry.load(meta["definition"])(**meta["parameters"])
    return made


def main_recheck(args: argparse.Namespace) -> int:
    """Judge again; a half-written last line, as a kill leaves it, is dropped and told."""
    from checker.history.columns import History
    from checker.verdict import Budget
    from lineal.cli.run_command import print_outcome
    from lineal.running import Outcome, judge_history, write_report

    directory = open_run(args.run)
    test = test_of(directory.read_test(), args.run)
    if not directory.history.exists():
        raise UsageProblem([f"{directory.path} has no history.jsonl: nothing was recorded"])
    data = directory.history.read_bytes()
    if data and not data.endswith(b"\n"):
        print(f"the last line of {directory.history} is half-written; dropped", file=sys.stderr)
    history = History.read(directory.history, drop_partial_line=True)
    budget = Budget(seconds=args.time_budget, memory_mb=args.memory_budget)
    judgement = judge_history(history, test, directory, budget)
    write_report(directory, judgement)
    print_outcome(Outcome(directory, judgement), as_json=args.json)
    return exit_status.OF_STATUS[judgement.status]


def main_report(args: argparse.Namespace) -> int:
    """Write the report again from the verdict on disk."""
    from checker.judgement import Judgement
    from lineal.running import write_report
    from reports.run_directory import RunDirectoryProblem

    directory = open_run(args.run)
    try:
        judgement = Judgement.from_json(directory.read_verdict())
    except RunDirectoryProblem as error:
        raise UsageProblem([f"{error}; judge it first with `lineal recheck {args.run}`"]) from error
    if write_report(directory, judgement) is None:
        print(f"the report could not be written; see {directory.log}", file=sys.stderr)
        return exit_status.FAILED
    print(directory.report)
    return exit_status.VALID
