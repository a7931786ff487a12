"""Initial values that were not meant as they were written: `"7"` where the history has 7.

A map that starts with a value under the name `"7"` says nothing of the key 7, so its first read
would be a violation, and one of whoever wrote the initial value. An object that some order explains
from the start that was meant is not accused; one that no order explains from either start is.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, cast

from checker.history.layout import FAIL, OK
from checker.models.model import NULL, text
from checker.models.register import CasRegister, Register

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from checker.history.columns import History
    from checker.models.model import Specification

PAIRS: Final = "names of a JSON object are strings: of others give pairs, as [[7, 0]]"


@dataclass(frozen=True, slots=True)
class OtherStart:
    """The model with the start that may have been meant, and what to say if it was."""

    model: Specification
    told: str


def other_start(history: History, model: Specification) -> OtherStart | None:
    """What may have been meant, where the start differs from the history in kind alone."""
    kind, start = type(model), cast("Any", model)
    # By name, so that a check of one model loads none of the others.
    if (kind.__module__, kind.__name__) == ("checker.models.kv", "Kv"):
        keys = history.columns.key
        return _other_names(start, _texts(history, (keys[row] for row in _happened(history))))
    if (kind.__module__, kind.__name__) == ("checker.models.multi_register", "MultiRegister"):
        return _other_names(start, _registers(history) if start.held else set())
    if kind in (Register, CasRegister):
        return _other_value(history, start)
    return None


def _other_names(start: Any, touched: set[str]) -> OtherStart | None:
    given = {name for name, _ in start.held}
    # [[7, 0], ["7", 1]] says what 7 starts at.
    alike = {name: _alike(name, touched) for name in given}
    others = {name: other for name, other in alike.items() if other and other not in given}
    if not others:
        return None
    name, other = min(others.items())
    meant = type(start)(tuple(sorted((others.get(at, at), value) for at, value in start.held)))
    return OtherStart(
        meant,
        f"the model starts with a value under {name}, which no operation touches; the"
        f" history has {other}: {PAIRS}",
    )


def _other_value(history: History, start: Register | CasRegister) -> OtherStart | None:
    columns = history.columns
    if start.value == NULL:
        return None
    answered = (columns.output[row] for row in _happened(history) if columns.outcome[row] == OK)
    asked = _texts(history, (columns.input[row] for row in _happened(history)))
    written = {value for given in asked for value in (given, *_inside(given))}
    other = _alike(start.value, _texts(history, answered) - written)
    if other is None or start.value in written:
        return None
    return OtherStart(
        type(start)(other),
        f"the model starts at {start.value}, but the history reads {other}, which nobody wrote:"
        " give it as the initial value",
    )


def _alike(wanted: str, there: set[str]) -> str | None:
    """What differs from this value in kind alone, as 7 from "7", where the value is not there."""
    if wanted in there:
        return None
    alike = (other for other in there if other.strip('"') == wanted.strip('"'))
    return min(alike, default=None)


def _happened(history: History) -> Iterator[int]:
    outcome = history.columns.outcome
    return (row for row in range(len(history)) if outcome[row] != FAIL)


def _texts(history: History, numbers: Iterable[int]) -> set[str]:
    return {text(history.values[number]) for number in set(numbers)}


def _inside(given: str) -> list[str]:
    """The values of a compare-and-set."""
    value = json.loads(given)
    return [text(part) for part in value] if isinstance(value, list) else []


def _registers(history: History) -> set[str]:
    numbers = {history.columns.input[row] for row in _happened(history)}
    steps = (step for number in numbers for step in history.values[number])
    return {text(step[1]) for step in steps}
