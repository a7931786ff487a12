"""Lists: transactions that append unique elements to a few lists and read them.

A transaction touches lists of one family alone, its key. Until there are checkers of transactions,
each is one operation on the registers of its family, judged linearizable.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from checker.invariants.recovery import Recovery
from checker.invariants.statistics import Statistics
from checker.linearizability.checker import Linearizable
from checker.models.multi_register import MultiRegister
from workloads.final_reads import ATTEMPTS_MAX, key_names
from workloads.generators import draw, invoke, numbered, retry
from workloads.judging import OfOperations
from workloads.parameters import demand, shares, whole
from workloads.workload import Workload, claims_of

if TYPE_CHECKING:
    from checker.verdict import Checker
    from workloads.generators import Invocation
    from workloads.generators.protocol import Generator, Rng

OPERATIONS: Final = frozenset({"txn"})
PARAMETERS: Final = {
    "keys": "how many families of lists, each a key; default 5",
    "lists": "how many lists a family has; default 3",
    "steps": "the most steps of a transaction; default 4",
    "appends": "percent of steps that append; default 40. All others read",
}


def make(*, keys: int = 5, lists: int = 3, steps: int = 4, appends: int = 40) -> Workload:
    """The workload. Raises `WrongParameters` with everything that is wrong with them."""
    demand(
        "list-append",
        whole("keys", keys, 1, 10_000),
        whole("lists", lists, 1, 100),
        whole("steps", steps, 1, 100),
        shares({"appends": appends}, "reads"),
    )
    families = key_names(keys)
    names = tuple(f"l{i}" for i in range(lists))
    judges: tuple[Checker, ...] = (
        OfOperations(OPERATIONS, Linearizable(MultiRegister())),
        Recovery(),
        Statistics(),
    )

    def turn(rng: Rng) -> Invocation:
        drawn = [
            ["append" if rng.below(100) < appends else "r", rng.choice(names), None]
            for _ in range(rng.between(1, steps))
        ]
        return invoke("txn", drawn, key=rng.choice(families))

    def final(nodes: tuple[str, ...]) -> Generator:
        everything = [["r", name, None] for name in names]
        reads = [
            invoke("txn", everything, key=family, node=node)
            for family in families
            for node in nodes
        ]
        return retry(ATTEMPTS_MAX, reads)

    return Workload(
        name="list-append",
        generator=numbered({"txn": lambda n, drawn: _unique(n, drawn, steps)}, draw(turn)),
        final_generator=final,
        judges=judges,
        claims=claims_of(judges),
        parameters={"keys": keys, "lists": lists, "steps": steps, "appends": appends},
    )


def _unique(number: int, drawn: list[list[Any]], steps: int) -> list[list[Any]]:
    """Every element is a number of its own: that of the transaction, and the step within it."""
    return [
        [verb, name, number * steps + i if verb == "append" else None]
        for i, (verb, name, _) in enumerate(drawn)
    ]
