"""`lineal sweep`: simulated runs one after another, one line for each seed."""

from __future__ import annotations

import argparse
import shutil
import tempfile
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Final

from lineal.cli import exit_status, values
from lineal.cli.exposing import expose
from lineal.cli.run_command import add_test_flags, make_test
from lineal.registry import UsageProblem
from lineal.state_counters import never_moved, summed
from systems_under_test.environments.cluster import EnvironmentFailed

if TYPE_CHECKING:
    from lineal.definition import Test

EXAMPLES: Final = """\
examples:
  lineal sweep dynamo --seeds 100 --nemesis all          a correct system: no finding expected
  lineal sweep dynamo --seeds 20 --bug forget-hints --until-first
  lineal sweep atomic --seeds 5 --first-seed 100 --runs /tmp/sweep
"""


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command."""
    parser = commands.add_parser(
        "sweep",
        help="simulate many seeds",
        description="Run a test in the simulation for many seeds; keep runs that are not valid.\n"
        "With --bug the workload and the nemesis are those that expose it, if none are given.\n"
        "The last line names what happened in none of the runs, of what the nodes count of\n"
        "themselves: what a sweep never reached it did not test.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("system", metavar="SYSTEM", help="a name of `lineal list`, or module:name")
    add_test_flags(parser)
    parser.add_argument("--seeds", type=values.count, default=20, metavar="N", help="how many (20)")
    parser.add_argument(
        "--first-seed", type=int, default=0, metavar="SEED", help="the seed to begin with (0)"
    )
    parser.add_argument("--until-first", action="store_true", help="stop at the first violation")
    parser.add_argument(
        "--runs", type=Path, default=Path("runs"), metavar="DIR", help="where runs are kept (runs)"
    )
    parser.set_defaults(command=main)


def main(args: argparse.Namespace) -> int:
    """Run every seed; the worst status of all."""
    statuses = []
    if args.environment not in (None, "simulated"):
        raise UsageProblem([f"sweep simulates; for --environment {args.environment} use `run`"])
    try:
        args.runs.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        why = f"cannot write run directories under {args.runs}: {error.strerror}"
        raise UsageProblem([f"{why}; name another place with --runs DIR"]) from error
    for taken in expose(args, "simulated"):
        print(taken)
    moved: list[dict[str, int]] = []
    faults = ""
    for seed in range(args.first_seed, args.first_seed + args.seeds):
        test = make_test(args, seed, environment="simulated")
        faults = test.faults if isinstance(test.faults, str) else test.faults.name
        statuses.append(_run_seed(args, test, moved))
        if args.until_first and statuses[-1] == exit_status.INVALID:
            break
    _tell_counts(statuses, faults)
    _tell_coverage(moved)
    return exit_status.worst(statuses)


def _tell_counts(statuses: list[int], nemesis: str) -> None:
    """How the runs ended, in numbers."""
    names = {status: name for name, status in exit_status.OF_STATUS.items()}
    counts = Counter(names.get(status, "failed") for status in statuses)
    ended = ", ".join(f"{count} {name}" for name, count in counts.most_common())
    print(f"seeds under nemesis {nemesis}: {ended}")


def _tell_coverage(counters: list[dict[str, int]]) -> None:
    """Name what happened in no run, of what the nodes of the system count."""
    total = summed(counters)
    if total:
        never = never_moved(total)
        print(
            f"coverage: of {len(total)} kinds of events that the nodes count, "
            f"{len(total) - len(never)} happened in these runs; never: {', '.join(never) or 'none'}"
        )


def _run_seed(args: argparse.Namespace, test: Test, moved: list[dict[str, int]]) -> int:
    """One seed: the run is kept where it is not valid. What its nodes counted joins `moved`."""
    from lineal.running import run, write_report

    seed = test.seed
    with tempfile.TemporaryDirectory(prefix=".sweep-", dir=args.runs) as scratch:
        try:
            outcome = run(test, runs=Path(scratch), report=False)
        except EnvironmentFailed as error:
            places = [_keep(path, args.runs, test.name) for path in Path(scratch).glob("*/*-*")]
            print(f"seed {seed}: the harness failed: {error}  {places[0] if places else ''}")
            return exit_status.FAILED
        except KeyboardInterrupt as interrupt:
            # It names a place in the scratch folder, which goes away.
            interrupt.__notes__ = [
                f"the history so far is kept: `lineal recheck {_keep(path, args.runs, test.name)}`"
                for path in Path(scratch).glob("*/*-*")
            ]
            raise
        moved.append(outcome.directory.read_counters()["total"])
        judgement = outcome.judgement
        kept = ""
        if judgement.status != "valid":
            write_report(outcome.directory, judgement)
            kept = f"  {_keep(outcome.directory.path, args.runs, test.name)}"
    kinds = sorted({found.kind for _, verdict in judgement.checks for found in verdict.findings})
    why = ", ".join(kinds) or judgement.cause or ""
    print(f"seed {seed}: {judgement.status}{f' ({why})' if why else ''}{kept}", flush=True)
    return exit_status.OF_STATUS[judgement.status]


def _keep(path: Path, runs: Path, name: str) -> Path:
    """Move a run out of the scratch folder, which goes away."""
    place = runs / f"sweep-{name}" / path.name
    place.parent.mkdir(parents=True, exist_ok=True)
    shutil.move(path, place)
    return place
