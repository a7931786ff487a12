"""What the store claims in a configuration under a plan: the guarantees, as code."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from checker.claims import Promises

if TYPE_CHECKING:
    from systems_under_test.paxos.configuration import Configuration
    from systems_under_test.system import FaultPlanSummary

SAFETY: Final = frozenset(
    {
        "linearizable",
        "read-your-writes",
        "monotonic-reads",
        "monotonic-writes",
        "writes-follow-reads",
        "wrong-total",
    }
)
BY_SLOT: Final = frozenset({"wrong-slot"})
"""Whatever is read comes from the log: no lease and no configuration matters to that."""
LIVENESS: Final = frozenset({"did-not-recover", "node-died"})
SPOILS: Final = frozenset({"damage", "wipe"})


def promises(configuration: Configuration, plan: FaultPlanSummary) -> Promises:
    """What is claimed, and for each other claim the reason why it is not."""
    withdrawn: dict[str, str] = {}
    drift = _why_drift_is_too_much(configuration, plan)
    if drift is not None and configuration.reads == "lease":
        withdrawn.update(dict.fromkeys(sorted(SAFETY), drift))
    if configuration.reads == "eventual":
        reason = "reads are eventual: any replica answers from a chosen slot, not from the newest"
        withdrawn.update(dict.fromkeys(sorted(SAFETY - {"wrong-total"}), reason))
    spoilt = sorted(plan.faults & SPOILS)
    if spoilt:
        reason = (
            f"{', '.join(spoilt)} may strike a second replica before the first is whole again: a "
            f"majority that has lost its log is for an operator"
        )
        withdrawn.update(dict.fromkeys(sorted(LIVENESS), reason))
    if configuration.engine == "memory" and plan.deadly:
        ends = ", ".join(plan.deadly)
        reason = f"the memory engine forgets its vote at {ends}: a majority may be gone"
        withdrawn["did-not-recover"] = reason
    return Promises((SAFETY | BY_SLOT | LIVENESS) - withdrawn.keys(), withdrawn)


def _why_drift_is_too_much(configuration: Configuration, plan: FaultPlanSummary) -> str | None:
    """A lease is safe only while no clock drifts more than its bound."""
    if plan.drift_ppm is None:
        return "the plan moves clocks and does not say how fast they may run"
    if plan.drift_ppm > configuration.drift_ppm:
        return (
            f"the plan lets clocks drift by {plan.drift_ppm} ppm, and leases are safe up to "
            f"drift_ppm={configuration.drift_ppm}"
        )
    return None
