"""How a family makes its plan: a nemesis, what it draws, when, and on whom."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from nemesis.grudges import ANY
from nemesis.plan import Check, Effect, Fault, FaultPlan, Nemesis
from nemesis.schedule import Alternate, Course, Detail, Draw, OneOf, Strike, Timing
from nemesis.targets import NONE, SOME, Target
from workloads.generators.lifting import NOTHING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from systems_under_test.environments.cluster import Cluster

NO_FAULTS: Final = "none"


@dataclass(frozen=True, slots=True)
class NoFaults:
    """A nemesis that does nothing."""

    faults: frozenset[str] = frozenset()
    needs: frozenset[str] = frozenset()

    def inject(self, cluster: Cluster, fault: Fault) -> Effect:
        """Refuse: it was asked for a fault that it does not have."""
        raise ValueError(f"no nemesis here injects {fault.f!r}")

    def heal(self, cluster: Cluster, fault: Fault) -> Effect:
        """Refuse likewise."""
        raise ValueError(f"no nemesis here heals {fault.f!r}")


def none() -> FaultPlan:
    """No faults."""
    return FaultPlan(NO_FAULTS, NoFaults(), NOTHING)


def named(f: str, variant: str, target: str, default: str = SOME) -> str:
    """What a plan is called: `f:variant@target`, as it is written on the command line."""
    name = f if variant == ANY else f"{f}:{variant}"
    return name if target == default else f"{name}@{target}"


def plan_of(
    name: str, nemesis: Nemesis, draw: Draw | Course, timing: Timing | None, *checks: Check
) -> FaultPlan:
    """A plan that alternates between faults and quiet, under its own stream of chance."""
    targets = [
        check if isinstance(check, Target) else getattr(check, "target", None) for check in checks
    ]
    roles = frozenset[str]().union(*(target.roles for target in targets if target is not None))
    schedule = Alternate(draw, timing or Timing(), name, looks=bool(roles))
    return FaultPlan(name, nemesis, schedule, checks, roles=roles)


def striking(
    f: str,
    nemesis: Nemesis,
    details: Mapping[str, Detail],
    variant: str,
    target: str,
    timing: Timing | None,
) -> FaultPlan:
    """A plan that strikes targets, by one variant or by one drawn each time."""
    to = Target(target)
    if to.text == NONE:
        return none()
    drawn = details.values() if variant == ANY else [details[variant]]
    strikes = tuple(Strike(f, to, detail) for detail in drawn)
    draw = strikes[0] if len(strikes) == 1 else OneOf(strikes)
    return plan_of(named(f, variant, target), nemesis, draw, timing, to)
