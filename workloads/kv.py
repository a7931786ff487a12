"""A map: clients get, put, append to and delete the values of a few keys.

Every string put or appended is unique in the run, so that a get tells which writes it saw.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from checker.invariants.recovery import Recovery
from checker.invariants.statistics import Statistics
from checker.linearizability.checker import Linearizable
from checker.models.kv import Kv
from checker.sessions.checker import Sessions
from workloads.final_reads import final_reads, key_names
from workloads.generators import draw, invoke, numbered
from workloads.judging import OfOperations
from workloads.parameters import demand, shares, whole
from workloads.workload import Workload, claims_of

if TYPE_CHECKING:
    from checker.verdict import Checker
    from workloads.generators import Invocation
    from workloads.generators.protocol import Rng

OPERATIONS: Final = frozenset({"get", "put", "append", "delete"})
PARAMETERS: Final = {
    "keys": "how many keys; default 5",
    "puts": "percent of operations that put; default 20",
    "appends": "percent of operations that append to a value; default 20",
    "deletes": "percent of operations that delete; default 10. All others get",
}


def make(*, keys: int = 5, puts: int = 20, appends: int = 20, deletes: int = 10) -> Workload:
    """The workload. Raises `WrongParameters` with everything that is wrong with them."""
    percents = {"puts": puts, "appends": appends, "deletes": deletes}
    demand("kv", whole("keys", keys, 1, 10_000), shares(percents, "gets"))
    names = key_names(keys)
    judges: tuple[Checker, ...] = (
        OfOperations(OPERATIONS, Linearizable(Kv())),
        Sessions(),
        Recovery(),
        Statistics(),
    )

    def turn(rng: Rng) -> Invocation:
        drawn = rng.below(100)
        for f, percent in (("put", puts), ("append", appends), ("delete", deletes)):
            if drawn < percent:
                return invoke(f, key=rng.choice(names))
            drawn -= percent
        return invoke("get", key=rng.choice(names))

    unique = {"put": lambda n, _: f"{n},", "append": lambda n, _: f"{n},"}
    return Workload(
        name="kv",
        generator=numbered(unique, draw(turn)),
        final_generator=lambda nodes: final_reads("get", names, nodes),
        judges=judges,
        claims=claims_of(judges),
        pure=frozenset({"get"}),
        parameters={"keys": keys, **percents},
    )
