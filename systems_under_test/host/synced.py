"""How much of SQLite's write-ahead log has been synced, in a file beside it.

The log only grows between two checkpoints, and every durable commit syncs the whole of it. So one
number says what a loss of power must leave: the log's length at the last durable commit. Two rest
on it. On opening, a log that is sound only up to an earlier byte is damage, where SQLite would
quietly go back to an older state, taking it for the tail of a crash. And a loss of power is the log
cut back to that length.

The number is written after the sync that it speaks of, and set to 0, durably, before a checkpoint
empties the log: so whatever of these reaches the disk, it never promises more than is there.
"""

from __future__ import annotations

import os
import struct
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from pathlib import Path

FILE: Final = "store.synced"
HEADER_BYTES: Final = 32
FRAME_HEADER: Final = struct.Struct("!II")
FRAME_HEADER_BYTES: Final = 24
_DIGITS: Final = 20
_PAGE_SIZE_AT: Final = 8


class SyncedMark:
    """The number, for the process that writes the log."""

    def __init__(self, directory: Path) -> None:
        """Open or make the file. Raises OSError."""
        flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC
        self._fd = os.open(directory / FILE, flags, 0o644)

    def read(self) -> int:
        """The length of the log that is promised to be sound, 0 where nothing is."""
        return _number(os.pread(self._fd, _DIGITS + 1, 0))

    def write(self, length: int, *, durable: bool = False) -> None:
        """The log has been synced up to this length, or is going to be emptied."""
        os.pwrite(self._fd, b"%0*d\n" % (_DIGITS, length), 0)
        if durable:
            os.fsync(self._fd)

    def close(self) -> None:
        """Let go of the file."""
        os.close(self._fd)


def take_back(directory: Path, log: Path) -> int:
    """Cut the log of a dead process back to what was synced; how many commits that takes.

    Raises OSError.
    """
    try:
        mark = _number((directory / FILE).read_bytes())
        with log.open("rb") as file:
            lost = _commits_after(file.read(), mark)
    except FileNotFoundError:
        return 0
    os.truncate(log, min(mark, log.stat().st_size))
    return lost


def sound_length(frames: int, page_bytes: int) -> int:
    """The length of a log of so many frames."""
    return HEADER_BYTES + frames * (FRAME_HEADER_BYTES + page_bytes) if frames else 0


def _commits_after(log: bytes, mark: int) -> int:
    """How many commits end behind a byte of the log: frames that name the size of the database."""
    if len(log) < HEADER_BYTES:
        return 0
    step = FRAME_HEADER_BYTES + int.from_bytes(log[_PAGE_SIZE_AT : _PAGE_SIZE_AT + 4], "big")
    at, commits = max(mark, HEADER_BYTES), 0
    while at + step <= len(log):
        commits += FRAME_HEADER.unpack_from(log, at)[1] != 0
        at += step
    return commits


def _number(text: bytes) -> int:
    return int(text) if len(text) == _DIGITS + 1 and text.strip().isdigit() else 0
