"""The flags of every command that judges: what it may cost."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lineal.cli import values

if TYPE_CHECKING:
    import argparse


def add_budget_flags(parser: argparse.ArgumentParser) -> None:
    """Add them."""
    parser.add_argument(
        "--time-budget",
        type=values.positive,
        metavar="S",
        help="seconds that judging may take; what is not decided by then is unknown",
    )
    parser.add_argument(
        "--memory-budget",
        type=values.count,
        metavar="MB",
        help="memory that judging may take; what needs more is unknown",
    )
