"""What the atomic store claims, and what a plan takes from it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from checker.claims import Promises

if TYPE_CHECKING:
    from systems_under_test.system import FaultPlanSummary

SAFETY: Final = frozenset(
    {
        "linearizable",
        "read-your-writes",
        "monotonic-reads",
        "monotonic-writes",
        "writes-follow-reads",
    }
)
LIVENESS: Final = frozenset({"did-not-recover", "node-died"})

_FORGETS: Final = "the memory engine forgets everything when its process ends"
_LOST: Final = "there is no other copy: what a lost disk held is gone"
_ONLY_COPY: Final = "there is no other copy: a node whose disk is damaged stays down"


def promises(engine: str, plan: FaultPlanSummary) -> Promises:
    """Everything, always; but memory does not outlive a process, nor a single copy its disk.

    A damaged record is found by its checksum and never served, so safety is claimed there too.
    """
    withdrawn: dict[str, str] = {}
    if engine == "memory" and plan.deadly:
        withdrawn.update(dict.fromkeys(sorted(SAFETY), _FORGETS))
    if "wipe" in plan.faults:
        withdrawn.update(dict.fromkeys(sorted(SAFETY), _LOST))
    if "damage" in plan.faults:
        withdrawn.update(dict.fromkeys(sorted(LIVENESS), _ONLY_COPY))
    return Promises((SAFETY | LIVENESS) - withdrawn.keys(), withdrawn)
