"""The preference list: who keeps a key, and who stands in for whom.

The first N distinct nodes of a range's order are its *home*. With zones, no two of them are in one
zone as long as there is another: a node whose zone is taken already is passed over. The extended
list goes on to M > N nodes; those after the home stand in for home nodes that do not answer (sloppy
quorum, hinted handoff). Strict quorums use the home alone.

Source: DeCandia et al., SOSP 2007, 4.3, 4.6.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from systems_under_test.dynamo.configuration import parse_zones

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from systems_under_test.dynamo.configuration import Configuration
    from systems_under_test.dynamo.ring import Ring


class PreferenceLists:
    """The preference list of each range."""

    def __init__(self, ring: Ring, configuration: Configuration) -> None:
        self.ring = ring
        self._n = configuration.n
        self._extended = configuration.extended or len(ring.nodes)
        self._sloppy = configuration.sloppy
        self._zones = parse_zones(configuration.zones)
        self._orders: dict[int, tuple[str, ...]] = {}
        self._homes: dict[int, tuple[str, ...]] = {}

    def home(self, range_index: int) -> tuple[str, ...]:
        """The N nodes that keep the range."""
        found = self._homes.get(range_index)
        if found is None:
            found = self._homes[range_index] = self._order(range_index)[: self._n]
        return found

    def fallbacks(self, range_index: int) -> tuple[str, ...]:
        """Who may stand in for a home node, in order; nobody where quorums are strict."""
        return self._order(range_index)[self._n : self._extended] if self._sloppy else ()

    def _order(self, range_index: int) -> tuple[str, ...]:
        """The ring's order, less nodes in zones that the home has already; these come behind it."""
        order = self.ring.order(range_index)
        if not self._zones:
            return order
        found = self._orders.get(range_index)
        if found is None:
            by_zone: dict[str, str] = {}
            for node in order:
                # A node without a zone is one of its own.
                by_zone.setdefault(self._zones.get(node, f"={node}"), node)
            first = list(by_zone.values())[: self._n]
            found = (*first, *(node for node in order if node not in first))
            self._orders[range_index] = found
        return found

    def placement(self, range_index: int, up: Callable[[str], bool]) -> dict[str, str]:
        """The first N healthy nodes, each with the home node that it stands for (itself if home).

        In order of preference; shorter than N where too few are healthy.
        """
        placed: dict[str, str] = {}
        missing: list[str] = []
        for node in self.home(range_index):
            if up(node):
                placed[node] = node
            else:
                missing.append(node)
        if missing:
            healthy = [node for node in self.fallbacks(range_index) if up(node)]
            placed.update(zip(healthy, missing, strict=False))
        return placed

    def next_fallback(
        self, range_index: int, up: Callable[[str], bool], taken: Collection[str]
    ) -> str | None:
        """The next healthy stand-in that is not taken yet; None if there is none."""
        candidates = self.fallbacks(range_index)
        return next((node for node in candidates if node not in taken and up(node)), None)

    def held_by(self, node: str) -> tuple[int, ...]:
        """The ranges whose home the node belongs to."""
        return tuple(i for i in range(len(self.ring)) if node in self.home(i))

    def held_by_both(self, one: str, other: str) -> tuple[int, ...]:
        """The ranges that two nodes both keep."""
        theirs = set(self.held_by(other))
        return tuple(i for i in self.held_by(one) if i in theirs)
