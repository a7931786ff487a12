"""Ids for requests that come without one, so that each is carried out once.

They are of this node's own sessions, its lanes. A lane whose oldest open request is as old as the
request window takes no more: else that request, should it reach the log late, could be below the
window and be refused. Where all lanes are so, there is another one.
"""

from __future__ import annotations

from typing import Final

LANES: Final = 64


class OwnIds:
    """The ids of one life. `prefix` names node and life, and no other node's."""

    def __init__(self, prefix: str, window: int) -> None:
        self._prefix = prefix
        self._window = window
        self._next = [0] * LANES
        self._open: list[dict[int, None]] = [{} for _ in range(LANES)]
        """For each lane the sequences that are not answered, the lowest first."""
        self._turn = 0

    @property
    def lanes(self) -> int:
        """How many there are."""
        return len(self._next)

    def take(self) -> tuple[str, int]:
        """Another id (session, sequence)."""
        lane = self._lane_with_room()
        sequence = self._next[lane]
        self._next[lane] += 1
        self._open[lane][sequence] = None
        return f"{self._prefix}{lane}", sequence

    def done(self, session: str, sequence: int) -> None:
        """The request of this id is answered or given up; ids of clients are passed over."""
        if session.startswith(self._prefix):
            self._open[int(session[len(self._prefix) :])].pop(sequence, None)

    def _lane_with_room(self) -> int:
        for _ in range(self.lanes):
            lane = self._turn
            self._turn = (lane + 1) % self.lanes
            oldest = next(iter(self._open[lane]), self._next[lane])
            if self._next[lane] - oldest < self._window:
                return lane
        self._next.append(0)
        self._open.append({})
        return self.lanes - 1
