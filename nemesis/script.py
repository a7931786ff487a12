"""Fault scripts: faults written down by hand, one after the other, in the project's small language.

    nemesis: wait 2                     # seconds
    nemesis: partition one-node target=leader
    n3: kill
    nemesis: partition {"n1": ["n2"]}   # a grudge: whom n1 does not hear
    nemesis: heal kill                  # the newest kill that is open
    nemesis: heal                       # everything that is open, the newest first

`who` is the node that is struck, or `nemesis`: then `target=` says whom. A word after the fault is
its variant. What is still open at the end is healed as in every run.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from checker.history.events import NEMESIS
from checker.history.language import statements
from nemesis.clock import CLOCK
from nemesis.schedule import (
    HEAL,
    RETRY_NS,
    ROLES,
    SECOND,
    chance,
    for_nemesis,
    not_yet,
    open_after,
)
from nemesis.targets import SOME, Target
from workloads.generators.protocol import Pending
from workloads.invocations import Invocation

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from checker.history.events import Event
    from checker.history.language import Statement
    from nemesis.courses import Draw
    from nemesis.plan import Fault, FaultPlan
    from workloads.generators.protocol import Answer, Context

WAIT: Final = "wait"


@dataclass(frozen=True, slots=True)
class Line:
    """One line: a fault to inject, a wait, or a healing."""

    number: int
    f: str
    variant: str | None = None
    target: str | None = None
    grudge: Mapping[str, Any] | None = None
    wait_ns: int = 0

    @property
    def waits_or_heals(self) -> bool:
        """Whether it injects nothing."""
        return self.f in (WAIT, HEAL)

    @property
    def text(self) -> str:
        """The fault as it is written on the command line."""
        variant = "" if self.variant is None else f":{self.variant}"
        return f"{self.f}{variant}{'' if self.target is None else f'@{self.target}'}"

    @property
    def said(self) -> str:
        """The line in a report."""
        return f"line {self.number} of the script ({self.text})"


@dataclass(frozen=True, slots=True)
class Script:
    """Carries the lines out, each as soon as the one before is done."""

    lines: tuple[tuple[Line, Draw | None], ...]
    at: int | None = None
    acting: str | None = None
    open_faults: tuple[Fault, ...] = ()
    """Every open fault that was recorded, those of other schedules too."""
    own: frozenset[int] = frozenset()
    """The numbers of those that the script has injected: it heals no other."""
    roles: Mapping[str, tuple[str, ...]] | None = None
    tries: int = 0

    def op(self, ctx: Context) -> Answer:
        """What the next line says."""
        if (waiting := not_yet(ctx, self.acting, self.at)) is not None:
            return waiting, self
        if not self.lines:
            return None
        line, draw = self.lines[0]
        if line.f == WAIT:
            return Pending(ctx.time + line.wait_ns), self._past(ctx.time + line.wait_ns)
        if line.f == HEAL:
            return self._heal(ctx, line)
        if line.target is not None and Target(line.target).roles and self.roles is None:
            return self._hand_out(ctx, Invocation(ROLES))
        assert draw is not None
        drawn = chance(ctx, f"script/{line.number}/{self.tries}", self.roles)
        action = draw(drawn, self.open_faults)
        if action is None:  # Nobody leads, or no room: what a script says is done, if late.
            later = replace(self, at=ctx.time + RETRY_NS, tries=self.tries + 1, roles=None)
            return Pending(ctx.time + RETRY_NS), later
        return self._hand_out(ctx, replace(action, plan=line.said))

    def update(self, ctx: Context, event: Event) -> Script:
        """The script that knows of this event."""
        if event.process != NEMESIS:
            return self
        if event.type == "invoke":
            return self._began(event)
        if event.f != self.acting:
            return self
        if event.f == ROLES:
            return replace(self, acting=None, roles=(event.output or {}).get(ROLES, {}))
        done = replace(self, acting=None, roles=None, tries=0)
        if (
            event.f == HEAL
            and done._healable(done.lines[0][0])
            and done.lines[0][0].variant is None
        ):
            return done  # The others that are open.
        return done._past(None)

    def _heal(self, ctx: Context, line: Line) -> Answer:
        fault = self._healable(line)
        if fault is None:
            return self._past(None).op(ctx)
        return self._hand_out(ctx, Invocation(HEAL, {"fault": fault.fault}))

    def _healable(self, line: Line) -> Fault | None:
        ours = (fault for fault in self.open_faults if fault.fault in self.own)
        fitting = [fault for fault in ours if line.variant in (None, fault.f)]
        return fitting[-1] if fitting else None

    def _past(self, at: int | None) -> Script:
        return replace(self, lines=self.lines[1:], at=at)

    def _hand_out(self, ctx: Context, action: Invocation) -> Answer:
        return for_nemesis(ctx, action), replace(self, acting=action.f)

    def _began(self, event: Event) -> Script:
        if event.fault is None:
            return self
        still_open = open_after(self.open_faults, event)
        # While it has handed something out, nobody else's action can begin.
        own = self.own if self.acting is None else self.own | {event.fault}
        return replace(self, open_faults=still_open, own=own)


def drift_at_once(parts: Iterable[tuple[Line, FaultPlan | None]]) -> int | None:
    """The most drift of any one clock at any time of a script, in ppm; None if one is not told.

    What strikes a node by a word may strike any: it counts on top of each node that is named.
    """
    still_open: list[tuple[int, tuple[str, ...]]] = []
    most = 0
    for line, plan in parts:
        if line.f == HEAL and line.variant is None:
            still_open.clear()
        elif line.f == HEAL and line.variant == CLOCK:
            del still_open[-1:]  # The newest.
        elif plan is not None and CLOCK in plan.nemesis.faults:
            if plan.drift_ppm is None:
                return None
            still_open.append((plan.drift_ppm, Target(line.target or SOME).names))
            most = max(most, _greatest(still_open))
    return most


def _greatest(drifts: Sequence[tuple[int, tuple[str, ...]]]) -> int:
    """The most that any node's drifts come to together; without a name it may be any node's."""
    everywhere = sum(drift for drift, names in drifts if not names)
    named = {name for _, names in drifts for name in names}
    of_each = (sum(drift for drift, names in drifts if name in names) for name in named)
    return everywhere + max(of_each, default=0)


def read_script(path: str) -> list[Line]:
    """The lines of a script. Raises OSError, and ValueError that names line and column."""
    text = Path(path).read_text(encoding="utf-8")
    return [line_of(statement) for statement in statements(text)]


def line_of(statement: Statement) -> Line:
    """What a statement says. Raises ValueError."""
    asked, where = statement.asked, f"line {statement.line}"
    if asked is None or statement.answered is not None or asked.word is None:
        raise ValueError(f"{where}: a fault, `wait` or `heal` belongs after the colon, no answer")
    target = asked.attributes.get("target")
    strange = sorted(set(asked.attributes) - {"target"})
    if strange:
        raise ValueError(f"{where}: {strange[0]}= means nothing here; there is target=")
    if statement.who != NEMESIS:
        if target is not None:
            raise ValueError(f"{where}: {statement.who} is the target already")
        target = statement.who
    if asked.word == WAIT:
        seconds = asked.value
        if type(seconds) not in (int, float) or seconds < 0:
            raise ValueError(f"{where}: `wait` takes seconds, as `wait 2.5`")
        return Line(statement.line, WAIT, wait_ns=round(seconds * SECOND))
    grudge = asked.value if asked.has_value else None
    if grudge is not None and not (asked.word == "partition" and isinstance(grudge, dict)):
        raise ValueError(f"{where}: only a partition takes a value, its grudge")
    return Line(statement.line, asked.word, asked.key, target, grudge)
