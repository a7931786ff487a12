"""Schedules: when faults are injected and healed. Pure generators for the nemesis thread.

A schedule turns words into names and ranges into moments when it injects, so that the recorded
invocation says exactly what was done. Plans composed with `+` run independently of one another on
the one nemesis thread; each sees what the others have open, and spares the nodes that are down.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Final, Protocol

from checker.history.events import NEMESIS
from nemesis.ledger import targets_of
from nemesis.plan import Fault
from nemesis.targets import Target, minority
from workloads.generators.protocol import Pending
from workloads.invocations import Invocation

if TYPE_CHECKING:
    from collections.abc import Mapping

    from checker.history.events import Event
    from workloads.generators.protocol import Answer, Context

HEAL: Final = "heal"
MS: Final = 1_000_000
SECOND: Final = 1_000 * MS

DOWN: Final = frozenset({"kill", "power", "damage", "wipe", "replace", "memory", "pause", "disk"})
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
            return self.target.choose(ctx.nodes, ctx.rng)
        down = frozenset(
            node for fault in open_faults if fault.f in DOWN for node in targets_of(fault)
        )
        most = max(1, minority(ctx.nodes), self.target.sizes(ctx.nodes)[1])
        return self.target.choose(ctx.nodes, ctx.rng, spared=down, most=most - len(down))


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


@dataclass(frozen=True, slots=True)
class Alternate:
    """Quiet, a fault, its healing, quiet, and so on; ends only with the run.

    Only one action of the nemesis thread is under way at a time, so the first invocation recorded
    after this schedule handed one out is its own, and carries the number that its healing names.
    """

    draw: Draw
    timing: Timing = field(default_factory=Timing)
    at: int | None = None
    """When to act next; None until it has first been asked."""
    acting: str | None = None
    """The `f` that it handed out and that is not completed."""
    fault: int | None = None
    """The number of the fault that it has open."""
    open_faults: tuple[Fault, ...] = ()
    """Every open fault that was recorded, those of other schedules too."""

    def op(self, ctx: Context) -> Answer:
        """The next injection or healing, once its time has come."""
        if self.at is None:
            at = ctx.time + ctx.rng.between(*self.timing.lead_in_ns)
            return Pending(at), replace(self, at=at)
        if self.acting is not None or NEMESIS not in ctx.free:
            return Pending(), self
        if ctx.time < self.at:
            return Pending(self.at), self
        if self.fault is not None:
            action: Invocation | None = Invocation(HEAL, {"fault": self.fault})
        else:
            action = self.draw(ctx, self.open_faults)
        if action is None:
            return Pending(), self
        return ctx.fill(replace(action, process=NEMESIS)), replace(self, acting=action.f)

    def update(self, ctx: Context, event: Event) -> Alternate:
        """The schedule that knows of this event."""
        if event.process != NEMESIS:
            return self
        if event.type == "invoke":
            return self._began(event)
        if event.f != self.acting:
            return self
        quiet = self.acting == HEAL
        length = ctx.rng.between(*(self.timing.quiet_ns if quiet else self.timing.fault_ns))
        return replace(
            self,
            acting=None,
            at=event.time + length,
            fault=None if quiet else self.fault,
        )

    def _began(self, event: Event) -> Alternate:
        if event.f == HEAL:
            number = event.input["fault"]
            still_open = tuple(fault for fault in self.open_faults if fault.fault != number)
            return replace(self, open_faults=still_open)
        if event.fault is None:
            raise ValueError(f"the nemesis event {event.index} ({event.f}) has no fault number")
        begun = Fault(event.fault, event.f, event.input or {})
        number = event.fault if self.acting is not None else self.fault
        return replace(self, fault=number, open_faults=(*self.open_faults, begun))


def alternate(
    f: str, target: str = "some", *, timing: Timing | None = None, **settings: Any
) -> Alternate:
    """Inject `f` on a target by word and heal it, again and again; `settings` go into its input.

    What a nemesis of one's own needs of this module.
    """
    return Alternate(Strike(f, Target(target), Fixed(settings)), timing or Timing())
