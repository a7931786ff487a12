"""Reads a history of any known format, recognized by its content."""

from __future__ import annotations

import codecs
import re
from functools import partial
from itertools import chain
from typing import TYPE_CHECKING, Final

from checker import _core
from checker.history import reader
from checker.history.columns import History
from checker.history.importers.reading import Imported, Reading
from checker.history.problems import MalformedHistory, Problem

if TYPE_CHECKING:
    from collections.abc import Iterator
    from io import BufferedReader
    from os import PathLike

    from checker.history.importers.reading import Format

_PACKED: Final = b"\x1f\x8b"
_MARKS: Final = (codecs.BOM_UTF8, codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
_CHUNK_BYTES: Final = 4 * 2**20
_BLANK: Final = re.compile(rb"(?:[\s,]|;[^\n]*(?:\n|\Z))*")
_JSON_EVENT: Final = re.compile(rb'\[?\s*\{\s*(?:"|\}|\Z)')
_EDN_EVENTS: Final = re.compile(rb"[\[({#]")
_LOGGED: Final = re.compile(rb"jepsen\.util[ \t]*-?[ \t]*(?:\d+|:nemesis)[ \t]*:")


def recognized(head: bytes) -> Format | None:
    """The format of a file that begins with these bytes; None if it is none that is known.

    Nothing but blanks is an empty history in JSON Lines.
    """
    start = head[_BLANK.match(head).end() :]  # type: ignore[union-attr]
    if _LOGGED.search(head) and not start.startswith((b"{", b"(")):
        return "log"
    if not start or _JSON_EVENT.match(start):
        return "json-lines"
    return "edn" if _EDN_EVENTS.match(start) else None


def read(
    path: str | PathLike[str],
    *,
    reading: Reading = Reading(),  # noqa: B008
    drop_partial_line: bool = False,
) -> Imported:
    """The history in this file, which may be packed by gzip.

    `drop_partial_line` leaves a half-written last event out. Raises MalformedHistory with the
    problems that were found, line by line, and OSError as opening a file does.
    """
    source = str(path)
    with open(path, "rb") as file:
        chunks = _chunks(file, source)
        head = next(chunks, b"")
        format = recognized(head)
        if format is None:
            kind = "byte-order-mark" if head.startswith(_MARKS) else "unrecognized"
            raise MalformedHistory([Problem(1, 0, kind)], source=source)
        chunks = chain([head], chunks)
        if format == "json-lines":
            table = reader.read(chunks, drop_partial_line=drop_partial_line, source=source)
            return Imported(History(table), format, {})
        data = b"".join(chunks)
    return from_bytes(
        data, format, reading=reading, drop_partial_line=drop_partial_line, source=source
    )


def _chunks(file: BufferedReader, source: str) -> Iterator[bytes]:
    """What a file holds, unpacked if gzip has packed it."""
    if not file.peek(len(_PACKED)).startswith(_PACKED):
        yield from iter(partial(file.read, _CHUNK_BYTES), b"")
        return
    import gzip
    import zlib

    unpacked = gzip.GzipFile(fileobj=file)
    while True:
        try:
            chunk = unpacked.read(_CHUNK_BYTES)
        except (EOFError, zlib.error, gzip.BadGzipFile) as error:
            problem = Problem(1, 0, "broken-gzip", str(error))
            raise MalformedHistory([problem], source=source) from error
        if not chunk:
            return
        yield chunk


def from_bytes(
    data: bytes,
    format: Format,
    *,
    reading: Reading = Reading(),  # noqa: B008
    drop_partial_line: bool = False,
    source: str = "the history",
) -> Imported:
    """The history that these bytes say in this format; the interpreter runs on meanwhile.

    Raises MalformedHistory, which names `source`.
    """
    if format == "json-lines":
        history = History.from_bytes(data, drop_partial_line=drop_partial_line, source=source)
        return Imported(history, format, {})
    observed = reading.observes_failed_cas(format)
    native, dropped, notes = _core.import_history(
        data,
        format,
        drop_partial_line=drop_partial_line,
        observe_failed_cas=observed,
        drop_nil_reads=reading.nil_reads == "drop",
        independent=reading.independent,
        maps_are_txns=reading.maps_are_txns,
        blank_is_absent=reading.blank_is_absent,
    )
    listed, more = native.problems()
    table = reader.table_of(native, dropped, listed, more, source=source)
    return Imported(History(table), format, _told(notes, observed=observed))


def _told(notes: dict[str, bool | int], *, observed: bool) -> dict[str, bool | int]:
    failed, told = notes.pop("failed_cas"), dict(notes)
    told["nil_reads_dropped"] = told.pop("nil_reads")
    told["failed_cas_observed"] = failed if observed else 0
    told["failed_cas_dropped"] = 0 if observed else failed
    return told
