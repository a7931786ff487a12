"""Whether the members changed at all while a run says that they did."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from checker.verdict import Verdict

if TYPE_CHECKING:
    from checker.history.columns import History
    from checker.verdict import CheckContext

CHANGES: Final = ("join", "leave", "replace")


@dataclass(frozen=True, slots=True)
class MembersChanged:
    """Counts the changes of members; unknown where some were ordered and none took effect."""

    @property
    def name(self) -> str:
        """`members`."""
        return "members"

    @property
    def claims(self) -> frozenset[str]:
        """None: no promise is broken by what this counts."""
        return frozenset()

    def check(self, history: History, context: CheckContext) -> Verdict:
        """Unknown if nothing came of any change; `context` changes nothing."""
        ordered: Counter[str] = Counter()
        took: Counter[str] = Counter()
        for window in history.faults:
            if window.f in CHANGES:
                ordered[window.f] += 1
                took[window.f] += window.effect != "ineffective"
        observed = {"ordered": dict(sorted(ordered.items())), "took_effect": took.total()}
        if ordered and not took.total():
            cause = f"too little observed: none of {ordered.total()} changes of members took effect"
            return Verdict.unknown(cause, observed=observed)
        return Verdict.of((), observed=observed)
