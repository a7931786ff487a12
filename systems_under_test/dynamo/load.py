"""Who carries the load, as a coordinator sees it: how many requests it asked of each node.

A node is out of balance if it is asked for over 15 % more or less than its share, which goes by its
capacity. Every node sees the requests that it coordinates; with clients on all of them that is a
fair sample.

Source: DeCandia et al., SOSP 2007, 6.2 ("in balance").
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

TOLERANCE_PERCENT: Final = 15
SAMPLE_MIN: Final = 1_000
"""Of fewer requests nothing is said: chance alone would put nodes out of balance."""


class Load:
    """Requests asked of each node by this one, itself included."""

    def __init__(self) -> None:
        self.asked: dict[str, int] = {}

    def ask(self, nodes: Iterable[str]) -> None:
        """Count a request to each of these."""
        asked = self.asked
        for node in nodes:
            asked[node] = asked.get(node, 0) + 1

    def out_of_balance(self, tokens: Mapping[str, int]) -> list[str]:
        """The nodes that are; `tokens` says how many each has, which is its capacity."""
        total, all_tokens = sum(self.asked.values()), sum(tokens.values())
        if total < SAMPLE_MIN:
            return []
        return [
            node
            for node, own in sorted(tokens.items())
            if abs(self.asked.get(node, 0) * all_tokens - total * own) * 100
            > TOLERANCE_PERCENT * total * own
        ]
