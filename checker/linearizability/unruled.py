"""Why rules do not decide, and the clock that they look at."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from checker._core import SearchBudget

LATE: Final = "the seconds are spent"
FULL: Final = "the memory is spent"
SPENT: Final = (LATE, FULL)
LOOK_EVERY: Final = 256
"""Of what takes little the clock is looked at once in so many."""


class Unruled(Exception):
    """The rules do not apply, or do not decide, for this reason."""


class Watch:
    """The seconds and the memory of a budget, if there is one."""

    def __init__(self, budget: SearchBudget | None = None) -> None:
        self._budget: Final = budget
        self._left = None if budget is None else budget.memory

    def look(self) -> None:
        """Raises Unruled if the seconds are spent."""
        if self._budget is not None and self._budget.spent() == "seconds":
            raise Unruled(LATE)

    def hold(self, size: int) -> None:
        """So many bytes more are kept. Raises Unruled if there is no memory for them."""
        if self._left is not None:
            self._left -= size
            if self._left < 0:
                raise Unruled(FULL)
