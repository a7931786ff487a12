"""The storage engine that forgets: everything lives in the process and dies with it."""

from __future__ import annotations

from bisect import bisect_left, insort
from typing import TYPE_CHECKING

from systems_under_test.host.storage import Change, Commits, check_file_name
from systems_under_test.replica import Append, AppendLater

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence


class _Table:
    """Entries with their keys in order."""

    __slots__ = ("keys", "values")

    def __init__(self) -> None:
        self.keys: list[bytes] = []
        self.values: dict[bytes, bytes] = {}

    def put(self, key: bytes, value: bytes | None) -> None:
        if value is None:
            if self.values.pop(key, None) is not None:
                del self.keys[bisect_left(self.keys, key)]
            return
        if key not in self.values:
            insort(self.keys, key)
        self.values[key] = value

    def between(
        self, start: bytes, stop: bytes | None, size_max: int | None
    ) -> Iterator[tuple[bytes, bytes]]:
        first = bisect_left(self.keys, start)
        last = len(self.keys) if stop is None else bisect_left(self.keys, stop)
        if size_max is not None:
            last = self._until(first, last, size_max)
        return iter([(key, self.values[key]) for key in self.keys[first:last]])

    def _until(self, first: int, last: int, size_max: int) -> int:
        size = 0
        for at in range(first, last):
            size += len(self.keys[at]) + len(self.values[self.keys[at]])
            if size >= size_max:
                return at + 1
        return last


class MemoryEngine:
    """Durable as long as the process lives, which is what a node with this engine promises."""

    def __init__(self) -> None:
        self._tables: dict[str, _Table] = {}
        self._files: dict[str, list[bytes]] = {}
        self._commits = Commits()

    @property
    def counters(self) -> Mapping[str, int]:
        """Commits and changes so far."""
        return self._commits.counters

    def get(self, table: str, key: bytes) -> bytes | None:
        """The value under a key, None if there is none."""
        found = self._tables.get(table)
        return None if found is None else found.values.get(key)

    def scan(
        self,
        table: str,
        start: bytes = b"",
        stop: bytes | None = None,
        *,
        size_max: int | None = None,
    ) -> Iterator[tuple[bytes, bytes]]:
        """The entries with start <= key < stop, in order of key."""
        found = self._tables.get(table)
        return iter(()) if found is None else found.between(start, stop, size_max)

    def records(self, file: str) -> Iterator[bytes]:
        """The records of a file, oldest first."""
        return iter(tuple(self._files.get(file, ())))

    def stage(self, changes: Sequence[Change]) -> None:
        """Take the changes of one input."""
        for change in changes:
            if isinstance(change, Append | AppendLater):
                check_file_name(change.file)
                self._files.setdefault(change.file, []).append(change.record)
            else:
                self._tables.setdefault(change.table, _Table()).put(change.key, change.value)
        self._commits.stage(changes)

    def commit(self) -> None:
        """Count it; there is nothing to wait for."""
        if self._commits.staged:
            self._commits.commit(durable=True)

    def damaged_records(self) -> Iterator[str | None]:
        """None: nothing is at rest."""
        return iter(())

    def close(self) -> None:
        """Forget everything."""
        self._tables.clear()
        self._files.clear()
