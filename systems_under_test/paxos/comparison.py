"""Comparing copies of one state row by row, while their rows arrive in parts.

Each copy gives its rows in the same order. What all of them have come up to is compared and
forgotten: so of a state of any size only parts are held, and whose part is missing is asked for it.
"""

from __future__ import annotations

from collections import Counter, deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from systems_under_test.paxos.state_machine import TABLES

if TYPE_CHECKING:
    from collections.abc import Iterable

Sum = tuple[str, bytes, int]
"""Table, key, and the checksum of key and value."""

DIFFERENCES_MAX: Final = 100
"""So many are named; the others are counted."""


@dataclass(slots=True)
class _Copy:
    rows: deque[tuple[tuple[int, bytes], int]] = field(default_factory=deque)
    ended: bool = False


class Comparison:
    """What is known of the copies with these names so far."""

    def __init__(self, names: Iterable[str]) -> None:
        self._copies = {name: _Copy() for name in names}
        self.differs: list[list[str]] = []
        """[copy, table, key] wherever a copy differs from what most of them hold, the first of
        them where no value has most; in the order of rows, no more than `DIFFERENCES_MAX`."""
        self.differences = 0

    @property
    def names(self) -> list[str]:
        """Whose copies are compared."""
        return sorted(self._copies)

    @property
    def awaited(self) -> list[str]:
        """Whose next part is needed to go on."""
        return [name for name, copy in self._copies.items() if not copy.rows and not copy.ended]

    @property
    def done(self) -> bool:
        """Whether everything was compared."""
        return all(copy.ended and not copy.rows for copy in self._copies.values())

    def add(self, name: str, rows: Iterable[Sum], *, ends: bool) -> None:
        """The next part of a copy. One that was left out is passed over."""
        copy = self._copies.get(name)
        if copy is None:
            return
        copy.rows.extend(((TABLES.index(table), key), crc) for table, key, crc in rows)
        copy.ended = ends
        self._compare()

    def leave_out(self, name: str) -> None:
        """Go on without a copy. What it differed in so far stands."""
        if self._copies.pop(name, None) is not None:
            self._compare()

    def _compare(self) -> None:
        while not self.awaited and not self.done:
            row = min(copy.rows[0][0] for copy in self._copies.values() if copy.rows)
            held: dict[str, int | None] = {}
            for name, copy in self._copies.items():
                there = copy.rows and copy.rows[0][0] == row
                held[name] = copy.rows.popleft()[1] if there else None
            if len(set(held.values())) > 1:
                self._differ(row, held)

    def _differ(self, row: tuple[int, bytes], held: dict[str, int | None]) -> None:
        usual, _ = Counter(held.values()).most_common(1)[0]
        table, key = TABLES[row[0]], row[1].decode("utf-8", "backslashreplace")
        others = [name for name, crc in held.items() if crc != usual]
        self.differences += len(others)
        room = DIFFERENCES_MAX - len(self.differs)
        self.differs += [[name, table, key] for name in others[:room]]
