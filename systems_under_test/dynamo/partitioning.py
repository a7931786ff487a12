"""Who gets which part of the ring: the three partitioning strategies of the paper.

1. `random`: each node has tokens at random positions, and ranges end at the tokens. Ranges are of
   uneven length, and a node that joins makes others scan for what it takes.
2. `random-equal`: the tokens stay, but the ring is cut into Q equal ranges. Partitioning no longer
   hangs on placement; loads are as uneven as before.
3. `equal`: Q equal ranges, and Q/S tokens for each of S nodes, one at the end of each range. Loads
   are even by construction. A node that joins takes its tokens from the others, one that goes
   leaves its own to them, and no other token moves. So who has which hangs on how the members came
   and went, and the view carries it from one to the next (`Deal`).

Sources: DeCandia et al., SOSP 2007, 6.2.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from fractions import Fraction
from typing import TYPE_CHECKING

from systems_under_test.dynamo.ring import RING_SIZE, Ring, Token, random_tokens

if TYPE_CHECKING:
    from collections.abc import Mapping

    from systems_under_test.dynamo.configuration import Configuration

Deal = tuple[str, ...]
"""Strategy 3: whose the token at the end of each range is. Empty where it is dealt anew, or not."""


def make_ring(configuration: Configuration, nodes: tuple[str, ...], before: Deal = ()) -> Ring:
    """The ring of these nodes, as it follows on a deal: the same on every node."""
    tokens = configuration.tokens(nodes)
    match configuration.partitioning:
        case "random-equal":
            return Ring(random_tokens(tokens), equal_ends(configuration.partitions))
        case "equal":
            ends = equal_ends(configuration.partitions)
            deal = dealt(tokens, configuration.n, before or ("",) * len(ends))
            return Ring([Token(*token) for token in zip(ends, deal, strict=True)])
        case _:
            return Ring(random_tokens(tokens))


def deal_of(configuration: Configuration, ring: Ring) -> Deal:
    """What a view carries of a ring, so that the next ring can follow on it."""
    equal = configuration.partitioning == "equal"
    return tuple(token.node for token in ring.tokens) if equal else ()


def equal_ends(partitions: int) -> list[int]:
    """The last positions of so many ranges of equal length."""
    return [(i + 1) * RING_SIZE // partitions - 1 for i in range(partitions)]


def dealt(weights: Mapping[str, int], n: int, before: Deal) -> Deal:
    """The deal among these nodes that follows on another one, with as few tokens moved as can be.

    First the tokens of nobody who is here are given away, each to a node that lacks some; what is
    lacking still is taken from those who have too many. A node's tokens are kept `n` apart as long
    as there is a choice: then each of them is met by n ranges, and who has as many tokens as
    another keeps as much of the ring.
    """
    deal = list(before)
    has = {node: [i for i, owner in enumerate(deal) if owner == node] for node in weights}
    shares = _shares(weights, {node: len(has[node]) for node in weights}, len(deal))
    for i in [i for i, owner in enumerate(deal) if owner not in has]:
        lacks = {node: shares[node] - len(has[node]) for node in weights}
        node = min(
            (node for node in weights if lacks[node] > 0),
            key=lambda node: (
                -min(n, _distance(i, has[node], len(deal))),
                Fraction(-lacks[node], weights[node]),
            ),
        )
        deal[i] = node
        insort(has[node], i)
    for node in weights:
        _take(node, shares, has, deal)
    return tuple(deal)


def _take(
    node: str, shares: Mapping[str, int], has: Mapping[str, list[int]], deal: list[str]
) -> None:
    """Give a node what it lacks, of those who have too much.

    Each time what is farthest from all that it has: so they come to lie all over the ring, as if
    they were drawn, and nobody need draw.
    """
    many = len(deal)
    distances = [_distance(i, has[node], many) for i in range(many)]
    for _ in range(shares[node] - len(has[node])):
        able = (i for i in range(many) if len(has[deal[i]]) > shares[deal[i]])
        taken = max(able, key=distances.__getitem__)
        has[deal[taken]].remove(taken)
        insort(has[node], taken)
        deal[taken] = node
        distances = [min(distances[i], abs(i - taken), many - abs(i - taken)) for i in range(many)]


def _shares(weights: Mapping[str, int], has: Mapping[str, int], partitions: int) -> dict[str, int]:
    """How many tokens each is to have: its share by weight, up or down to a whole number.

    Up first for those who have them already: nothing moves for that. And one at the least: with
    weights 64, 64, 1 and twelve tokens the third node would have none, so that of three copies no
    key had more than two homes.
    """
    small = _less_than_one(weights, partitions)
    rest = {node: weight for node, weight in weights.items() if node not in small}
    left, whole = partitions - len(small), sum(rest.values())
    shares = {node: left * weight // whole for node, weight in rest.items()}
    favored = sorted(rest, key=lambda node: (shares[node] - has[node], node))
    for node in favored[: left - sum(shares.values())]:
        shares[node] += 1
    return dict.fromkeys(small, 1) | shares


def _less_than_one(weights: Mapping[str, int], partitions: int) -> list[str]:
    """The nodes whose share of the tokens is less than one, once all of these are given one.

    Never all nodes, where there are as many tokens: the heaviest has its share of the rest.
    """
    small: list[str] = []
    rest = dict(weights)
    while True:
        left, whole = partitions - len(small), sum(rest.values())
        found = [node for node, weight in rest.items() if left * weight < whole]
        if not found:
            return small
        small += found
        for node in found:
            del rest[node]


def _distance(i: int, tokens: list[int], partitions: int) -> int:
    """From a token to the nearest of these, in ranges; all of the ring if there is none."""
    if not tokens:
        return partitions
    at = bisect_left(tokens, i)
    after, before = tokens[at % len(tokens)], tokens[at - 1]
    return min((after - i) % partitions, (i - before) % partitions)
