"""A nemesis, and a plan: nemesis, schedule, and what heals it.

A nemesis is asked to inject a fault and later to heal it; each time it acts through the cluster's
verbs, probes, and answers with an `Effect`. It keeps nothing of its own but what it needs to heal;
which faults are open is known to the run, which heals every open one at the end, also after a
crash of the harness.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping

    from systems_under_test.environments.cluster import Cluster
    from workloads.generators.protocol import Generator

EffectKind = Literal["applied", "partly", "ineffective", "healed", "leaked"]


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault of a run: its number, its name, and its input as recorded (targets by name)."""

    fault: int
    f: str
    input: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Effect:
    """What an injection or a healing really did, with the probe's evidence (JSON values)."""

    effect: EffectKind
    method: str
    evidence: Mapping[str, Any] = field(default_factory=dict)

    def output(self) -> dict[str, Any]:
        """The `output` of the nemesis event."""
        return {"effect": self.effect, "method": self.method, "evidence": dict(self.evidence)}


class Nemesis(Protocol):
    """Injects and heals faults of the names in `faults`."""

    @property
    def faults(self) -> frozenset[str]:
        """The names of the faults that it injects, as `partition`."""
        ...

    @property
    def needs(self) -> frozenset[str]:
        """The capabilities that it needs of a cluster."""
        ...

    def inject(self, cluster: Cluster, fault: Fault) -> Effect:
        """Inject, then probe: `applied`, `partly` or `ineffective`."""
        ...

    def heal(self, cluster: Cluster, fault: Fault) -> Effect:
        """Undo that fault and no other, then probe: `healed` or `leaked`. May be called twice."""
        ...


@dataclass(frozen=True, slots=True)
class FaultPlan:
    """A nemesis with the schedule that drives it.

    `schedule` is a generator for the nemesis thread: it yields invocations whose `f` is a fault of
    the nemesis, with concrete targets, and `heal` with `{"fault": n}`. Plans compose with `+`.
    """

    name: str
    nemesis: Nemesis
    schedule: Generator
