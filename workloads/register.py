"""Registers: each key holds one value, that is read, written, and swapped where offered.

Every value written is unique in the run, so that a read tells which write it saw. A write hands
on the last causal context of its process and key where the system returns any (beside the output,
in the event's field `context`): it then replaces what its process has seen.
"""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any, Final

from checker.convergence.last_write import LastWrite
from checker.convergence.staleness import Staleness
from checker.invariants.recovery import Recovery
from checker.invariants.statistics import Statistics
from checker.linearizability.checker import Linearizable
from checker.models.register import CasRegister, Register
from checker.sessions.checker import Sessions
from workloads.final_reads import final_reads, key_names
from workloads.generators import (
    Invocation,
    concurrent_keys,
    draw,
    invoke,
    limit,
    numbered,
    remembering,
    with_contexts,
)
from workloads.judging import OfOperations
from workloads.parameters import demand, shares, truth, whole
from workloads.workload import Workload, claims_of

if TYPE_CHECKING:
    from checker.history.events import Event
    from checker.verdict import Checker
    from workloads.generators.protocol import Generator, Liftable, Rng

OPERATIONS: Final = frozenset({"read", "write", "cas"})

PARAMETERS: Final = {
    "keys": "how many registers; default 5",
    "writes": "percent of operations that are writes; default 40",
    "cas": "whether there are compare-and-sets, where the system offers them; default false",
    "swaps": "percent of operations that are compare-and-sets, if there are any; default 20",
    "threads_per_key": "how many threads work on a key together until it has had its operations, "
    "keys out of phase; default 0: every thread takes a random key each time",
    "operations_per_key": "operations in a row of the threads on one key; default 100",
}


def make(
    *,
    keys: int = 5,
    writes: int = 40,
    cas: bool = False,
    swaps: int = 20,
    threads_per_key: int = 0,
    operations_per_key: int = 100,
) -> Workload:
    """The workload. Raises `WrongParameters` with everything that is wrong with them."""
    demand(
        "register",
        whole("keys", keys, 1, 10_000),
        truth("cas", cas),
        shares({"writes": writes, "swaps": swaps} if cas else {"writes": writes}, "reads"),
        whole("threads_per_key", threads_per_key, 0, 1_000),
        whole("operations_per_key", operations_per_key, 1, 1_000_000),
    )
    names = key_names(keys)
    judges: tuple[Checker, ...] = (
        OfOperations(OPERATIONS, Linearizable(CasRegister() if cas else Register())),
        LastWrite(),
        Sessions(),
        Staleness(),
        Recovery(),
        Statistics(),
    )

    def f(rng: Rng) -> str:
        turn = rng.below(100)
        return "write" if turn < writes else "cas" if cas and turn < writes + swaps else "read"

    asked = (
        concurrent_keys(
            threads_per_key,
            itertools.cycle(names),
            lambda _: limit(operations_per_key, draw(lambda rng: invoke(f(rng)))),
        )
        if threads_per_key
        else draw(lambda rng: invoke(f(rng), key=rng.choice(names)))
    )
    return Workload(
        name="register",
        generator=with_contexts(with_values(asked)),
        final_generator=lambda nodes: final_reads("read", names, nodes),
        judges=judges,
        claims=claims_of(judges),
        pure=frozenset({"read"}),
        parameters={
            "keys": keys,
            "writes": writes,
            "cas": cas,
            "swaps": swaps,
            "threads_per_key": threads_per_key,
            "operations_per_key": operations_per_key,
        },
    )


def with_values(generator: Liftable) -> Generator:
    """Writes get unique values, and a swap is from the value that anybody saw or wrote last.

    A swap from any other value would nearly always be refused, and a refusal tells little.
    """
    counted = numbered({"write": lambda n, _: n, "cas": lambda n, _: n}, generator)
    return remembering(_seen, _swap_from, counted, shared=True)


def _seen(event: Event) -> Any:
    if event.f == "read" and event.type == "ok":
        return event.output
    return event.input if event.f == "write" and event.type == "invoke" else None


def _swap_from(op: Invocation, seen: Any) -> Invocation:
    if op.f != "cas":
        return op
    pair = [seen, op.input]
    return Invocation(op.f, pair, op.key, op.process, op.time, op.node, op.extra)
