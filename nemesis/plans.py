"""Plans by name: what stands after `--nemesis`, and what `lineal list` shows of it.

`NAME[:VARIANT][@TARGET]`, composed by comma; or `package.module:attribute` for a plan of one's own.
"""

from __future__ import annotations

import importlib
from dataclasses import dataclass, replace
from functools import reduce
from operator import add
from typing import TYPE_CHECKING, Final

from nemesis import families
from nemesis.courses import InTurn, course_of
from nemesis.families import (
    CLOCKS,
    DAMAGES,
    DISKS,
    DISKS_DRAWN,
    LINKS,
    LINKS_DRAWN,
    RESOURCES,
)
from nemesis.grudges import ANY, VARIANTS
from nemesis.limits import Within, never_fitting, serving_of
from nemesis.members import members
from nemesis.membership import CHANGES, MEMBERSHIP
from nemesis.options import CYCLE, FaultOptions
from nemesis.plan import Check, FaultPlan
from nemesis.schedule import Alternate, Course, OneOf, Timing
from nemesis.script import Line, Script, drift_at_once, read_script
from nemesis.targets import WORDS, Target
from nemesis.turns import CUTS, ENDINGS, ZONES
from nemesis.zones import thirds
from systems_under_test.environments.cluster import CAPABILITIES
from workloads.generators.choosing import first_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from nemesis.schedule import Draw

ALL: Final = "all"
NO_FAULTS: Final = "none"
SCRIPT: Final = "script"
DEFAULT: Final = FaultOptions()
_DRAWN: Final = "one of the others, drawn each time"


class InvalidPlan(ValueError):
    """A nemesis argument that names no plan. `problems` holds everything that is wrong with it.

    As a text it is one line for each problem.
    """

    def __init__(self, problems: Iterable[str]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(self.problems))


@dataclass(frozen=True, slots=True)
class Named:
    """A name that a plan can have. `variants` maps each to a sentence; the first is the default."""

    name: str
    sentence: str
    needs: frozenset[str]
    variants: Mapping[str, str]


def _named(name: str, sentence: str, variants: Mapping[str, str] | None = None) -> Named:
    needs: Mapping[str, Iterable[str]] = {
        NO_FAULTS: [],
        ALL: [],
        MEMBERSHIP: ["kill"],
        "resources": RESOURCES,
    }
    return Named(name, sentence, frozenset(needs.get(name, [name])), variants or {})


NEMESES: Final[dict[str, Named]] = {
    named.name: named
    for named in (
        _named(NO_FAULTS, "no faults"),
        _named(
            "partition",
            "cuts links between nodes",
            {**{name: variant.sentence for name, variant in VARIANTS.items()}, **CUTS},
        ),
        _named("kill", "kills nodes by SIGKILL and starts them again", ENDINGS),
        _named("stop", "asks nodes to end by SIGTERM and starts them again", ENDINGS),
        _named("pause", "pauses nodes by SIGSTOP and lets them go on"),
        _named("power", "takes the power from nodes: what was not durable is lost"),
        _named(
            "clock",
            "moves the clocks of nodes",
            {ANY: _DRAWN, **{name: sentence for name, (sentence, _) in CLOCKS.items()}},
        ),
        _named(
            "link",
            "spoils the links from and to nodes",
            {
                ANY: f"{_DRAWN}: {', '.join(LINKS_DRAWN)}",
                **{name: sentence for name, (sentence, _) in LINKS.items()},
            },
        ),
        _named(
            "disk",
            "spoils the disks of nodes",
            {
                ANY: f"{_DRAWN}: {', '.join(DISKS_DRAWN)}",
                **{name: sentence for name, (sentence, _) in DISKS.items()},
                **DAMAGES,
            },
        ),
        _named(
            MEMBERSHIP,
            "changes the members of a system that offers it",
            {ANY: _DRAWN, **CHANGES},
        ),
        Named("zone", "strikes a whole zone", frozenset({"kill"}), ZONES),
        _named(
            "resources",
            "withholds processor or memory from nodes",
            {ANY: _DRAWN, **{name: about[0] for name, about in RESOURCES.items()}},
        ),
        _named(
            ALL,
            "two faults at once of whatever the environment carries, except damage and membership",
        ),
    )
}
"""What `lineal list` shows; the targets that may follow `@` are `nemesis.targets.WORDS`."""


def parse(
    text: str,
    *,
    capabilities: frozenset[str] | None = None,
    timing: Timing | None = None,
    spares: tuple[str, ...] = (),
    options: FaultOptions = DEFAULT,
) -> FaultPlan:
    """The plan that a nemesis argument names.

    `timing` is that of all, where it is given. Otherwise each has the options' ranges, and where
    these do not name one, a family keeps its own, as quick as `clock:strobe` is. `capabilities` are
    those of the environment; only `all` asks for them (None: everything). `spares` are the nodes
    that are no members at first; only `membership` asks for them.
    Raises InvalidPlan with everything that is wrong with the text. Whether an environment carries
    the plan is another question, see `missing_capabilities`.
    """
    plans: list[FaultPlan] = []
    problems: list[str] = []
    for item in text.split(","):
        try:
            plan = _parse_one(item.strip(), capabilities, timing, spares)
            plans.append(plan if timing else _paced(plan, options))
        except InvalidPlan as invalid:
            problems.extend(invalid.problems)
    if problems:
        raise InvalidPlan(problems)
    try:
        return within(options, reduce(add, plans))
    except ValueError as clash:
        raise InvalidPlan([str(clash)]) from clash


def _paced(plan: FaultPlan, options: FaultOptions) -> FaultPlan:
    """The plan with the ranges that the options name, if it is made of families."""
    if plan.name.partition("@")[0].partition(":")[0] not in NEMESES:
        return plan
    schedules = [
        replace(s, timing=options.over(s.timing)) if isinstance(s, Alternate) else s
        for s in plan.schedules
    ]
    return replace(plan, schedule=first_of(*schedules) if len(schedules) > 1 else schedules[0])


def within(options: FaultOptions, plan: FaultPlan) -> FaultPlan:
    """The plan in the order and within the limits of these options.

    Raises ValueError where a schedule of somebody's own knows no order or limit.
    """
    if options.order != CYCLE and not options.at_most and options.budget is None:
        return plan
    schedules = [s for s in plan.schedules if isinstance(s, Alternate)]
    if len(schedules) < len(plan.schedules) and plan.nemesis.faults:
        raise ValueError(
            f"`{plan.name}` has a schedule of its own: order, at-most and budget are "
            "for those that are made of families and `alternate`"
        )
    if options.order == CYCLE and schedules:
        turns = InTurn(
            tuple(course_of(s.draw) for s in schedules), tuple(s.stream for s in schedules)
        )
        looks = any(s.looks for s in schedules)
        timings = tuple(s.timing for s in schedules)
        schedules = [Alternate(turns, timings[0], CYCLE, looks=looks, timings=timings)]
    if options.at_most:
        serving = serving_of(plan.nemesis)
        schedules = [
            replace(s, draw=Within(course_of(s.draw), options.at_most, serving)) for s in schedules
        ]
    if options.budget is not None:
        schedules = [replace(s, left=(options.budget,) * (len(s.timings) or 1)) for s in schedules]
    return replace(plan, schedule=first_of(*schedules))


def _is_of_members(check: Check) -> bool:
    """Whether it is a word, which counts members, and does not look for names."""
    return isinstance(check, Target) and not check.names


def missing_capabilities(
    plan: FaultPlan,
    environment: str,
    capabilities: frozenset[str],
    nodes: tuple[str, ...] | None = None,
    zones: tuple[tuple[str, ...], ...] | None = None,
    spares: tuple[str, ...] = (),
) -> list[str]:
    """Why an environment of these capabilities cannot carry a plan, in sentences.

    Given the nodes, also why the plan cannot be carried out on them; their zones are thirds unless
    they are given too. Ask before a run.
    """
    found = [
        f"the nemesis `{plan.name}` needs `{need}` ({CAPABILITIES.get(need, 'unknown here')}), "
        f"which the environment `{environment}` does not carry"
        for need in sorted(plan.nemesis.needs - capabilities)
    ]
    if nodes is not None:
        inside = members(nodes, spares)
        unfit = [
            problem
            for check in plan.checks
            for problem in check.problems(inside if _is_of_members(check) else nodes)
        ]
        # A target that does not exist fits nowhere, and that is said already.
        unfit = unfit or never_fitting(
            plan, nodes, thirds(nodes) if zones is None else zones, spares
        )
        found += [f"the nemesis `{plan.name}`: {problem}" for problem in unfit]
    return found


def everything(capabilities: frozenset[str] | None, timing: Timing | None = None) -> FaultPlan:
    """Two independent streams of faults, of the network and of nodes, each drawn each time."""
    network = ("partition", "link")
    nodes = ("kill", "stop", "pause", "power", "clock", "disk")
    streams: list[FaultPlan] = []
    for names in (network, nodes):
        able = [name for name in names if capabilities is None or name in capabilities]
        plans = [_family_plan(name, None, None, timing) for name in able]
        if plans:
            draws = OneOf(tuple(_draw(plan) for plan in plans))
            schedule = Alternate(draws, timing or Timing(), f"{ALL}/{names[0]}")
            together = reduce(add, plans)
            drift = together.drift_ppm
            streams.append(
                FaultPlan(
                    ALL,
                    together.nemesis,
                    schedule,
                    clock_drift_ppm=drift,
                    qualities=together.qualities,
                )
            )
    if not streams:
        return families.none()
    both = reduce(add, streams)
    return replace(both, name=ALL, clock_drift_ppm=both.drift_ppm, checks=())


def _draw(plan: FaultPlan) -> Draw:
    assert isinstance(plan.schedule, Alternate), "every family alternates"
    assert not isinstance(plan.schedule.draw, Course), "and draws, where no variant is named"
    return plan.schedule.draw


def _parse_one(
    item: str,
    capabilities: frozenset[str] | None,
    timing: Timing | None,
    spares: tuple[str, ...],
) -> FaultPlan:
    before, at, target = item.partition("@")
    name, colon, variant = before.partition(":")
    if name == SCRIPT and colon:
        return scripted(variant + at + target, spares)
    if name not in NEMESES:
        if colon and not at:
            return _imported(name, variant)
        raise InvalidPlan([f"{_said(item)} is no nemesis; {_valid()}"])
    family = NEMESES[name]
    problems: list[str] = []
    if colon and variant not in family.variants:
        those = f"variants are {', '.join(family.variants)}" if family.variants else "it has none"
        problems.append(f"`{variant}` is no variant of `{name}`; {those}")
    if at and name in (ALL, NO_FAULTS):
        problems.append(f"`{name}` takes no target")
    elif at and not all(target.split("+")):
        problems.append(f"`{item}` names no target; say node names as n1+n3, or {', '.join(WORDS)}")
    if problems:
        raise InvalidPlan(problems)
    if name == ALL:
        return everything(capabilities, timing)
    try:
        return _family_plan(name, variant or None, target or None, timing, spares)
    except ValueError as refused:
        raise InvalidPlan([str(refused)]) from refused


def _family_plan(
    name: str,
    variant: str | None,
    target: str | None,
    timing: Timing | None,
    spares: tuple[str, ...] = (),
) -> FaultPlan:
    if name == NO_FAULTS:
        return families.none()
    make = getattr(families, name)
    arguments: dict[str, object] = {"variant": variant, "target": target}
    if name == MEMBERSHIP:
        arguments["spares"] = spares
    given = {key: value for key, value in arguments.items() if value is not None}
    plan: FaultPlan = make(**given, timing=timing)
    return plan


def scripted(path: str, spares: tuple[str, ...] = ()) -> FaultPlan:
    """The plan that a file of the small language tells, line by line. Raises InvalidPlan."""
    try:
        lines = read_script(path)
    except (OSError, ValueError) as error:
        raise InvalidPlan([f"`{SCRIPT}:{path}`: {error}"]) from error
    parts = [(line, _line_plan(path, line, spares)) for line in lines]
    plans = [plan for _, plan in parts if plan is not None]
    together = reduce(add, plans) if plans else families.none()
    draws = tuple((line, None if plan is None else _draw(plan)) for line, plan in parts)
    return replace(
        together,
        name=f"{SCRIPT}:{path}",
        schedule=Script(draws),
        clock_drift_ppm=drift_at_once(parts),
    )


def _line_plan(path: str, line: Line, spares: tuple[str, ...]) -> FaultPlan | None:
    """The family's plan for a line that injects, None for one that waits or heals."""
    if line.f not in NEMESES or line.f in (ALL, NO_FAULTS):
        if line.waits_or_heals:
            return None
        raise InvalidPlan(
            [f"`{SCRIPT}:{path}`, line {line.number}: {line.f} is no fault; {_valid()}"]
        )
    try:
        if line.grudge is not None:
            return families.partition(line.grudge)
        plan = _parse_one(line.text, None, None, spares)
        if not isinstance(plan.schedule, Alternate) or isinstance(plan.schedule.draw, Course):
            raise ValueError(f"`{line.text}` is more than one fault: write them one by one")
    except ValueError as error:
        raise InvalidPlan([f"`{SCRIPT}:{path}`, line {line.number}: {error}"]) from error
    return plan


def _imported(module: str, attribute: str) -> FaultPlan:
    """A plan of somebody's own: a `FaultPlan`, or a function without arguments that makes one."""
    path = f"{module}:{attribute}"
    try:
        found = getattr(importlib.import_module(module), attribute)
    except ImportError as error:
        raise InvalidPlan([f"`{path}` is no nemesis ({error}); {_valid()}"]) from error
    except AttributeError as error:
        raise InvalidPlan([f"the module `{module}` has no `{attribute}`"]) from error
    try:
        plan = found() if callable(found) else found
    except Exception as error:
        raise InvalidPlan([f"`{path}` raised {type(error).__name__}: {error}"]) from error
    if not isinstance(plan, FaultPlan):
        raise InvalidPlan([f"`{path}` is a {type(plan).__name__}, and should be a FaultPlan"])
    return replace(plan, name=path)


def _said(item: str) -> str:
    return f"`{item}`" if item else "an empty name"


def _valid() -> str:
    return f"valid are {', '.join(NEMESES)}, or package.module:attribute"
