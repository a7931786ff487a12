"""Families whose variants differ in the course that a turn takes, and not in the fault.

Processes that are killed or asked to end: for a while, briefly, one after the other, in a loop.
Zones that are lost, cut off or slow. Links that flap, and nodes that are cut off one by one.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from nemesis.courses import (
    MS,
    SECOND,
    Course,
    Draw,
    Fixed,
    Once,
    Repeated,
    Rolling,
    Strike,
    Swizzle,
)
from nemesis.draws import Called, CutAround, CutZones, Shape
from nemesis.grudges import ANY, split
from nemesis.kill import KILL, Kill
from nemesis.link import LinkFault
from nemesis.links import LINK
from nemesis.making import named, none, plan_of
from nemesis.partition import PARTITION, Partition
from nemesis.stop import STOP, Stop
from nemesis.targets import NONE, SOME, Target

if TYPE_CHECKING:
    from nemesis.plan import FaultPlan, Nemesis
    from nemesis.schedule import Timing

ENDINGS: Final[dict[str, str]] = {
    ANY: "it starts again when the fault is over",
    "brief": "it starts again within 0.3 s",
    "rolling": "one node after the other, each back before the next",
    "crash-loop": "the same nodes again and again, just after they have started",
}
"""What may become of a process that was ended."""
ZONES: Final[dict[str, str]] = {
    "lost": "every node of it is killed",
    "cut": "it and the rest hear nothing of one another",
    "slow": "messages from and to its nodes take 100 to 200 ms longer",
}
CUTS: Final[dict[str, str]] = {
    "zones": "each zone hears itself alone",
    "flapping": "a shape that is cut and mended several times a second",
    "swizzle": "nodes are cut off one by one, and come back in another order",
}
"""Partitions that are no single shape."""

BRIEFLY: Final = (0, 300 * MS)
FLAPPING: Final = (100 * MS, 400 * MS)
LOOPING: Final = (50 * MS, 300 * MS)
LIVING: Final = (200 * MS, SECOND)
TIMES: Final = (3, 6)
SLOW: Final[dict[str, Any]] = {"delay_ns": 100 * MS, "jitter_ns": 100 * MS}


def kill(target: str = SOME, variant: str = ANY, *, timing: Timing | None = None) -> FaultPlan:
    """Kills by SIGKILL, and starts again."""
    return _ending(KILL, Kill(), variant, target, timing)


def stop(target: str = SOME, variant: str = ANY, *, timing: Timing | None = None) -> FaultPlan:
    """Asks processes to end by SIGTERM, and starts them again."""
    return _ending(STOP, Stop(), variant, target, timing)


def zone(variant: str = "lost", target: str = "zone", *, timing: Timing | None = None) -> FaultPlan:
    """A whole zone that is lost, cut off or slow."""
    to = Target(target)
    nemesis: Nemesis
    if variant == "lost":
        draw: Draw = Strike(KILL, to, Fixed({"variant": variant}))
        nemesis = Kill()
    elif variant == "cut":
        draw, nemesis = CutAround(split, to, variant), Partition()
    else:
        draw, nemesis = Strike(LINK, to, Shape(variant, SLOW)), LinkFault()
    plan = plan_of(named("zone", variant, target, "zone"), nemesis, draw, timing, to)
    return replace(plan, qualities=frozenset(SLOW)) if LINK in nemesis.faults else plan


def cutting(variant: str, target: str | None, timing: Timing | None, shape: Draw) -> FaultPlan:
    """The partitions of `CUTS`; `shape` is what flaps."""
    name = named(PARTITION, variant, target or SOME)
    to = Target(target or SOME)
    if to.text == NONE:
        return none()
    course: Course
    if variant == "zones":
        if target is not None:
            raise ValueError("`partition:zones` takes no target; `zone:cut` has one")
        course = Once(CutZones())
    elif variant == "flapping":
        shape = Called(variant, shape)
        course = Repeated(draw=shape, fault_ns=FLAPPING, quiet_ns=FLAPPING, times=TIMES)
    else:
        course = Swizzle(to)
    return plan_of(name, Partition(), course, timing, to)


def _ending(
    f: str, nemesis: Nemesis, variant: str, target: str, timing: Timing | None
) -> FaultPlan:
    to = Target(target)
    if to.text == NONE:
        return none()
    fields = {} if variant == ANY else {"variant": variant}
    strike = Strike(f, to, Fixed(fields))
    courses: dict[str, Draw | Course] = {
        ANY: strike,
        "brief": Once(strike, BRIEFLY),
        "rolling": Rolling(f, to, fields),
        "crash-loop": Repeated(draw=strike, fault_ns=LOOPING, quiet_ns=LIVING, times=TIMES),
    }
    return plan_of(named(f, variant, target), nemesis, courses[variant], timing, to)
