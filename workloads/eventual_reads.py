"""Registers with two kinds of reads: strong ones, and eventual ones that name a slot of the log.

Strong operations are judged linearizable. An eventual read may be of any age; what it returns has
to be what the key held at the slot that it names. Half of them ask for no less than the slot that
their process saw last on the key: so that, for it, time does not go back.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from checker.invariants.recovery import Recovery
from checker.invariants.slots import EVENTUAL, Slots
from checker.invariants.statistics import Statistics
from checker.linearizability.checker import Linearizable
from checker.models.register import CasRegister
from workloads.final_reads import ATTEMPTS_MAX, key_names
from workloads.generators import Invocation, draw, invoke, remembering, retry
from workloads.judging import OfOperations
from workloads.parameters import demand, shares, whole
from workloads.register import with_values
from workloads.workload import Workload, claims_of

if TYPE_CHECKING:
    from checker.history.events import Event
    from checker.verdict import Checker
    from workloads.generators.protocol import Generator, Rng

STRONG: Final = frozenset({"read", "write", "cas"})
AT_LEAST: Final = -1
"""The input of an eventual read that is to name the slot seen last, until it is known."""

PARAMETERS: Final = {
    "keys": "how many registers; default 3",
    "writes": "percent of operations that are writes; default 30",
    "swaps": "percent of operations that are compare-and-sets; default 10",
    "eventual": "percent of operations that are eventual reads; default 40. All others are strong "
    "reads",
}


def make(*, keys: int = 3, writes: int = 30, swaps: int = 10, eventual: int = 40) -> Workload:
    """The workload. Raises `WrongParameters` with everything that is wrong with them."""
    percents = {"writes": writes, "swaps": swaps, "eventual": eventual}
    demand("eventual-reads", whole("keys", keys, 1, 10_000), shares(percents, "strong reads"))
    names = key_names(keys)
    judges: tuple[Checker, ...] = (
        OfOperations(STRONG, Linearizable(CasRegister())),
        Slots(),
        Recovery(),
        Statistics(),
    )

    def turn(rng: Rng) -> Invocation:
        drawn, key = rng.below(100), rng.choice(names)
        for f, percent in (("write", writes), ("cas", swaps), (EVENTUAL, eventual)):
            if drawn < percent:
                return invoke(f, AT_LEAST if f == EVENTUAL and rng.below(2) else None, key=key)
            drawn -= percent
        return invoke("read", key=key)

    def final(nodes: tuple[str, ...]) -> Generator:
        fs = ("read", EVENTUAL)
        return retry(
            ATTEMPTS_MAX, [invoke(f, key=k, node=node) for k in names for node in nodes for f in fs]
        )

    return Workload(
        name="eventual-reads",
        generator=remembering(_slot_of, _not_before, with_values(draw(turn))),
        final_generator=final,
        judges=judges,
        claims=claims_of(judges),
        pure=frozenset({"read", EVENTUAL}),
        parameters={"keys": keys, **percents},
    )


def _slot_of(event: Event) -> int | None:
    slot = event.extra.get("slot")
    return slot if event.type == "ok" and type(slot) is int else None


def _not_before(op: Invocation, slot: Any) -> Invocation:
    if op.f != EVENTUAL or op.input != AT_LEAST:
        return op
    return Invocation(op.f, slot, op.key, op.process, op.time, op.node, op.extra)
