"""Sets: clients add unique elements to a few sets and read them; nothing may ever be missing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from checker.invariants.available import Available
from checker.invariants.recovery import Recovery
from checker.invariants.set_full import SetFull
from checker.invariants.statistics import Statistics
from workloads.final_reads import final_reads, key_names
from workloads.generators import draw, invoke, numbered
from workloads.parameters import demand, shares, whole
from workloads.workload import Workload, claims_of

if TYPE_CHECKING:
    from checker.verdict import Checker
    from workloads.generators import Invocation
    from workloads.generators.protocol import Rng

PARAMETERS: Final = {
    "keys": "how many sets, each a key; default 5",
    "reads": "percent of operations that read a whole set; default 20. All others add",
}


def make(*, keys: int = 5, reads: int = 20) -> Workload:
    """The workload. Raises `WrongParameters` with everything that is wrong with them."""
    demand("set", whole("keys", keys, 1, 10_000), shares({"reads": reads}, "adding"))
    names = key_names(keys)
    judges: tuple[Checker, ...] = (
        SetFull(),
        Available(frozenset({"add"})),
        Recovery(),
        Statistics(),
    )

    def turn(rng: Rng) -> Invocation:
        return invoke("read" if rng.below(100) < reads else "add", key=rng.choice(names))

    return Workload(
        name="set",
        generator=numbered({"add": lambda n, _: n}, draw(turn)),
        final_generator=lambda nodes: final_reads("read", names, nodes, {"r": "all"}),
        judges=judges,
        claims=claims_of(judges),
        pure=frozenset({"read"}),
        parameters={"keys": keys, "reads": reads},
    )
