"""Grudge algebra: who ignores whom. Pure; the cluster that obeys a grudge is elsewhere.

A grudge maps a receiver to the senders whose messages do not reach it; a receiver that is absent
hears everybody. `VARIANTS` holds the shapes that have a name.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from systems_under_test.environments.cluster import Grudge
    from workloads.generators.protocol import Rng

Nodes = tuple[str, ...]


class MakeGrudge(Protocol):
    """Makes a grudge from the nodes, in order, and chance."""

    def __call__(self, nodes: Nodes, rng: Rng) -> Grudge:
        """A grudge among these nodes; an empty one where the shape needs more of them."""
        ...


class MakeSided(Protocol):
    """Makes a grudge between a side that somebody chose and the rest."""

    def __call__(self, nodes: Nodes, side: Iterable[str]) -> Grudge:
        """A grudge between this side and the other nodes."""
        ...


@dataclass(frozen=True, slots=True)
class Variant:
    """A shape of partition that has a name.

    `nodes_min` is the least cluster that can show it. `sided` makes the shape around targets that
    were asked for; None where no side stands out.
    """

    name: str
    sentence: str
    make: MakeGrudge
    nodes_min: int = 2
    sided: MakeSided | None = None


# --- the algebra -----------------------------------------------------------------------------


def grudge_of(mapping: Mapping[str, Iterable[str]]) -> Grudge:
    """Any map as a grudge: nobody ignores itself, and receivers who ignore nobody are left out."""
    ignored = {receiver: frozenset(mapping[receiver]) - {receiver} for receiver in sorted(mapping)}
    return {receiver: senders for receiver, senders in ignored.items() if senders}


def complete(components: Iterable[Iterable[str]]) -> Grudge:
    """Each component hears itself alone."""
    parts = [frozenset(component) for component in components]
    everyone = frozenset().union(*parts)
    return grudge_of({node: everyone - part for part in parts for node in part})


def one_way(senders: Iterable[str], receivers: Iterable[str]) -> Grudge:
    """Nothing from these senders reaches these receivers; the way back is open."""
    muted = frozenset(senders)
    return grudge_of(dict.fromkeys(receivers, muted))


def union(grudges: Iterable[Grudge]) -> Grudge:
    """Everything that any of the grudges ignores."""
    together: dict[str, frozenset[str]] = {}
    for grudge in grudges:
        for receiver, senders in grudge.items():
            together[receiver] = together.get(receiver, frozenset()) | senders
    return grudge_of(together)


def majority(nodes: Sequence[str]) -> int:
    """How many nodes are more than half of them."""
    return len(nodes) // 2 + 1


def hears(grudge: Grudge, node: str, nodes: Nodes) -> frozenset[str]:
    """The nodes whose messages reach this one, itself included."""
    return frozenset(nodes) - grudge.get(node, frozenset())


def secluded(grudge: Grudge, nodes: Nodes) -> Nodes:
    """The nodes that do not talk, there and back, with a majority: those a reader asks about."""

    def talks_with(node: str) -> int:
        heard = hears(grudge, node, nodes)
        return sum(1 for other in nodes if other in heard and node in hears(grudge, other, nodes))

    return tuple(node for node in nodes if talks_with(node) < majority(nodes))


def to_json(grudge: Grudge) -> dict[str, list[str]]:
    """The grudge as it stands in a history: receiver -> sorted senders."""
    return {receiver: sorted(grudge[receiver]) for receiver in sorted(grudge)}


# --- the shapes that have a name -------------------------------------------------------------


def split(nodes: Nodes, side: Iterable[str]) -> Grudge:
    """This side and the rest hear nothing of one another."""
    here = frozenset(side)
    return complete([here, frozenset(nodes) - here])


def mute(nodes: Nodes, side: Iterable[str]) -> Grudge:
    """Nothing from this side reaches the rest, and it hears them."""
    here = frozenset(side)
    return one_way(here, frozenset(nodes) - here)


def deaf(nodes: Nodes, side: Iterable[str]) -> Grudge:
    """Nothing from the rest reaches this side, and they hear it."""
    here = frozenset(side)
    return one_way(frozenset(nodes) - here, here)


def star(nodes: Nodes, side: Iterable[str]) -> Grudge:
    """Each node hears this side alone, which hears everybody."""
    middle = frozenset(side)
    return grudge_of(
        {node: frozenset(nodes) - middle - {node} for node in nodes if node not in middle}
    )


def star_around_one(nodes: Nodes, rng: Rng) -> Grudge:
    """Each node hears one of them alone, which hears everybody."""
    return star(nodes, [rng.choice(nodes)])


def halves(nodes: Nodes, rng: Rng) -> Grudge:
    """The first nodes, a minority if their number is odd, against the rest."""
    return split(nodes, nodes[: len(nodes) // 2])


def random_halves(nodes: Nodes, rng: Rng) -> Grudge:
    """The same with the nodes in another order."""
    return halves(tuple(rng.shuffled(nodes)), rng)


def one_node(nodes: Nodes, rng: Rng) -> Grudge:
    """One node against the rest."""
    return split(nodes, [rng.choice(nodes)])


def majorities_ring(nodes: Nodes, rng: Rng) -> Grudge:
    """Each node hears a majority, and no two hear the same one.

    On a ring of the nodes in random order, each hears a window of a majority around itself. With
    an even window that is asymmetric: of three nodes each can hear only its successor.
    """
    size = majority(nodes)
    if size >= len(nodes):  # With one or two nodes a majority is everybody.
        return {}
    ring = rng.shuffled(nodes)
    before = (size - 1) // 2

    def window(place: int) -> set[str]:
        return {ring[(place - before + step) % len(ring)] for step in range(size)}

    everyone = set(ring)
    return grudge_of({node: everyone - window(place) for place, node in enumerate(ring)})


def bridge(nodes: Nodes, rng: Rng) -> Grudge:
    """Two sides that hear nothing of one another, and one node that talks with both."""
    if len(nodes) < 3:
        return {}
    middle, *others = rng.shuffled(nodes)
    parts = complete([others[: len(others) // 2], others[len(others) // 2 :]])
    return grudge_of({node: senders - {middle} for node, senders in parts.items()})


def one_way_halves(nodes: Nodes, rng: Rng) -> Grudge:
    """Nothing from one random half reaches the other; the way back is open."""
    side = rng.shuffled(nodes)[: len(nodes) // 2]
    return rng.choice([mute, deaf])(nodes, side)


def mute_node(nodes: Nodes, rng: Rng) -> Grudge:
    """Nothing from one node reaches the rest, and it hears them."""
    return mute(nodes, [rng.choice(nodes)])


def deaf_node(nodes: Nodes, rng: Rng) -> Grudge:
    """Nothing from the rest reaches one node, and they hear it."""
    return deaf(nodes, [rng.choice(nodes)])


def any_variant(nodes: Nodes, rng: Rng) -> Grudge:
    """One of the other shapes, drawn each time among those that this many nodes can show."""
    variant = draw_variant(nodes, rng)
    return {} if variant is None else variant.make(nodes, rng)


def draw_variant(nodes: Nodes, rng: Rng) -> Variant | None:
    """One of the shapes that this many nodes can show; None if there is none."""
    able = [v for v in VARIANTS.values() if v.name != ANY and v.nodes_min <= len(nodes)]
    return rng.choice(able) if able else None


ANY: Final = "any"

VARIANTS: Final[dict[str, Variant]] = {
    variant.name: variant
    for variant in (
        Variant(ANY, "one of the other shapes, drawn each time", any_variant, sided=split),
        Variant("halves", "the first half against the rest", halves, sided=split),
        Variant("random-halves", "a random half against the rest", random_halves, sided=split),
        Variant("one-node", "one node against the rest", one_node, sided=split),
        Variant("majorities-ring", "each hears a majority, no two the same", majorities_ring, 3),
        Variant("bridge", "two sides, and one node that talks with both", bridge, 3),
        Variant("star", "each hears one node alone, which hears all", star_around_one, 3, star),
        Variant(
            "one-way-halves", "nothing from one half reaches the other", one_way_halves, sided=mute
        ),
        Variant("mute-node", "nothing from one node reaches the rest", mute_node, sided=mute),
        Variant("deaf-node", "nothing from the rest reaches one node", deaf_node, sided=deaf),
    )
}


def from_json(value: Any) -> Grudge:
    """The grudge in a recorded input. Raises ValueError in words for anything else."""
    if not isinstance(value, dict) or not all(
        isinstance(receiver, str) and isinstance(senders, list | tuple | set | frozenset)
        for receiver, senders in value.items()
    ):
        raise ValueError(f"a grudge maps each receiver to a list of senders, not {value!r}")
    return grudge_of(value)
