"""How often a node has been started: a number in its directory that only grows."""

from __future__ import annotations

import os
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
        text = path.read_text(encoding="ascii")
    except FileNotFoundError:
        return 0
    if not text.endswith("\n") or not text[:-1].isdecimal():
        raise StorageDamaged(f"{path}: {text[:40]!r} is not a number of starts")
    return int(text)


def next_incarnation(directory: Path) -> int:
    """Count a start, durably, before it has any effect. Raises StorageDamaged, OSError.

    If two lives shared a number, a message to the first would reach the second, and ids made of
    it would be given twice.
    """
    directory.mkdir(parents=True, exist_ok=True)
    incarnation = read_incarnation(directory) + 1
    fresh = directory / f"{FILE}.new"
    with fresh.open("w", encoding="ascii") as file:
        file.write(f"{incarnation}\n")
        file.flush()
        os.fsync(file.fileno())
    fresh.replace(directory / FILE)
    sync_directory(directory)
    sync_directory(directory.parent)
    return incarnation
