"""Initial values that were not meant as they were written: `"7"` where the history has 7.

A map that starts with a value under the name `"7"` says nothing of the key 7, so its first read
would be a violation, and one of whoever wrote the initial value. Such a history is not judged.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final, cast

from checker.history.layout import FAIL, OK
from checker.models.model import NULL, UnfitStart, text
from checker.models.register import CasRegister, Register

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from checker.history.columns import History
    from checker.models.model import Specification

PAIRS: Final = "names of a JSON object are strings: of others give pairs, as [[7, 0]]"


def refuse_unfit_start(history: History, model: Specification) -> None:
    """Raise UnfitStart where what the model starts with differs from the history in kind alone.

    To be asked before a violation is told; nothing can be wrong with the start of a legal history.
    """
    kind, start = type(model), cast("Any", model)
    # By name, so that a check of one model loads none of the others.
    if (kind.__module__, kind.__name__) == ("checker.models.kv", "Kv"):
        keys = history.columns.key
        _refuse_names(start.held, _texts(history, (keys[row] for row in _happened(history))))
    elif (kind.__module__, kind.__name__) == ("checker.models.multi_register", "MultiRegister"):
        _refuse_names(start.held, _registers(history) if start.held else set())
    elif kind in (Register, CasRegister):
        _refuse_value(history, start.value)


def _refuse_names(held: Iterable[tuple[str, str]], touched: set[str]) -> None:
    for name, _ in held:
        other = _alike(name, touched)
        if other is not None:
            raise UnfitStart(
                f"the model starts with a value under {name}, which no operation touches; the"
                f" history has {other}: {PAIRS}"
            )


def _refuse_value(history: History, start: str) -> None:
    columns = history.columns
    if start == NULL:
        return
    answered = (columns.output[row] for row in _happened(history) if columns.outcome[row] == OK)
    asked = _texts(history, (columns.input[row] for row in _happened(history)))
    written = {value for given in asked for value in (given, *_inside(given))}
    other = _alike(start, _texts(history, answered) - written)
    if other is not None and start not in written:
        raise UnfitStart(
            f"the model starts at {start}, but the history reads {other}, which nobody wrote: give"
            " it as the initial value"
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
