"""How many nodes may be out of service at once: what `at-most` counts, and how it is kept.

A node is disturbed while it is down, and while it does not talk, there and back, with a majority
of all nodes. The cuts of all open faults are taken together, and who is down talks with nobody: a
ring of majorities secludes no node by itself, and three of five once another one is killed.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

import msgspec

from checker.history.events import NEMESIS
from nemesis.courses import Course, InTurn
from nemesis.grudges import complete, from_json, secluded, union
from nemesis.ledger import targets_of
from nemesis.links import LINK
from nemesis.members import members
from nemesis.partition import PARTITION
from nemesis.plan import Fault, Union
from nemesis.schedule import HEAL, Alternate
from nemesis.script import Script
from nemesis.targets import LEADER, Target
from systems_under_test.rng import Rng
from workloads.generators.protocol import Context

if TYPE_CHECKING:
    from collections.abc import Iterable

    from nemesis.courses import Draw, Step, Timing
    from nemesis.plan import FaultPlan, Nemesis
    from nemesis.script import Line
    from systems_under_test.environments.cluster import Grudge
    from workloads.invocations import Invocation

SERVING: Final = frozenset({LINK, "clock", "cpu", "join", "leave"})
"""Faults that leave their targets in service: slow or mistaken, but up and in touch."""
SCRIPT_TRIALS: Final = 50
TRIALS: Final = 200
"""How often a course is tried before it is said to fit within no limit."""


def serving_of(nemesis: Nemesis) -> frozenset[str]:
    """The faults of a nemesis that leave their targets in service: `SERVING`, and what it says.

    One of somebody's own says so by an attribute `serving`, a set of names of its faults.
    """
    parts = nemesis.parts if isinstance(nemesis, Union) else (nemesis,)
    said: list[frozenset[str]] = [frozenset(getattr(part, "serving", ())) for part in parts]
    return SERVING.union(*said)


def disturbed(
    faults: Iterable[Fault],
    nodes: tuple[str, ...],
    serving: frozenset[str] = SERVING,
    spares: tuple[str, ...] = (),
) -> frozenset[str]:
    """The members that are down, or without a majority, while these faults are open at once.

    Whatever is neither a partition nor in `serving` takes its targets out of service.
    """
    together = tuple(faults)
    nodes = members(nodes, spares, together)
    down = {
        node
        for fault in together
        if fault.f not in serving and fault.f != PARTITION
        for node in targets_of(fault)
        if node in nodes
    }
    alone = complete([*([node] for node in sorted(down)), frozenset(nodes) - down])
    silence = union([*(_silence(fault) for fault in together), alone])
    return frozenset(secluded(silence, nodes)) | down


def _silence(fault: Fault) -> Grudge:
    """Whom a fault keeps from hearing whom: a partition, and links that hold every message."""
    if fault.f == PARTITION:
        return from_json(fault.input["grudge"])
    if fault.f == LINK and fault.input.get("quality", {}).get("hold"):
        held = fault.input.get("links", ())
        return union({receiver: frozenset({sender})} for sender, receiver in held)
    return {}


@dataclass(frozen=True, slots=True)
class Within:
    """A course that never leaves more nodes disturbed than its limit: a word or a number."""

    course: Course
    limit: str
    serving: frozenset[str] = SERVING

    def plan(self, turn: int) -> str | None:
        """Whose turn it is in the course, if that has a name."""
        return self.course.plan(turn) if isinstance(self.course, InTurn) else None

    def steps(
        self, ctx: Context, open_faults: tuple[Fault, ...], timing: Timing, turn: int
    ) -> tuple[Step, ...]:
        """The same steps, each of which waits for room; none if all together find none now."""
        most = limit_of(self.limit, members(ctx.nodes, ctx.spares))
        steps = self.course.steps(ctx, open_faults, timing, turn)
        # One that is stuck half way would wait for ever with its first faults open.
        if sum(step.inject is not None for step in steps) > 1:
            worst = _worst(steps, ctx, open_faults, self.serving)
            if worst is None or worst > most:
                return ()
        return tuple(
            step
            if step.inject is None
            else replace(step, inject=Limited(step.inject, most, self.serving))
            for step in steps
        )


@dataclass(frozen=True, slots=True)
class Limited:
    """A draw that never leaves more nodes disturbed than so many."""

    draw: Draw
    most: int
    serving: frozenset[str] = SERVING

    def __call__(self, ctx: Context, open_faults: tuple[Fault, ...]) -> Invocation | None:
        """What it draws, unless that with what is open would be too much."""
        drawn = self.draw(ctx, open_faults)
        if drawn is None:
            return None
        before = disturbed(open_faults, ctx.nodes, self.serving, ctx.spares)
        wanted = Fault(0, drawn.f, drawn.input)
        after = disturbed((*open_faults, wanted), ctx.nodes, self.serving, ctx.spares)
        # What disturbs nobody needs no room, whatever else is open.
        return drawn if len(after) <= max(self.most, len(before)) else None


def limit_of(limit: str, nodes: tuple[str, ...]) -> int:
    """How many of these nodes a limit is: a number, or a word for a target."""
    return int(limit) if limit.isdigit() else Target(limit).sizes(nodes)[1]


def never_fitting(
    plan: FaultPlan,
    nodes: tuple[str, ...],
    zones: tuple[tuple[str, ...], ...],
    spares: tuple[str, ...] = (),
) -> list[str]:
    """The schedules of a plan that find no room within their limit, though nothing else is open.

    In sentences. They would wait for ever, and the run would say nothing about their faults.
    """
    found: list[str] = []
    trials = Trials(nodes, zones, spares)
    for schedule in plan.schedules:
        if isinstance(schedule, Script):
            found += _stuck(schedule, trials)
        if not isinstance(schedule, Alternate) or not isinstance(schedule.draw, Within):
            continue
        within, limit = schedule.draw, schedule.draw.limit
        most = limit_of(limit, members(nodes, spares))
        turns = len(within.course.courses) if isinstance(within.course, InTurn) else 1
        for turn in range(turns):
            fewest = _fewest(within, schedule.timing, turn, trials)
            if fewest is not None and fewest > most:
                which = f"turn {turn + 1} of `{schedule.stream}`" if turn else schedule.stream
                found.append(
                    f"{which} leaves {fewest} nodes at least down or without a majority, "
                    f"and at-most={limit} is {most}"
                )
    return found


def _stuck(script: Script, trials: Trials) -> list[str]:
    """The line at which a script would wait for ever, as its own faults leave no room for it."""
    furthest: Line | None = None
    for trial in range(SCRIPT_TRIALS):
        ctx = trials.context(trial)
        still_open: tuple[Fault, ...] = ()
        for line, draw in script.lines:
            if line.f == HEAL:
                still_open = _healed(still_open, line.variant)
            if draw is None:
                continue
            chance = ctx.rng.stream(f"script/{line.number}")
            drawn = draw(msgspec.structs.replace(ctx, rng=chance), still_open)
            if drawn is None:
                if furthest is None or line.number > furthest.number:
                    furthest = line
                break
            still_open += (Fault(line.number, drawn.f, drawn.input),)
        else:
            return []
    if furthest is None:
        return []
    why = (
        "finds nothing that it may strike while what the lines before it began is open (kills, "
        "pauses and disk faults together take a minority at most); heal before it, or strike all "
        'of its nodes by one line, as target="n1+n2+n3"'
    )
    return [f"{furthest.said} {why}"]


def _healed(still_open: tuple[Fault, ...], f: str | None) -> tuple[Fault, ...]:
    """What a line `heal` leaves open: nothing, or all but the newest of that name."""
    newest = [fault for fault in still_open if fault.f == f][-1:]
    return () if f is None else tuple(fault for fault in still_open if fault not in newest)


@dataclass(frozen=True, slots=True)
class Trials:
    """Contexts to try schedules in."""

    nodes: tuple[str, ...]
    zones: tuple[tuple[str, ...], ...]
    spares: tuple[str, ...]

    def context(self, number: int) -> Context:
        """One with a chance of its own, in which each node leads once in so many."""
        leads: dict[str, tuple[str, ...]] = {LEADER: (self.nodes[number % len(self.nodes)],)}
        rng, threads = Rng(f"limits/{number}"), (NEMESIS,)
        carried: dict[int | str, int | str] = {NEMESIS: NEMESIS}
        return Context(0, threads, carried, self.nodes, rng, self.zones, leads, self.spares)


def _fewest(
    within: Within,
    timing: Timing,
    turn: int,
    trials: Trials,
) -> int | None:
    """The fewest nodes that a turn disturbs at its worst moment, as drawn many times.

    None if it never drew anything. It ends with the first time that is few enough.
    """
    fewest: int | None = None
    for trial in range(TRIALS):
        ctx = trials.context(trial)
        steps = within.course.steps(ctx, (), timing, turn)
        worst = _worst(steps, ctx, (), within.serving) if steps else None
        if worst is not None:
            fewest = worst if fewest is None else min(fewest, worst)
            if fewest <= limit_of(within.limit, members(ctx.nodes, ctx.spares)):
                break
    return fewest


def _worst(
    steps: tuple[Step, ...], ctx: Context, others: tuple[Fault, ...], serving: frozenset[str]
) -> int | None:
    """The most nodes that are disturbed while these steps are taken; None if one draws nothing."""
    worst = 0
    own: dict[int, Fault] = {}
    for place, step in enumerate(steps):
        if step.inject is None:
            own.pop(step.heal, None)
            continue
        chance: Any = ctx.rng.stream(f"worst/{place}")
        still_open = (*others, *own.values())
        drawn = step.inject(msgspec.structs.replace(ctx, rng=chance), still_open)
        if drawn is None:
            return None
        wanted = Fault(-place - 1, drawn.f, drawn.input)
        own[sum(s.inject is not None for s in steps[:place])] = wanted
        worst = max(worst, len(disturbed((*still_open, wanted), ctx.nodes, serving, ctx.spares)))
    return worst
