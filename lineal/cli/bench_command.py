"""`lineal bench`: figures of bundled systems, as tables in Markdown."""

from __future__ import annotations

import argparse
from typing import Final

from systems_under_test.dynamo import balance

EXAMPLES: Final = """\
examples:
  lineal bench ring               load balance of Dynamo's partitioning strategies
"""


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command."""
    parser = commands.add_parser(
        "bench",
        help="figures of bundled systems, as tables",
        description="Print a table of figures.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("what", choices=("ring",), help="ring: mean load by greatest load")
    parser.set_defaults(command=bench)


def bench(args: argparse.Namespace) -> int:
    """Print the table."""
    tables = {"ring": balance.table}
    for line in tables[args.what]():
        print(line)
    return 0
