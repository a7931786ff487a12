"""Seeded streams of random integers: the one place that draws, one stream for each concern.

Only `getrandbits` of the Mersenne Twister is used, whose output is the same on every machine and
release; the samplers of the standard library use floats and have changed.
"""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Sequence

T = TypeVar("T")

MILLION = 1_000_000


class Rng:
    """A stream named by a seed and a concern, as `Rng("7/net/n1->n2")`.

    A stream for each concern means that removing a fault does not reshuffle everything else.
    """

    __slots__ = ("_bits", "name")

    def __init__(self, name: str) -> None:
        self.name = name
        self._bits = random.Random(name).getrandbits

    def stream(self, concern: str) -> Rng:
        """A stream of its own for a concern within this one; draws nothing from this stream."""
        return Rng(f"{self.name}/{concern}")

    def below(self, n: int) -> int:
        """An integer in [0, n); n at least 1."""
        if n <= 0:
            raise ValueError(f"below({n}): nothing to choose from")
        width = (n - 1).bit_length()
        if not width:
            return 0
        while True:  # Ends: each turn succeeds with a chance of more than one half.
            drawn = self._bits(width)
            if drawn < n:
                return drawn

    def bits(self, width: int) -> int:
        """An integer of so many random bits: what `below` of that power of two draws."""
        return self._bits(width)

    def between(self, low: int, high: int) -> int:
        """An integer in [low, high]."""
        return low + self.below(high - low + 1)

    def chance(self, per_million: int) -> bool:
        """True in that many of a million cases."""
        return self.below(MILLION) < per_million

    def choice(self, items: Sequence[T]) -> T:
        """One of the items."""
        return items[self.below(len(items))]

    def shuffled(self, items: Sequence[T]) -> list[T]:
        """The items in another order (Fisher and Yates)."""
        mixed = list(items)
        for last in range(len(mixed) - 1, 0, -1):
            other = self.below(last + 1)
            mixed[last], mixed[other] = mixed[other], mixed[last]
        return mixed
