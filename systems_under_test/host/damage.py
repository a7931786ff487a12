"""Damages what a dead node has stored: raw bytes of its files, in a place that it will notice.

Before that, everything the node had handed to its system is brought into the database itself. A
write-ahead log may hold older copies of a page, and to flip a bit in one of them changes nothing.
"""

from __future__ import annotations

import os
import shutil
import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING, Any, Final, Literal

from systems_under_test.host.sqlite import DATABASE, SqliteEngine
from systems_under_test.host.storage import CommitFailed
from systems_under_test.replica import StorageDamaged

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from systems_under_test.rng import Rng

Kind = Literal["torn", "flip", "truncate", "lost"]
PLACES_MAX: Final = 50
"""So many records are tried: one whose bytes are spread over pages is not found in one piece."""
NEEDLE_BYTES_MAX: Final = 24
NONE: Final = {"file": None, "record": None}


def damage(directory: Path, kind: Kind, rng: Rng) -> dict[str, Any]:
    """Damage one record, one file, or lose all; which, `file` None if there was none to damage.

    Raises OSError where the files cannot be used.
    """
    if kind == "lost":
        return _lose(directory)
    try:
        with closing(SqliteEngine(directory)):
            pass  # Closing it takes the log into the database.
    except (StorageDamaged, CommitFailed, FileNotFoundError):
        return dict(NONE)
    if kind == "flip":
        return _flip(directory, rng)
    return _tear(directory, rng) if kind == "torn" else _truncate(directory, rng)


def damage_files(directory: Path, patterns: Iterable[str], kind: Kind, rng: Rng) -> dict[str, Any]:
    """Damage a file of programs of which nothing is known but the patterns of their files' names.

    Torn is what was written last. Hidden files are spared: our own are among them. Raises OSError
    where the files cannot be used.
    """
    if kind == "lost":
        return _lose(directory)
    named = {path for pattern in patterns for path in directory.glob(pattern)}
    able = [
        path
        for path in sorted(named)
        if path.is_file() and not path.is_symlink() and not path.name.startswith(".")
        if path.stat().st_size > 1
    ]
    if not able:
        return dict(NONE)
    if kind == "torn":
        path = max(able, key=lambda path: path.stat().st_mtime_ns)
        return _cut(path, 1 + rng.below(min(8, path.stat().st_size - 1)), directory)
    path = rng.choice(able)
    size = path.stat().st_size
    if kind == "truncate":
        return _cut(path, size - size // 2, directory)
    at, bit = rng.below(size), rng.below(8)
    _flip_at(path, at, bit)
    return {"file": str(path.relative_to(directory)), "record": None, "byte": at, "bit": bit}


def _cut(path: Path, gone: int, directory: Path) -> dict[str, Any]:
    """Take so many bytes from the end of a file."""
    os.truncate(path, path.stat().st_size - gone)
    return {"file": str(path.relative_to(directory)), "record": None, "bytes_gone": gone}


def _lose(directory: Path) -> dict[str, Any]:
    """Take everything away, the number of starts too: what an empty disk in its place holds."""
    gone = sum(path.stat().st_size for path in directory.rglob("*") if path.is_file())
    shutil.rmtree(directory, ignore_errors=True)
    # One that a disk is mounted at cannot be removed itself.
    if directory.exists() and any(directory.iterdir()):
        raise OSError(f"{directory} cannot be removed")
    return {"file": str(directory.name), "record": None, "bytes_gone": gone}


def _tear(directory: Path, rng: Rng) -> dict[str, Any]:
    """Cut the last record of a file short, or, where there are only tables, the database's page."""
    files = [path for path in sorted(directory.glob("*.records")) if path.stat().st_size]
    path = rng.choice(files) if files else directory / DATABASE
    size = path.stat().st_size
    if not size:
        return dict(NONE)
    cut = 1 + rng.below(min(8, size))  # Within a record's head; within the last page.
    os.truncate(path, size - cut)
    return {"file": path.name, "record": "last", "bytes_gone": cut}


def _truncate(directory: Path, rng: Rng) -> dict[str, Any]:
    """Take the second half of a file."""
    files = [directory / DATABASE, *sorted(directory.glob("*.records"))]
    able = [path for path in files if path.stat().st_size > 1]
    if not able:
        return dict(NONE)
    path = rng.choice(able)
    size = path.stat().st_size
    os.truncate(path, size // 2)
    return {"file": path.name, "record": None, "bytes_gone": size - size // 2}


def _flip(directory: Path, rng: Rng) -> dict[str, Any]:
    """Flip one bit of one stored record: of any file or table, then of any record in it.

    Drawn among all records at once, the few that matter most would hardly ever be hit.
    """
    files = [path for path in sorted(directory.glob("*.records")) if path.stat().st_size]
    with closing(sqlite3.connect(directory / DATABASE)) as db:
        rows = db.execute("SELECT name, key, value FROM entries ORDER BY name, key").fetchall()
    if files and (not rows or rng.below(2)):
        path = rng.choice(files)
        at, bit = rng.below(path.stat().st_size), rng.below(8)
        _flip_at(path, at, bit)
        return {"file": path.name, "record": None, "byte": at, "bit": bit}
    tables = rng.shuffled(sorted({row[0] for row in rows}))
    drawn = [row for table in tables for row in rng.shuffled([r for r in rows if r[0] == table])]
    for table, key, value in drawn[:PLACES_MAX]:
        found = _flip_value(directory / DATABASE, table, key, value, rng)
        if found is not None:
            record = f"{table}/{key.decode('utf-8', 'backslashreplace')}"
            return {"file": DATABASE, "record": record, **found}
    return dict(NONE)


def _flip_value(
    path: Path, table: str, key: bytes, value: bytes, rng: Rng
) -> dict[str, int] | None:
    """Flip a bit of that row's value where it lies in the database; None if it is not found."""
    needle = value[-NEEDLE_BYTES_MAX:]
    byte, bit = rng.below(len(needle)), rng.below(8)
    for place in _places(path.read_bytes(), needle):
        _flip_at(path, place + byte, bit)
        if _value(path, table, key) != value:
            return {"byte": place + byte, "bit": bit}
        _flip_at(path, place + byte, bit)  # That was a copy which nobody reads any more.
    return None


def _places(data: bytes, needle: bytes) -> Iterator[int]:
    at = data.find(needle)
    while at >= 0:
        yield at
        at = data.find(needle, at + 1)


def _value(path: Path, table: str, key: bytes) -> bytes | None:
    try:
        with closing(sqlite3.connect(path)) as db:
            row = db.execute(
                "SELECT value FROM entries WHERE name = ? AND key = ?", (table, key)
            ).fetchone()
    except sqlite3.DatabaseError:
        return None  # It was more than a value that was hit: damage all the same.
    return None if row is None else row[0]


def _flip_at(path: Path, at: int, bit: int) -> None:
    with path.open("r+b") as file:
        file.seek(at)
        (before,) = file.read(1)
        file.seek(at)
        file.write(bytes([before ^ 1 << bit]))
