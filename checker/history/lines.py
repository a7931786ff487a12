"""One line of a history, read strictly: the simple twin of the native reader's parser."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any, Final

from checker.history.events import NEMESIS
from checker.history.layout import TYPES
from checker.history.problems import Problem
from checker.history.values import canonical

if TYPE_CHECKING:
    from collections.abc import Callable

DEPTH_MAX: Final = 128
NUMBER_CHARACTERS_MAX: Final = 1000
LINE_BYTES_MAX: Final = 64 * 2**20
STAMP_MAX: Final = 2**62

_WHITESPACE: Final = b" \t\r"
_SURROGATE: Final = re.compile("[\ud800-\udfff]")
_STRING: Final = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*"', re.DOTALL)
_REQUIRED: Final = ("index", "time", "process", "type", "f")
_SHOWN_CHARACTERS_MAX: Final = 40


class Refused(Exception):
    """A line that is no event; carries its problems."""

    def __init__(self, *problems: Problem) -> None:
        super().__init__(problems)
        self.problems: Final = problems


def is_blank(line: bytes) -> bool:
    """Whether nothing stands on the line: such lines are skipped."""
    return not line.strip(_WHITESPACE)


def object_of(line: bytes, number: int) -> dict[str, Any]:
    """The JSON object on line `number`. Raises Refused for anything that is not exactly one."""

    def refuse(kind: str, detail: str = "", column: int = 0) -> Refused:
        return Refused(Problem(number, column, kind, detail))

    def number_of(text: str) -> int | float:
        if len(text) > NUMBER_CHARACTERS_MAX:
            raise refuse("number-too-long", str(NUMBER_CHARACTERS_MAX))
        value = float(text) if set(text) & set(".eE") else int(text)
        if value in (float("inf"), float("-inf")):
            raise refuse("not-finite", text)
        return value + 0

    def not_a_number(text: str) -> None:
        raise refuse("not-finite", text)

    def object_without_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        found = dict(pairs)
        if len(found) < len(pairs):
            names = [name for name, _ in pairs]
            twice = next(name for i, name in enumerate(names) if name in names[:i])
            raise refuse("duplicate-key", json.dumps(twice, ensure_ascii=False))
        return found

    if len(line) > LINE_BYTES_MAX:
        raise refuse("line-too-long", str(LINE_BYTES_MAX))
    try:
        text = line.decode()
    except UnicodeDecodeError as error:
        raise refuse("not-utf8", column=error.start + 1) from None
    if _depth(line) > DEPTH_MAX:
        raise refuse("too-deep", str(DEPTH_MAX))
    try:
        value = json.loads(
            text,
            parse_int=number_of,
            parse_float=number_of,
            parse_constant=not_a_number,
            object_pairs_hook=object_without_duplicates,
        )
    except json.JSONDecodeError as error:
        raise refuse("not-json", error.msg, len(text[: error.pos].encode()) + 1) from None
    if not isinstance(value, dict):
        raise refuse("not-an-object")
    if _SURROGATE.search(json.dumps(value, ensure_ascii=False)):
        raise refuse("surrogate")
    return value


def is_half_written(line: bytes) -> bool:
    """Whether a string or a bracket is still open where the line ends."""
    outside = _STRING.sub(b"", line)
    return b'"' in outside or _opened(outside) > _closed(outside)


def _opened(text: bytes) -> int:
    return text.count(b"{") + text.count(b"[")


def _closed(text: bytes) -> int:
    return text.count(b"}") + text.count(b"]")


def _depth(line: bytes) -> int:
    """How deep brackets nest, at most; a cheap bound where that is small enough."""
    if _opened(line) <= DEPTH_MAX:
        return _opened(line)
    depth = deepest = 0
    for byte in _STRING.sub(b"", line):
        depth += (byte in b"{[") - (byte in b"]}")
        deepest = max(deepest, depth)
    return deepest


def check_fields(fields: dict[str, Any], number: int) -> None:
    """Refuse an object whose fields are not those of an event. Raises Refused with all problems."""
    problems = [
        Problem(number, 0, "missing-field", name) for name in _REQUIRED if fields.get(name) is None
    ]
    problems += [
        Problem(number, 0, "ill-typed-field", name)
        for name, fits in _FITS.items()
        if fields.get(name) is not None and not fits(fields[name])
    ]
    type = fields.get("type")
    if type is not None and type not in TYPES:
        shown = canonical(type).decode()[:_SHOWN_CHARACTERS_MAX]
        problems.append(Problem(number, 0, "unknown-type", shown))
    if type == "invoke":
        problems += [
            Problem(number, 0, "misplaced-field", name)
            for name in ("output", "error")
            if fields.get(name) is not None
        ]
    if problems:
        raise Refused(*problems)


def _is_count(value: Any) -> bool:
    return type(value) is int and 0 <= value < STAMP_MAX


def _is_stamp(value: Any) -> bool:
    return type(value) is int and -STAMP_MAX < value < STAMP_MAX


def _is_process(value: Any) -> bool:
    return value == NEMESIS or _is_count(value)


def _is_text(value: Any) -> bool:
    return isinstance(value, str)


_FITS: Final[dict[str, Callable[[Any], bool]]] = {
    "index": _is_count,
    "time": _is_stamp,
    "process": _is_process,
    "f": _is_text,
    "node": _is_text,
    "request": _is_text,
    "fault": _is_count,
}
