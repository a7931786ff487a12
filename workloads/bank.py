"""A bank: transfers between accounts keep the total; reads of all accounts must find it.

A transfer reads two balances and writes two, on the condition that both are what somebody saw last:
a read with a value is such a condition, and a transaction whose condition fails is refused. Until
there are checkers of transactions, each is one operation on all accounts, judged linearizable.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from checker.invariants.bank import Bank
from checker.invariants.recovery import Recovery
from checker.invariants.statistics import Statistics
from checker.linearizability.checker import Linearizable
from checker.models.multi_register import MultiRegister
from workloads.final_reads import ATTEMPTS_MAX
from workloads.generators import (
    Invocation,
    draw,
    invoke,
    phases,
    remembering,
    repeat,
    retry,
    until_ok,
)
from workloads.judging import OfOperations
from workloads.parameters import demand, shares, whole
from workloads.workload import Workload, claims_of

if TYPE_CHECKING:
    from checker.history.events import Event
    from checker.verdict import Checker
    from workloads.generators.protocol import Generator, Rng

OPERATIONS: Final = frozenset({"txn"})
PARAMETERS: Final = {
    "accounts": "how many accounts; default 8",
    "balance": "what each begins with; default 100",
    "transfers": "percent of operations that transfer; default 50. All others read every account",
    "amount": "the most that one transfer moves; default 5",
}
Transfer = tuple[str, str, int]


def make(
    *, accounts: int = 8, balance: int = 100, transfers: int = 50, amount: int = 5
) -> Workload:
    """The workload. Raises `WrongParameters` with everything that is wrong with them."""
    demand(
        "bank",
        whole("accounts", accounts, 2, 100),
        whole("balance", balance, 1, 1_000_000),
        shares({"transfers": transfers}, "reads"),
        whole("amount", amount, 1, 1_000_000),
    )
    names = tuple(f"a{i}" for i in range(accounts))
    everything = [["r", name, None] for name in names]
    opening = invoke("txn", [["w", name, balance] for name in names])
    judges: tuple[Checker, ...] = (
        OfOperations(OPERATIONS, Linearizable(MultiRegister())),
        Bank(names, accounts * balance),
        Recovery(),
        Statistics(),
    )

    def turn(rng: Rng) -> Invocation:
        if rng.below(100) >= transfers:
            return invoke("txn", everything)
        source, target = rng.shuffled(names)[:2]
        return invoke("txn", (source, target, rng.between(1, amount)))

    def seen(event: Event) -> dict[str, int] | None:
        """The balances, where all were read."""
        output = event.output
        if event.type != "ok" or event.f != "txn" or not isinstance(output, list):
            return None
        balances = {name: value for verb, name, value in output if verb == "r"}
        return balances if balances.keys() == set(names) else None

    def final(nodes: tuple[str, ...]) -> Generator:
        return retry(ATTEMPTS_MAX, [invoke("txn", everything, node=node) for node in nodes])

    work = remembering(
        seen, lambda op, balances: _concrete(op, balances, everything), draw(turn), shared=True
    )
    return Workload(
        name="bank",
        generator=phases(until_ok(repeat(opening)), work),
        final_generator=final,
        judges=judges,
        claims=claims_of(judges),
        parameters={
            "accounts": accounts,
            "balance": balance,
            "transfers": transfers,
            "amount": amount,
        },
    )


def _concrete(
    op: Invocation, balances: dict[str, int | None] | None, everything: list[list[Any]]
) -> Invocation:
    """A transfer by the balances that were seen last; without any, or money, all are read."""
    if not isinstance(op.input, tuple):
        return op
    steps = _transfer(op.input, balances) if balances is not None else None
    return Invocation(op.f, steps or everything, op.key, op.process, op.time, op.node, op.extra)


def _transfer(transfer: Transfer, balances: dict[str, int | None]) -> list[list[Any]] | None:
    source, target, amount = transfer
    held, other = balances[source], balances[target]
    if held is None or other is None or held < amount:
        return None
    return [
        ["r", source, held],
        ["r", target, other],
        ["w", source, held - amount],
        ["w", target, other + amount],
    ]
