"""Checksums behind the values of tables: a value that is not what was stored is never handed out.

A seal is the CRC-32 of the table's name, the key and the value, so that a sound value under another
key or in another table is damage too.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from systems_under_test.host.storage import checksum
from systems_under_test.replica import StorageDamaged

if TYPE_CHECKING:
    from pathlib import Path

_BYTES: Final = 4


class Seals:
    """Seals the values of one database, and opens them again."""

    def __init__(self, path: Path, *, checked: bool) -> None:
        """Of the database at `path`. Without `checked`, whatever is there is taken for sound."""
        self._path = path
        self._checked = checked

    def sealed(self, table: str, key: bytes, value: bytes) -> bytes:
        """The value with its seal behind it."""
        return value + checksum(table.encode(), key, value)

    def opened(self, table: str, key: bytes, sealed: bytes, start: int = 0) -> bytes:
        """The value that stands in `sealed` from `start` on. Raises StorageDamaged."""
        value = sealed[start:-_BYTES]
        if self._checked and checksum(table.encode(), key, value) != sealed[-_BYTES:]:
            raise StorageDamaged(
                f"{self._path}: table {table!r}, key {key!r}: the value has a bad checksum"
            )
        return value
