"""What a view means on the ring: who keeps each range, who is asked, who must acknowledge.

While a change is under way there are two rings, of the old members and of the new ones. Ranges end
at the ends of both, so that each has one old and one new home, and every node in the view counts
ranges alike. Where both homes are the same nothing moves, and nothing changes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from systems_under_test.dynamo.partitioning import deal_of, make_ring
from systems_under_test.dynamo.preference_list import PreferenceLists
from systems_under_test.dynamo.ring import Ring
from systems_under_test.dynamo.views import CONFIRM, names

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from systems_under_test.dynamo.configuration import Configuration
    from systems_under_test.dynamo.views import View


class Arrangement:
    """The preference lists of a view: `legs` are the homes of which a write needs W each."""

    def __init__(self, view: View, configuration: Configuration) -> None:
        old = make_ring(configuration, names(view.members), view.deal)
        rings = [old]
        if view.coming:
            new = make_ring(configuration, names(view.coming), deal_of(configuration, old))
            ends = sorted({*old.ends, *new.ends})
            rings = [Ring(list(ring.tokens), ends) for ring in (old, new)]
        self.legs = tuple(PreferenceLists(ring, configuration) for ring in rings)
        self.reads = self.legs[-1] if view.phase == CONFIRM else self.legs[0]
        self.ring = self.reads.ring
        self.deal = deal_of(configuration, rings[-1])
        """What the next view carries, once those who come have come."""
        self._keepers: dict[int, tuple[str, ...]] = {}

    def home(self, range_index: int) -> tuple[str, ...]:
        """The N nodes whom reads ask."""
        return self.reads.home(range_index)

    def keepers(self, range_index: int) -> tuple[str, ...]:
        """Everyone who keeps the range: the home, both of them in a change."""
        found = self._keepers.get(range_index)
        if found is None:
            homes = (node for leg in self.legs for node in leg.home(range_index))
            found = self._keepers[range_index] = tuple(dict.fromkeys(homes))
        return found

    def fallbacks(self, range_index: int) -> tuple[str, ...]:
        """Who may stand in for a home node that reads ask."""
        return self.reads.fallbacks(range_index)

    def placement(self, range_index: int, up: Callable[[str], bool]) -> dict[str, str]:
        """The first N healthy nodes for a read, each with the home node that it stands for."""
        return self.reads.placement(range_index, up)

    def next_fallback(
        self, range_index: int, up: Callable[[str], bool], taken: Collection[str]
    ) -> str | None:
        """The next healthy stand-in for a read that is not taken yet."""
        return self.reads.next_fallback(range_index, up, taken)

    def held_by(self, node: str) -> tuple[int, ...]:
        """The ranges whose home the node belongs to."""
        return self.reads.held_by(node)

    def held_by_both(self, one: str, other: str) -> tuple[int, ...]:
        """The ranges whose home both nodes belong to."""
        return self.reads.held_by_both(one, other)

    def placements(self, range_index: int, up: Callable[[str], bool]) -> list[dict[str, str]]:
        """For each leg the first N healthy nodes, each with the home node that it stands for."""
        return [leg.placement(range_index, up) for leg in self.legs]

    def moving(self) -> tuple[int, ...]:
        """The ranges whose home changes."""
        old, new = self.legs[0], self.legs[-1]
        ranges = range(len(self.ring)) if old is not new else ()
        return tuple(i for i in ranges if set(old.home(i)) != set(new.home(i)))

    def gains(self, node: str) -> tuple[int, ...]:
        """The ranges that a node is new to."""
        old, new = self.legs[0], self.legs[-1]
        return tuple(i for i in self.moving() if node in new.home(i) and node not in old.home(i))
