"""The families of faults as plans: `partition("bridge") + kill("minority")`.

Each function gives a nemesis with a schedule that is quiet, injects, heals, and is quiet again.
`nemesis.plans` reads the same by name. Who breaks things in another way writes a nemesis of their
own, see `docs/nemesis.md`.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import reduce
from typing import TYPE_CHECKING, Any, Final

from nemesis.clock import CLOCK, Clock
from nemesis.damage import DAMAGE, WIPE, Damage, Wipe
from nemesis.disk import DISK, DiskFault
from nemesis.draws import (
    DRIFTS_PPM,
    JUMPS_NS,
    SLOW_PPM,
    Cut,
    CutAny,
    CutAround,
    Shape,
    Skew,
    inwards,
    outwards,
    with_one_peer,
)
from nemesis.grudges import ANY, VARIANTS, MakeGrudge, grudge_of, split
from nemesis.link import LinkFault
from nemesis.links import LINK
from nemesis.making import named, none, plan_of, striking
from nemesis.membership import MEMBERSHIP, Membership, drawn
from nemesis.partition import PARTITION, Partition
from nemesis.pause import Pause
from nemesis.plan import FaultPlan, Nemesis, Union
from nemesis.power import POWER, Power
from nemesis.processes import PAUSE
from nemesis.resources import CPU, MEMORY, CpuShare, OutOfMemory
from nemesis.schedule import MS, SECOND, Detail, Draw, Fixed, OneOf, Strike, Timing
from nemesis.targets import NONE, SOME, Target
from nemesis.turns import CUTS, cutting, kill, stop, zone

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from systems_under_test.environments.cluster import Grudge
    from workloads.generators.protocol import Rng

SLOW: Final = {"delay_ns": 100 * MS, "jitter_ns": 100 * MS}
LINKS: Final[dict[str, tuple[str, Shape]]] = {
    "slow": ("messages from and to the targets take 100 to 200 ms longer", Shape("slow", SLOW)),
    "lossy": ("30 % of them are lost", Shape("lossy", {"loss_ppm": 300_000})),
    "duplicate": ("30 % of them arrive twice", Shape("duplicate", {"duplicate_ppm": 300_000})),
    "reorder": ("30 % are overtaken by later ones", Shape("reorder", {"reorder_ppm": 300_000})),
    "hold": ("none passes until the fault is healed; then all do", Shape("hold", {"hold": True})),
    "rate": (
        "each link carries 4,000 bytes a second; only where it is asked for",
        Shape("rate", {"rate_bytes_s": 4_000}),
    ),
    "slow-out": (
        "what the targets send is slow; only where it is asked for",
        Shape("slow-out", SLOW, outwards),
    ),
    "slow-in": (
        "what is sent to the targets is slow; only where it is asked for",
        Shape("slow-in", SLOW, inwards),
    ),
    "slow-peer": (
        "each target and one other node are slow to one another; only where it is asked for",
        Shape("slow-peer", SLOW, with_one_peer),
    ),
}
LINKS_DRAWN: Final = ("slow", "lossy", "duplicate", "reorder", "hold")
"""Those drawn where no variant is named."""
DISKS: Final[dict[str, tuple[str, dict[str, Any]]]] = {
    "full": ("no space is left for any write", {"full": True}),
    "slow": ("every commit takes 200 ms longer", {"slow_ns": 200 * MS}),
    "errors": ("20 % of the commits fail with an I/O error", {"errors_ppm": 200_000}),
    "read-errors": (
        "half of the reads do; only where it is asked for",
        {"read_errors_ppm": 500_000},
    ),
}
DISKS_DRAWN: Final = ("full", "slow", "errors")
"""Those drawn where no variant is named."""
DAMAGES: Final[dict[str, str]] = {
    "torn": "the node is killed, and the end of its last record is missing",
    "flip": "the node is killed, and a bit of one of its records is flipped",
    "truncate": "the node is killed, and the second half of one of its files is gone",
    "lost": "the node is killed, and everything that it had stored is lost",
}
RESOURCES: Final[dict[str, tuple[str, Nemesis, Detail]]] = {
    CPU: (
        "nodes are given a fiftieth of a processor",
        CpuShare(),
        Fixed({"variant": CPU, "percent": 2}),
    ),
    MEMORY: (
        "nodes run out of memory, and the kernel kills them",
        OutOfMemory(),
        Fixed({"variant": MEMORY}),
    ),
}
CLOCKS: Final[dict[str, tuple[str, Skew]]] = {
    "jump": ("wall clocks jump by 0.25 to 60 s", Skew("jump", "wall_offset_ns", JUMPS_NS)),
    "drift": ("clocks run up to 20 % too fast or slow", Skew("drift", "rate_ppm", DRIFTS_PPM)),
    "slow": (
        "clocks run 20 % too slow; only where it is asked for",
        Skew("slow", "rate_ppm", SLOW_PPM, (-1,)),
    ),
    "strobe": (
        "wall clocks jump to and fro, several times a second; only where it is asked for",
        Skew("strobe", "wall_offset_ns", JUMPS_NS),
    ),
}
STROBE: Final = Timing(fault_ns=(50 * MS, 250 * MS), quiet_ns=(50 * MS, 250 * MS))
"""How fast a strobing clock jumps to and fro, unless another timing is given."""
DRIFTING: Final = (ANY, "drift", "slow")
CLOCKS_DRAWN: Final = ("jump", "drift")
"""Those drawn where no variant is named."""


@dataclass(frozen=True, slots=True)
class Always:
    """The same grudge each time."""

    grudge: Grudge

    def __call__(self, nodes: tuple[str, ...], rng: Rng) -> Grudge:
        """That grudge."""
        return self.grudge


@dataclass(frozen=True, slots=True)
class AtLeast:
    """A check that there are nodes enough for a shape."""

    nodes_min: int

    def problems(self, nodes: tuple[str, ...]) -> list[str]:
        """That there are not, if so."""
        if len(nodes) >= self.nodes_min:
            return []
        return [f"it needs at least {self.nodes_min} nodes, and there are {len(nodes)}"]


def partition(
    variant: str | Mapping[str, Iterable[str]] | MakeGrudge = ANY,
    target: str | None = None,
    *,
    timing: Timing | None = None,
) -> FaultPlan:
    """Partitions of a shape by name, of a grudge (receiver -> senders), or of a function.

    A target makes the shape around those nodes. Raises ValueError where the shape has no sides.
    """
    if not isinstance(variant, str):
        make = variant if callable(variant) else Always(grudge_of(variant))
        return plan_of(PARTITION, Partition(), Cut(make), timing)
    if variant in CUTS:
        flapping = CutAny() if target is None else CutAround(split, Target(target))
        return cutting(variant, target, timing, flapping)
    shape = VARIANTS[variant]
    said = None if variant == ANY else variant
    name = PARTITION if said is None else f"{PARTITION}:{said}"
    enough = AtLeast(shape.nodes_min)
    if target is None:
        draw: Draw = CutAny() if said is None else Cut(shape.make, said)
        return plan_of(name, Partition(), draw, timing, enough)
    if shape.sided is None:
        raise ValueError(f"`partition:{variant}` has no sides and takes no target")
    to = Target(target)
    if to.text == NONE:
        return none()
    around = CutAround(shape.sided, to, said)
    return plan_of(f"{name}@{target}", Partition(), around, timing, enough, to)


def pause(target: str = SOME, *, timing: Timing | None = None) -> FaultPlan:
    """Pauses by SIGSTOP, and lets go on."""
    return striking(PAUSE, Pause(), {ANY: Fixed()}, ANY, target, timing)


def power(target: str = SOME, *, timing: Timing | None = None) -> FaultPlan:
    """Power losses, and starts again on what was durable."""
    return striking(POWER, Power(), {ANY: Fixed()}, ANY, target, timing)


def clock(variant: str = ANY, target: str = SOME, *, timing: Timing | None = None) -> FaultPlan:
    """Clocks that jump or drift, and are set again."""
    names = CLOCKS_DRAWN if variant == ANY else (variant,)
    details = {name: CLOCKS[name][1] for name in names}
    if variant == "strobe":
        timing = timing or STROBE
    plan = striking(CLOCK, Clock(), details, variant, target, timing)
    return replace(plan, clock_drift_ppm=max(DRIFTS_PPM) if variant in DRIFTING else 0)


def link(variant: str = ANY, target: str = SOME, *, timing: Timing | None = None) -> FaultPlan:
    """Slow, lossy, doubling, reordering, holding or narrow links of the targets."""
    names = LINKS_DRAWN if variant == ANY else (variant,)
    details = {name: LINKS[name][1] for name in names}
    plan = striking(LINK, LinkFault(), details, variant, target, timing)
    fields = frozenset(field for name in names for field in LINKS[name][1].quality)
    return replace(plan, qualities=fields) if plan.nemesis.faults else plan


def disk(variant: str = ANY, target: str = SOME, *, timing: Timing | None = None) -> FaultPlan:
    """Full, slow or failing disks; the variants of `DAMAGES` damage what a killed node has stored.

    Without a variant one of `DISKS_DRAWN` is drawn each time: damage is never a surprise.
    """
    if variant in DAMAGES:
        details: dict[str, Detail] = {variant: Fixed({"variant": variant})}
        fault, nemesis = (WIPE, Wipe()) if variant == "lost" else (DAMAGE, Damage())
        plan = striking(fault, nemesis, details, variant, target, timing)
        spoils = frozenset(Target(target).names) or None
        return replace(plan, name=plan.name.replace(fault, DISK, 1), spoils=spoils)
    names = DISKS_DRAWN if variant == ANY else (variant,)
    details = {name: Fixed({"variant": name, "quality": DISKS[name][1]}) for name in names}
    plan = striking(DISK, DiskFault(), details, variant, target, timing)
    fields = frozenset(field for name in names for field in DISKS[name][1])
    return replace(plan, qualities=fields) if plan.nemesis.faults else plan


def membership(
    variant: str = ANY,
    target: str = SOME,
    *,
    spares: tuple[str, ...] = (),
    timing: Timing | None = None,
) -> FaultPlan:
    """Changes of the members, one node at a time; `spares` are the nodes that may join.

    Without a variant one is drawn each time of those that are possible.
    """
    draws = drawn(variant, target, spares)
    if not draws:
        return none()
    nemesis = Membership(tuple(draw.change for draw in draws))
    draw = draws[0] if len(draws) == 1 else OneOf(draws)
    return plan_of(named(MEMBERSHIP, variant, target), nemesis, draw, timing or CHANGING, *draws)


CHANGING: Final = Timing(fault_ns=(3 * SECOND, 5 * SECOND), quiet_ns=(3 * SECOND, 4 * SECOND))
"""A change of members takes a second or two, and its opposite too."""


def resources(variant: str = ANY, target: str = SOME, *, timing: Timing | None = None) -> FaultPlan:
    """Little of a processor, or no memory."""
    to = Target(target)
    if to.text == NONE:
        return none()
    names = tuple(RESOURCES) if variant == ANY else (variant,)
    strikes = tuple(Strike(name, to, RESOURCES[name][2]) for name in names)
    draw = strikes[0] if len(strikes) == 1 else OneOf(strikes)
    nemesis = reduce(lambda a, b: Union((a, b)), (RESOURCES[name][1] for name in names))
    return plan_of(named("resources", variant, target), nemesis, draw, timing, to)


__all__ = [
    "CLOCKS",
    "CLOCKS_DRAWN",
    "DAMAGES",
    "DISKS",
    "DISKS_DRAWN",
    "LINKS",
    "LINKS_DRAWN",
    "RESOURCES",
    "clock",
    "disk",
    "kill",
    "link",
    "membership",
    "none",
    "partition",
    "pause",
    "power",
    "resources",
    "stop",
    "zone",
]
