"""Membership: clients of a store with siblings while its members come and go.

What is asked is what `siblings` asks, over more keys, so that every range that moves holds some,
with more reads, which must not miss what was acknowledged, and without stale contexts. The faults
are the nemesis's, as `--nemesis membership`: a run in which no change was accepted has shown
nothing, and is unknown.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from checker.convergence.siblings import Siblings
from checker.convergence.staleness import Staleness
from checker.invariants.members import MembersChanged
from checker.invariants.recovery import Recovery
from checker.invariants.statistics import Statistics
from checker.sessions.checker import Sessions
from workloads.final_reads import final_reads, key_names
from workloads.parameters import demand, shares, whole
from workloads.siblings import asking
from workloads.workload import Workload, claims_of

if TYPE_CHECKING:
    from checker.verdict import Checker

PARAMETERS: Final = {
    "keys": "how many keys, so many that every range holds some; default 32",
    "reads": "percent of turns that only read; default 40",
    "blind": "percent of turns that put without a context; default 10",
    "deletes": "percent of turns that get and delete; default 5. All other turns merge",
}


def make(*, keys: int = 32, reads: int = 40, blind: int = 10, deletes: int = 5) -> Workload:
    """The workload. Raises `WrongParameters` with everything that is wrong with them."""
    percents = {"reads": reads, "blind": blind, "deletes": deletes}
    demand("membership", whole("keys", keys, 1, 10_000), shares(percents, "merges"))
    names = key_names(keys)
    judges: tuple[Checker, ...] = (
        Siblings(),
        Sessions(),
        Staleness(),
        MembersChanged(),
        Recovery(),
        Statistics(),
    )
    return Workload(
        name="membership",
        generator=asking(names, {**percents, "stale": 0}),
        final_generator=lambda nodes: final_reads("get", names, nodes, {"r": "all"}),
        judges=judges,
        claims=claims_of(judges),
        pure=frozenset({"get"}),
        parameters={"keys": keys, **percents},
    )
