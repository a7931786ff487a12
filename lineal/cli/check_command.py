"""`lineal check`: judge histories that are there already, each by itself."""

from __future__ import annotations

import argparse
import glob
import resource
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import msgspec

from lineal import registry
from lineal.cli import exit_status, values
from lineal.registry import UsageProblem

if TYPE_CHECKING:
    from checker.verdict import Budget, Checker, Finding, Verdict

EXAMPLES: Final = """\
examples:
  lineal check history.jsonl --model cas-register
  lineal check 'runs/*/*/history.jsonl' --checker siblings --json
  lineal check history.jsonl --model mypackage.models:Counter

exit status: 0 valid, 1 invalid, 2 unknown, 64 unreadable; of several files the worst of
invalid, unreadable, unknown, valid
"""

CHECKERS: Final = {
    "siblings": "checker.convergence.siblings:Siblings",
    "sessions": "checker.sessions.checker:Sessions",
    "staleness": "checker.convergence.staleness:Staleness",
    "set-full": "checker.invariants.set_full:SetFull",
    "statistics": "checker.invariants.statistics:Statistics",
    "recovery": "checker.invariants.recovery:Recovery",
}


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command."""
    parser = commands.add_parser(
        "check",
        help="judge a history",
        description="Judge histories in JSON Lines by a model (linearizability) or a checker.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("history", nargs="+", metavar="HISTORY", help="a file or a glob")
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--model", metavar="M", help="is it linearizable by this model?")
    what.add_argument("--checker", metavar="C", help="judge by this checker, all it knows")
    parser.add_argument("--time-budget", type=values.positive, metavar="S")
    parser.add_argument("--memory-budget", type=values.count, metavar="MB")
    parser.add_argument(
        "--drop-partial-line", action="store_true", help="ignore a half-written last line"
    )
    parser.add_argument("--json", action="store_true", help="one JSON object a line for each file")
    parser.set_defaults(command=main)


def main(args: argparse.Namespace) -> int:
    """Check every file and answer the worst status."""
    from checker.verdict import Budget

    judge = _checker(args.model, args.checker)
    budget = Budget(seconds=args.time_budget, memory_mb=args.memory_budget)
    statuses = []
    for path in _files(args.history):
        result = _check(path, judge, budget, drop_partial_line=args.drop_partial_line)
        result["model"] = args.model
        if args.json:
            print(msgspec.json.encode(result).decode(), flush=True)
        else:
            _print(result)
        status = result["verdict"]
        statuses.append(exit_status.OF_STATUS.get(status, exit_status.USAGE))
    return exit_status.worst(statuses)


def _checker(model: str | None, checker: str | None) -> Checker:
    if checker is not None:
        path = checker if ":" in checker else CHECKERS.get(checker)
        if path is None:
            raise registry.unknown_name("checker", checker, CHECKERS)
        made: Checker = registry.load(path)()
        return made
    from checker.linearizability.checker import Linearizable

    from checker.models import MODELS

    assert model is not None
    if ":" in model:
        found = registry.load(model)
        return Linearizable(found() if isinstance(found, type) else found)
    if model not in MODELS:
        raise registry.unknown_name("model", model, MODELS)
    return Linearizable(MODELS[model]())


def _files(patterns: list[str]) -> list[Path]:
    """The files, globs expanded; UsageProblem for one that is not there."""
    found: list[Path] = []
    missing = []
    for pattern in patterns:
        matches = sorted(glob.glob(pattern, recursive=True))
        if not matches:
            missing.append(f"no such file: {pattern}")
        found += [Path(match) for match in matches]
    if missing:
        raise UsageProblem(missing)
    return found


def _check(
    path: Path, judge: Checker, budget: Budget, *, drop_partial_line: bool
) -> dict[str, Any]:
    from checker.claims import CLAIMS
    from checker.history.columns import History
    from checker.history.problems import MalformedHistory
    from checker.verdict import CheckContext, Verdict

    began = time.perf_counter()
    result: dict[str, Any] = {"file": str(path), "verdict": "malformed", "cause": None}
    try:
        history = History.read(path, drop_partial_line=drop_partial_line)
    except MalformedHistory as error:
        return {**result, "cause": str(error), "findings": []}
    except OSError as error:
        return {**result, "cause": f"cannot read {path}: {error.strerror}", "findings": []}
    parsed = time.perf_counter()
    context = CheckContext(claims=frozenset(CLAIMS), budget=budget)
    try:
        verdict = judge.check(history, context)
    except Exception as error:
        # A checker of the user's may raise anything: that says nothing about the history.
        verdict = Verdict.unknown(f"{judge.name} raised {error!r}")
    return {
        **result,
        "verdict": verdict.status,
        "cause": verdict.cause,
        "algorithm": verdict.observed.get("algorithm", judge.name),
        "operations": len(history),
        "parse_s": round(parsed - began, 6),
        "check_s": round(time.perf_counter() - parsed, 6),
        "peak_mb": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / _MAXRSS_UNIT, 1),
        "findings": _findings(verdict),
    }


_MAXRSS_UNIT: Final = 1024 * 1024 if sys.platform == "darwin" else 1024


def _findings(verdict: Verdict) -> list[dict[str, Any]]:
    return [_finding(finding) for finding in verdict.findings]


def _finding(finding: Finding) -> dict[str, Any]:
    return {
        "kind": finding.kind,
        "sentence": finding.sentence,
        "operations": [operation.index for operation in finding.operations],
        "faults": list(finding.faults),
    }


def _print(result: dict[str, Any]) -> None:
    cause = f" ({result['cause']})" if result["cause"] else ""
    size = f", {result['operations']} operations" if "operations" in result else ""
    print(f"{result['file']}: {result['verdict']}{cause}{size}")
    for finding in result["findings"]:
        print(f"  {finding['kind']}: {finding['sentence']}")
