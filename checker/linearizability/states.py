"""When two states of a model are the same.

Python holds that `1 == True == 1.0`, so a register of a user's that held 1 and one that held true
would be one state, and a wrong answer would pass. Two states are the same here only if they are
alike in the types inside too; taking equal states for two costs time and never truth.
"""

from __future__ import annotations

from dataclasses import fields, is_dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Hashable

_PLAIN = frozenset({str, bytes, type(None)})


def identity(state: Any) -> Hashable:
    """A value that is equal for two states only if they are the same.

    Raises TypeError, naming the state, if it is not hashable.
    """
    key: Hashable = _identity(state)
    try:
        hash(key)
    except TypeError:
        raise TypeError(f"a model is a hashable value, but {state!r} is not") from None
    return key


def _identity(value: Any) -> Any:
    kind: Any = type(value)
    if kind in _PLAIN:
        return value
    if kind is tuple:
        return value if _PLAIN.issuperset(map(type, value)) else tuple(map(_identity, value))
    if kind in (bool, int, float):
        return kind, value
    if kind is frozenset:
        plain = _PLAIN.issuperset(map(type, value))
        return kind, value if plain else frozenset(map(_identity, value))
    if isinstance(value, tuple):  # a NamedTuple holds R(1) and R(True) for equal
        return kind, *map(_identity, value)
    names = _compared(kind)
    if names is None:
        return kind, value
    return kind, value, *(_identity(getattr(value, name)) for name in names)


@cache
def _compared(kind: Any) -> tuple[str, ...] | None:
    """The fields by which values of a dataclass or msgspec.Struct are compared, None for others."""
    if not is_dataclass(kind):
        return getattr(kind, "__struct_fields__", None)
    return tuple(field.name for field in fields(kind) if field.compare)
