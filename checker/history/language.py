"""The one small language of tests, scenarios and fault scripts: its lexer and its one form.

    who: what [key] [value] [name=value ...] [@stamp] [-> [word] [value] [name=value ...] [@stamp]]

A statement stands on a line of its own; `#` begins a comment. `who` is a process (`p0`), a node
(`n1`) or `nemesis`; values are JSON. What statements mean is said by whoever reads them:
`checker.history.notation` makes a history of them.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, Literal

if TYPE_CHECKING:
    from collections.abc import Iterator

_WORD: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_.]*(?:-[A-Za-z0-9_.]+)*")

_MARKS: Final = ("->", ":", "=", "@")
_LITERALS: Final = {"true": True, "false": False, "null": None}

Kind = Literal["word", "value", "mark"]


class NotationError(ValueError):
    """The text does not follow the notation; the message names line, column and what belongs."""

    def __init__(self, line: int, column: int, message: str) -> None:
        self.line: Final = line
        self.column: Final = column
        super().__init__(f"line {line}, column {column}: {message}")


@dataclass(frozen=True, slots=True)
class Token:
    """A word, a JSON value, or one of `->`, `:`, `=`, `@`. `column` counts characters from 1."""

    kind: Kind
    value: Any
    column: int


@dataclass(frozen=True, slots=True)
class Part:
    """One side of the arrow: what was asked, or what was answered.

    `word` is the f, or the answer's word; `key` the bare word after an f. `has_value` tells a value
    null from none. `stamp` is in nanoseconds.
    """

    word: str | None
    key: str | None = None
    value: Any = None
    has_value: bool = False
    attributes: dict[str, Any] = field(default_factory=dict)
    stamp: int | None = None


@dataclass(frozen=True, slots=True)
class Statement:
    """One line: who, what is asked (None: it was asked before), and the answer, if any."""

    line: int
    who: str
    asked: Part | None
    answered: Part | None


def is_word(text: str) -> bool:
    """Whether this can stand bare: letters, digits, underscores, dots; hyphens between them."""
    return _WORD.fullmatch(text) is not None and text not in _LITERALS


def tokens(text: str, line: int) -> Iterator[Token]:
    """The tokens of one line. Raises NotationError."""
    position = 0
    while position < len(text) and text[position] != "#":
        column = position + 1
        if text[position] in " \t\r":
            position += 1
        elif mark := next((mark for mark in _MARKS if text.startswith(mark, position)), None):
            yield Token("mark", mark, column)
            position += len(mark)
        elif word := _WORD.match(text, position):
            literal = word.group() in _LITERALS
            yield Token(
                "value" if literal else "word",
                _LITERALS[word.group()] if literal else word.group(),
                column,
            )
            position = word.end()
        else:
            value, position = _json_value(text, position, line)
            yield Token("value", value, column)


def statements(text: str) -> Iterator[Statement]:
    """The statements of a text, line by line; blank lines and comments are skipped."""
    for number, line in enumerate(text.split("\n"), start=1):
        statement = statement_of(line, number)
        if statement is not None:
            yield statement


def statement_of(text: str, line: int) -> Statement | None:
    """The statement of one line, None if the line holds none. Raises NotationError."""
    cursor = _Cursor(list(tokens(text, line)), line, len(text) + 1)
    if cursor.is_done():
        return None
    who = cursor.take("word", what="a process, a node or nemesis")
    cursor.expect(":", "a colon")
    asked = None if cursor.sees("mark", "->") else _part(cursor, keyed=True)
    answered = None
    if cursor.takes("mark", "->"):
        answered = _part(cursor, keyed=False)
    if not cursor.is_done():
        raise cursor.error("the end of the line")
    return Statement(line, who, asked, answered)


def _part(cursor: _Cursor, *, keyed: bool) -> Part:
    word = cursor.take("word", what="what is asked") if keyed else cursor.bare_word()
    key = cursor.bare_word() if keyed else None
    has_value = cursor.sees("value")
    value = cursor.take("value", what="a value") if has_value else None
    attributes: dict[str, Any] = {}
    stamp = None
    while not cursor.is_done() and not cursor.sees("mark", "->"):
        if cursor.takes("mark", "@"):
            stamp = cursor.take("value", what="an integer of nanoseconds", of=int)
            continue
        if not cursor.sees("mark", "=", ahead=1):
            raise cursor.error("name=value, @stamp, -> or the end of the line")
        name = cursor.take("word", what="a name")
        cursor.expect("=", "an equals sign")
        if name in attributes:
            raise cursor.error(f"{name} once and not twice", back=2)
        attributes[name] = cursor.take("word", "value", what="a word or a value")
    return Part(word, key, value, has_value, attributes, stamp)


class _Cursor:
    """Where the parser stands in a line."""

    def __init__(self, tokens: list[Token], line: int, end: int) -> None:
        self._tokens: Final = tokens
        self._line: Final = line
        self._end: Final = end
        self._position = 0

    def is_done(self) -> bool:
        return self._position == len(self._tokens)

    def sees(self, kind: Kind, value: str | None = None, *, ahead: int = 0) -> bool:
        position = self._position + ahead
        if position >= len(self._tokens):
            return False
        token = self._tokens[position]
        return token.kind == kind and value in (None, token.value)

    def takes(self, kind: Kind, value: str) -> bool:
        seen = self.sees(kind, value)
        self._position += seen
        return seen

    def bare_word(self) -> str | None:
        """The next word unless it begins a `name=value`."""
        if self.sees("word") and not self.sees("mark", "=", ahead=1):
            return str(self.take("word", what="a word"))
        return None

    def take(self, *kinds: Kind, what: str, of: type = object) -> Any:
        """The value of the next token, which has to be of one of these kinds, and of this type."""
        fitting = any(self.sees(kind) for kind in kinds)
        if not fitting or not isinstance(self._tokens[self._position].value, of):
            raise self.error(what)
        self._position += 1
        return self._tokens[self._position - 1].value

    def expect(self, mark: str, what: str) -> None:
        """Step over this mark."""
        if not self.takes("mark", mark):
            raise self.error(what)

    def error(self, what: str, *, back: int = 0) -> NotationError:
        position = self._position - back
        column = self._tokens[position].column if position < len(self._tokens) else self._end
        return NotationError(self._line, column, f"{what} belongs here")


def _json_value(text: str, position: int, line: int) -> tuple[Any, int]:
    try:
        return _DECODER.raw_decode(text, position)
    except json.JSONDecodeError as error:
        message = f"{error.msg}: a word, a JSON value or one of {' '.join(_MARKS)} belongs here"
        raise NotationError(line, error.pos + 1, message) from None
    except (ValueError, RecursionError) as error:
        raise NotationError(line, position + 1, str(error)) from None


def _refuse(name: str) -> None:
    raise ValueError(f"{name} is no JSON number")


_DECODER: Final = json.JSONDecoder(parse_constant=_refuse)
