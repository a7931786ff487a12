"""Plans of somebody's own, for the tests of import paths."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nemesis.families import pause

if TYPE_CHECKING:
    from nemesis.plan import FaultPlan

READY = pause("all")


def made() -> FaultPlan:
    """A plan from a function."""
    return pause("one")


def broken() -> FaultPlan:
    """Raises."""
    raise KeyError("no such thing")


NUMBER = 7
