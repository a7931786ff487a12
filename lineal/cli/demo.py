"""`make demo`: the correct store under faults is valid, and its bug is found.

Two runs of a five-node Dynamo store as five processes on loopback. Exits 0 only if the first is
valid and the second is invalid with a `lost-update`.
"""

from __future__ import annotations

import argparse
import secrets
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Final

from lineal.cli.main import guarded
from lineal.cli.progress import Progress
from lineal.cli.run_command import print_outcome
from lineal.definition import standard
from lineal.running import Listener, run

if TYPE_CHECKING:
    from checker.judgement import Judgement

NEMESIS: Final = "partition,kill@minority,pause@minority"
BUG: Final = "drop-siblings"
FINDING: Final = "lost-update"


def main() -> int:
    """Run both and compare them with what must come out."""
    parser = argparse.ArgumentParser(prog="python -m lineal.cli.demo", description=__doc__)
    parser.add_argument("--runs", type=Path, default=Path("runs"), metavar="DIR")
    parser.add_argument("--seed", type=int, help="an integer from 0 (default: random)")
    parser.add_argument("--time-limit", type=float, default=20.0, metavar="S")
    args = parser.parse_args()
    seed = secrets.randbelow(1 << 32) if args.seed is None else args.seed
    print(f"1. The correct store under {NEMESIS}: everything promised must hold.\n", flush=True)
    correct = _run(args.runs, seed, args.time_limit, None)
    print(f"\n2. The same with the bug {BUG}: a {FINDING} must be found.\n", flush=True)
    broken = _run(args.runs, seed, args.time_limit, BUG)
    kinds = {finding.kind for _, verdict in broken.checks for finding in verdict.findings}
    good = correct.status == "valid" and broken.status == "invalid" and FINDING in kinds
    print(f"\nThe demo {'came out as it must' if good else 'DID NOT come out as it must'}.")
    return 0 if good else 1


def _run(runs: Path, seed: int, time_limit_s: float, bug: str | None) -> Judgement:
    test = standard(
        system="dynamo",
        workload="siblings",
        faults=NEMESIS,
        bug=bug,
        seed=seed,
        time_limit_s=time_limit_s,
    )
    progress = Progress()
    began = time.monotonic()
    try:
        outcome = run(test, runs=runs, listener=Listener(progress.phase, progress.event))
    finally:
        progress.done()
    print_outcome(outcome, as_json=False)
    print(f"took {time.monotonic() - began:.1f} s", flush=True)
    return outcome.judgement


if __name__ == "__main__":
    sys.exit(guarded(main))
