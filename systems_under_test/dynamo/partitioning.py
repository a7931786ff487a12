"""Who gets which part of the ring: the three partitioning strategies of the paper.

1. `random`: each node has tokens at random positions, and ranges end at the tokens. Ranges are of
   uneven length, and a node that joins makes others scan for what it takes.
2. `random-equal`: the tokens stay, but the ring is cut into Q equal ranges. Partitioning no longer
   hangs on placement; loads are as uneven as before.
3. `equal`: Q equal ranges, and Q/S tokens for each of S nodes, one at the end of each range. Loads
   are even by construction.

Sources: DeCandia et al., SOSP 2007, 6.2.
"""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING

from systems_under_test.dynamo.ring import RING_SIZE, Ring, Token, random_tokens

if TYPE_CHECKING:
    from systems_under_test.dynamo.configuration import Configuration


def make_ring(configuration: Configuration, nodes: tuple[str, ...]) -> Ring:
    """The ring of these nodes: the same on every node."""
    tokens = configuration.tokens(nodes)
    match configuration.partitioning:
        case "random-equal":
            return Ring(random_tokens(tokens), equal_ends(configuration.partitions))
        case "equal":
            return Ring(equal_tokens(tokens, configuration.partitions))
        case _:
            return Ring(random_tokens(tokens))


def equal_ends(partitions: int) -> list[int]:
    """The last positions of so many ranges of equal length."""
    return [(i + 1) * RING_SIZE // partitions - 1 for i in range(partitions)]


def equal_tokens(weights: dict[str, int], partitions: int) -> list[Token]:
    """Strategy 3: a token at the end of each equal range, dealt to the nodes by weight.

    Each goes to the node that has got least for its weight so far, the first of them in order, so
    that the shares differ by one token at most, and neighbors are different nodes.
    """
    dealt = dict.fromkeys(weights, 0)
    tokens = []
    for end in equal_ends(partitions):
        node = min(weights, key=lambda name: Fraction(dealt[name] + 1, weights[name]))
        dealt[node] += 1
        tokens.append(Token(end, node))
    return tokens
