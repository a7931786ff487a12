"""What a host keeps on disk for a replica: the port that every engine offers, and its errors.

The replica reads through `systems_under_test.replica.Storage`; the host writes through this.
"""

from __future__ import annotations

import os
import re
import zlib
from typing import TYPE_CHECKING, Final, Protocol

from systems_under_test.replica import (
    Append,
    AppendLater,
    Storage,
    StorageDamaged,
    Write,
    WriteLater,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

Change = Write | WriteLater | Append | AppendLater
"""An effect that changes what is stored."""

_FILE_NAME: Final = re.compile(r"[a-z0-9][a-z0-9._-]{0,99}")


LOOK_BYTES: Final = 1 << 20
"""A look at everything at rest is made of slices of so many bytes."""


class CommitFailed(Exception):
    """A commit could not be made durable: no space, or an I/O error. Nothing of it counts."""


class Engine(Storage, Protocol):
    """Storage that a host can write to. Used by one thread.

    `stage` makes the changes of one input readable at once; `commit` makes all that is staged
    atomic, and durable if any of it must be. After a crash a prefix of the inputs is there, each
    wholly or not at all, and it holds at least what was committed.
    """

    @property
    def counters(self) -> Mapping[str, int]:
        """`commits` that waited for the disk, `commits_unsynced` that did not, `changes`."""
        ...

    def stage(self, changes: Sequence[Change]) -> None:
        """Take the changes of one input. Raises CommitFailed."""
        ...

    def commit(self) -> None:
        """Commit what is staged; nothing staged: nothing done. Raises CommitFailed."""
        ...

    def damaged_records(self) -> Iterator[str | None]:
        """File and record of everything stored that has a bad checksum.

        None after each slice: there more may be staged and committed before it goes on, and what is
        looked at next is looked at as it is then. It holds no more than a slice.
        """
        ...

    def close(self) -> None:
        """Let go of the files; what is staged and not committed is lost."""
        ...


class Commits:
    """Counts what an engine commits, for `Engine.counters`."""

    def __init__(self) -> None:
        self.counters = {"commits": 0, "commits_unsynced": 0, "changes": 0}
        self.staged = 0
        """So many changes wait for the next commit."""

    def stage(self, changes: Sequence[Change]) -> None:
        """These changes were staged."""
        self.staged += len(changes)

    def commit(self, *, durable: bool) -> None:
        """What is staged was committed, and the disk waited for if it must be durable."""
        self.counters["commits" if durable else "commits_unsynced"] += 1
        self.counters["changes"] += self.staged
        self.staged = 0


def must_be_durable(changes: Sequence[Change]) -> bool:
    """Whether any of the changes must reach the disk before a later effect leaves."""
    return any(isinstance(change, Write | Append) for change in changes)


def checksum(*parts: bytes) -> bytes:
    """CRC-32 of the parts, each with its length, so that no byte may move from one to the next."""
    crc = 0
    for part in parts:
        crc = zlib.crc32(part, zlib.crc32(len(part).to_bytes(8, "big"), crc))
    return crc.to_bytes(4, "big")


def check_change(change: Change) -> None:
    """Raise TypeError unless keys, values and records are bytes: engines differ on the rest."""
    if isinstance(change, Append | AppendLater):
        sound = type(change.record) is bytes
    else:
        sound = type(change.key) is bytes and type(change.value) in (bytes, type(None))
    if not sound:
        raise TypeError(f"{change!r}: keys, values and records are bytes")


def check_file_name(name: str) -> None:
    """Raise ValueError unless an append-only file may be called so."""
    if not _FILE_NAME.fullmatch(name):
        raise ValueError(
            f"append-only file {name!r}: a name has 1 to 100 of a-z, 0-9, '.', '_', '-' "
            "and begins with a letter or digit"
        )


def sync_directory(directory: Path) -> None:
    """Make the names in a directory durable: a file's own sync does not. Raises OSError."""
    fd = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def open_engine(name: str, directory: Path, *, checked: bool = True) -> Engine:
    """The engine called `memory`, `sqlite` or `lmdb`, on what the directory holds.

    Without `checked`, which only a named bug wants, engines on disk look at no checksum.

    Raises StorageDamaged for damage seen on opening, OSError where the directory is unusable or
    the engine is not installed.
    """
    if name == "memory":
        from systems_under_test.host.memory import MemoryEngine

        return MemoryEngine()
    if name == "sqlite":
        from systems_under_test.host.sqlite import SqliteEngine

        return SqliteEngine(directory, checked=checked)
    if name == "lmdb":
        try:
            from systems_under_test.host.lmdb import LmdbEngine
        except ModuleNotFoundError as error:
            raise OSError("engine lmdb needs the extra: pip install 'lineal[lmdb]'") from error
        return LmdbEngine(directory, checked=checked)
    raise ValueError(f"no storage engine is called {name!r}; there are: memory, sqlite, lmdb")


__all__ = [
    "Change",
    "CommitFailed",
    "Commits",
    "Engine",
    "StorageDamaged",
    "check_change",
    "check_file_name",
    "checksum",
    "must_be_durable",
    "open_engine",
    "sync_directory",
]
