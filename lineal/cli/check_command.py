"""`lineal check`: judge histories that are there already, each by itself."""

from __future__ import annotations

import argparse
import os
import resource
import sys
import time
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

import msgspec

from lineal import registry
from lineal.cli import exit_status, values
from lineal.cli.budget_flags import add_budget_flags
from lineal.registry import UsageProblem

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import TextIO

    from checker.history.importers.reading import Reading
    from checker.models.model import Model
    from checker.verdict import Budget, Checker, Finding

EXAMPLES: Final = """\
examples:
  lineal check history.jsonl --model cas-register
  lineal check history.jsonl --model queue --algorithm frontier
  lineal check store/latest/history.edn --model cas-register --initial 0
  lineal check 'runs/*/*/history.jsonl' --checker siblings --json
  lineal check history.jsonl --model mypackage.models:Counter --workers 4

exit status: 0 valid, 1 invalid, 2 unknown, 64 not judged (no such file, malformed, unfit for the
model or the algorithm); of several files the worst of invalid, not judged, unknown, valid
"""

OTHER_MODEL: Final = "; choose another --model (lineal list models), or name one of your own"
STARTED: Final = "if the object did not start as the model does, give its value by --initial"
STRINGS: Final = "names in --initial are strings; of keys that are none give pairs: [[7, 0]]"
NO_ALGORITHM: Final = "; without --algorithm the first that applies is taken"

NO_MAPS: Final = "unmapped-registers"
"""The problem of values that a multi-register cannot take: the model is wrong, not the file."""

CHECKERS: Final = {
    "siblings": "checker.convergence.siblings:Siblings",
    "cart": "checker.invariants.cart:Cart",
    "last-write": "checker.convergence.last_write:LastWrite",
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
        description="Judge histories by a model (linearizability) or a checker. JSON Lines, EDN of"
        " Jepsen and Porcupine, and logs of Jepsen are recognized by their content.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("history", nargs="+", metavar="HISTORY", help="a file or a glob")
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--model", metavar="M", help="is it linearizable by this model?")
    what.add_argument("--checker", metavar="C", help="judge by this checker, all it knows")
    parser.add_argument(
        "--initial", type=values.json, metavar="JSON", help="the value at which the model starts"
    )
    parser.add_argument(
        "--algorithm", metavar="A", help="judge by this one alone; an error where it does not apply"
    )
    parser.add_argument(
        "--no-prune", action="store_true", help="try everything, to check the checker (slow)"
    )
    parser.add_argument(
        "--all-keys", action="store_true", help="go on to the other keys after a violation"
    )
    parser.add_argument(
        "--verify-partition",
        action="store_true",
        help="try on samples whether the model's `partition` is true; an error if it is not",
    )
    parser.add_argument(
        "--workers",
        type=values.workers,
        metavar="N",
        help="judge keys in N processes (default: in threads, where the core steps the model);"
        " not with a budget of steps or memory",
    )
    parser.add_argument(
        "--step-budget",
        type=values.count,
        metavar="N",
        help="of the search, on each file: the same verdict on every machine",
    )
    add_budget_flags(parser)
    parser.add_argument(
        "--drop-partial-line", action="store_true", help="ignore a half-written last line"
    )
    _add_reading(parser)
    parser.add_argument("--json", action="store_true", help="one JSON object a line for each file")
    parser.set_defaults(command=main)


def _add_reading(parser: argparse.ArgumentParser) -> None:
    reading = parser.add_argument_group("how to read histories of other tools")
    choices = ("drop", "observe")
    reading.add_argument(
        "--failed-cas",
        choices=choices,
        help="a failed compare-and-set did not happen (drop: EDN), or found another value"
        " (observe: logs)",
    )
    reading.add_argument(
        "--nil-reads",
        choices=choices,
        help="a read answered nil says nothing (drop: of a register with --initial), or that"
        " null was there (observe)",
    )
    reading.add_argument(
        "--independent",
        choices=("auto", "yes", "no"),
        default="auto",
        help="values are tuples [key value] (auto: if all of them look so)",
    )


def main(args: argparse.Namespace) -> int:
    """Check every file and answer the worst status."""
    judge = _checker(args.checker, args) if args.model is None else _model(args.model, args)
    with _shared(judge, args) as judge:
        return _check_files(judge, args)


def _check_files(judge: Checker, args: argparse.Namespace) -> int:
    from checker.history.importers.reading import reading_for
    from checker.models import MODELS
    from checker.verdict import Budget

    budget = Budget(steps=args.step_budget, seconds=args.time_budget, memory_mb=args.memory_budget)
    reading = reading_for(
        args.model,
        args.initial,
        failed_cas=args.failed_cas,
        nil_reads=args.nil_reads,
        independent={"auto": None, "yes": True, "no": False}[args.independent],
    )
    statuses = []
    for path in _files(args.history):
        drop, stream = args.drop_partial_line, sys.stdout
        try:
            result = _check(path, judge, budget, reading=reading, drop_partial_line=drop)
            result["hint"] = _hint(result["findings"], args) if args.model in MODELS else None
        except OSError as error:
            result, stream = _not_judged(path, "unreadable", _why(path, error)), sys.stderr
        if args.json:
            print(msgspec.json.encode({**result, "model": args.model}).decode(), flush=True)
        else:
            _print(result, stream)
        status = result["verdict"]
        statuses.append(exit_status.OF_STATUS.get(status, exit_status.USAGE))
    return exit_status.worst(statuses)


@contextmanager
def _shared(judge: Checker, args: argparse.Namespace) -> Iterator[Checker]:
    """The checker, with an executor for the keys of a history where that helps."""
    if args.model is None or not args.workers:
        yield judge
        return
    from concurrent.futures import ProcessPoolExecutor
    from multiprocessing import get_context

    from checker.linearizability.checker import Linearizable

    assert isinstance(judge, Linearizable)
    with ProcessPoolExecutor(args.workers, mp_context=get_context("spawn")) as executor:
        yield replace(judge, executor=executor)


def _checker(name: str, args: argparse.Namespace) -> Checker:
    given = (args.initial, args.algorithm, args.workers)
    flags = (args.no_prune, args.all_keys, args.verify_partition)
    if any(flags) or any(option is not None for option in given):
        options = "--initial, --algorithm, --all-keys, --verify-partition, --workers and --no-prune"
        raise UsageProblem([f"{options} are for a --model, and there is none"])
    path = name if ":" in name else CHECKERS.get(name)
    if path is None:
        raise registry.unknown_name("checker", name, CHECKERS, or_path=True)
    made: Checker = registry.load(path)()
    return made


def _model(name: str, args: argparse.Namespace) -> Checker:
    from checker.linearizability.checker import Linearizable
    from checker.linearizability.dispatch import ALGORITHMS
    from checker.linearizability.search import PRUNINGS
    from checker.models import MODELS

    if ":" not in name and name not in MODELS:
        raise registry.unknown_name("model", name, MODELS, or_path=True)
    if args.algorithm not in (None, *ALGORITHMS):
        raise registry.unknown_name("algorithm", args.algorithm, ALGORITHMS)
    if args.workers and (args.step_budget or args.memory_budget):
        why = (
            "--workers judges in processes that share seconds alone: leave it out, for threads keep"
            " to every budget, or leave out --step-budget and --memory-budget"
        )
        raise UsageProblem([why])
    model = MODELS[name] if name in MODELS else registry.load(name)
    if callable(model):
        model = _started(name, model, args.initial)
    elif args.initial is not None:
        raise UsageProblem([f"{name} is a value already: --initial needs a class or function"])
    if not any(callable(getattr(model, power, None)) for power in ("step", "steps")):
        raise UsageProblem(
            [f"{name} is no model: the {type(model).__name__} has no step (docs/models.md)"]
        )
    prune: frozenset[str] = frozenset(() if args.no_prune else PRUNINGS)
    return Linearizable(
        model,
        args.algorithm,
        prune,
        all_keys=args.all_keys,
        verify_partition=args.verify_partition,
    )


def _started(name: str, make: Callable[..., Model], initial: Any) -> Model:
    try:
        return make() if initial is None else make(initial)
    except (TypeError, ValueError, AttributeError) as error:
        shown = "" if initial is None else f" at {msgspec.json.encode(initial).decode()}"
        raise UsageProblem([f"the model {name} cannot start{shown}: {error}"]) from error


def _files(patterns: list[str]) -> Iterator[str]:
    """The files, globs expanded; a pattern that nothing matches stands for itself."""
    for pattern in patterns:
        yield from [pattern] if os.path.exists(pattern) else _matches(pattern)


def _matches(pattern: str) -> list[str]:
    import glob

    return sorted(glob.glob(pattern, recursive=True)) or [pattern]


def _check(
    path: str, judge: Checker, budget: Budget, *, reading: Reading, drop_partial_line: bool
) -> dict[str, Any]:
    from checker.claims import CLAIMS
    from checker.history.importers import formats
    from checker.history.problems import MalformedHistory
    from checker.linearizability.dispatch import Inapplicable
    from checker.models.model import Unfit, UnfitStart
    from checker.verdict import CheckContext, Verdict

    began = time.perf_counter()
    try:
        read = formats.read(path, reading=reading, drop_partial_line=drop_partial_line)
    except MalformedHistory as error:
        if all(problem.kind == NO_MAPS for problem in error.problems):
            return _not_judged(path, "unfit", f"{error.problems[0]}{OTHER_MODEL}")
        return _not_judged(path, "malformed", str(error))
    parsed = time.perf_counter()
    context = CheckContext(claims=frozenset(CLAIMS), budget=budget)
    try:
        verdict = judge.check(read.history, context)
    except UnfitStart as error:
        return _not_judged(path, "unfit", str(error))
    except Unfit as error:
        return _not_judged(path, "unfit", f"{error}{OTHER_MODEL}")
    except Inapplicable as error:
        return _not_judged(path, "inapplicable", f"{error}{NO_ALGORITHM}")
    except Exception as error:
        from checker.linearizability.automaton import WrongDeclaration

        if isinstance(error, WrongDeclaration):
            raise UsageProblem([str(error)]) from error
        # A checker of the user's may raise anything: that says nothing about the history.
        verdict = Verdict.unknown(f"{judge.name} raised {error!r}")
    return {
        **_not_judged(path, verdict.status, verdict.cause),
        "format": read.format,
        "read": read.notes,
        "algorithm": verdict.observed.get("algorithm", judge.name),
        "partition": verdict.observed.get("partition"),
        "operations": len(read.history),
        "parse_s": round(parsed - began, 6),
        "check_s": round(time.perf_counter() - parsed, 6),
        "findings": [_finding(finding) for finding in verdict.findings],
    }


def _not_judged(path: str, verdict: str, cause: str | None) -> dict[str, Any]:
    """What is said of a file about which nothing else can be said."""
    return {
        "file": path,
        "verdict": verdict,
        "cause": cause,
        "format": None,
        "read": {},
        "algorithm": None,
        "partition": None,
        "operations": 0,
        "parse_s": 0.0,
        "check_s": 0.0,
        "peak_mb": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / _MAXRSS_UNIT, 1),
        "findings": [],
        "hint": None,
    }


_MAXRSS_UNIT: Final = 1024 * 1024 if sys.platform == "darwin" else 1024


def _finding(finding: Finding) -> dict[str, Any]:
    return {
        "kind": finding.kind,
        "sentence": finding.sentence,
        "operations": [operation.index for operation in finding.operations],
        "faults": list(finding.faults),
        "sub_history": [operation.index for operation in finding.sub_history],
        "details": list(finding.details),
    }


def _hint(findings: list[dict[str, Any]], args: argparse.Namespace) -> str | None:
    """What may be wrong instead, where an operation is impossible at the start, even alone."""
    if not any(finding["sub_history"] == finding["operations"] for finding in findings):
        return None
    if isinstance(args.initial, dict) and args.model in ("kv", "multi-register"):
        return STRINGS
    return STARTED if args.initial is None else None


def _why(path: str, error: OSError) -> str:
    if isinstance(error, FileNotFoundError):
        return f"no such file: {path}"
    if isinstance(error, IsADirectoryError):
        inside = os.path.join(path, "history.jsonl")
        if os.path.isfile(inside):
            return f"{path} is a directory: name its {inside}, or judge the run by lineal recheck"
        return f"{path} is a directory: name the history in it, or a glob in quotes, '{path}/*'"
    return f"cannot read {path}: {error.strerror}"


def _print(result: dict[str, Any], stream: TextIO) -> None:
    told = (result["cause"] or "").removeprefix(f"{result['file']} is malformed: ")
    judged = result["verdict"] in exit_status.OF_STATUS
    cause = "" if not told else f" ({told})" if judged else f": {told}"
    count = result["operations"]
    size = f", {count} operation{'s' if count > 1 else ''}" if count else ""
    print(f"{result['file']}: {result['verdict']}{cause}{size}", file=stream)
    if result["read"]:
        print(f"  read as {result['format']}: {', '.join(_told(result['read']))}", file=stream)
    if result["partition"] is not None:
        steps, pieces = result["partition"]["steps"], result["partition"]["pieces"]
        print(
            f"  partition: alike in {steps} steps and {pieces} pieces of the history", file=stream
        )
    for finding in result["findings"]:
        print(f"  {finding['kind']}: {finding['sentence']}", file=stream)
        for line in finding["details"]:
            print(f"    {line}", file=stream)
    if result["hint"] is not None:
        print(f"  {result['hint']}", file=stream)


def _told(notes: dict[str, Any]) -> Iterator[str]:
    """What was decided while a history of another tool was read."""
    yield "stamps as written" if notes["by_time"] else "stamps by the order of the lines"
    if notes["independent"]:
        yield "values are tuples of key and value"
    if notes["blank_is_absent"]:
        yield "absent keys hold the empty string"
    counted = {
        "failed_cas_dropped": "failed compare-and-sets dropped",
        "failed_cas_observed": "failed compare-and-sets observed",
        "nil_reads_dropped": "reads of nil dropped",
    }
    for name, told in counted.items():
        if notes[name]:
            yield f"{notes[name]} {told}"
