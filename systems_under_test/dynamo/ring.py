"""Partitioning by consistent hashing: MD5 places keys and tokens on a ring of 128 bits.

A node has several tokens, its virtual nodes, in proportion to its capacity (heterogeneity). A
range is the arc from one end to the next, its end included; the nodes whose tokens are met from
there clockwise are its preference order. Ranges end at the tokens, unless a strategy of
`partitioning.py` has them end elsewhere.

Source: DeCandia et al., SOSP 2007, 4.2.
"""

from __future__ import annotations

from bisect import bisect_left
from hashlib import md5
from itertools import pairwise
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping

RING_SIZE = 1 << 128
POSITION_BYTES = 16
PLACES_MAX = 4096
"""Keys whose place is remembered: a request places its key on each node that it meets."""


class Key(NamedTuple):
    """A key with its place: what the modules of this store hand around.

    `stored` is the position followed by the name, so that the storage's order is the ring's and a
    range of the ring is a scan of the storage.
    """

    name: bytes
    stored: bytes
    range: int


class Token(NamedTuple):
    """A virtual node: a position on the ring, and the node that it belongs to."""

    position: int
    node: str


def position_of(name: bytes) -> int:
    """Where on the ring a name lies, in [0, 2**128)."""
    return int.from_bytes(md5(name, usedforsecurity=False).digest(), "big")


def random_tokens(counts: Mapping[str, int]) -> list[Token]:
    """Strategy 1: so many tokens for each node, at the MD5 of `node#i`. The same on every node."""
    return sorted(
        Token(position_of(f"{node}#{i}".encode()), node)
        for node, count in counts.items()
        for i in range(count)
    )


class Ring:
    """Tokens in order, where ranges end, and what follows from both. Immutable."""

    def __init__(self, tokens: list[Token], ends: list[int] | None = None) -> None:
        positions = [token.position for token in tokens]
        assert tokens, "a ring without tokens"
        assert all(a < b for a, b in pairwise(positions)), "tokens not in order, or two at a place"
        self.tokens = tuple(tokens)
        self.nodes = tuple(sorted({token.node for token in tokens}))
        self._positions = positions if ends is None else ends
        self._first = [bisect_left(positions, end) % len(tokens) for end in self._positions]
        """The token at or after the end of each range."""
        self._places: dict[bytes, Key] = {}
        self._orders: dict[int, tuple[str, ...]] = {}

    def __len__(self) -> int:
        return len(self._positions)

    @property
    def ends(self) -> tuple[int, ...]:
        """The last position of each range."""
        return tuple(self._positions)

    def range_at(self, position: int) -> int:
        """The range that a position lies in: (end before it, end at or after it]."""
        return bisect_left(self._positions, position) % len(self._positions)

    def place(self, name: bytes) -> Key:
        """The key of this name."""
        found = self._places.get(name)
        if found is None:
            digest = md5(name, usedforsecurity=False).digest()
            found = Key(name, digest + name, self.range_at(int.from_bytes(digest, "big")))
            if len(self._places) >= PLACES_MAX:
                self._places.clear()
            self._places[name] = found
        return found

    def placed(self, stored: bytes) -> Key:
        """The key that is stored under these bytes. Raises ValueError if none could be."""
        key = self.place(stored[POSITION_BYTES:])
        if key.stored != stored:
            raise ValueError(f"stored key {stored!r} does not begin with the MD5 of its name")
        return key

    def order(self, range_index: int) -> tuple[str, ...]:
        """All physical nodes in the order in which they are met clockwise from the range's end."""
        found = self._orders.get(range_index)
        if found is None:
            met: dict[str, None] = {}
            first = self._first[range_index]
            for i in range(first, first + len(self.tokens)):
                met[self.tokens[i % len(self.tokens)].node] = None
                if len(met) == len(self.nodes):
                    break
            found = self._orders[range_index] = tuple(met)
        return found

    def arc(self, range_index: int) -> tuple[int, int]:
        """(first position, how many positions) of a range; the first range may wrap."""
        before = self._positions[range_index - 1]
        length = (self._positions[range_index] - before) % RING_SIZE
        return (before + 1) % RING_SIZE, length or RING_SIZE

    def scans(self, range_index: int) -> list[tuple[bytes, bytes | None]]:
        """The (start, stop) scans of the storage that give exactly this range's keys."""
        return scans_of(*self.arc(range_index))


def scans_of(first: int, length: int) -> list[tuple[bytes, bytes | None]]:
    """The (start, stop) scans of the storage that give an arc's keys, in the storage's order."""
    start = first.to_bytes(POSITION_BYTES, "big")
    end = first + length
    if end <= RING_SIZE:
        return [(start, _bytes_at(end))] if length else []
    return [(b"", _bytes_at(end - RING_SIZE)), (start, None)]


def _bytes_at(position: int) -> bytes | None:
    """The position as the storage orders it; None is the end of the ring."""
    return None if position == RING_SIZE else position.to_bytes(POSITION_BYTES, "big")
