"""How often a node has been started: a number in its directory that only grows, and a checksum.

Beside it stands whether any of these lives has begun: committed what came of its first input.
Before that nothing of a life has left the node, and nobody has relied on what it stored: a start
that fails, or a death right after it was counted, leaves a directory as good as new. Once a life
has begun, a store that is empty is one that was lost.
"""

from __future__ import annotations

import os
import zlib
from typing import TYPE_CHECKING, Final

from systems_under_test.host.storage import sync_directory
from systems_under_test.replica import StorageDamaged

if TYPE_CHECKING:
    from pathlib import Path

FILE: Final = "incarnation"


def read_incarnation(directory: Path) -> int:
    """The number of the latest life, 0 before the first. Raises StorageDamaged, OSError."""
    return _read(directory)[0]


def is_fresh(directory: Path) -> bool:
    """Whether no life has begun, however many were counted. Raises StorageDamaged, OSError."""
    return _read(directory)[1]


def next_incarnation(directory: Path, lives: int = 0) -> int:
    """Count a start, durably, before it has any effect. Raises StorageDamaged, OSError.

    `lives` is how many there were as far as whoever starts the node knows: where its disk was lost,
    or the file was damaged, that is what goes on, and one of them has begun. If two lives shared a
    number, a message to the first would reach the second, and ids made of it would be given twice.
    """
    directory.mkdir(parents=True, exist_ok=True)
    try:
        known, fresh = _read(directory)
    except StorageDamaged:
        if not lives:
            raise
        known, fresh = 0, False
    incarnation = max(known, lives) + 1
    _write(directory, incarnation, fresh=fresh and lives <= known)
    sync_directory(directory.parent)
    return incarnation


def begin(directory: Path) -> None:
    """What came of the first input is durable, and nothing has left yet: note it, durably, once.

    Raises StorageDamaged, OSError.
    """
    incarnation, fresh = _read(directory)
    if fresh:
        _write(directory, incarnation, fresh=False)


def _read(directory: Path) -> tuple[int, bool]:
    """The number of the latest life, and whether none has begun."""
    path = directory / FILE
    try:
        text = path.read_bytes().decode("ascii", "replace")
    except FileNotFoundError:
        return 0, True
    number = text.partition("\n")[0]
    if number.isdecimal():
        for fresh in (False, True):
            if text == _sealed(int(number), fresh=fresh):
                return int(number), fresh
    raise StorageDamaged(f"{path}: {text[:40]!r} is no number of starts with its checksum")


def _write(directory: Path, incarnation: int, *, fresh: bool) -> None:
    new = directory / f"{FILE}.new"
    with new.open("w", encoding="ascii") as file:
        file.write(_sealed(incarnation, fresh=fresh))
        file.flush()
        os.fsync(file.fileno())
    new.replace(directory / FILE)
    sync_directory(directory)


def _sealed(incarnation: int, *, fresh: bool) -> str:
    mark = " fresh" if fresh else ""
    return f"{incarnation}\n{zlib.crc32(f'{incarnation}{mark}'.encode()):08x}{mark}\n"
