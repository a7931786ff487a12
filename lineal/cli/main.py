"""Reads the command line, and turns every way to end into a line of words and an exit status."""

from __future__ import annotations

import argparse
import contextlib
import importlib
import os
import signal
import sys
import traceback
from typing import TYPE_CHECKING, Final

from lineal import registry
from lineal.cli import exit_status
from lineal.registry import UsageProblem

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

DESCRIPTION: Final = """\
Lineal tests distributed systems for correctness: it starts a cluster, drives it, breaks it on
purpose, and proves from the record what held and what did not.
"""

COMMANDS: Final = {
    "run": "run_command",
    "check": "check_command",
    "recheck": "recheck_command",
    "report": "recheck_command",
    "sweep": "sweep_command",
    "counters": "counters_command",
    "list": "list_command",
    "bench": "bench_command",
    "doctor": "doctor_command",
    "image": "image_command",
    "cleanup": "cleanup_command",
    "status": "admin_command",
    "ring": "admin_command",
    "join": "admin_command",
    "leave": "admin_command",
    "replace": "admin_command",
    "abort": "admin_command",
    "repair": "admin_command",
    "backup": "archive_command",
    "restore": "archive_command",
    "scrub": "archive_command",
}
"""The module of each command, in the order of the help."""

EXPECTED: Final = (
    ("checker.history.problems", "MalformedHistory", exit_status.USAGE),
    ("reports.run_directory", "RunDirectoryProblem", exit_status.USAGE),
    ("systems_under_test.environments.cluster", "EnvironmentFailed", exit_status.FAILED),
)
"""Errors that are told in a line and no traceback: module, name, exit status."""

EXAMPLES: Final = """\
examples:
  lineal run dynamo --nemesis partition,kill,pause     drive it, break it, judge it
  lineal check history.jsonl --model cas-register      judge a history that you have
  lineal list                                          what there is
  lineal doctor                                        what this machine can do
"""


class _Parser(argparse.ArgumentParser):
    """A parser whose complaints exit with our own status for wrong usage."""

    def error(self, message: str) -> None:  # type: ignore[override]
        self.print_usage(sys.stderr)
        self.exit(exit_status.USAGE, f"{self.prog}: {message}\n")


class _ShowVersion(argparse.Action):
    """`--version`; what it takes to know it is loaded only then."""

    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> None:
        from importlib.metadata import version

        parser.exit(0, f"lineal {version('lineal')}\n")


def parser(command: str | None = None) -> argparse.ArgumentParser:
    """The command line: of one command where it is named, so that the others load nothing."""
    top = _Parser(
        prog="lineal",
        description=DESCRIPTION,
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    top.add_argument("--version", action=_ShowVersion, nargs=0, help="show the version")
    commands = top.add_subparsers(metavar="COMMAND", required=True, parser_class=_Parser)
    asked = [command] if command in COMMANDS else COMMANDS
    for module in dict.fromkeys(COMMANDS[name] for name in asked):
        importlib.import_module(f"lineal.cli.{module}").add(commands)
    return top


def main(arguments: list[str] | None = None) -> int:
    """Run one command and answer its exit status."""
    shadowed = registry.shadowed_packages()
    if shadowed:
        return _complain(shadowed, exit_status.USAGE)
    arguments = sys.argv[1:] if arguments is None else arguments
    command = arguments[0] if arguments else None
    args, unknown = parser(command).parse_known_args(arguments)
    if unknown:
        said = f"unknown to {command}: {' '.join(unknown)}; see `lineal {command} --help`"
        return _complain([said], exit_status.USAGE)
    with ended_by_sigterm():
        return guarded(lambda: int(args.command(args)))


class Terminated(KeyboardInterrupt):
    """SIGTERM has come."""


@contextlib.contextmanager
def ended_by_sigterm() -> Iterator[None]:
    """Let the first SIGTERM take everything down as an interrupt does; the next ends at once."""

    def end(number: int, frame: object) -> None:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        raise Terminated

    try:
        before = signal.signal(signal.SIGTERM, end)
    except ValueError:  # Only the main thread is told of signals.
        yield
        return
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def guarded(command: Callable[[], int]) -> int:
    """Run a command; every way to end becomes a line of words and an exit status."""
    try:
        return command()
    except UsageProblem as error:
        return _complain(error.problems, exit_status.USAGE)
    except KeyboardInterrupt as error:
        terminated = isinstance(error, Terminated)
        how = "ended by SIGTERM" if terminated else "interrupted"
        ended = exit_status.TERMINATED if terminated else exit_status.INTERRUPTED
        return _complain([f"{how}; everything was taken down", *_notes(error)], ended)
    except BrokenPipeError:
        # Whoever read our output has gone; what is left unsaid must not raise at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return exit_status.FAILED
    except Exception as error:
        status = _status_of(error)
        if status is not None:
            return _complain([str(error), *_notes(error)], status)
        # Python's own status for it would be 1, and that says that a violation was found.
        traceback.print_exc()
        said = [f"failed unexpectedly: {error!r}", *_notes(error)]
        return _complain(said, exit_status.FAILED)


def _notes(error: BaseException) -> list[str]:
    return list(getattr(error, "__notes__", ()))


def _status_of(error: Exception) -> int | None:
    """The status of an error that says all in its words; a class never imported raised nothing."""
    for module, name, status in EXPECTED:
        if isinstance(error, getattr(sys.modules.get(module), name, ())):
            return status
    return None


def _complain(lines: tuple[str, ...] | list[str], status: int) -> int:
    for line in lines:
        print(f"lineal: {line}", file=sys.stderr)
    return status
