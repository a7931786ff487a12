"""What a run has left on a node's machine, and how it is removed.

Imports the standard library only, besides what does: it runs on that machine.
"""

from __future__ import annotations

import os
import shutil
import sys

from systems_under_test.environments.local import resources
from systems_under_test.environments.ssh.firewall import Refused, remove

MARK = "chain"
"""The file that says: a chain has been made, or was about to be."""
LIMITED = "limited"
"""The file that says the same of control groups."""


def clean(directory: str, chain: str) -> bool:
    """Remove what a run has left on this machine; whether nothing is left."""
    cleaned = True
    if os.path.exists(os.path.join(directory, MARK)):
        try:
            remove(chain)
        except Refused as error:
            sys.stderr.write(f"{error}\n")
            cleaned = False
    if os.path.exists(os.path.join(directory, LIMITED)):
        resources.remove(group_of(directory))
    shutil.rmtree(directory, ignore_errors=True)
    return cleaned and not os.path.exists(directory)


def group_of(directory: str) -> str:
    """The name of a node's control group: its directory is nobody else's."""
    return os.path.basename(directory)
