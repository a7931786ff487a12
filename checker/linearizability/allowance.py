"""What explaining violations may take: one clock for all of it, whatever the model costs."""

from __future__ import annotations

from typing import Final

from checker._core import SearchBudget

EXPLAIN_S: Final = 20
"""So long the explanations of one check may take, where the budget leaves as much."""
GRACE_S: Final = 0.5
"""So long after the seconds of the budget are spent a verdict may still be made ready."""


class Allowance:
    """The clock of the explanations of one check. It starts when it is made."""

    def __init__(self, budget: SearchBudget) -> None:
        self._budget: Final = budget
        self._clock: Final = SearchBudget(seconds=EXPLAIN_S)
        self._grace: Final = SearchBudget(seconds=GRACE_S)

    def over(self) -> bool:
        """Whether nothing more is to be tried."""
        return self.why() is not None

    def why(self) -> str | None:
        """Why nothing more is to be tried, in words; None if more is."""
        spent = self._budget.spent()
        if spent is not None:
            return f"the budget of {spent} was spent"
        late = self._clock.spent() is not None
        return f"explaining violations had taken {EXPLAIN_S} seconds" if late else None

    def grace_over(self) -> bool:
        """Whether even what a verdict needs has to end: the budget's seconds and the grace are."""
        return self._budget.spent() == "seconds" and self._grace.spent() is not None
