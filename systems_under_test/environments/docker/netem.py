"""Whether the kernel has netem, tried and not guessed. Imports nothing heavy: options ask it."""

from __future__ import annotations

import os
import shutil
import subprocess
from functools import cache
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Collection

NETEM: Final = "netem"
BY_NETEM: Final = ("delay_ns", "jitter_ns", "duplicate_ppm", "reorder_ppm")
"""The fields of `LinkQuality` that only netem carries."""
NETEM_TRIAL: Final = ("tc", "qdisc", "add", "dev", "lo", "root", NETEM, "delay", "1ms")
TRIAL_S_MAX: Final = 10.0


def beyond(fields: Collection[str]) -> bool:
    """Whether any of these fields of `LinkQuality` takes netem."""
    return not set(fields).isdisjoint(BY_NETEM)


def why_not_tried() -> str | None:
    """Why this user cannot try here whether there is netem; None if they can."""
    for program in ("unshare", "tc"):
        if shutil.which(program) is None:
            return f"there is no `{program}` here"
    try:
        apart = subprocess.run([*_apart(), "true"], capture_output=True, timeout=TRIAL_S_MAX)
    except (OSError, subprocess.TimeoutExpired) as error:
        return str(error)
    return "no network of one's own can be made" if apart.returncode else None


@cache
def why_no_netem() -> str | None:
    """Why this machine's kernel has no netem, tried in a network of its own; None if it has.

    None too where this user may not try: then it is tried in a node's network.
    """
    if why_not_tried() is not None:
        return None
    try:
        tried = subprocess.run(
            [*_apart(), *NETEM_TRIAL], capture_output=True, text=True, timeout=TRIAL_S_MAX
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return tried.stderr.strip() or "`tc` refuses it" if tried.returncode else None


def _apart() -> list[str]:
    """What comes before a command that is to run in a network of its own."""
    root = os.geteuid() == 0
    return ["unshare", "--net"] if root else ["unshare", "--map-root-user", "--net"]


def refusal(fields: Collection[str], reason: str) -> str:
    """Why qualities of these fields cannot be had of a kernel without netem."""
    names = ", ".join(field.rsplit("_", 1)[0] for field in BY_NETEM if field in fields)
    return (
        f"links=kernel cannot carry these link faults ({names}): the kernel has no netem "
        f"({reason}); it carries link:lossy, link:rate and link:hold"
    )
