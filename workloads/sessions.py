"""Sessions: what a client is owed by its own earlier operations, sticky or roaming.

A turn is what a session does with a key: write (get, and put with that context), read, read. On
the keys `s0`, `s1`, ... a client keeps to its node; on `r0`, `r1`, ... every operation goes
through some node, as a load balancer would have it. The four guarantees are judged, or counted,
apart for the two, and so is the share of reads that found the client's own last write.

Source: Terry et al., "Session guarantees for weakly consistent replicated data", PDIS 1994.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import msgspec

from checker.convergence.siblings import Siblings
from checker.convergence.staleness import Staleness
from checker.invariants.available import Available
from checker.invariants.recovery import Recovery
from checker.invariants.statistics import Statistics
from checker.sessions.checker import Sessions
from checker.sessions.hits import OwnWrites
from workloads.final_reads import final_reads
from workloads.generators import (
    Invocation,
    draw,
    each_process,
    invoke,
    numbered,
    with_contexts,
)
from workloads.judging import OfKeys
from workloads.parameters import demand, shares, whole
from workloads.workload import Workload, claims_of

if TYPE_CHECKING:
    from checker.history.events import Event
    from checker.verdict import Checker
    from workloads.generators.protocol import Answer, Context, Generator, Rng

STICKY: Final = "s"
ROAMING: Final = "r"

PARAMETERS: Final = {
    "keys": "how many keys for each of the two kinds of clients; default 5",
    "roaming": "percent of turns on keys where clients roam; default 50. In all others they do not",
}


def make(*, keys: int = 5, roaming: int = 50) -> Workload:
    """The workload. Raises `WrongParameters` with everything that is wrong with them."""
    demand("sessions", whole("keys", keys, 1, 10_000), shares({"roaming": roaming}, "sticky ones"))
    sticky, roams = (tuple(f"{kind}{i}" for i in range(keys)) for kind in (STICKY, ROAMING))
    every_key = (*sticky, *roams) if roaming else sticky
    kinds = {STICKY: "sticky", ROAMING: "roaming"} if roaming else {STICKY: "sticky"}
    judges: tuple[Checker, ...] = (
        *(OfKeys(kind, f"sessions-{name}", Sessions()) for kind, name in kinds.items()),
        *(OfKeys(kind, f"own-writes-{name}", OwnWrites()) for kind, name in kinds.items()),
        Siblings(),
        Staleness(),
        Available(frozenset({"put"})),
        Recovery(),
        Statistics(),
    )
    return Workload(
        name="sessions",
        generator=asking(sticky, roams, roaming),
        final_generator=lambda nodes: final_reads("get", every_key, nodes, {"r": "all"}),
        judges=judges,
        claims=claims_of(judges),
        pure=frozenset({"get"}),
        parameters={"keys": keys, "roaming": roaming},
    )


def asking(sticky: tuple[str, ...], roams: tuple[str, ...], percent: int) -> Generator:
    """What the clients ask, without end."""

    def turn(rng: Rng) -> list[Invocation]:
        key = rng.choice(roams if rng.below(100) < percent else sticky)
        get = invoke("get", key=key)
        return [get, invoke("put", {}, key=key), get, get]

    valued = numbered({"put": lambda n, given: {"value": n, **given}}, each_process(draw(turn)))
    return with_contexts(_Roaming(valued))


class _Roaming(msgspec.Struct, frozen=True):
    """Sends each operation on a key of the roaming through some node."""

    generator: Generator

    def op(self, ctx: Context) -> Answer:
        """The next operation, at a node drawn for it if its client roams."""
        answer = self.generator.op(ctx)
        if answer is None:
            return None
        op, after = answer
        if isinstance(op, Invocation) and op.key.startswith(ROAMING):
            op = op.on(ctx.rng.choice(ctx.nodes))
        return op, self if after is self.generator else _Roaming(after)

    def update(self, ctx: Context, event: Event) -> Generator:
        """Pass it on."""
        after = self.generator.update(ctx, event)
        return self if after is self.generator else _Roaming(after)
