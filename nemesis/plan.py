"""A nemesis, and a plan: nemesis, schedule, and what heals it.

A nemesis is asked to inject a fault and later to heal it; each time it acts through the cluster's
verbs, probes, and answers with an `Effect`. It keeps nothing of its own but what it needs to heal;
which faults are open is known to the run, which heals every open one at the end, also after a
crash of the harness.
"""

from __future__ import annotations

from dataclasses import dataclass, field, is_dataclass, replace
from typing import TYPE_CHECKING, Any, Final, Literal, Protocol, cast

from systems_under_test.system import FaultPlanSummary
from workloads.generators.choosing import FirstOf, first_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from checker.history.columns import History
    from checker.history.events import FaultWindow
    from systems_under_test.environments.cluster import Cluster
    from workloads.generators.protocol import Generator

SPOILING: Final = frozenset({"damage", "wipe"})
"""Faults that damage or empty what a node has stored."""

EffectKind = Literal["applied", "partly", "ineffective", "uncertain", "healed", "leaked"]
"""What an injection did, and what a healing did; either may be `uncertain`: not to be told.

A healing may also be `ineffective`: undone, but the counters that could be read only now show that
the fault never touched anything.
"""


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
        """Inject, then probe: `applied`, `partly`, `ineffective` or `uncertain`."""
        ...

    def heal(self, cluster: Cluster, fault: Fault) -> Effect:
        """Undo that fault and no other, then probe: `healed`, `leaked` or `uncertain`.

        May be called twice.
        """
        ...


@dataclass(frozen=True, slots=True)
class Union:
    """Several nemeses as one: each fault goes to the one that knows its name."""

    parts: tuple[Nemesis, ...]

    @property
    def faults(self) -> frozenset[str]:
        """The faults of all parts."""
        return frozenset().union(*(part.faults for part in self.parts))

    @property
    def needs(self) -> frozenset[str]:
        """What all parts need together."""
        return frozenset().union(*(part.needs for part in self.parts))

    def inject(self, cluster: Cluster, fault: Fault) -> Effect:
        """Inject by the part that knows the fault."""
        return self._part(fault).inject(cluster, fault)

    def heal(self, cluster: Cluster, fault: Fault) -> Effect:
        """Heal by the part that injected."""
        return self._part(fault).heal(cluster, fault)

    def _part(self, fault: Fault) -> Nemesis:
        for part in self.parts:
            if fault.f in part.faults:
                return part
        raise ValueError(f"no nemesis here injects {fault.f!r}, only {sorted(self.faults)}")


def unite(a: Nemesis, b: Nemesis) -> Nemesis:
    """One nemesis for the faults of both; the same fault may not mean two things.

    Raises ValueError if two different nemeses inject a fault of the same name.
    """
    parts: list[Nemesis] = []
    for part in (*_parts(a), *_parts(b)):
        if part in parts or not part.faults:
            continue
        for other in parts:
            if shared := sorted(part.faults & other.faults):
                raise ValueError(f"{part!r} and {other!r} both inject {', '.join(shared)}")
        parts.append(part)
    return parts[0] if len(parts) == 1 else Union(tuple(parts))


def _parts(nemesis: Nemesis) -> tuple[Nemesis, ...]:
    return nemesis.parts if isinstance(nemesis, Union) else (nemesis,)


class Check(Protocol):
    """Something that a plan asks of the nodes that it is to strike."""

    def problems(self, nodes: tuple[str, ...]) -> list[str]:
        """Why the plan cannot be carried out on these nodes, in sentences."""
        ...


@dataclass(frozen=True, slots=True)
class FaultPlan:
    """A nemesis with the schedule that drives it.

    `schedule` is a generator for the nemesis thread: it yields invocations whose `f` is a fault of
    the nemesis, with concrete targets, and `heal` with `{"fault": n}`. Plans compose with `+`:
    they run independently of one another on the one nemesis thread. `checks` say why the plan
    cannot be carried out on these nodes. `clock_drift_ppm` is how much too fast or slow it may make
    a clock run at most; a plan that moves clocks and does not say so withdraws what needs a bound.
    """

    name: str
    nemesis: Nemesis
    schedule: Generator
    checks: tuple[Check, ...] = ()
    clock_drift_ppm: int | None = None
    roles: frozenset[str] = frozenset()
    """The roles of nodes that its targets ask for, as `leader`."""
    qualities: frozenset[str] = frozenset()
    """The fields of `LinkQuality` and `DiskQuality` that its faults use: not every kernel carries
    them all."""
    spoils: frozenset[str] | None = None
    """The nodes whose stores its faults may damage or empty, where it names them; None: any."""

    @property
    def spoilt(self) -> frozenset[str] | None:
        """The nodes whose stores may be damaged or emptied in the whole run; None: any may be.

        A word as `one` is drawn each time, and so in the end strikes any.
        """
        return self.spoils if self.nemesis.faults & SPOILING else frozenset()

    def summary(self, history: History | None = None) -> FaultPlanSummary:
        """What a system is told of it before it promises: of a run that is over, by what was hit.

        A word may strike any node, and in one run have struck one alone: then no more was at stake.
        """
        struck = None if history is None else struck_stores(history.faults)
        known = [len(nodes) for nodes in (self.spoilt, struck) if nodes is not None]
        most = min(known, default=None)
        return FaultPlanSummary(self.nemesis.faults, self.drift_ppm, most)

    @property
    def drift_ppm(self) -> int | None:
        """The most drift of any clock, 0 if it moves none; None if that is not known."""
        return self.clock_drift_ppm if "clock" in self.nemesis.faults else 0

    def __add__(self, other: FaultPlan) -> FaultPlan:
        """Both plans at once. Raises ValueError if one name means two faults.

        Faults of one clock add up, and so do their drifts.
        """
        mine, others = self.drift_ppm, other.drift_ppm
        spoils = (self.spoilt, other.spoilt)
        schedules = _apart((*self.schedules, *other.schedules))
        return FaultPlan(
            f"{self.name},{other.name}",
            unite(self.nemesis, other.nemesis),
            first_of(*schedules),
            self.checks + other.checks,
            None if mine is None or others is None else mine + others,
            self.roles | other.roles,
            self.qualities | other.qualities,
            None if None in spoils else frozenset[str]().union(*filter(None, spoils)),
        )

    @property
    def schedules(self) -> tuple[Generator, ...]:
        """The schedules that run side by side in it."""
        if isinstance(self.schedule, FirstOf):
            return self.schedule.generators
        return (self.schedule,)


def struck_stores(faults: Iterable[FaultWindow]) -> frozenset[str] | None:
    """The nodes whose stores these faults have damaged or emptied, or were to; None: not known."""
    nodes: set[str] = set()
    for fault in faults:
        if fault.f in SPOILING:
            targets = fault.input.get("targets") if isinstance(fault.input, dict) else None
            if not isinstance(targets, list):
                return None
            nodes.update(targets)
    return frozenset(nodes)


def _apart(schedules: tuple[Generator, ...]) -> list[Any]:
    """The schedules, each with a stream of chance of its own: two alike would do the same."""
    seen: dict[str, int] = {}
    apart: list[Any] = []
    for schedule in schedules:
        one: Any = schedule
        name = getattr(one, "stream", None)
        if isinstance(name, str) and is_dataclass(one):
            plain = name.partition("#")[0]
            seen[plain] = seen.get(plain, 0) + 1
            stream = plain if seen[plain] == 1 else f"{plain}#{seen[plain]}"
            one = replace(cast("Any", one), stream=stream)
        apart.append(one)
    return apart
