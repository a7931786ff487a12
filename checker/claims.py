"""What a system may promise. Only promises that are claimed enter a verdict.

A claim is named for the finding that breaks it; `lost-update` and `resurrection` have a stronger
twin that is judged at every read, not only on the final ones, and `lost-update` a weaker one, which
is all that is left where the last write wins by the wall clock. The rules stand in
`docs/guarantees.md`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

CLAIMS: Final[dict[str, str]] = {
    "linearizable": "every operation takes effect at one moment between its call and its return",
    "lost-update": "no acknowledged write is lost once the cluster has healed",
    "lost-update-online": "a read sees every write acknowledged before the read was invoked",
    "lost-update-by-time": "no write is last at the end that another followed by more than a bound",
    "false-sibling": "no read returns a version together with one that replaced it",
    "resurrection": "nothing deleted comes back once the cluster has healed",
    "resurrection-online": "nothing deleted is read by a read invoked after the acknowledgement",
    "no-convergence": "once the cluster has healed all replicas hold the same",
    "dishonest-context": "a causal context covers what was read with it, and nothing else",
    "read-your-writes": "a client sees its own acknowledged writes",
    "monotonic-reads": "a client never sees less than it has seen",
    "monotonic-writes": "a client's writes are seen in the order in which it made them",
    "writes-follow-reads": "whoever sees a write sees what its writer had read",
    "lost-element": "no acknowledged element is missing at the end",
    "stale-element": "a read sees every element acknowledged before the read was invoked",
    "phantom-element": "no read returns an element that nobody added",
    "duplicate": "no read returns an element twice",
    "wrong-total": "reads of all accounts find the money that there is",
    "wrong-slot": "a read returns what its key holds at the slot of the log that the answer names",
    "did-not-recover": "after the last fault the cluster comes to rest within its bound",
    "unavailable": "writes succeed through any so many nodes that are up and connected",
    "node-died": "no node dies that nobody killed",
}


@dataclass(frozen=True, slots=True)
class Promises:
    """What a system in one configuration under one fault plan claims, and what the plan withdrew.

    `withdrawn` maps a claim to the reason for which this plan or configuration does not carry it.
    `bounds` are the numbers that belong to claims: for `lost-update-by-time` how far clocks may be
    apart, in nanoseconds; for `unavailable` how many nodes are enough.
    """

    claims: frozenset[str]
    withdrawn: Mapping[str, str] = field(default_factory=dict)
    bounds: Mapping[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Refuse a claim that no checker knows: it would be promised and never judged."""
        unknown = (self.claims | set(self.withdrawn) | set(self.bounds)) - set(CLAIMS)
        if unknown:
            raise ValueError(f"unknown claims {sorted(unknown)}; known are {sorted(CLAIMS)}")
