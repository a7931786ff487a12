"""Append-only files of records: length, CRC-32, bytes.

A file alone does not say which of its records count: a record is there once the transaction
that holds the file's length has been committed. So an append and a write of one input are atomic
together, a torn tail is whatever stands behind that length, and every byte before it had been
acknowledged: if it is wrong, it is damage.
"""

from __future__ import annotations

import os
import struct
import zlib
from collections import deque
from typing import TYPE_CHECKING, Final

from systems_under_test.host.storage import check_file_name, sync_directory
from systems_under_test.replica import StorageDamaged

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

_HEADER: Final = struct.Struct("!II")
RECORD_BYTES_MAX: Final = 64 * 2**20


class RecordFile:
    """One file, open for appending. `length` counts the bytes of whole records, staged or not."""

    def __init__(self, path: Path, committed: int) -> None:
        """Open or make the file and cut off what stands behind its committed length.

        Raises StorageDamaged where the file is shorter than that, OSError where it cannot be used.
        """
        self._path = path
        self._fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        try:
            there = os.fstat(self._fd).st_size
            if there < committed:
                raise StorageDamaged(
                    f"{path}: {committed} bytes were committed and {there} are there"
                )
            if there > committed:
                os.ftruncate(self._fd, committed)
        except BaseException:
            os.close(self._fd)
            raise
        self.length = committed
        self._dirty = False

    def append(self, record: bytes) -> None:
        """Write a record behind the others; not durable until `sync`. Raises OSError."""
        if len(record) > RECORD_BYTES_MAX:
            raise ValueError(f"a record of {len(record)} bytes; at most {RECORD_BYTES_MAX}")
        framed = _framed(record)
        self._dirty = True
        at = self.length
        while framed:  # Ends: each turn writes at least a byte or raises.
            written = os.pwrite(self._fd, framed, at)
            framed = framed[written:]
            at += written
        self.length = at

    def sync(self) -> bool:
        """Make the appended records durable; False if there were none. Raises OSError."""
        if not self._dirty:
            return False
        os.fsync(self._fd)
        self._dirty = False
        return True

    def records(self) -> Iterator[bytes]:
        """Every record up to `length`, oldest first. Raises StorageDamaged."""
        at, number, stop = 0, 0, self.length
        while at < stop:
            record = self._read(at, number, stop)
            yield record
            at += _HEADER.size + len(record)
            number += 1

    def close(self) -> None:
        """Let go of the file."""
        os.close(self._fd)

    def _read(self, at: int, number: int, stop: int) -> bytes:
        header = os.pread(self._fd, _HEADER.size, at)
        if len(header) == _HEADER.size:
            size, crc = _HEADER.unpack(header)
            if size <= stop - at - _HEADER.size:
                record = os.pread(self._fd, size, at + _HEADER.size)
                if len(record) == size and _crc(record) == crc:
                    return record
        raise StorageDamaged(f"{self._path}: record {number} at byte {at} has a bad checksum")


class RecordFiles:
    """The append-only files of a directory, by name.

    A transaction of whoever owns them holds their lengths: `sync` makes the appended records
    durable and tells the lengths, and only then may that transaction be committed.
    """

    def __init__(self, directory: Path) -> None:
        """None of them is open yet."""
        self._directory = directory
        self._files: dict[str, RecordFile] = {}
        self._grown: set[str] = set()

    def open(self, lengths: Iterable[tuple[str, int]]) -> None:
        """Open files with their committed lengths. Raises StorageDamaged, OSError."""
        for name, length in lengths:
            self._files[name] = RecordFile(self._directory / f"{name}.records", length)

    def append(self, name: str, record: bytes) -> None:
        """Write a record behind the others of its file. Raises ValueError, OSError."""
        if name not in self._files:
            check_file_name(name)
            self.open([(name, 0)])
            sync_directory(self._directory)
        self._files[name].append(record)
        self._grown.add(name)

    def records(self, name: str) -> Iterator[bytes]:
        """The records of a file, oldest first, none where there is none. Raises StorageDamaged."""
        found = self._files.get(name)
        return iter(()) if found is None else found.records()

    def sync(self) -> list[tuple[str, int]]:
        """Make appended records durable; which files grew, with their lengths. Raises OSError."""
        grown = sorted(self._grown)
        for name in grown:
            self._files[name].sync()
        return [(name, self._files[name].length) for name in grown]

    def committed(self) -> None:
        """The lengths that `sync` told are committed: it tells them no more."""
        self._grown.clear()

    def damaged(self) -> Iterator[str]:
        """The first damaged record of each file, in words."""
        for file in list(self._files.values()):
            try:
                deque(file.records(), maxlen=0)
            except StorageDamaged as damage:
                yield str(damage)

    def close(self) -> None:
        """Let go of the files."""
        for file in self._files.values():
            file.close()
        self._files.clear()


def _crc(record: bytes) -> int:
    # The length is part of it: a flipped length would otherwise move the border unnoticed.
    return zlib.crc32(record, zlib.crc32(len(record).to_bytes(4, "big")))


def _framed(record: bytes) -> bytes:
    return _HEADER.pack(len(record), _crc(record)) + record
