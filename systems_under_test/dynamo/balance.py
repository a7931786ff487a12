"""How evenly a ring spreads its load: the load-balance efficiency of the paper.

The load of a node is the part of the ring whose keys it keeps, over the N copies; the efficiency is
the mean load, in proportion to capacity, divided by the greatest. 1 is even.

Source: DeCandia et al., SOSP 2007, 6.2 and figure 8.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from systems_under_test.dynamo.configuration import Configuration
from systems_under_test.dynamo.partitioning import deal_of, make_ring
from systems_under_test.dynamo.preference_list import PreferenceLists

if TYPE_CHECKING:
    from collections.abc import Iterator

    from systems_under_test.dynamo.ring import Ring

STRATEGIES: Final = ("random", "random-equal", "equal")
SIZES: Final = (3, 5, 8, 12, 20, 30)
PARTITIONS: Final = 480


def loads(ring: Ring, configuration: Configuration) -> dict[str, int]:
    """How many positions of the ring each node keeps."""
    lists = PreferenceLists(ring, configuration)
    kept = dict.fromkeys(ring.nodes, 0)
    for i in range(len(ring)):
        for node in lists.home(i):
            kept[node] += ring.arc(i)[1]
    return kept


def efficiency(ring: Ring, configuration: Configuration) -> float:
    """Mean load over greatest load, each load divided by the node's capacity."""
    weights = configuration.tokens(ring.nodes)
    kept = loads(ring, configuration)
    greatest = max(kept[node] / weights[node] for node in ring.nodes)
    return sum(kept.values()) / sum(weights.values()) / greatest


def grown(configuration: Configuration) -> dict[int, Ring]:
    """The rings of clusters of each size, which one node after another has joined.

    With strategy 3 a ring hangs on the one before it.
    """
    nodes = tuple(f"n{i + 1}" for i in range(SIZES[-1]))
    ring = make_ring(configuration, nodes[: SIZES[0]])
    rings = {SIZES[0]: ring}
    for size in range(SIZES[0] + 1, SIZES[-1] + 1):
        ring = make_ring(configuration, nodes[:size], deal_of(configuration, ring))
        rings[size] = ring
    return {size: rings[size] for size in SIZES}


def table() -> Iterator[str]:
    """The efficiency of each strategy over growing clusters, as a table in Markdown."""
    yield "| nodes | 1 `random` | 2 `random-equal` | 3 `equal` |"
    yield "|---|---|---|---|"
    divided = [
        Configuration(partitioning=strategy, partitions=PARTITIONS) for strategy in STRATEGIES
    ]
    rings = [grown(configuration) for configuration in divided]
    for size in SIZES:
        figures = (efficiency(of[size], c) for of, c in zip(rings, divided, strict=True))
        yield f"| {size} | {' | '.join(f'{figure:.2f}' for figure in figures)} |"
