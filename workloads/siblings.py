"""Siblings: clients of a store that keeps concurrent versions, and merge them as they read them.

Every value is a unique integer. Few keys, so that conflicts are frequent. Each process again and
again draws one of:

* merge: get, then put with the context of that get, so that the new version replaces all versions
  that were read (what an application does that keeps a shopping cart);
* read: get alone;
* stale: put with the last context that the process was given for the key, however old it is: what
  has been written since must stay beside it as a sibling;
* blind: put without a context, which replaces nothing;
* delete: get, then delete with the context of that get.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from checker.convergence.last_write import LastWrite
from checker.convergence.siblings import Siblings
from checker.convergence.staleness import Staleness
from checker.invariants.available import Available
from checker.invariants.recovery import Recovery
from checker.invariants.statistics import Statistics
from checker.sessions.checker import Sessions
from workloads.final_reads import final_reads, key_names
from workloads.generators import (
    Invocation,
    draw,
    each_process,
    invoke,
    mapped,
    numbered,
    with_contexts,
)
from workloads.parameters import demand, shares, whole
from workloads.workload import Workload, claims_of

if TYPE_CHECKING:
    from checker.verdict import Checker
    from workloads.generators.protocol import Generator, Rng

PARAMETERS: Final = {
    "keys": "how many keys, few so that clients meet on them; default 8",
    "reads": "percent of turns that only read; default 20",
    "stale": "percent of turns that put with an old context; default 15",
    "blind": "percent of turns that put without a context; default 10",
    "deletes": "percent of turns that get and delete; default 5. All other turns merge",
}


def make(
    *, keys: int = 8, reads: int = 20, stale: int = 15, blind: int = 10, deletes: int = 5
) -> Workload:
    """The workload. Raises `WrongParameters` with everything that is wrong with them."""
    percents = {"reads": reads, "stale": stale, "blind": blind, "deletes": deletes}
    demand("siblings", whole("keys", keys, 1, 10_000), shares(percents, "merges"))
    names = key_names(keys)
    judges: tuple[Checker, ...] = (
        Siblings(),
        LastWrite(),
        Sessions(),
        Staleness(),
        Available(frozenset({"put", "delete"})),
        Recovery(),
        Statistics(),
    )
    return Workload(
        name="siblings",
        generator=asking(names, percents),
        final_generator=lambda nodes: final_reads("get", names, nodes, {"r": "all"}),
        judges=judges,
        claims=claims_of(judges),
        pure=frozenset({"get"}),
        parameters={"keys": keys, **percents},
    )


def asking(keys: tuple[str, ...], percents: dict[str, int]) -> Generator:
    """What the clients ask, without end."""

    def turn(rng: Rng) -> list[Invocation]:
        key = rng.choice(keys)
        get, put = invoke("get", key=key), invoke("put", {}, key=key)
        turns = {
            "reads": [get],
            "stale": [put],
            "blind": [invoke("put", {"context": None}, key=key)],
            "deletes": [get, invoke("delete", {}, key=key)],
        }
        drawn = rng.below(100)
        for name, percent in percents.items():
            if drawn < percent:
                return turns[name]
            drawn -= percent
        return [get, put]

    valued = numbered({"put": lambda n, given: {"value": n, **given}}, each_process(draw(turn)))
    return mapped(_nothing_to_delete, with_contexts(valued))


def _nothing_to_delete(op: Invocation) -> Invocation:
    """A delete needs a context: where the get before it brought none, get again."""
    if op.f != "delete" or op.input["context"] is not None:
        return op
    return Invocation("get", None, op.key, op.process, op.time, op.node, op.extra)
