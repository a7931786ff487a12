"""Reads JSON Lines into columns: the openly simple twin of the native reader."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from checker.history.events import NEMESIS, Event
from checker.history.layout import (
    EVENT_FIELDS,
    INFO,
    NEMESIS_PROCESS,
    NEVER,
    NO_ROW,
    OPERATION_FIELDS,
    TYPES,
    WIDE,
    Columns,
    EventColumns,
    Table,
)
from checker.history.lines import Refused, check_fields, is_blank, is_half_written, object_of
from checker.history.linter import Linter
from checker.history.problems import PROBLEMS_MAX, MalformedHistory, Problem
from checker.history.values import Interner, int32, int64

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

_KNOWN: Final = frozenset(EVENT_FIELDS) - {"extra"}
_VALUED: Final = ("f", "key", "input", "output", "error", "node", "request", "fault")


def read(data: bytes, *, drop_partial_line: bool = False, source: str = "the history") -> Table:
    """The table of these lines. Raises MalformedHistory with every problem of every line."""
    *lines, last = data.split(b"\n")
    dropped = None
    if is_half_written(last) and drop_partial_line:
        dropped, last = len(lines) + 1, b""
    problems: list[Problem] = []
    events: list[dict[str, Any]] = []
    linter = Linter()
    for number, line in enumerate([*lines, last], start=1):
        if is_blank(line):
            continue
        try:
            event = _event(line, number, half_written=number > len(lines) and is_half_written(line))
        except Refused as refused:
            problems += refused.problems
            linter.unreadable()
            continue
        problems += linter.feed(len(events), number, event)
        events.append(event)
    if problems:
        listed, more = problems[:PROBLEMS_MAX], max(0, len(problems) - PROBLEMS_MAX)
        raise MalformedHistory(listed, more=more, source=source)
    return table_of(events, linter.pairs, dropped)


def event_of(line: bytes, number: int = 1) -> Event:
    """The event of line `number`. Raises MalformedHistory, which names that line."""
    try:
        fields = _event(line.removesuffix(b"\n"), number, half_written=False)
    except Refused as refused:
        raise MalformedHistory(refused.problems, source="the line") from None
    return Event(**{k: v for k, v in fields.items() if v is not None})


def _event(line: bytes, number: int, *, half_written: bool) -> dict[str, Any]:
    """The fields of an event; those that are not known are gathered in `extra`."""
    if half_written:
        raise Refused(Problem(number, 0, "partial-line"))
    fields = object_of(line, number)
    check_fields(fields, number)
    extra = {k: v for k, v in fields.items() if k not in _KNOWN and v is not None}
    return {**{k: v for k, v in fields.items() if k in _KNOWN}, "extra": extra or None}


def table_of(
    events: list[dict[str, Any]], pairs: list[tuple[int, int | None]], dropped: int | None
) -> Table:
    """The table of these events, of which these pairs of rows make operations."""
    interner = Interner()
    rows = [_row(event, interner) for event in events]
    event_columns = EventColumns(**_transposed(EVENT_FIELDS, rows))
    pairs = sorted(pairs, key=lambda pair: (rows[pair[0]]["time"], pair[0]))
    operations = [_operation(rows, *pair) for pair in pairs]
    columns = Columns(**_transposed(OPERATION_FIELDS, operations), values=interner.values())
    return Table(event_columns, columns, dropped)


def _row(event: Mapping[str, Any], interner: Interner) -> dict[str, int]:
    is_nemesis = event["process"] == NEMESIS
    return {
        "index": event["index"],
        "time": event["time"],
        "process": NEMESIS_PROCESS if is_nemesis else event["process"],
        "type": TYPES.index(event["type"]),
        **{name: interner.number(event.get(name)) for name in (*_VALUED, "extra")},
    }


def _operation(
    rows: list[dict[str, int]], invocation: int, completion: int | None
) -> dict[str, int]:
    call = rows[invocation]
    ret = rows[completion] if completion is not None else None
    outcome = ret["type"] if ret is not None else INFO
    return {
        "call": call["time"],
        "ret": ret["time"] if ret is not None and outcome != INFO else NEVER,
        "process": call["process"],
        "f": call["f"],
        "key": call["key"],
        "input": call["input"],
        "output": ret["output"] if ret is not None else 0,
        "outcome": outcome,
        "invocation": invocation,
        "completion": NO_ROW if completion is None else completion,
    }


def _transposed(names: Iterable[str], rows: list[dict[str, int]]) -> dict[str, memoryview]:
    return {name: (int64 if name in WIDE else int32)([row[name] for row in rows]) for name in names}
