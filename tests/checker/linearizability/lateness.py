"""A clock that says after so many looks that the seconds are spent."""

from __future__ import annotations

from checker.linearizability.unruled import LATE, Unruled, Watch


class Late(Watch):
    """The seconds are spent after the clock was looked at so many times."""

    def __init__(self, looks: int) -> None:
        super().__init__()
        self.looks = looks

    def look(self) -> None:
        self.looks -= 1
        if self.looks < 0:
            raise Unruled(LATE)
