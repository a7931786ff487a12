"""What the families of faults draw when they strike: grudges, offsets, qualities of links."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Final, Protocol

from nemesis.grudges import MakeGrudge, MakeSided, complete, draw_variant, secluded, to_json
from nemesis.links import links_at, links_from, links_to
from nemesis.partition import PARTITION
from nemesis.schedule import MS, SECOND
from workloads.invocations import Invocation

if TYPE_CHECKING:
    from collections.abc import Mapping

    from nemesis.courses import Draw
    from nemesis.plan import Fault
    from nemesis.targets import Target
    from systems_under_test.environments.cluster import Link
    from workloads.generators.protocol import Context


class ChooseLinks(Protocol):
    """Which links of its targets a fault strikes."""

    def __call__(self, ctx: Context, targets: tuple[str, ...]) -> list[Link]:
        """These."""
        ...


JUMPS_NS: Final = (250 * MS, SECOND, 10 * SECOND, 60 * SECOND)
"""How far wall clocks jump, either way: from what NTP steps to what operators do."""
DRIFTS_PPM: Final = (1_000, 10_000, 100_000, 200_000)
"""How much too fast or slow clocks run: from a bad quartz to a virtual machine in trouble."""
SLOW_PPM: Final = (200_000,)
"""How much too slow clocks run whose nodes are to outlive their leases."""


@dataclass(frozen=True, slots=True)
class Cut:
    """Draws a partition by a grudge of the nodes, in which no target stands out beforehand.

    Spares are nodes as well: some systems take them in by themselves, as a group of Paxos does its
    log replicas, and a bug of one of these shows only where it is cut off.
    """

    make: MakeGrudge
    variant: str | None = None

    def __call__(self, ctx: Context, open_faults: tuple[Fault, ...]) -> Invocation | None:
        """A partition; None if its grudge is empty, as a ring of two nodes is."""
        grudge = self.make(ctx.nodes, ctx.rng)
        if not grudge:
            return None
        fields = {"grudge": to_json(grudge), "targets": list(secluded(grudge, ctx.nodes))}
        return Invocation(PARTITION, _with_variant(self.variant, fields))


@dataclass(frozen=True, slots=True)
class CutAny:
    """Draws a partition of a shape that it draws too."""

    def __call__(self, ctx: Context, open_faults: tuple[Fault, ...]) -> Invocation | None:
        """A partition; None if there are too few nodes for any."""
        variant = draw_variant(ctx.nodes, ctx.rng)
        return None if variant is None else Cut(variant.make, variant.name)(ctx, open_faults)


@dataclass(frozen=True, slots=True)
class CutZones:
    """Draws a partition in which each zone hears itself alone."""

    def __call__(self, ctx: Context, open_faults: tuple[Fault, ...]) -> Invocation | None:
        """A partition; None where all nodes are in one zone."""
        grudge = complete(ctx.zones)
        if not grudge:
            return None
        fields = {"grudge": to_json(grudge), "targets": list(secluded(grudge, ctx.nodes))}
        return Invocation(PARTITION, _with_variant("zones", fields))


@dataclass(frozen=True, slots=True)
class CutAround:
    """Draws a partition between targets that were asked for and the rest."""

    make: MakeSided
    target: Target
    variant: str | None = None

    def __call__(self, ctx: Context, open_faults: tuple[Fault, ...]) -> Invocation | None:
        """A partition; None if there is nobody on one of the sides."""
        side = self.target.chosen(ctx, open_faults)
        grudge = self.make(ctx.nodes, side)
        if not grudge:
            return None
        fields = {"grudge": to_json(grudge), "targets": list(side)}
        return Invocation(PARTITION, _with_variant(self.variant, fields))


def both_ways(ctx: Context, targets: tuple[str, ...]) -> list[Link]:
    """Everything from and to the targets."""
    return links_at(ctx.nodes, targets)


def outwards(ctx: Context, targets: tuple[str, ...]) -> list[Link]:
    """What the targets send."""
    return links_from(ctx.nodes, targets)


def inwards(ctx: Context, targets: tuple[str, ...]) -> list[Link]:
    """What is sent to the targets."""
    return links_to(ctx.nodes, targets)


def with_one_peer(ctx: Context, targets: tuple[str, ...]) -> list[Link]:
    """What each target and one other node, drawn for it, send one another."""
    links: list[Link] = []
    for target in targets:
        others = tuple(node for node in ctx.nodes if node != target)
        if others:
            peer = ctx.rng.choice(others)
            links += [(target, peer), (peer, target)]
    return sorted(set(links))


@dataclass(frozen=True, slots=True)
class Shape:
    """Links of the targets, by default all from and to them, and their quality."""

    variant: str
    quality: Mapping[str, Any]
    links: ChooseLinks = both_ways

    def __call__(self, ctx: Context, targets: tuple[str, ...]) -> Mapping[str, Any]:
        """The links of these targets."""
        links = [list(link) for link in self.links(ctx, targets)]
        return {"variant": self.variant, "quality": dict(self.quality), "links": links}


@dataclass(frozen=True, slots=True)
class Skew:
    """One of several amounts, forward or back, in the field of a clock fault."""

    variant: str
    name: str
    amounts: tuple[int, ...] = field(default=JUMPS_NS)
    signs: tuple[int, ...] = (1, -1)

    def __call__(self, ctx: Context, targets: tuple[str, ...]) -> Mapping[str, Any]:
        """An amount for all targets together."""
        amount = ctx.rng.choice(self.amounts) * ctx.rng.choice(self.signs)
        return {"variant": self.variant, self.name: amount}


@dataclass(frozen=True, slots=True)
class Called:
    """A draw whose injections are recorded under another variant; their own is the `shape`."""

    variant: str
    draw: Draw

    def __call__(self, ctx: Context, open_faults: tuple[Fault, ...]) -> Invocation | None:
        """What it draws."""
        drawn = self.draw(ctx, open_faults)
        if drawn is None:
            return None
        fields = dict(drawn.input)
        shape = fields.pop("variant", None)
        fields = {"variant": self.variant, **fields}
        return replace(drawn, input=fields if shape is None else {**fields, "shape": shape})


def _with_variant(variant: str | None, fields: dict[str, Any]) -> dict[str, Any]:
    return fields if variant is None else {"variant": variant, **fields}
