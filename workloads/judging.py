"""Judges that are shown a part of the operations."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from checker.history.columns import History
    from checker.verdict import CheckContext, Checker, Verdict


@dataclass(frozen=True, slots=True)
class OfOperations:
    """The judge, on operations of these names and all nemesis events.

    The run adds operations of its own, as the dump of every replica: a model of a register cannot
    take one, and it is no answer that a client was given.
    """

    names: frozenset[str]
    judge: Checker

    @property
    def name(self) -> str:
        """The judge's own."""
        return self.judge.name

    @property
    def claims(self) -> frozenset[str]:
        """The judge's own."""
        claims: frozenset[str] = getattr(self.judge, "claims", frozenset())
        return claims

    def check(self, history: History, context: CheckContext) -> Verdict:
        """The judge's verdict on what is left of the history."""
        return self.judge.check(history.where(lambda op: op.f in self.names), context)


@dataclass(frozen=True, slots=True)
class OfKeys:
    """The judge, on keys that begin so and all nemesis events; under a name of its own."""

    prefix: str
    name: str
    judge: Checker

    @property
    def claims(self) -> frozenset[str]:
        """The judge's own."""
        claims: frozenset[str] = getattr(self.judge, "claims", frozenset())
        return claims

    def check(self, history: History, context: CheckContext) -> Verdict:
        """The judge's verdict on what is left of the history."""
        return self.judge.check(
            history.where(lambda op: isinstance(op.key, str) and op.key.startswith(self.prefix)),
            context,
        )
