"""The events of a Jepsen history as they are written: part of the simple twin."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from checker.history.events import NEMESIS
from checker.history.importers.edn import CLOSING, NotEdn, Text
from checker.history.layout import TYPES
from checker.history.lines import STAMP_MAX
from checker.history.problems import Problem

if TYPE_CHECKING:
    from collections.abc import Iterator

_KNOWN: Final = ("process", "type", "f", "value", "key", "error", "node", "time", "index")
_TAKEN: Final = ("input", "output", "request", "fault")
_TAG: Final = re.compile(r"#[a-zA-Z]")
_LOGGED: Final = re.compile(r"jepsen\.util[ \t]*-?[ \t]*(?=(?:\d+|:nemesis)[ \t]*:)", re.ASCII)


@dataclass(frozen=True, slots=True)
class Raw:
    """One event and its line; `fields` are those of `_KNOWN` that it has, and `extra`."""

    line: int
    fields: dict[str, Any]

    @property
    def is_client(self) -> bool:
        """Whether a client wrote it."""
        return bool(self.fields["process"] != NEMESIS)

    @property
    def type(self) -> str:
        """Its type."""
        return str(self.fields["type"])

    def get(self, name: str) -> Any:
        """A field, None if it is absent."""
        return self.fields.get(name)


@dataclass(slots=True)
class RawEvents:
    """What a text holds; `tuples` if a tagged tuple was met, `dropped` a half-written last line."""

    events: list[Raw]
    problems: list[Problem]
    tuples: bool = False
    dropped: int | None = None


def read_edn(text: str, *, drop_partial_line: bool) -> RawEvents:
    """The events of an EDN text, up to the first thing that is not EDN."""
    found = RawEvents([], [])
    edn = Text(text)
    try:
        _read_forms(edn, found)
    except NotEdn as fault:
        partial = fault.kind == "partial-line"
        line = _line(text, edn.begun if partial else fault.at)
        if partial and drop_partial_line:
            found.dropped = line
        else:
            found.problems.append(Problem(line, 0, fault.kind))
    found.tuples = edn.tuples
    return found


def _read_forms(edn: Text, found: RawEvents) -> None:
    """Read maps, and vectors and lists of maps."""
    close = ""
    while True:
        edn.begun = edn.at
        edn.blank()
        edn.begun = edn.at
        if not edn.peek() and close:
            raise NotEdn(edn.at, "partial-line")
        if not edn.peek():
            return
        if close and edn.peek() == close:
            edn.at, close = edn.at + 1, ""
        elif not close and edn.peek() in CLOSING:
            edn.at, close = edn.at + 1, CLOSING[edn.peek()]
        else:
            _event(edn, found)


def _event(edn: Text, found: RawEvents) -> None:
    start = edn.at
    line = _line(edn.text, start)
    if _TAG.match(edn.text, start):
        edn.at += 1
        edn.token()
        edn.blank()
    if edn.peek() != "{":
        edn.at = start
        edn.form()
        found.problems.append(Problem(line, 0, "not-an-event"))
        return
    _keep(edn.map(""), line, found)


def read_log(text: str, *, drop_partial_line: bool) -> RawEvents:
    """The events of a log: of those lines in which Jepsen logs an operation."""
    found = RawEvents([], [])
    lines = text.split("\n")
    for number, line in enumerate(lines, start=1):
        logged = _LOGGED.search(line)
        if logged is None or "jepsen.util" in line[: logged.start()]:
            continue
        told = len(found.problems)
        edn = Text(line, logged.end())
        try:
            _keep(_logged(edn), number, found)
        except NotEdn as fault:
            kind = "not-edn" if fault.kind == "partial-line" else fault.kind
            found.problems.append(Problem(number, 0, kind))
        found.tuples |= edn.tuples
        if number == len(lines) and len(found.problems) > told:
            found.problems[told:] = (
                [] if drop_partial_line else [Problem(number, 0, "partial-line")]
            )
            found.dropped = number if drop_partial_line else None
    return found


def _logged(edn: Text) -> dict[str, Any]:
    fields = {name: edn.form() for name in ("process", "type", "f")}
    if fields["process"] == NEMESIS:
        return fields | {"value": edn.text[edn.at :].strip(" \t\r")}
    fields["value"] = edn.form()
    edn.blank()
    if edn.peek():
        fields["error"] = edn.form()
        edn.blank()
    if edn.peek():
        raise NotEdn(edn.at)
    return fields


def _keep(fields: dict[str, Any], line: int, found: RawEvents) -> None:
    problems = [Problem(line, 0, *problem) for problem in _complaints(fields)]
    if problems:
        found.problems += problems
        return
    kept = {name: fields.get(name) for name in _KNOWN}
    # Jepsen gives events without a place the index -1.
    if kept["index"] is not None and kept["index"] < 0:
        kept["index"] = None
    others = {name: value for name, value in fields.items() if name not in _KNOWN}
    extra = {f"jepsen/{name}" if name in _TAKEN else name: value for name, value in others.items()}
    kept["extra"] = {name: value for name, value in extra.items() if value is not None}
    found.events.append(Raw(line, kept))


def _complaints(fields: dict[str, Any]) -> Iterator[tuple[str, str]]:
    process, type_, f = (fields.get(name) for name in ("process", "type", "f"))
    for name in ("process", "type", "f"):
        if fields.get(name) is None:
            yield "missing-field", name
    is_count = type(process) is int and 0 <= process < STAMP_MAX
    if process is not None and process != NEMESIS and not is_count:
        yield "ill-typed-field", "process"
    if type_ is not None and type_ not in TYPES:
        yield "unknown-type", ""
    if f is not None and not isinstance(f, str):
        yield "ill-typed-field", "f"
    for name in ("time", "index"):
        stamp = fields.get(name)
        if stamp is not None and not (type(stamp) is int and abs(stamp) < STAMP_MAX):
            yield "ill-typed-field", name
    if not isinstance(fields.get("node"), str | None):
        yield "ill-typed-field", "node"


def _line(text: str, at: int) -> int:
    return text.count("\n", 0, at) + 1
