"""Sequential specifications: what an object does when one client uses it alone.

`MODELS` names those that come with Lineal; each is made by a function whose first argument is the
initial value. A model of one's own is any value with a `step`: see `checker.models.model`.
"""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final

from checker.models.counter import counter
from checker.models.kv import kv
from checker.models.model import Action, Inconsistent, Model, Unfit
from checker.models.multi_register import multi_register
from checker.models.mutex import fenced_mutex, mutex, reentrant_mutex
from checker.models.queues import queue, stack, unordered_queue
from checker.models.register import cas_register, register
from checker.models.set import make_set

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

MODELS: Final[Mapping[str, Callable[..., Any]]] = MappingProxyType(
    {
        "register": register,
        "cas-register": cas_register,
        "multi-register": multi_register,
        "mutex": mutex,
        "fenced-mutex": fenced_mutex,
        "reentrant-mutex": reentrant_mutex,
        "counter": counter,
        "set": make_set,
        "queue": queue,
        "unordered-queue": unordered_queue,
        "stack": stack,
        "kv": kv,
    }
)
"""Makers of the built-in models by name. Each takes `initial`; its docstring is one sentence."""

__all__ = ["MODELS", "Action", "Inconsistent", "Model", "Unfit"]
