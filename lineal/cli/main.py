"""Reads the command line, and turns every way to end into a line of words and an exit status."""

from __future__ import annotations

import argparse
import os
import sys
from typing import TYPE_CHECKING, Final

from lineal import registry
from lineal.cli import exit_status
from lineal.registry import UsageProblem

if TYPE_CHECKING:
    from collections.abc import Callable

DESCRIPTION: Final = """\
Lineal tests distributed systems for correctness: it starts a cluster, drives it, breaks it on
purpose, and proves from the record what held and what did not.
"""

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


def parser() -> argparse.ArgumentParser:
    """The whole command line."""
    from lineal.cli import (
        check_command,
        cleanup_command,
        doctor_command,
        image_command,
        list_command,
        recheck_command,
        run_command,
        sweep_command,
    )

    top = _Parser(
        prog="lineal",
        description=DESCRIPTION,
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = top.add_subparsers(metavar="COMMAND", required=True, parser_class=_Parser)
    for module in (
        run_command,
        check_command,
        recheck_command,
        sweep_command,
        list_command,
        doctor_command,
        image_command,
        cleanup_command,
    ):
        module.add(commands)
    return top


def main(arguments: list[str] | None = None) -> int:
    """Run one command and answer its exit status."""
    shadowed = registry.shadowed_packages()
    if shadowed:
        return _complain(shadowed, exit_status.USAGE)
    args = parser().parse_args(arguments)
    return guarded(lambda: int(args.command(args)))


def guarded(command: Callable[[], int]) -> int:
    """Run a command; every way to end becomes a line of words and an exit status."""
    from checker.history.problems import MalformedHistory
    from reports.run_directory import RunDirectoryProblem
    from systems_under_test.environments.cluster import EnvironmentFailed

    try:
        return command()
    except UsageProblem as error:
        return _complain(error.problems, exit_status.USAGE)
    except (RunDirectoryProblem, MalformedHistory) as error:
        return _complain([str(error)], exit_status.USAGE)
    except EnvironmentFailed as error:
        return _complain([str(error), *getattr(error, "__notes__", ())], exit_status.FAILED)
    except KeyboardInterrupt:
        return _complain(["interrupted; everything was taken down"], exit_status.INTERRUPTED)
    except BrokenPipeError:
        # Whoever read our output has gone; what is left unsaid must not raise at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return exit_status.FAILED


def _complain(lines: tuple[str, ...] | list[str], status: int) -> int:
    for line in lines:
        print(f"lineal: {line}", file=sys.stderr)
    return status
