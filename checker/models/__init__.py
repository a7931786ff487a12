"""Sequential specifications: what an object does when one client uses it alone.

`MODELS` names those that come with Lineal; each is made by a function whose first argument is the
initial value. A model of one's own is any value with a `step`: see `checker.models.model`.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final, cast

from checker.models.model import Action, Inconsistent, Model, Unfit

_HOMES: Final = {
    "register": "register:register",
    "cas-register": "register:cas_register",
    "multi-register": "multi_register:multi_register",
    "mutex": "mutex:mutex",
    "fenced-mutex": "mutex:fenced_mutex",
    "reentrant-mutex": "mutex:reentrant_mutex",
    "counter": "counter:counter",
    "set": "set:make_set",
    "queue": "queues:queue",
    "unordered-queue": "queues:unordered_queue",
    "stack": "queues:stack",
    "kv": "kv:kv",
}


class _Models(Mapping[str, Callable[..., Any]]):
    """Imports a model when it is asked for: a check of one needs none of the others."""

    def __getitem__(self, name: str) -> Callable[..., Any]:
        module, _, maker = _HOMES[name].partition(":")
        found = getattr(importlib.import_module(f"checker.models.{module}"), maker)
        return cast("Callable[..., Any]", found)

    def __contains__(self, name: object) -> bool:
        return name in _HOMES

    def __iter__(self) -> Iterator[str]:
        return iter(_HOMES)

    def __len__(self) -> int:
        return len(_HOMES)


MODELS: Final[Mapping[str, Callable[..., Any]]] = _Models()
"""Makers of the built-in models by name. Each takes `initial`; its docstring is one sentence."""

__all__ = ["MODELS", "Action", "Inconsistent", "Model", "Unfit"]
