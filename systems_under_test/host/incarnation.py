"""How often a node has been started: a number in its directory that only grows, and a checksum."""

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
    path = directory / FILE
    try:
        text = path.read_bytes().decode("ascii", "replace")
    except FileNotFoundError:
        return 0
    number = text.partition("\n")[0]
    if not number.isdecimal() or text != _sealed(int(number)):
        raise StorageDamaged(f"{path}: {text[:40]!r} is no number of starts with its checksum")
    return int(number)


def next_incarnation(directory: Path, lives: int = 0) -> int:
    """Count a start, durably, before it has any effect. Raises StorageDamaged, OSError.

    `lives` is how many there were as far as whoever starts the node knows: where its disk was lost,
    or the file was damaged, that is what goes on. If two lives shared a number, a message to the
    first would reach the second, and ids made of it would be given twice.
    """
    directory.mkdir(parents=True, exist_ok=True)
    try:
        known = read_incarnation(directory)
    except StorageDamaged:
        if not lives:
            raise
        known = 0
    incarnation = max(known, lives) + 1
    fresh = directory / f"{FILE}.new"
    with fresh.open("w", encoding="ascii") as file:
        file.write(_sealed(incarnation))
        file.flush()
        os.fsync(file.fileno())
    fresh.replace(directory / FILE)
    sync_directory(directory)
    sync_directory(directory.parent)
    return incarnation


def _sealed(incarnation: int) -> str:
    return f"{incarnation}\n{zlib.crc32(str(incarnation).encode()):08x}\n"
