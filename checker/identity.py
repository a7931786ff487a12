"""JSON values as names: equal names for equal values, and only for these."""

from __future__ import annotations

from typing import Any

from checker.history.values import canonical

Identity = int | str | bytes


def identity(value: Any) -> Identity:
    """A hashable name of a JSON value.

    Python's own equality would take `true` for 1 and 1 for 1.0. Integers and strings stand for
    themselves, because they are nearly all of a history; the rest is named by its canonical text.
    """
    return value if type(value) is int or type(value) is str else canonical(value)
