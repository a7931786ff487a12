"""`lineal image`: find or make the image that nodes run in as containers."""

from __future__ import annotations

import argparse
import sys
from typing import Final

from lineal.cli import exit_status

EXAMPLES: Final = """\
examples:
  lineal image                               make sure that there is one; print its tag
  lineal image --base python:3.12-slim       on a base of your own
  lineal image --replica mine.store:make     with a replica of your own, and what it imports

Runs do the same by themselves. Where the base image can neither be found nor pulled, one is made
from the distribution of this machine by debootstrap, which takes root.
"""


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command."""
    parser = commands.add_parser(
        "image",
        help="find or make the image that nodes run in as containers",
        description="Find or make the Docker image of nodes. Its tag is a hash of what it holds.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--base", metavar="IMAGE", help="build on this one")
    parser.add_argument("--replica", metavar="MODULE:FUNCTION", help="a replica besides ours")
    parser.set_defaults(command=main)


def main(args: argparse.Namespace) -> int:
    """Find or make it; the tag on standard output, what takes long on standard error."""
    from systems_under_test.environments.docker.engine import connect
    from systems_under_test.environments.docker.image import ensure_image

    client = connect()
    try:
        tag = ensure_image(
            client,
            args.replica,
            base=args.base,
            tell=lambda line: print(line, file=sys.stderr),
        )
    finally:
        client.close()
    print(tag)
    return exit_status.VALID
