"""The checker of session guarantees: what one client is owed by its own earlier operations.

The rules stand in `docs/guarantees.md`. Source of the four guarantees: Terry et al., "Session
guarantees for weakly consistent replicated data", PDIS 1994.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from checker.convergence.contexts import Versions, shows_versions
from checker.convergence.registers import VERSION_FIELDS, registers
from checker.evidence import Evidence
from checker.sessions.causal import CausalOrder
from checker.sessions.order import GUARANTEES, extras
from checker.sessions.registers import RegisterOrder
from checker.sessions.total import TotalOrder, is_read

if TYPE_CHECKING:
    from checker.history.columns import History
    from checker.sessions.order import VersionOrder
    from checker.verdict import CheckContext, Verdict

CLAIMS: Final = frozenset(GUARANTEES)
CONTEXT: Final = "context"
DUMP: Final = "dump"


@dataclass(frozen=True, kw_only=True, slots=True)
class Sessions:
    """Judges the four session guarantees by the best version order that the history offers.

    That is: version ids and causal contexts; else a total version in one of `version_fields`; else
    unique values of registers, ordered by real time where linearizability is claimed.
    """

    version_fields: tuple[str, ...] = VERSION_FIELDS

    @property
    def name(self) -> str:
        """`sessions`."""
        return "sessions"

    @property
    def claims(self) -> frozenset[str]:
        """What it can judge."""
        return CLAIMS

    def check(self, history: History, context: CheckContext) -> Verdict:
        """Judge every session. Raises ValueError for operations of another shape than described."""
        evidence = Evidence(history, context.claims)
        order = self._order(history, context)
        if order is None:
            evidence.doubt(
                "too little observed: there are neither versions nor registers to read", *GUARANTEES
            )
            return evidence.verdict({})
        order.judge(evidence)
        missing = _missing(history, writes_tell=isinstance(order, TotalOrder))
        if missing is not None:
            evidence.unexercised(dict.fromkeys(GUARANTEES, missing), of=CLAIMS)
        return evidence.verdict({"version_order": order.name})

    def _order(self, history: History, context: CheckContext) -> VersionOrder | None:
        versions = Versions.of(history) if shows_versions(history) else None
        if versions is not None:
            return CausalOrder(versions)
        total = TotalOrder.of(history, self.version_fields)
        if total is not None:
            return total
        found = registers(history)
        if not found:
            return None
        keeps_siblings = any(CONTEXT in extra for extra in extras(history).values())
        real_time = "linearizable" in context.claims
        return RegisterOrder(found, real_time=real_time, keeps_siblings=keeps_siblings)


def _missing(history: History, *, writes_tell: bool) -> str | None:
    """What no guarantee can be judged without: a write, and a reader unless answers to writes tell.

    Nobody is owed anything of a write that was not acknowledged.
    """
    answered = [op for op in history.operations(outcome="ok") if op.f != DUMP]
    reads = sum(map(is_read, answered))
    if reads == len(answered):
        return "no write was acknowledged"
    return None if reads or writes_tell else "no read was answered"
