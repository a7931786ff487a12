"""Bank totals: whoever reads all accounts at one moment finds the money that there is."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar, Final

from checker.evidence import Evidence, Explanation
from checker.wording import through

if TYPE_CHECKING:
    from checker.history.columns import History
    from checker.history.events import Operation
    from checker.verdict import CheckContext, Verdict

WRONG_TOTAL: Final = "wrong-total"
TOO_LITTLE: Final = "too little observed: nobody has read all accounts"


@dataclass(frozen=True, slots=True)
class Bank:
    """Judges every transaction that has read each of the accounts, before it wrote any.

    Balances are whole numbers, none below 0, that add up to `total`; before the accounts are
    opened all of them are null.
    """

    accounts: tuple[str, ...]
    total: int

    name: ClassVar[str] = "bank"
    claims: ClassVar[frozenset[str]] = frozenset({WRONG_TOTAL})

    def check(self, history: History, context: CheckContext) -> Verdict:
        """Judge the history. Operations that are no `txn` are passed over."""
        evidence = Evidence(history, context.claims)
        read = 0
        for operation in history.operations(f="txn", outcome="ok"):
            balances = self._balances(operation)
            if balances is None:
                continue
            read += 1
            wrong = self._wrong(balances)
            if wrong is not None:
                evidence.add(WRONG_TOTAL, partial(_explained, operation, wrong))
        if not read:
            evidence.doubt(TOO_LITTLE, WRONG_TOTAL)
        return evidence.verdict({"reads_of_all_accounts": read})

    def _balances(self, operation: Operation) -> list[Any] | None:
        """What was read of the accounts, in order; None if not all of them were, or all were null.

        A transaction that writes sees its own writes, so only those that read alone are judged.
        """
        steps = operation.output or []
        if not steps or any(step[0] != "r" for step in steps):
            return None
        seen = {step[1]: step[2] for step in steps}
        if not all(account in seen for account in self.accounts):
            return None
        balances = [seen[account] for account in self.accounts]
        return None if all(balance is None for balance in balances) else balances

    def _wrong(self, balances: list[Any]) -> str | None:
        for account, balance in zip(self.accounts, balances, strict=True):
            if type(balance) is not int:
                return f"account {account} holds {balance!r}"
            if balance < 0:
                return f"account {account} holds {balance}, which is below 0"
        if sum(balances) != self.total:
            return f"the balances add up to {sum(balances)}, and there are {self.total}"
        return None


def _explained(operation: Operation, wrong: str) -> Explanation:
    return Explanation(
        f"Process {operation.process} read all accounts{through(operation)}, and {wrong}.",
        (operation,),
        (operation,),
    )
