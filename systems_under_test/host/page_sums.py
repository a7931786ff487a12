"""A checksum of every page of the database, in a file beside it.

SQLite has none: a flipped bit in the head of a page can make a row vanish without a trace, and the
checksums of the rows that are left say nothing of it. Pages change only when the write-ahead log is
taken into the database, so the sums are made anew then: of the pages in the log, after they are in
the database, and before the log is emptied. A page that the log holds counts as the log has it, and
is not looked at in the database: there a crash may have left it half taken in.
"""

from __future__ import annotations

import os
import zlib
from array import array
from typing import TYPE_CHECKING, Final

from systems_under_test.host.storage import sync_directory
from systems_under_test.host.synced import FRAME_HEADER, FRAME_HEADER_BYTES, HEADER_BYTES
from systems_under_test.replica import StorageDamaged

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

FILE: Final = "store.pages"
PAGES_AT_ONCE: Final = 1024
_PAGE_SIZE_AT: Final = 8
_SALTS_AT: Final = 16
_SALT_BYTES: Final = 8
_CRC_BYTES: Final = 4


class PageSums:
    """The sums of one database, for the process that writes it.

    It keeps the database open: closing any descriptor of a file would let go of the locks that
    this process, SQLite included, holds on it.
    """

    def __init__(self, database: Path) -> None:
        """Read the sums. Raises StorageDamaged, OSError."""
        self._database = database
        self._log = database.with_name(f"{database.name}-wal")
        self._path = database.with_name(FILE)
        self._page_bytes, self._sums = _read(self._path)
        self._fd = os.open(database, os.O_RDONLY | os.O_CREAT | os.O_CLOEXEC, 0o644)

    def verify(self) -> None:
        """Compare every page that the log does not hold. Raises StorageDamaged naming the first."""
        for damage in self.damaged_pages():
            if damage is not None:
                raise StorageDamaged(damage)

    def damaged_pages(self) -> Iterator[str | None]:
        """Every page that the log does not hold and whose checksum is another; None after a slice:
        before the next one the log may be taken in."""
        first = 1
        while first <= len(self._sums):
            held = pages_in(self._log)
            stop = min(first + PAGES_AT_ONCE, len(self._sums) + 1)
            for number in range(first, stop):
                if number not in held and self._sum(number) != self._sums[number - 1]:
                    yield f"{self._database}: page {number} has a bad checksum"
            first = stop
            yield None

    def renew(self, page_bytes: int) -> None:
        """The log has been taken in: note the sums of its pages, durably. Raises OSError."""
        self._page_bytes = page_bytes
        count = os.fstat(self._fd).st_size // page_bytes
        before = len(self._sums)
        self._sums = self._sums[:count]
        self._sums.extend([0] * (count - len(self._sums)))
        for number in pages_in(self._log) | set(range(before + 1, count + 1)):
            if number <= count:
                self._sums[number - 1] = self._sum(number)
        body = page_bytes.to_bytes(4, "big") + self._sums.tobytes()
        fresh = self._path.with_suffix(".new")
        with fresh.open("wb") as file:
            file.write(body + zlib.crc32(body).to_bytes(_CRC_BYTES, "big"))
            file.flush()
            os.fsync(file.fileno())
        fresh.replace(self._path)
        sync_directory(self._path.parent)

    def close(self) -> None:
        """Let go of the database."""
        os.close(self._fd)

    def _sum(self, number: int) -> int:
        return zlib.crc32(os.pread(self._fd, self._page_bytes, (number - 1) * self._page_bytes))


def _read(path: Path) -> tuple[int, array[int]]:
    sums = array("I")
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        return 0, sums
    body, crc = content[:-_CRC_BYTES], content[-_CRC_BYTES:]
    if zlib.crc32(body).to_bytes(_CRC_BYTES, "big") != crc or len(body) % _CRC_BYTES:
        raise StorageDamaged(f"{path}: the sums of pages have a bad checksum themselves")
    sums.frombytes(body[_CRC_BYTES:])
    return int.from_bytes(body[:_CRC_BYTES], "big"), sums


def pages_in(log: Path) -> set[int]:
    """The numbers of the pages of which a write-ahead log holds a copy. Raises OSError.

    Its frames carry the salts of its head. Behind them there may be zeros, where power was lost
    before what was written had reached the disk.
    """
    try:
        content = log.read_bytes()
    except FileNotFoundError:
        return set()
    if len(content) < HEADER_BYTES:
        return set()
    step = FRAME_HEADER_BYTES + int.from_bytes(content[_PAGE_SIZE_AT : _PAGE_SIZE_AT + 4], "big")
    starts = range(HEADER_BYTES, len(content) - step + 1, step)
    salts = content[_SALTS_AT : _SALTS_AT + _SALT_BYTES]
    return {
        FRAME_HEADER.unpack_from(content, at)[0]
        for at in starts
        if content[at + FRAME_HEADER.size : at + FRAME_HEADER.size + _SALT_BYTES] == salts
    }
