"""Reads JSON Lines into columns, by the native core. `checker.history.twin` is its simple twin."""

from __future__ import annotations

from typing import TYPE_CHECKING

from checker._core import HistoryReader
from checker.history.layout import WIDE, Columns, EventColumns, Table
from checker.history.problems import MalformedHistory, Problem
from checker.history.values import Values

if TYPE_CHECKING:
    from collections.abc import Iterable


def read(
    chunks: Iterable[bytes], *, drop_partial_line: bool = False, source: str = "the history"
) -> Table:
    """The table of these bytes, cut into chunks anywhere; the interpreter runs on meanwhile.

    Raises MalformedHistory, which names `source`, with every problem of every line.
    """
    reader = HistoryReader()
    for chunk in chunks:
        reader.feed(chunk)
    dropped, listed, more = reader.finish(drop_partial_line)
    return table_of(reader, dropped, listed, more, source=source)


def table_of(
    reader: HistoryReader,
    dropped: int | None,
    listed: list[tuple[int, int, str, str]],
    more: int,
    *,
    source: str,
) -> Table:
    """The table that a native reader holds. Raises MalformedHistory with what it lists."""
    if listed:
        raise MalformedHistory([Problem(*problem) for problem in listed], more=more, source=source)
    operations, events = _views(reader.operations()), _views(reader.events())
    texts, ends = reader.values()
    values = Values(texts, memoryview(ends).cast("q"))
    return Table(EventColumns(**events), Columns(**operations, values=values), dropped)


def _views(columns: dict[str, bytes]) -> dict[str, memoryview]:
    return {
        name: memoryview(column).cast("q" if name in WIDE else "i")
        for name, column in columns.items()
    }
