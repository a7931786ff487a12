"""The state as it was after one slot, read in slices while it goes on changing.

Whoever needs all of it (a snapshot, the scrubber, the archive, a dump) reads a slice with each
input, so that no input takes the longer the more there is. What is written meanwhile behind the
slice that comes next is kept as it was before: so the slices together are one state, and only what
changed in the meantime is held twice.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from systems_under_test.paxos.state_machine import TABLES

if TYPE_CHECKING:
    from systems_under_test.paxos.state_machine import Rows, StateMachine
    from systems_under_test.paxos.step import Step


class View:
    """The state as this input has left it so far. To be closed when it is of no more use."""

    def __init__(self, step: Step, state: StateMachine) -> None:
        self._views = step.views
        self._full = tuple(state.table(table) for table in TABLES)
        self._table = 0
        self._from = b""
        self._before: list[dict[bytes, bytes | None]] = [{} for _ in TABLES]
        """For each table the keys whose rows are not those of the storage any more."""
        for (table, key), value in step.written.items():
            if table in self._full:
                self._before[self._full.index(table)][key] = value
        self.whole = False
        """Whether everything was read: one that was closed before is of no use."""
        self._views.append(self)

    @property
    def done(self) -> bool:
        """Whether nothing more comes."""
        return self._table == len(TABLES)

    def close(self) -> None:
        """Nothing needs to be kept for it any more."""
        self._table = len(TABLES)
        if self in self._views:
            self._views.remove(self)

    def keep(self, step: Step, table: str, key: bytes) -> None:
        """A row is about to be written: keep what it is, if it was not read yet."""
        if table not in self._full:
            return
        number = self._full.index(table)
        if (number, key) < (self._table, self._from):
            return
        before = self._before[number]
        if key not in before:
            before[key] = step.get(table, key)

    def next(self, step: Step, size_max: int) -> Rows:
        """Rows (table, key, value) that follow, until they have so many bytes."""
        if self._table == len(TABLES):
            return ()
        rows: list[tuple[str, bytes, bytes]] = []
        size = 0
        while not self.done and size < size_max:
            size += self._take(step, rows, size_max - size)
        if self.done:
            self.whole = True
            self.close()
        return tuple(rows)

    def skip_table(self) -> None:
        """Go on with the next table: this one cannot be read."""
        self._before[self._table].clear()
        self._table, self._from = self._table + 1, b""

    def _take(self, step: Step, rows: list[tuple[str, bytes, bytes]], size_max: int) -> int:
        """Take rows of one table; their bytes."""
        full, before = self._full[self._table], self._before[self._table]
        stored = dict(step.storage.scan(full, self._from, size_max=size_max))
        ends = not stored
        last = b"" if ends else max(stored)
        there = [key for key in before if key >= self._from and (ends or key <= last)]
        taken = 0
        for key in sorted(stored.keys() | there):
            value = before.pop(key) if key in before else stored[key]
            self._from = key + b"\0"
            if value is None:
                continue
            rows.append((TABLES[self._table], key, value))
            taken += len(key) + len(value)
            if taken >= size_max:
                return taken
        if ends:
            self._table, self._from = self._table + 1, b""
        return taken
