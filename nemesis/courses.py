"""Courses: what one turn of a schedule does from its first fault until everything is healed.

The plain course is one fault and its healing. Others are made of the same faults: a link that flaps
is cut and mended quickly, a rolling restart kills one node after another. So there is nothing new
to be proved: each step is a fault of its own, probed and recorded like any other.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, Protocol, runtime_checkable

from nemesis.grudges import split, to_json
from nemesis.ledger import targets_of
from nemesis.members import members
from nemesis.partition import PARTITION
from nemesis.targets import Target, minority
from workloads.invocations import Invocation

if TYPE_CHECKING:
    from collections.abc import Mapping

    from nemesis.grudges import MakeSided
    from nemesis.plan import Fault
    from workloads.generators.protocol import Context

MS: Final = 1_000_000
SECOND: Final = 1_000 * MS

DOWN: Final = frozenset(
    {"kill", "stop", "power", "damage", "wipe", "replace", "memory", "pause", "disk"}
)
"""Faults that take a node out of service: together they never strike more than the budget."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Timing:
    """How long a schedule is quiet and how long its faults last: ranges, drawn each time."""

    lead_in_ns: tuple[int, int] = (SECOND // 2, 2 * SECOND)
    """Nanoseconds before the first fault."""
    fault_ns: tuple[int, int] = (2 * SECOND, 4 * SECOND)
    """Nanoseconds from a fault to its healing."""
    quiet_ns: tuple[int, int] = (1 * SECOND, 2 * SECOND)
    """Nanoseconds from a healing to the next fault."""

    def __post_init__(self) -> None:
        """Refuse ranges that no time can lie in."""
        for name in ("lead_in_ns", "fault_ns", "quiet_ns"):
            low, high = getattr(self, name)
            if not 0 <= low <= high:
                raise ValueError(f"{name} must be a range (low, high) with 0 <= low <= high")


class Draw(Protocol):
    """Decides which fault comes next; a frozen value."""

    def __call__(self, ctx: Context, open_faults: tuple[Fault, ...]) -> Invocation | None:
        """The next injection, with concrete targets; None if nothing can be injected now."""
        ...


@dataclass(frozen=True, slots=True)
class Step:
    """One action of a course, so many nanoseconds after the action before.

    It injects what its draw draws then, or else heals the course's injection of that place, from 0.
    """

    wait_ns: int
    inject: Draw | None = None
    heal: int = 0


@runtime_checkable
class Course(Protocol):
    """Decides everything that one turn does; a frozen value."""

    def steps(
        self, ctx: Context, open_faults: tuple[Fault, ...], timing: Timing, turn: int
    ) -> tuple[Step, ...]:
        """The steps of turn number `turn`; none if nothing can be begun now."""
        ...


@dataclass(frozen=True, slots=True)
class Given:
    """Draws an injection that is known already."""

    invocation: Invocation

    def __call__(self, ctx: Context, open_faults: tuple[Fault, ...]) -> Invocation | None:
        """That injection."""
        return self.invocation


@dataclass(frozen=True, slots=True)
class Once:
    """One fault and its healing, when the schedule's time is over or after this range."""

    draw: Draw
    fault_ns: tuple[int, int] | None = None

    def steps(
        self, ctx: Context, open_faults: tuple[Fault, ...], timing: Timing, turn: int
    ) -> tuple[Step, ...]:
        """The fault now, its healing when it has lasted."""
        return Step(0, self.draw), Step(ctx.rng.between(*(self.fault_ns or timing.fault_ns)))


@dataclass(frozen=True, slots=True)
class InTurn:
    """Several courses, one after the other and again from the first."""

    courses: tuple[Course, ...]
    names: tuple[str, ...] = ()
    """Of the plans whose courses they are, which their injections carry."""

    def steps(
        self, ctx: Context, open_faults: tuple[Fault, ...], timing: Timing, turn: int
    ) -> tuple[Step, ...]:
        """The steps of the one whose turn it is."""
        course = self.courses[turn % len(self.courses)]
        return course.steps(ctx, open_faults, timing, turn // len(self.courses))

    def plan(self, turn: int) -> str | None:
        """Whose turn it is, if that has a name."""
        return self.names[turn % len(self.names)] if self.names else None


@dataclass(frozen=True, kw_only=True, slots=True)
class Repeated:
    """The same fault again and again in quick succession: a link that flaps, a crash loop."""

    draw: Draw
    fault_ns: tuple[int, int]
    """How long it lasts each time, in nanoseconds."""
    quiet_ns: tuple[int, int]
    """And how long it is gone."""
    times: tuple[int, int]
    """How often."""

    def steps(
        self, ctx: Context, open_faults: tuple[Fault, ...], timing: Timing, turn: int
    ) -> tuple[Step, ...]:
        """One fault, drawn now, several times."""
        drawn = self.draw(ctx, open_faults)
        if drawn is None:
            return ()
        steps: list[Step] = []
        for time in range(ctx.rng.between(*self.times)):
            quiet = ctx.rng.between(*self.quiet_ns) if time else 0
            steps += [
                Step(quiet, Given(drawn)),
                Step(ctx.rng.between(*self.fault_ns), heal=time),
            ]
        return tuple(steps)


@dataclass(frozen=True, slots=True)
class Rolling:
    """One node after the other in a random order, each back before the next is struck."""

    f: str
    target: Target
    fields: Mapping[str, Any] = field(default_factory=dict)
    fault_ns: tuple[int, int] = (SECOND // 2, SECOND)
    quiet_ns: tuple[int, int] = (SECOND // 5, SECOND)

    def steps(
        self, ctx: Context, open_faults: tuple[Fault, ...], timing: Timing, turn: int
    ) -> tuple[Step, ...]:
        """Down and up again, node by node."""
        steps: list[Step] = []
        nodes = ctx.rng.shuffled(self.target.chosen(ctx, open_faults))
        for place, name in enumerate(nodes):
            one = Strike(self.f, Target(name), Fixed(self.fields))
            quiet = ctx.rng.between(*self.quiet_ns) if place else 0
            steps += [Step(quiet, one), Step(ctx.rng.between(*self.fault_ns), heal=place)]
        return tuple(steps)


@dataclass(frozen=True, slots=True)
class Swizzle:
    """Nodes are cut off one by one, and come back in another order."""

    target: Target
    make: MakeSided = split
    gap_ns: tuple[int, int] = (SECOND // 5, SECOND)

    def steps(
        self, ctx: Context, open_faults: tuple[Fault, ...], timing: Timing, turn: int
    ) -> tuple[Step, ...]:
        """A cut for each node, then the healings."""
        names = ctx.rng.shuffled(self.target.chosen(ctx, open_faults))
        cuts: list[Step] = []
        for place, name in enumerate(names):
            grudge = self.make(ctx.nodes, [name])
            if not grudge:
                return ()
            fields = {"variant": "swizzle", "grudge": to_json(grudge), "targets": [name]}
            gap = ctx.rng.between(*self.gap_ns) if place else 0
            cuts.append(Step(gap, Given(Invocation(PARTITION, fields))))
        back = ctx.rng.shuffled(range(len(names)))
        lasts = ctx.rng.between(*timing.fault_ns)
        heals = [
            Step(ctx.rng.between(*self.gap_ns) if place else lasts, heal=which)
            for place, which in enumerate(back)
        ]
        return (*cuts, *heals)


class Detail(Protocol):
    """Decides what an injection says besides its targets; a frozen value."""

    def __call__(self, ctx: Context, targets: tuple[str, ...]) -> Mapping[str, Any]:
        """The further fields of the input."""
        ...


@dataclass(frozen=True, slots=True)
class Fixed:
    """The same fields each time."""

    fields: Mapping[str, Any] = field(default_factory=dict)

    def __call__(self, ctx: Context, targets: tuple[str, ...]) -> Mapping[str, Any]:
        """These fields."""
        return self.fields


@dataclass(frozen=True, slots=True)
class Strike:
    """Draws an injection of `f` on a target.

    Nodes that another open fault of `DOWN` has struck are spared, and a fault of `DOWN` takes no
    more nodes than the budget leaves: a minority, or what its own target needs if that is more.
    """

    f: str
    target: Target
    detail: Detail = field(default_factory=Fixed)

    def __call__(self, ctx: Context, open_faults: tuple[Fault, ...]) -> Invocation | None:
        """An injection on targets that are in service; None while there is no room for one."""
        targets = self._targets(ctx, open_faults)
        if not targets:
            return None
        return Invocation(self.f, {**self.detail(ctx, targets), "targets": list(targets)})

    def _targets(self, ctx: Context, open_faults: tuple[Fault, ...]) -> tuple[str, ...]:
        if self.f not in DOWN:
            return self.target.chosen(ctx, open_faults)
        down = frozenset(
            node for fault in open_faults if fault.f in DOWN for node in targets_of(fault)
        )
        zone = max((len(zone) for zone in ctx.zones), default=1)
        inside = members(ctx.nodes, ctx.spares, open_faults)
        every = ctx.nodes if self.target.text == "all" else inside
        own = zone if self.target.text == "zone" else self.target.sizes(every)[1]
        most = max(1, minority(inside), own)
        return self.target.chosen(ctx, open_faults, spared=down, most=most - len(down))


@dataclass(frozen=True, slots=True)
class OneOf:
    """Draws one of several injections each time."""

    draws: tuple[Draw, ...]

    def __call__(self, ctx: Context, open_faults: tuple[Fault, ...]) -> Invocation | None:
        """The first in a random order for which there is room."""
        for draw in ctx.rng.shuffled(self.draws):
            invocation = draw(ctx, open_faults)
            if invocation is not None:
                return invocation
        return None


def course_of(draw: Draw | Course) -> Course:
    """A course as it is, a draw as the plain course."""
    return draw if isinstance(draw, Course) else Once(draw)
