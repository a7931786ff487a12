"""Lineal: start a distributed system, drive it, break it, and prove from the record what held.

`run(Test(...))` runs a test and judges it; `check(history, model)` judges a history by a model.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from checker.linearizability.checker import check
    from lineal.definition import Test
    from lineal.running import Outcome, run

__all__ = ["Outcome", "Test", "check", "run"]

_HOMES = {
    "Test": "lineal.definition",
    "run": "lineal.running",
    "Outcome": "lineal.running",
    "check": "checker.linearizability.checker",
}


def __getattr__(name: str) -> Any:
    """Import on first use, so that the command line starts quickly."""
    import importlib

    if name not in _HOMES:
        raise AttributeError(f"module 'lineal' has no attribute {name!r}")
    return getattr(importlib.import_module(_HOMES[name]), name)
