"""What the exit status of every command means, and which of several results is the worst."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable

VALID: Final = 0
INVALID: Final = 1
UNKNOWN: Final = 2
FAILED: Final = 3
USAGE: Final = 64
INTERRUPTED: Final = 130
TERMINATED: Final = 143
"""By SIGTERM, as a shell tells it."""

OF_STATUS: Final = {"valid": VALID, "invalid": INVALID, "unknown": UNKNOWN}

_WORST_FIRST: Final = (INVALID, FAILED, USAGE, UNKNOWN, VALID)


def worst(statuses: Iterable[int]) -> int:
    """The worst of several: an unknown never hides a violation. VALID where there are none."""
    found = set(statuses)
    return next((status for status in _WORST_FIRST if status in found), VALID)
