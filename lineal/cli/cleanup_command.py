"""`lineal cleanup`: remove what runs have left that nobody could clean up after."""

from __future__ import annotations

import argparse
from typing import Final

from lineal.cli import exit_status

EXAMPLES: Final = """\
examples:
  lineal cleanup --dry-run        say what is there, and touch nothing
  lineal cleanup                  remove what dead runs have left; live runs are spared
"""


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command."""
    parser = commands.add_parser(
        "cleanup",
        help="remove containers, networks and mounts that dead runs have left",
        description="Remove what is left of Docker runs whose harness and guardian both died. "
        "A run whose harness lives is never touched; images stay, they are the cache.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--dry-run", action="store_true", help="say what is there, remove nothing")
    parser.set_defaults(command=main)


def main(args: argparse.Namespace) -> int:
    """Remove, and say what."""
    from systems_under_test.environments.docker.cleanup import leftovers, remove_leftovers

    if args.dry_run:
        found = leftovers()
        dead = [leftover for leftover in found if not leftover.lives]
        alive = [leftover for leftover in found if leftover.lives]
    else:
        dead, alive = remove_leftovers()
    for leftover in alive:
        print(f"spared   run {leftover.run}, which lives: {', '.join(leftover.things)}")
    word = "left" if args.dry_run else "removed"
    for leftover in dead:
        print(f"{word:8} of run {leftover.run}: {', '.join(leftover.things)}")
    if not dead:
        print("nothing is left of dead runs")
    return exit_status.VALID
