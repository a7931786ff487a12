"""`python -P -m systems_under_test.host`: one node of a bundled system."""

from __future__ import annotations

import sys

from systems_under_test.host.node import run_node
from systems_under_test.host.options import parse_options

if __name__ == "__main__":
    sys.exit(run_node(parse_options(sys.argv[1:])))
