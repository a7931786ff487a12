"""Targets by word: whom a fault strikes, said before the nodes are known.

The schedule turns a word into names when it injects, so a recorded fault names its nodes. Words
for roles that a system gives its nodes, as `primaries`, are for later: they need to be asked of
the cluster, which a schedule does not see.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from workloads.generators.protocol import Rng

NONE: Final = "none"
SOME: Final = "some"

WORDS: Final[dict[str, str]] = {
    "one": "one node, drawn each time",
    SOME: "at least one node and at most the largest minority, drawn each time",
    "minority": "as many nodes as are fewer than half, drawn each time",
    "majority": "as few nodes as are more than half, drawn each time",
    "all": "every node",
    NONE: "no node: the fault never happens",
}


@dataclass(frozen=True, slots=True)
class Target:
    """A word of `WORDS`, or explicit names as `n1+n3`."""

    text: str

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
            NONE: (0, 0),
        }
        return ranges.get(self.text, (len(self.names), len(self.names)))

    def choose(
        self,
        nodes: tuple[str, ...],
        rng: Rng,
        *,
        spared: frozenset[str] = frozenset(),
        most: int | None = None,
    ) -> tuple[str, ...]:
        """The nodes to strike, in order.

        None of the spared is among them, nor are they more than `most`: fewer are struck than the
        word says, or none, if not enough are left.
        """
        size = rng.between(*self.sizes(nodes))
        if most is not None:
            size = min(size, max(0, most))
        wanted = self.names or tuple(rng.shuffled(nodes))
        able = [name for name in wanted if name in nodes and name not in spared]
        struck = frozenset(able[:size])
        return tuple(name for name in nodes if name in struck)


def minority(nodes: tuple[str, ...]) -> int:
    """The most nodes that are fewer than half."""
    return max(0, (len(nodes) - 1) // 2)
