"""Which network stack a process lives in: two nodes of one stack cannot be cut from each other.

Imports the standard library only: it runs on the node's machine.
"""

from __future__ import annotations

import os


def network_stack() -> str:
    """A name for the stack of this process: the machine's boot and the network namespace.

    A part that cannot be read is `-`.
    """
    return f"{_boot()} {_namespace()}"


def _boot() -> str:
    try:
        with open("/proc/sys/kernel/random/boot_id", encoding="ascii") as file:
            return file.read().strip()
    except OSError:
        return "-"


def _namespace() -> str:
    try:
        return os.readlink("/proc/self/ns/net")
    except OSError:
        return "-"
