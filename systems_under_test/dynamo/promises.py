"""What the store claims in a configuration under a plan: the table of the guarantees, as code."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from checker.claims import Promises
from systems_under_test.dynamo.configuration import MS
from systems_under_test.dynamo.last_write_wins import MICROSECOND

if TYPE_CHECKING:
    from systems_under_test.dynamo.configuration import Configuration
    from systems_under_test.system import FaultPlanSummary

ALWAYS: Final = frozenset({"false-sibling", "dishonest-context", "phantom-element", "duplicate"})
"""Versions carry exactly what their writers had seen, so these hold wherever clocks are not cut."""

BY_TIME: Final = "lost-update-by-time"

KEPT: Final = frozenset({"lost-update", "resurrection", "lost-element", BY_TIME})
"""After healing, as long as what was acknowledged is still stored somewhere."""

LIVENESS: Final = frozenset({"no-convergence", "did-not-recover", "node-died"})

ONLINE: Final = frozenset(
    {"lost-update-online", "resurrection-online", "read-your-writes", "stale-element"}
)
"""Where every read meets every acknowledged write."""

MONOTONIC: Final = frozenset({"monotonic-reads"})
"""The same, where besides every read is met by those that begin after it: by writing back."""

NEVER: Final = {
    "linearizable": "concurrent versions are kept as siblings, in no order",
    "monotonic-writes": "writes of a session may be coordinated by different nodes",
    "writes-follow-reads": "a write reaches replicas that lack what its writer had read",
}


AVAILABLE: Final = frozenset({"unavailable"})
"""Where any N nodes that are up and connected take writes."""
ANSWERED_MS: Final = 250
"""A request that may take as long as this, or longer, is answered by nodes that are up."""
DETECTED_MS: Final = 1000
"""With request time-outs as long as this, or shorter, nodes know within two seconds who is gone."""

WHOLLY_GONE: Final = frozenset({"partition", "kill", "stop", "power", "pause"})
"""Faults under which a node answers everything or nothing, so that the others find out.

Under any other a node may answer pings, so that the others go on to ask it, and yet not finish what
they ask: it stays the coordinator to which writes of its keys are passed on. A link that loses a
third, or a slow disk or processor or clock, does that; and all of `link` counts as such, since the
plan does not tell a link that is held from one that is lossy.
"""

SPOILS: Final = frozenset({"damage", "wipe"})

VECTOR_CLOCKS: Final = {
    **dict.fromkeys(
        (
            *("lost-update", "lost-update-online", "lost-element", "stale-element"),
            *("read-your-writes", "monotonic-reads"),
        ),
        "a vector clock covers a concurrent update through the same coordinator, which is lost",
    ),
    **dict.fromkeys(
        ("false-sibling", "resurrection", "resurrection-online", "no-convergence"),
        "a vector clock is cut to ten entries, so that what was replaced may show again",
    ),
    "dishonest-context": "a context is one vector clock, and that of two versions may cover a "
    "third, so that reads with it and without it come with the same",
}
"""What versioning as in the paper cannot promise."""


def promises(configuration: Configuration, plan: FaultPlanSummary) -> Promises:
    """What is claimed, and for each other claim the reason why it is not."""
    withdrawn = dict(NEVER)
    online = _why_not_online(configuration)
    if online is not None:
        withdrawn.update(dict.fromkeys(ONLINE | MONOTONIC, online))
    changes = sorted(plan.faults & {"join", "leave", "replace"})
    if configuration.client == "partition-aware" and changes:
        reason = f"a client's ring may be ten seconds old at {', '.join(changes)}"
        withdrawn.update(dict.fromkeys(ONLINE, reason))
    if not configuration.anti_entropy:
        withdrawn["no-convergence"] = "anti-entropy is off, so that replicas may stay apart"
    if configuration.versioning == "vector-clock":
        withdrawn.update(VECTOR_CLOCKS)
    withdrawn.update(_why_not_by_time(configuration, plan))
    forgetful = _what_forgets(configuration)
    if forgetful and plan.deadly:
        reason = (
            f"the {forgetful} forgets at {', '.join(plan.deadly)}: W or more copies may be gone"
        )
        withdrawn.update(dict.fromkeys(KEPT | ONLINE | MONOTONIC, reason))
    if configuration.engine == "memory" and plan.deadly and changes:
        reason = (
            f"the memory engine forgets votes on members at {', '.join(plan.deadly)}: two views "
            "may be decided under one number, and nodes stay apart"
        )
        withdrawn.update(dict.fromkeys(LIVENESS, reason))
    if "replace" in plan.faults and online is not None:
        reason = "a node that is replaced takes its copies with it, which may be all that there are"
        withdrawn.update(dict.fromkeys(KEPT, reason))
    withdrawn.update(_what_disks_take_along(configuration, plan))
    by_clients = configuration.client == "partition-aware"
    if not configuration.write_back or by_clients:
        who = "a client that reads home nodes itself" if by_clients else "a read"
        reason = f"{who} answers at R without writing back what it has seen"
        withdrawn.update(dict.fromkeys(MONOTONIC, reason))
    alone = _why_not_available(configuration, plan)
    if alone is not None:
        withdrawn.update(dict.fromkeys(AVAILABLE, alone))
    by_time = configuration.reconciliation == "last-write-wins"
    bounds = dict.fromkeys(AVAILABLE - withdrawn.keys(), configuration.n)
    if by_time:
        bounds[BY_TIME] = configuration.clock_bound_ms * MS + MICROSECOND
    every = ALWAYS | KEPT | LIVENESS | ONLINE | MONOTONIC | AVAILABLE
    return Promises(every - withdrawn.keys(), withdrawn, bounds)


def _what_disks_take_along(configuration: Configuration, plan: FaultPlanSummary) -> dict[str, str]:
    """What damaged and lost stores withdraw.

    Nothing, where fewer than W nodes are ever struck: of each write that was acknowledged one of W
    copies, each of another home node's, is with a node that keeps its store, or comes to one with a
    hint. And what starts over fetches from R of the others, who meet W less those that are struck
    as the N meet W (`store_repair.py`). A disk that is lost takes the number of lives along too:
    the members agree on a view in which the node comes anew before it counts for anything again,
    and the dots of its new store carry another number (`dots.py`).
    """
    spoilt = sorted(plan.faults & SPOILS)
    if not spoilt:
        return {}
    changes = sorted(plan.faults & {"join", "leave", "replace"})
    most = configuration.n
    if plan.spoilt_max is not None and not changes:
        most = plan.spoilt_max
    few = most < configuration.w
    withdrawn = {}
    if not few or 2 * most >= configuration.n:
        reason = (
            f"{', '.join(spoilt)} may strike a second node before the first is whole again: a "
            "majority that has lost its stores agrees on no view, and is for an operator"
        )
        withdrawn["did-not-recover"] = reason
    if configuration.on_damage == "stop" and "damage" in spoilt:
        reason = "a node that finds its store damaged stops, and stays down until someone decides"
        withdrawn.update(dict.fromkeys(LIVENESS, reason))
        spoilt.remove("damage")
    if spoilt and not few:
        reason = "a store that is lost takes its copies along: W or more of a key's may be gone"
        withdrawn.update(dict.fromkeys(KEPT | ONLINE | MONOTONIC, reason))
    return withdrawn


def _what_forgets(configuration: Configuration) -> str | None:
    if configuration.engine == "memory":
        return "memory engine"
    waits = configuration.write_buffer_ms and configuration.durable_copies < configuration.n
    return "write buffer" if waits else None


def _why_not_by_time(configuration: Configuration, plan: FaultPlanSummary) -> dict[str, str]:
    """What last-write-wins withdraws, or all others: only one of them orders writes by time."""
    if configuration.reconciliation != "last-write-wins":
        return {BY_TIME: "writes are not ordered by time"}
    replaced = "the last write wins: it replaces concurrent ones that its client never saw"
    withdrawn = dict.fromkeys((KEPT | ONLINE | MONOTONIC) - {BY_TIME}, replaced)
    if "clock" in plan.faults:
        withdrawn[BY_TIME] = "clocks are set further apart than the declared bound"
    return withdrawn


def _why_not_available(configuration: Configuration, plan: FaultPlanSummary) -> str | None:
    """Why it is not claimed that any N nodes that are up and connected take writes."""
    c = configuration
    if not c.sloppy:
        return "a strict quorum writes to home nodes alone"
    if c.w == c.n:
        return f"a write needs all N copies (W={c.w}), and so every node that has just come back"
    if c.extended:
        return "only the nodes of the extended list stand in, and the history does not tell them"
    if c.client == "partition-aware":
        return "clients ask other nodes than their own"
    if c.request_timeout_ms > DETECTED_MS or c.probe_interval_ms > DETECTED_MS:
        return "time-outs are so long that nodes do not know within two seconds who is missing"
    if c.request_timeout_ms < ANSWERED_MS:
        return "time-outs are so short that nodes that are up do not answer in time"
    changes = sorted(plan.faults & {"join", "leave", "replace", *SPOILS})
    if c.spares or changes:
        return f"who the members are changes: {', '.join(changes) or 'there are spares'}"
    halfway = sorted(plan.faults - WHOLLY_GONE)
    if halfway:
        return (
            f"under {', '.join(halfway)} a node may answer enough to be asked, and not enough to "
            "finish what it is asked"
        )
    return None


def _why_not_online(configuration: Configuration) -> str | None:
    if configuration.sloppy:
        return "a sloppy quorum writes to stand-ins that a read may not ask"
    if configuration.r + configuration.w <= configuration.n:
        c = configuration
        return f"R+W<=N ({c.r}+{c.w}<={c.n}): a read may miss every copy of a write"
    return None
