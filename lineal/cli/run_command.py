"""`lineal run`: start a system, drive it, break it, judge it, report."""

from __future__ import annotations

import secrets
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from lineal import registry
from lineal.cli import exit_status, values
from lineal.cli.budget_flags import add_budget_flags
from lineal.cli.exposing import expose, warnings_of
from lineal.cli.progress import Progress
from lineal.registry import UsageProblem

if TYPE_CHECKING:
    import argparse

    from lineal.definition import Test
    from lineal.running import Outcome

EXAMPLES = """\
examples:
  lineal run dynamo                                    five local processes, no faults
  lineal run dynamo --nemesis partition,kill@minority  the same under two kinds of fault
  lineal run dynamo --bug stale-anti-entropy --seed 7  with a bug of its own switched on, and the
                                                       faults under which it shows
  lineal run atomic --bug stale-read --live-check      ended by the first violation
  lineal run atomic --environment simulated --seed 3   in virtual time, the same every time
  lineal run dynamo --environment ssh --nodes root@10.0.0.1,root@10.0.0.2,root@10.0.0.3
                                                       on machines, see docs/ssh.md
  lineal run mypackage.mytests:cart --seed 3           a definition of your own

exit status: 0 valid, 1 invalid, 2 unknown, 3 the harness failed, 64 wrong usage,
130 interrupted, 143 ended by SIGTERM
"""


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command."""
    import argparse

    parser = commands.add_parser(
        "run",
        help="run a test against a system",
        description="Start a system, drive it with concurrent clients, break it, judge, report.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("system", metavar="SYSTEM", help="a name of `lineal list`, or module:name")
    add_test_flags(parser)
    parser.add_argument("--seed", type=int, help="an integer from 0 (default: random, printed)")
    parser.add_argument(
        "--runs", type=Path, default=Path("runs"), metavar="DIR", help="where runs are kept (runs)"
    )
    parser.add_argument("--json", action="store_true", help="print the verdict as one JSON object")
    parser.set_defaults(command=main)


def add_test_flags(parser: argparse.ArgumentParser) -> None:
    """The flags that say what is run, shared by `run` and `sweep`."""
    parser.add_argument(
        "--workload", help="what is asked, see `lineal list workloads` (default: the system's own)"
    )
    parser.add_argument(
        "--nemesis", help="what goes wrong, as partition,kill@minority: see `lineal list nemeses`"
    )
    parser.add_argument(
        "--nemesis-option",
        type=values.option,
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help="when and how much goes wrong, as order=cycle or at-most=minority; may be repeated",
    )
    parser.add_argument(
        "--environment", help="where: local (the default), simulated, docker or ssh"
    )
    parser.add_argument(
        "--environment-option",
        type=values.option,
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help="an option of the environment; may be repeated",
    )
    parser.add_argument(
        "--nodes", type=values.nodes, help="how many, or names: a,b,c, or user@host:port,..."
    )
    parser.add_argument("--concurrency", type=values.count, help="clients (default 10)")
    parser.add_argument("--rate", type=values.positive, help="operations a second (default 50)")
    parser.add_argument(
        "--time-limit", type=values.positive, metavar="S", help="seconds of driving (default 20)"
    )
    parser.add_argument(
        "--live-check",
        action="store_true",
        help="judge while it goes on, and stop at the first violation of linearizability",
    )
    parser.add_argument(
        "--bug",
        help="switch on a named bug, see `lineal list bugs`; where no "
        "--nemesis or --workload is given, those come along under which it shows",
    )
    parser.add_argument(
        "--option",
        type=values.option,
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help="an option of the system or its workload, see `lineal list SYSTEM`; may be repeated",
    )
    add_budget_flags(parser)


def make_test(args: argparse.Namespace, seed: int, **fixed: Any) -> Test:
    """The test that the flags describe."""
    from lineal import definition

    given = {
        "workload": args.workload,
        "faults": args.nemesis,
        "environment": args.environment,
        "nodes": args.nodes,
        "concurrency": args.concurrency,
        "rate": args.rate,
        "time_limit_s": args.time_limit,
        "bug": args.bug,
        "live_check": args.live_check or None,
        **fixed,
    }
    parameters = {name: value for name, value in given.items() if value is not None}
    options = dict(args.option)
    if args.nemesis_option:
        parameters["fault_options"] = dict(args.nemesis_option)
    if args.environment_option:
        parameters["environment_options"] = dict(args.environment_option)
    budget = {"seconds": args.time_budget, "memory_mb": args.memory_budget}
    budget = {name: value for name, value in budget.items() if value is not None}
    if budget:
        parameters["budget"] = budget
    if ":" in args.system and not registry.is_system(registry.load(args.system)):
        return definition.own(path=args.system, seed=seed, arguments=options, given=parameters)
    return definition.standard(system=args.system, seed=seed, options=options, **parameters)


def main(args: argparse.Namespace) -> int:
    """Run, print the summary, and answer the exit status."""
    from lineal.running import Listener, run

    seed = secrets.randbelow(1 << 32) if args.seed is None else args.seed
    for taken in expose(args, args.environment or "local"):
        print(taken, file=sys.stderr)
    test = make_test(args, seed)
    problems = test.problems()
    if problems:
        raise UsageProblem(problems)
    progress = Progress()
    if args.seed is None and not args.json:
        print(f"seed {seed}", file=sys.stderr)
    for warning in warnings_of(test):
        print(f"warning: {warning}", file=sys.stderr)
    try:
        outcome = run(test, runs=args.runs, listener=Listener(progress.phase, progress.event))
    finally:
        progress.done()
    print_outcome(outcome, as_json=args.json)
    if test.bug and outcome.judgement.status == "valid" and not args.json:
        sought = f"lineal sweep {args.system} --bug {test.bug} --until-first"
        print(f"the bug {test.bug} did not show with this seed; `{sought}` simulates more of them")
    return exit_status.OF_STATUS[outcome.judgement.status]


def print_outcome(outcome: Outcome, *, as_json: bool) -> None:
    """The summary of a run, in words or as one JSON object."""
    if as_json:
        shown = {"run": str(outcome.directory.path), **outcome.judgement.to_json()}
        print(msgspec.json.encode(shown, order="sorted").decode())
        return
    from reports.terminal import summary

    print(summary(outcome.judgement, outcome.directory.read_test(), outcome.directory.path))
    if not outcome.reported:
        print(f"the report could not be written, see {outcome.directory.log}")
