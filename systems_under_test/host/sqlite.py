"""The storage engine on disk: SQLite for the tables, record files for the append-only ones.

One SQLite transaction is the commit of both. It holds the length of every record file, and those
files are synced before it: so a state of the tables never speaks of a record that is not there.
"""

from __future__ import annotations

import sqlite3
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any, Final

from systems_under_test.host.page_sums import PageSums
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
from systems_under_test.host.synced import SyncedMark, sound_length
from systems_under_test.replica import Append, AppendLater, StorageDamaged

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

DATABASE: Final = "store.sqlite"
LOG: Final = f"{DATABASE}-wal"
LOG_BYTES_MAX: Final = 4 * 2**20
"""So long may the write-ahead log grow before its pages are taken into the database."""

_SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS entries
    (name TEXT, key BLOB, value BLOB, PRIMARY KEY (name, key)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS files (name TEXT PRIMARY KEY, length INTEGER) WITHOUT ROWID;
"""
_PUT: Final = "INSERT OR REPLACE INTO entries VALUES (?, ?, ?)"
_AFTER: Final = "SELECT name, key, value FROM entries WHERE (name, key) > (?, ?) ORDER BY name, key"
_SCAN: Final = "SELECT key, value FROM entries WHERE name = ? AND key >= ?"


class SqliteEngine:
    """Tables and record files in one directory, which one process at a time may use."""

    def __init__(self, directory: Path, *, checked: bool = True) -> None:
        """Open what the directory holds. Raises StorageDamaged, CommitFailed, OSError.

        Without `checked`, which only a named bug wants, nobody looks at checksums of pages and
        rows, nor at how much of the log is sound.
        """
        directory.mkdir(parents=True, exist_ok=True)
        self._directory = directory
        self._path = directory / DATABASE
        self._files = RecordFiles(directory)
        self._commits = Commits()
        self._durable: bool | None = None
        self._mark: SyncedMark | None = None
        self._checked = checked
        self._seals = Seals(self._path, checked=checked)
        self._sums = PageSums(self._path)
        try:
            if checked:
                self._sums.verify()
            with self._reading():
                self._db = _connect(self._path)
        except BaseException:
            self._sums.close()
            raise
        try:
            self._check_log()
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
            row = self._db.execute(
                "SELECT value FROM entries WHERE name = ? AND key = ?", (table, key)
            ).fetchone()
        return None if row is None else self._seals.opened(table, key, row[0])

    def scan(
        self,
        table: str,
        start: bytes = b"",
        stop: bytes | None = None,
        *,
        size_max: int | None = None,
    ) -> Iterator[tuple[bytes, bytes]]:
        """The entries with start <= key < stop, in order of key. Raises StorageDamaged."""
        query: str = _SCAN
        bounds: tuple[str | bytes, ...] = (table, start)
        if stop is not None:
            query, bounds = f"{_SCAN} AND key < ?", (table, start, stop)
        with self._reading():
            # All at once: a cursor left open half-way would keep the next commit from beginning.
            cursor = self._db.execute(f"{query} ORDER BY key", bounds)
            rows = cursor.fetchall() if size_max is None else _until(cursor, size_max)
            cursor.close()
        return ((key, self._seals.opened(table, key, value)) for key, value in rows)

    def records(self, file: str) -> Iterator[bytes]:
        """The records of a file, oldest first. Raises StorageDamaged."""
        return self._files.records(file)

    def stage(self, changes: Sequence[Change]) -> None:
        """Take the changes of one input. Raises CommitFailed."""
        if not changes:
            return
        with self._committing():
            self._begin(durable=must_be_durable(changes))
            for change in changes:
                if isinstance(change, Append | AppendLater):
                    self._files.append(change.file, change.record)
                else:
                    self._put(change.table, change.key, change.value)
        self._commits.stage(changes)

    def commit(self) -> None:
        """Commit what is staged: record files first, then the tables. Raises CommitFailed."""
        if self._durable is None:
            return
        with self._committing():
            for name, length in self._files.sync():
                self._db.execute("INSERT OR REPLACE INTO files VALUES (?, ?)", (name, length))
            self._db.execute("COMMIT")
            log_bytes = (self._directory / LOG).stat().st_size
            if self._durable and self._mark is not None:
                self._mark.write(log_bytes)
            if log_bytes > LOG_BYTES_MAX:
                self._empty_log()
        self._files.committed()
        self._commits.commit(durable=bool(self._durable))
        self._durable = None

    def damaged_records(self) -> Iterator[str | None]:
        """Pages of the database, rows and records, as they are on the disk or in memory now."""
        yield from self._sums.damaged_pages()
        last: tuple[str, bytes] = "", b""
        while rows := self._rows_after(last):
            for table, key, sealed in rows:
                if not isinstance(table, str) or not isinstance(key, bytes) or (table, key) <= last:
                    yield f"{self._path}: its rows are not in order"
                    return
                last = table, key
                try:
                    self._seals.opened(table, key, sealed)
                except StorageDamaged as damage:
                    yield str(damage)
            yield None
        yield from self._files.damaged()

    def _rows_after(self, last: tuple[str, bytes]) -> list[tuple[Any, Any, bytes]]:
        """Some rows (table, key, value) that follow; damaged ones may be of any type."""
        with self._reading():
            cursor = self._db.execute(_AFTER, last)
            rows = _until(cursor, LOOK_BYTES)
            cursor.close()
        return rows

    def close(self) -> None:
        """Let go of the files; what is staged and not committed is lost."""
        self._files.close()
        if self._mark is not None:
            # SQLite empties the log when it is closed, so it is done before, and said.
            with suppress(sqlite3.Error, OSError):
                if self._durable is not None:
                    self._db.execute("ROLLBACK")
                self._empty_log()
        self._db.close()
        self._sums.close()
        if self._mark is not None:
            self._mark.close()

    def _begin(self, *, durable: bool) -> None:
        if self._durable is not None and durable and not self._durable:
            # How much a commit syncs is settled before it begins. What is staged so far belongs
            # to earlier inputs, so committing it by itself still leaves a prefix of the inputs.
            self.commit()
        if self._durable is None:
            self._db.execute(f"PRAGMA synchronous = {'FULL' if durable else 'NORMAL'}")
            self._db.execute("BEGIN IMMEDIATE")
            self._durable = durable

    def _put(self, table: str, key: bytes, value: bytes | None) -> None:
        if value is None:
            self._db.execute("DELETE FROM entries WHERE name = ? AND key = ?", (table, key))
        else:
            self._db.execute(_PUT, (table, key, self._seals.sealed(table, key, value)))

    def _check_log(self) -> None:
        """Raise StorageDamaged where the log is not sound as far as it was synced; empty it."""
        mark = SyncedMark(self._directory)
        try:
            with self._reading():
                _, frames, _ = self._db.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()
                (page_bytes,) = self._db.execute("PRAGMA page_size").fetchone()
            promised, sound = mark.read(), sound_length(max(0, frames), page_bytes)
            if sound < promised and self._checked:
                raise StorageDamaged(
                    f"{self._directory / LOG}: {promised} bytes were synced and {sound} are sound"
                )
        except BaseException:
            mark.close()
            raise
        self._mark = mark
        with self._committing():
            self._empty_log()

    def _empty_log(self) -> None:
        """Take what the log holds into the database, and note the sums of its pages."""
        busy, frames, taken = self._db.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()
        if busy or frames != taken:
            return  # Another time: the log still holds what the database does not.
        (page_bytes,) = self._db.execute("PRAGMA page_size").fetchone()
        self._sums.renew(page_bytes)
        if self._mark is not None:
            self._mark.write(0, durable=True)
        self._db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()

    def _open_files(self) -> None:
        with self._reading():
            rows = self._db.execute("SELECT name, length FROM files ORDER BY name").fetchall()
        self._files.open(rows)

    @contextmanager
    def _reading(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.OperationalError as error:
            if "locked" in str(error):
                raise OSError(f"{self._path}: another process uses it") from error
            raise OSError(f"{self._path}: {error}") from error
        except sqlite3.DatabaseError as error:
            raise StorageDamaged(f"{self._path}: {error}") from error

    @contextmanager
    def _committing(self) -> Iterator[None]:
        try:
            yield
        except (sqlite3.Error, OSError) as error:
            raise CommitFailed(f"{self._path}: {error}") from error


def _until(cursor: sqlite3.Cursor, size_max: int) -> list[Any]:
    """The first rows, of which key and value stand last, until these have so many bytes."""
    rows: list[Any] = []
    size = 0
    while size < size_max and (row := cursor.fetchone()) is not None:
        rows.append(row)
        size += len(row[-2]) + len(row[-1])
    return rows


def _connect(path: Path) -> sqlite3.Connection:
    db = sqlite3.connect(path, isolation_level=None, timeout=0.0)
    try:
        # Exclusive: a second process on the same directory is told so instead of mixing with us.
        db.execute("PRAGMA locking_mode = EXCLUSIVE")
        db.execute("PRAGMA journal_mode = WAL")
        # The engine empties the log itself, and first says that it will: see `synced`.
        db.execute("PRAGMA wal_autocheckpoint = 0")
        db.execute("PRAGMA synchronous = FULL")
        db.executescript(_SCHEMA)
    except BaseException:
        db.close()
        raise
    return db
