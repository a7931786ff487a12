"""`python -m lineal` and the command `lineal`."""

from __future__ import annotations

import sys


def main() -> int:
    """Run the command line."""
    from lineal.cli.main import main as run_command_line

    return run_command_line()


if __name__ == "__main__":
    sys.exit(main())
