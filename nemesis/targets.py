"""Targets by word: whom a fault strikes, said before the nodes are known.

The schedule turns a word into names when it injects, so a recorded fault names its nodes. Words
for roles that a system gives its nodes, as `leader`, are answered by the nemesis looking first.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from nemesis.members import members

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from nemesis.plan import Fault
    from workloads.generators.protocol import Context, Rng

NONE: Final = "none"
SOME: Final = "some"

WORDS: Final[dict[str, str]] = {
    "one": "one node, drawn each time",
    SOME: "at least one node and at most the largest minority, drawn each time",
    "minority": "as many nodes as are fewer than half, drawn each time",
    "majority": "as few nodes as are more than half, drawn each time",
    "all": "every node",
    "zone": "the nodes of one zone, drawn each time",
    "leader": "the node that leads, by what the system says then",
    "leader-minority": "the leader, and others up to as many as are fewer than half",
    "followers": "every node that does not lead",
    NONE: "no node: the fault never happens",
}
LEADER: Final = "leader"
NOBODY: Final[Mapping[str, tuple[str, ...]]] = {}
"""Nobody is known to play any role."""


@dataclass(frozen=True, slots=True)
class Target:
    """A word of `WORDS`, or explicit names as `n1+n3`."""

    text: str

    @property
    def roles(self) -> frozenset[str]:
        """The roles of nodes that have to be known before it can be struck."""
        led = self.text in (LEADER, "leader-minority", "followers")
        return frozenset({LEADER}) if led else frozenset()

    @property
    def names(self) -> tuple[str, ...]:
        """The explicit names, empty for a word."""
        return () if self.text in WORDS else tuple(self.text.split("+"))

    def problems(self, nodes: tuple[str, ...]) -> list[str]:
        """Why it cannot be struck among these nodes, in sentences."""
        if self.text == "minority" and not minority(nodes):
            return [f"`minority` of {len(nodes)} node(s) is no node at all; ask for `one`"]
        absent = [name for name in self.names if name not in nodes]
        if not absent:
            return []
        known = f"nodes are {', '.join(nodes)}, words are {', '.join(WORDS)}"
        return [f"`{self.text}` is no target: there is no node {' nor '.join(absent)}; {known}"]

    def sizes(self, nodes: tuple[str, ...]) -> tuple[int, int]:
        """The fewest and the most nodes that it strikes."""
        few, many, every = minority(nodes), len(nodes) // 2 + 1, len(nodes)
        ranges = {
            "one": (1, 1),
            SOME: (1, max(1, few)),
            "minority": (few, few),
            "majority": (many, many),
            "all": (every, every),
            "zone": (1, every),
            LEADER: (1, 1),
            "leader-minority": (max(1, few), max(1, few)),
            "followers": (max(0, every - 1), max(0, every - 1)),
            NONE: (0, 0),
        }
        return ranges.get(self.text, (len(self.names), len(self.names)))

    def chosen(
        self,
        ctx: Context,
        open_faults: Iterable[Fault] = (),
        *,
        spared: frozenset[str] = frozenset(),
        most: int | None = None,
    ) -> tuple[str, ...]:
        """The nodes of a context to strike, see `choose`. Words mean members; `all`, all nodes."""
        named = self.names or self.text in ("all", "zone")
        return self.choose(
            ctx.nodes if named else members(ctx.nodes, ctx.spares, open_faults),
            ctx.rng,
            spared=spared,
            most=most,
            roles=ctx.roles,
            zones=ctx.zones,
        )

    def choose(
        self,
        nodes: tuple[str, ...],
        rng: Rng,
        *,
        spared: frozenset[str] = frozenset(),
        most: int | None = None,
        roles: Mapping[str, tuple[str, ...]] = NOBODY,
        zones: tuple[tuple[str, ...], ...] = (),
    ) -> tuple[str, ...]:
        """The nodes to strike, in order.

        None of the spared is among them, nor are they more than `most`: fewer are struck than the
        word says, or none, if not enough are left. None are either where nobody plays a role.
        """
        size = rng.between(*self.sizes(nodes))
        leaders = roles.get(LEADER, ())
        if self.roles and not leaders:
            return ()
        wanted = self.names or tuple(rng.shuffled(nodes))
        if self.text == "zone":
            wanted = tuple(rng.choice(zones)) if zones else ()
            size = len(wanted)
        elif self.text == "followers":
            wanted = tuple(name for name in wanted if name not in leaders)
        elif self.roles:
            wanted = (leaders[0], *(name for name in wanted if name != leaders[0]))
        if most is not None:
            size = min(size, max(0, most))
        able = [name for name in wanted if name in nodes and name not in spared]
        struck = frozenset(able[:size])
        return tuple(name for name in nodes if name in struck)


def minority(nodes: tuple[str, ...]) -> int:
    """The most nodes that are fewer than half."""
    return max(0, (len(nodes) - 1) // 2)
