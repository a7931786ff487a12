"""EDN as Python values: the openly simple twin of the native reader.

The syntax is that of edn-format.org and of what Clojure prints. Keywords, symbols and characters
become strings, lists and sets lists (a set is sorted by canonical text), keys of maps strings.
"""

from __future__ import annotations

import re
from fractions import Fraction
from typing import TYPE_CHECKING, Any, Final

from checker.history.lines import DEPTH_MAX, NUMBER_CHARACTERS_MAX
from checker.history.values import canonical

if TYPE_CHECKING:
    from collections.abc import Iterator

TUPLES: Final = (
    "jepsen.independent.Tuple",
    "jepsen.independent/tuple",
    "clojure.lang.MapEntry",
    "MapEntry",
)
TRANSPARENT: Final = ("inst", "uuid", "jepsen.history.Op", "knossos.op.Op")

_TOKEN: Final = re.compile(r'[^ \t\n\r\v\f,";()\[\]{}\\]*')
_BLANK: Final = re.compile(r"(?:[ \t\n\r\v\f,]|;[^\n]*)*")
_STRING: Final = re.compile(r'"(?:[^"\\]|\\.)*"', re.DOTALL)
_ESCAPE: Final = re.compile(r"\\(?:u([0-9a-fA-F]{4})|([0-7]{1,3})|(.))", re.DOTALL)
_WHOLE: Final = re.compile(r"[+-]?(0|[1-9][0-9]*)N?")
_HEXADECIMAL: Final = re.compile(r"[+-]?0[xX]0*[0-9a-fA-F]{1,16}")
_RATIO: Final = re.compile(r"[+-]?(?:0|[1-9][0-9]{0,17})/[1-9][0-9]{0,17}")
_FLOAT: Final = re.compile(r"[+-]?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?M?")
_CHARACTERS: Final = {
    "newline": "\n",
    "return": "\r",
    "space": " ",
    "tab": "\t",
    "backspace": "\b",
    "formfeed": "\f",
}
_ESCAPES: Final = {"t": "\t", "r": "\r", "n": "\n", "b": "\b", "f": "\f", "\\": "\\", '"': '"'}
CLOSING: Final = {"[": "]", "(": ")"}


class NotEdn(Exception):
    """What was read at this place (in characters) is not EDN, for this kind of reason."""

    def __init__(self, at: int, kind: str = "not-edn") -> None:
        super().__init__(at, kind)
        self.at: Final = at
        self.kind: Final = kind


class Text:
    """A text that is read form by form.

    `tuples` tells whether a tagged tuple was met; `begun` is for a reader of events, to remember
    where the last one begins.
    """

    def __init__(self, text: str, at: int = 0) -> None:
        self.text: Final = text
        self.at = at
        self.tuples = False
        self.begun = 0
        self._depth = 0

    def peek(self, count: int = 1) -> str:
        """The next characters."""
        return self.text[self.at : self.at + count]

    def blank(self) -> None:
        """Step over white space, commas, comments and discarded forms."""
        self.at = _BLANK.match(self.text, self.at).end()  # type: ignore[union-attr]
        while self.peek(2) == "#_":
            self.enter(2)
            self.form()
            self._depth -= 1
            self.at = _BLANK.match(self.text, self.at).end()  # type: ignore[union-attr]

    def form(self) -> Any:
        """The next value. Raises NotEdn."""
        self.blank()
        first, second = self.peek(), self.peek(2)[1:]
        if not first:
            raise NotEdn(self.at, "partial-line")
        if first in CLOSING:
            return list(self._until(CLOSING[first], 1))
        if first == "{":
            return self.map("")
        if first == '"':
            return self._string()
        if first == "\\":
            return self._character()
        return self._dispatch(second) if first == "#" else self._atom()

    def enter(self, count: int) -> None:
        """Step into something nested."""
        self._depth += 1
        if self._depth > DEPTH_MAX:
            raise NotEdn(self.at, "too-deep")
        self.at += count

    def goes_on(self, close: str) -> bool:
        """Step over blanks inside brackets: False, and past it, at the closing one."""
        self.blank()
        if self.peek() != close:
            return True
        self.at += 1
        self._depth -= 1
        return False

    def _until(self, close: str, opening: int) -> Iterator[Any]:
        self.enter(opening)
        while self.goes_on(close):
            yield self.form()

    def map(self, namespace: str) -> dict[str, Any]:
        """The map that begins here, its keys as strings."""
        members: dict[str, Any] = {}
        twice = False
        self.enter(1)
        while self.goes_on("}"):
            name = self.name(namespace)
            twice = twice or name in members
            members[name] = self.member_value()
        if twice:
            raise NotEdn(self.at, "duplicate-key")
        return members

    def member_value(self) -> Any:
        """The value that follows a key."""
        self.blank()
        if self.peek() == "}":
            raise NotEdn(self.at)
        return self.form()

    def name(self, namespace: str) -> str:
        """A key: what is no keyword and no string is named by its JSON."""
        is_keyword = self.peek() == ":"
        name = self.form()
        if not isinstance(name, str):
            return canonical(name).decode()
        if not is_keyword or not namespace:
            return name
        if name.startswith("_/"):
            return name[2:]
        return name if "/" in name else f"{namespace}/{name}"

    def token(self) -> str:
        """The characters up to the next that ends a token; there is at least one."""
        token = _TOKEN.match(self.text, self.at)[0]  # type: ignore[index]
        if not token:
            raise NotEdn(self.at, "not-edn" if self.peek() else "partial-line")
        self.at += len(token)
        return token

    def _string(self) -> str:
        found = _STRING.match(self.text, self.at)
        inside = found[0][1:-1] if found else self.text[self.at + 1 :]
        if not found and re.search(r"(?<!\\)(?:\\\\)*\\\Z", inside):
            inside = inside[:-1]
        characters = _ESCAPE.sub(self._escaped, inside).encode("utf-16", "surrogatepass")
        try:
            text = characters.decode("utf-16")
        except UnicodeDecodeError:
            raise NotEdn(self.at, "surrogate") from None
        if not found:
            raise NotEdn(self.at, "partial-line")
        self.at = found.end()
        return text

    def _escaped(self, escape: re.Match[str]) -> str:
        unicode, octal, plain = escape.groups()
        code = int(unicode, 16) if unicode else int(octal, 8) if octal else None
        if (code is None and plain not in _ESCAPES) or (octal and int(octal, 8) > 0o377):
            raise NotEdn(self.at)
        return _ESCAPES[plain] if code is None else chr(code)

    def _character(self) -> str:
        start = self.at
        first = self.text[start + 1 : start + 2]
        if not first:
            raise NotEdn(start, "partial-line")
        self.at += 2
        name = first + _TOKEN.match(self.text, self.at)[0]  # type: ignore[index]
        self.at = start + 1 + len(name)
        if len(name) == 1:
            return name
        if re.fullmatch(r"u[0-9a-fA-F]{4}", name) and not 0xD800 <= int(name[1:], 16) < 0xE000:
            return chr(int(name[1:], 16))
        if re.fullmatch(r"o[0-7]{1,3}", name) and int(name[1:], 8) <= 0o377:
            return chr(int(name[1:], 8))
        if name not in _CHARACTERS:
            raise NotEdn(start)
        return _CHARACTERS[name]

    def _dispatch(self, second: str) -> Any:
        if not second:
            raise NotEdn(self.at, "partial-line")
        if second == "{":
            return self._set()
        if second == "#":
            self.at += 2
            names = {"NaN": "NaN", "Inf": "Infinity", "-Inf": "-Infinity"}
            at, name = self.at, self.token()
            if name not in names:
                raise NotEdn(at)
            return names[name]
        if second == ":":
            self.at += 2
            namespace = self.token()
            self.blank()
            if self.peek() != "{":
                raise NotEdn(self.at, "not-edn" if self.peek() else "partial-line")
            return self.map(namespace)
        if not (second.isascii() and second.isalpha()):
            raise NotEdn(self.at)
        return self._tagged()

    def _set(self) -> list[Any]:
        found = list(self._until("}", 2))
        elements = {canonical(element): element for element in found}
        if len(elements) < len(found):
            raise NotEdn(self.at)
        return [elements[text] for text in sorted(elements)]

    def _tagged(self) -> Any:
        self.enter(1)
        tag = self.token()
        value = self.form()
        self._depth -= 1
        if tag in TUPLES:
            self.tuples = True
            parts = value
            if isinstance(value, dict):
                parts = [value[name] for name in sorted(value)]
            if not isinstance(parts, list) or len(parts) != 2:
                raise NotEdn(self.at)
            return parts
        return value if tag in TRANSPARENT else {f"#{tag}": value}

    def _atom(self) -> Any:
        at, token = self.at, self.token()
        if token in ("nil", "true", "false"):
            return {"nil": None, "true": True, "false": False}[token]
        if re.match(r"[+-]?[0-9]", token):
            return _number(at, token)
        if token == ":" or token.startswith(("::", "'", "@", "`", "~", "^", "%")):
            raise NotEdn(at)
        return token.removeprefix(":")


def _number(at: int, token: str) -> int | float | str:
    if len(token.encode()) > NUMBER_CHARACTERS_MAX:
        raise NotEdn(at, "number-too-long")
    if _WHOLE.fullmatch(token):
        return int(token.removesuffix("N"))
    if _HEXADECIMAL.fullmatch(token):
        return int(token, 16)
    if _RATIO.fullmatch(token):
        ratio = Fraction(token)
        return ratio.numerator if ratio.denominator == 1 else str(ratio)
    if not _FLOAT.fullmatch(token):
        raise NotEdn(at)
    value = float(token.removesuffix("M"))
    if value in (float("inf"), float("-inf")):
        raise NotEdn(at, "not-finite")
    return value + 0.0
