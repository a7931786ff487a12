"""Schedules: when faults are injected and healed. Pure generators for the nemesis thread.

A schedule turns words into names and ranges into moments when it injects, so that the recorded
invocation says exactly what was done. Plans composed with `+` run independently of one another on
the one nemesis thread; each sees what the others have open, and spares the nodes that are down.

Each schedule draws from a stream of its own, anew for every turn: to take a plan away reshuffles
neither the others nor what the clients do.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Final

import msgspec

from checker.history.events import NEMESIS
from nemesis.courses import (
    DOWN,
    MS,
    SECOND,
    Course,
    Detail,
    Draw,
    Fixed,
    OneOf,
    Step,
    Strike,
    Timing,
    course_of,
)
from nemesis.plan import Fault
from nemesis.targets import Target
from workloads.generators.protocol import Pending
from workloads.invocations import Invocation

if TYPE_CHECKING:
    from collections.abc import Mapping

    from checker.history.events import Event
    from workloads.generators.protocol import Answer, Context

HEAL: Final = "heal"
ROLES: Final = "roles"
"""Not a fault: the nemesis looks which nodes play which role, and the answer is recorded."""
RETRY_NS: Final = 100 * MS
"""How long a turn that found no room waits until it draws again."""


def open_after(open_faults: tuple[Fault, ...], event: Event) -> tuple[Fault, ...]:
    """The open faults once the nemesis has begun this. Raises ValueError where it has no number."""
    if event.f == ROLES:
        return open_faults
    if event.fault is None:
        raise ValueError(f"the nemesis event {event.index} ({event.f}) has no fault number")
    rest = tuple(fault for fault in open_faults if fault.fault != event.fault)
    return rest if event.f == HEAL else (*rest, Fault(event.fault, event.f, event.input or {}))


def not_yet(ctx: Context, acting: str | None, at: int | None) -> Pending | None:
    """What a schedule waits for that has handed out `acting` and acts at `at`; None: it may act."""
    if acting is not None or NEMESIS not in ctx.free:
        return Pending()
    return Pending(at) if at is not None and ctx.time < at else None


def for_nemesis(ctx: Context, action: Invocation) -> Invocation | Pending:
    """The action, to be handed to the nemesis thread."""
    return ctx.fill(replace(action, process=NEMESIS))


def chance(ctx: Context, stream: str, roles: Mapping[str, tuple[str, ...]] | None) -> Context:
    """The context with a stream of chance for one decision, and who plays which role."""
    return msgspec.structs.replace(ctx, rng=ctx.rng.stream(stream), roles=dict(roles or {}))


@dataclass(frozen=True, slots=True)
class Alternate:
    """Quiet, a turn of faults and healings, quiet, and so on; ends with the run or its budget.

    Only one action of the nemesis thread is under way at a time, so the first invocation recorded
    after this schedule handed one out is its own, and carries the number that its healing names.
    """

    draw: Draw | Course
    timing: Timing = field(default_factory=Timing)
    stream: str = "faults"
    """The name of its stream of chance, which no schedule beside it may have."""
    looks: bool = False
    """Whether it has to know the roles of the nodes before it draws."""
    left: tuple[int, ...] = ()
    """How many more faults may be injected, by each of the plans that take turns; none: as many
    as there is time for."""
    at: int | None = None
    """When to act next; None until it has first been asked."""
    acting: str | None = None
    """The `f` that it handed out and that is not completed."""
    steps: tuple[Step, ...] = ()
    """What is left of this turn."""
    faults: tuple[int, ...] = ()
    """The numbers of the faults that this turn has injected."""
    open_faults: tuple[Fault, ...] = ()
    """Every open fault that was recorded, those of other schedules too."""
    roles: Mapping[str, tuple[str, ...]] | None = None
    """Which nodes play which role, as seen for this turn."""
    turn: int = 0
    tries: int = 0
    timings: tuple[Timing, ...] = ()
    """Those of the turns, one after the other and again from the first; none: `timing` always."""

    def op(self, ctx: Context) -> Answer:
        """The next injection or healing, once its time has come."""
        if self.at is None:
            at = ctx.time + self._chance(ctx, "lead-in").rng.between(*self._pace.lead_in_ns)
            return Pending(at), replace(self, at=at)
        if (waiting := not_yet(ctx, self.acting, self.at)) is not None:
            return waiting, self
        if self.steps:
            return self._act(ctx)
        if self.left and not self.left[self._place]:
            return replace(self, turn=self.turn + 1).op(ctx) if any(self.left) else None
        if self.looks and self.roles is None:
            return self._hand_out(ctx, Invocation(ROLES))
        drawn = self._chance(ctx, f"{self.turn}/{self.tries}")
        steps = course_of(self.draw).steps(drawn, self.open_faults, self._pace, self.turn)
        if not steps:
            return self._later(ctx)
        return replace(self, steps=steps)._act(ctx)

    def update(self, ctx: Context, event: Event) -> Alternate:
        """The schedule that knows of this event."""
        if event.process != NEMESIS:
            return self
        if event.type == "invoke":
            return self._began(event)
        if event.f != self.acting:
            return self
        if event.f == ROLES:
            seen = (event.output or {}).get(ROLES, {})
            return replace(self, acting=None, roles=seen, at=event.time)
        rest = self._affordable(self.steps[1:])
        if rest:
            return replace(self, acting=None, steps=rest, at=event.time + rest[0].wait_ns)
        quiet = self._chance(ctx, f"{self.turn}/quiet").rng.between(*self._pace.quiet_ns)
        ended = replace(self, acting=None, steps=(), faults=(), roles=None, tries=0)
        return replace(ended, at=event.time + quiet, turn=self.turn + 1)

    @property
    def _pace(self) -> Timing:
        """The timing of this turn."""
        return self.timings[self.turn % len(self.timings)] if self.timings else self.timing

    @property
    def _place(self) -> int:
        """Which of the plans that take turns has this one."""
        return self.turn % (len(self.left) or 1)

    def _affordable(self, steps: tuple[Step, ...]) -> tuple[Step, ...]:
        """These steps, or the healings among them of what was injected once no more may be."""
        if not self.left or self.left[self._place]:
            return steps
        begun = len(self.faults)
        return tuple(step for step in steps if step.inject is None and step.heal < begun)

    def _act(self, ctx: Context) -> Answer:
        """The step that is due."""
        step = self.steps[0]
        if step.inject is None:
            return self._hand_out(ctx, Invocation(HEAL, {"fault": self.faults[step.heal]}))
        drawn = self._chance(ctx, f"{self.turn}/{self.tries}/{len(self.faults)}")
        action = step.inject(drawn, self.open_faults)
        if action is None:
            return self._later(ctx)
        return self._hand_out(ctx, replace(action, plan=self._plan))

    @property
    def _plan(self) -> str:
        """The plan that this turn's injections carry: where several take turns, the one's."""
        of_turn = getattr(self.draw, "plan", None)
        return (of_turn(self.turn) if of_turn is not None else None) or self.stream

    def _hand_out(self, ctx: Context, action: Invocation) -> Answer:
        return for_nemesis(ctx, action), replace(self, acting=action.f)

    def _later(self, ctx: Context) -> Answer:
        """There is no room now. A turn that has begun waits for it; another one is drawn anew."""
        at = ctx.time + RETRY_NS
        later = replace(self, at=at, tries=self.tries + 1)
        if not self.faults:
            later = replace(later, steps=(), roles=None)
        return Pending(at), later

    def _chance(self, ctx: Context, concern: str) -> Context:
        """The context with a stream of chance for one decision."""
        return chance(ctx, f"{self.stream}/{concern}", self.roles)

    def _began(self, event: Event) -> Alternate:
        after = replace(self, open_faults=open_after(self.open_faults, event))
        if self.acting is None or event.f in (HEAL, ROLES):
            return after
        assert event.fault is not None
        return replace(after, faults=(*self.faults, event.fault), left=self._less())

    def _less(self) -> tuple[int, ...]:
        """What is left after one more fault of this turn."""
        return tuple(n - (place == self._place) for place, n in enumerate(self.left))


@dataclass(frozen=True, slots=True)
class QuietTail:
    """A schedule that is over after so long: then everything is healed, and it is quiet."""

    schedule: Any
    """The generator."""
    after_ns: int
    """Nanoseconds from when it is first asked."""
    until: int | None = None
    open_faults: tuple[Fault, ...] = ()

    def op(self, ctx: Context) -> Answer:
        """What the schedule says, and after its time the healings, the newest fault first."""
        until = ctx.time + self.after_ns if self.until is None else self.until
        if ctx.time < until:
            answer = self.schedule.op(ctx)
            if answer is not None:
                said, after = answer
                if isinstance(said, Pending) and (said.until is None or said.until > until):
                    said = Pending(until)
                return said, self._going_on(after, until)
            return Pending(until), self._going_on(self.schedule, until)
        if not self.open_faults:
            return None
        if (waiting := not_yet(ctx, None, None)) is not None:
            return waiting, self
        healing = Invocation(HEAL, {"fault": self.open_faults[-1].fault})
        return for_nemesis(ctx, healing), replace(self, open_faults=self.open_faults[:-1])

    def _going_on(self, schedule: Any, until: int) -> QuietTail:
        """The same where nothing has changed: one that is new makes whoever asks ask again."""
        if schedule is self.schedule and until == self.until:
            return self
        return replace(self, schedule=schedule, until=until)

    def update(self, ctx: Context, event: Event) -> QuietTail:
        """The same, knowing what is open."""
        schedule = self.schedule.update(ctx, event)
        still_open = self.open_faults
        if event.process == NEMESIS and event.fault is not None and event.type == "invoke":
            still_open = open_after(still_open, event)
        if schedule is self.schedule and still_open == self.open_faults:
            return self
        return replace(self, schedule=schedule, open_faults=still_open)


def alternate(
    f: str, target: str = "some", *, timing: Timing | None = None, **settings: Any
) -> Alternate:
    """Inject `f` on a target by word and heal it, again and again; `settings` go into its input.

    What a nemesis of one's own needs of this module.
    """
    to = Target(target)
    strike = Strike(f, to, Fixed(settings))
    return Alternate(strike, timing or Timing(), f"{f}@{target}", looks=bool(to.roles))


__all__ = [
    "DOWN",
    "HEAL",
    "MS",
    "ROLES",
    "SECOND",
    "Alternate",
    "Course",
    "Detail",
    "Draw",
    "Fixed",
    "OneOf",
    "QuietTail",
    "Step",
    "Strike",
    "Timing",
    "alternate",
]
