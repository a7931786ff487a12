"""The storage engine on disk that is a memory map: LMDB for the tables, record files beside it.

One LMDB transaction is the commit of both, as in `systems_under_test.host.sqlite`: it holds the
length of every record file, and those files are synced before it.

LMDB reads without copying into a cache of its own and takes a copy-on-write path for each page that
it writes, so reads are cheap and small writes cost whole pages. Its rows have keys of at most 511
bytes, and none without any: so a row's key is the table's name, a zero byte and the key, and of a
longer key the first part and a digest. The rest of a long key stands in front of its value; the few
rows that begin alike are put in order as they are scanned.

What need not be durable is committed without syncing the page that says which state is the latest
(`metasync` off): after power loss the state before it is there, whole.

Needs the extra `lmdb`.
"""

from __future__ import annotations

import os
from contextlib import contextmanager
from hashlib import md5
from itertools import groupby
from typing import TYPE_CHECKING, Final

import lmdb

from systems_under_test.host.hold import lock
from systems_under_test.host.records import RecordFiles
from systems_under_test.host.seals import Seals
from systems_under_test.host.storage import (
    LOOK_BYTES,
    Change,
    CommitFailed,
    Commits,
    must_be_durable,
    sync_directory,
)
from systems_under_test.replica import Append, AppendLater, StorageDamaged

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

DATABASE: Final = "store.lmdb"
MAP_BYTES: Final = 16 << 30
"""The most that the file may grow to. Address space is reserved for it, and no memory."""
KEY_BYTES_IN_ROW: Final = 400
NAME_BYTES_MAX: Final = 64

_FILES: Final = b"\1files\0"
"""What no table is called: the lengths of the record files."""
_DIGEST_BYTES: Final = 16


class LmdbEngine:
    """Tables and record files in one directory, which one process at a time may use."""

    def __init__(self, directory: Path, *, checked: bool = True) -> None:
        """Open what the directory holds, and check every row. Raises StorageDamaged, OSError.

        LMDB keeps no checksums of its own: what is wrong with a page between the rows it may find
        out by itself, or not at all. Without `checked`, which only a named bug wants, nobody looks.
        """
        directory.mkdir(parents=True, exist_ok=True)
        self._directory = directory
        self._path = directory / DATABASE
        self._seals = Seals(self._path, checked=checked)
        self._files = RecordFiles(directory)
        self._commits = Commits()
        self._durable: bool | None = None
        self._writing: lmdb.Transaction[bytes] | None = None
        self._looking: lmdb.Transaction[bytes] | None = None
        self._lock = lock(self._path, os.O_RDWR | os.O_CREAT)
        try:
            with self._reading():
                self._env = _open(self._path)
            if checked:
                self._check_rows()
            self._open_files()
            sync_directory(directory)
        except BaseException:
            self.close()
            raise

    @property
    def counters(self) -> Mapping[str, int]:
        """Commits and changes so far."""
        return self._commits.counters

    def get(self, table: str, key: bytes) -> bytes | None:
        """The value under a key, None if there is none. Raises StorageDamaged."""
        with self._reading():
            sealed = self._view().get(_row(table, key))
        return None if sealed is None else self._opened(table, key, sealed)

    def scan(
        self,
        table: str,
        start: bytes = b"",
        stop: bytes | None = None,
        *,
        size_max: int | None = None,
    ) -> Iterator[tuple[bytes, bytes]]:
        """The entries with start <= key < stop, in order of key. Raises StorageDamaged."""
        prefix = _prefix(table)
        last = None if stop is None else prefix + stop[:KEY_BYTES_IN_ROW]
        rows: list[tuple[bytes, bytes]] = []
        with self._reading(), self._view().cursor() as cursor:
            # All at once: a write would move the ground under a cursor left half-way.
            more = cursor.set_range(prefix + start[:KEY_BYTES_IN_ROW])
            size, begins = 0, b""
            while more and (row := cursor.key()).startswith(prefix):
                # Rows that begin alike are in order only together.
                alike = row[: len(prefix) + KEY_BYTES_IN_ROW] == begins
                if size_max is not None and size >= size_max and not alike:
                    break
                begins = row[: len(prefix) + KEY_BYTES_IN_ROW]
                if last is not None and row[: len(prefix) + KEY_BYTES_IN_ROW] > last:
                    break
                rows.append((row[len(prefix) :], cursor.value()))
                size += len(row) + len(rows[-1][1])
                more = cursor.next()
        return self._in_order(table, rows, start, stop)

    def records(self, file: str) -> Iterator[bytes]:
        """The records of a file, oldest first. Raises StorageDamaged."""
        return self._files.records(file)

    def stage(self, changes: Sequence[Change]) -> None:
        """Take the changes of one input. Raises CommitFailed."""
        if not changes:
            return
        with self._committing():
            if self._writing is None:
                self._stop_looking()
                self._writing = self._env.begin(write=True)
                self._durable = False
            self._durable = self._durable or must_be_durable(changes)
            for change in changes:
                if isinstance(change, Append | AppendLater):
                    self._files.append(change.file, change.record)
                else:
                    self._put(change.table, change.key, change.value)
        self._commits.stage(changes)

    def commit(self) -> None:
        """Commit what is staged: record files first, then the tables. Raises CommitFailed."""
        writing = self._writing
        if writing is None:
            return
        with self._committing():
            for name, length in self._files.sync():
                writing.put(_FILES + name.encode(), b"%d" % length)
            self._writing = None
            writing.commit()
            if self._durable:
                self._env.sync(True)
        self._files.committed()
        self._commits.commit(durable=bool(self._durable))
        self._durable = None

    def damaged_records(self) -> Iterator[str | None]:
        """Rows of the map and records of the files."""
        last = b""
        while rows := self._rows_after(last):
            for row, sealed in rows:
                if row <= last:
                    yield f"{self._path}: its rows are not in order"
                    return
                last = row
                table, found, key = row.partition(b"\0")
                if not found or row.startswith(_FILES):
                    continue
                try:
                    self._opened(table.decode(), _key(key, sealed), sealed)
                except (StorageDamaged, UnicodeDecodeError):
                    yield f"{self._path}: row {row!r} has a bad checksum"
            yield None
        yield from self._files.damaged()

    def _rows_after(self, last: bytes) -> list[tuple[bytes, bytes]]:
        """Some rows of the map that follow on one."""
        rows: list[tuple[bytes, bytes]] = []
        size = 0
        with self._reading(), self._view().cursor() as cursor:
            more = cursor.set_range(last) if last else cursor.first()
            if more and cursor.key() == last:
                more = cursor.next()
            while more and size < LOOK_BYTES:
                rows.append((bytes(cursor.key()), bytes(cursor.value())))
                size += len(rows[-1][0]) + len(rows[-1][1])
                more = cursor.next()
        return rows

    def close(self) -> None:
        """Let go of the files; what is staged and not committed is lost."""
        self._files.close()
        self._stop_looking()
        if self._writing is not None:
            self._writing.abort()
            self._writing = None
        if hasattr(self, "_env"):
            self._env.close()
        os.close(self._lock)

    def _view(self) -> lmdb.Transaction[bytes]:
        """The transaction that sees what is staged, or one that is kept until the next write."""
        if self._writing is not None:
            return self._writing
        if self._looking is None:
            self._looking = self._env.begin()
        return self._looking

    def _stop_looking(self) -> None:
        if self._looking is not None:
            self._looking.abort()
            self._looking = None

    def _put(self, table: str, key: bytes, value: bytes | None) -> None:
        assert self._writing is not None
        row = _row(table, key)
        if value is None:
            self._writing.delete(row)
        else:
            head = len(key).to_bytes(4, "big") + key[KEY_BYTES_IN_ROW:]
            self._writing.put(row, head + self._seals.sealed(table, key, value))

    def _check_rows(self) -> None:
        with self._reading(), self._view().cursor() as cursor:
            for row, sealed in cursor:
                table, _, key = row.partition(b"\0")
                if row >= b" ":  # Below are the lengths of files, whose records are checked.
                    self._opened(table.decode(), _key(key, sealed), sealed)

    def _open_files(self) -> None:
        lengths: dict[str, int] = {}
        with self._reading(), self._view().cursor() as cursor:
            more = cursor.set_range(_FILES)
            while more and cursor.key().startswith(_FILES):
                lengths[cursor.key()[len(_FILES) :].decode()] = int(cursor.value())
                more = cursor.next()
        self._files.open(lengths.items())

    def _in_order(
        self, table: str, rows: list[tuple[bytes, bytes]], start: bytes, stop: bytes | None
    ) -> Iterator[tuple[bytes, bytes]]:
        for _, alike in groupby(rows, lambda row: row[0][:KEY_BYTES_IN_ROW]):
            entries = [(_key(row, sealed), sealed) for row, sealed in alike]
            for key, sealed in sorted(entries):
                if start <= key and (stop is None or key < stop):
                    yield key, self._opened(table, key, sealed)

    def _opened(self, table: str, key: bytes, sealed: bytes) -> bytes:
        rest = max(len(key) - KEY_BYTES_IN_ROW, 0)
        return self._seals.opened(table, key, sealed, 4 + rest)

    @contextmanager
    def _reading(self) -> Iterator[None]:
        try:
            yield
        except lmdb.Error as error:
            raise StorageDamaged(f"{self._path}: {error}") from error

    @contextmanager
    def _committing(self) -> Iterator[None]:
        try:
            yield
        except (lmdb.Error, OSError) as error:
            raise CommitFailed(f"{self._path}: {error}") from error


def _prefix(table: str) -> bytes:
    name = table.encode()
    if not name or len(name) > NAME_BYTES_MAX or name[0] < 32 or 0 in name:
        raise ValueError(f"table {table!r}: a name has 1 to {NAME_BYTES_MAX} bytes, none of them 0")
    return name + b"\0"


def _row(table: str, key: bytes) -> bytes:
    """The key of a row: a longer key than fits is cut, and told from others by its digest."""
    row = _prefix(table) + key[:KEY_BYTES_IN_ROW]
    if len(key) > KEY_BYTES_IN_ROW:
        row += md5(key, usedforsecurity=False).digest()
    return row


def _key(row: bytes, sealed: bytes) -> bytes:
    """The key of an entry, from its row less the table's prefix, and the value as it is stored."""
    length = int.from_bytes(sealed[:4], "big")
    rest = max(length - KEY_BYTES_IN_ROW, 0)
    return row[:KEY_BYTES_IN_ROW] + sealed[4 : 4 + rest]


def _open(path: Path) -> lmdb.Environment:
    try:
        env = lmdb.open(
            str(path), map_size=MAP_BYTES, subdir=False, metasync=False, lock=False, max_dbs=0
        )
    except lmdb.InvalidError as error:
        raise StorageDamaged(f"{path}: {error}") from error
    pages = env.info()["last_pgno"] + 1
    there = path.stat().st_size
    if pages > 2 and pages * env.stat()["psize"] > there:
        # Reading a page of the map that the file has not would end the process by SIGBUS.
        env.close()
        raise StorageDamaged(f"{path}: {pages} pages were committed and {there} bytes are there")
    return env
