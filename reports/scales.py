"""Scales: from times and latencies to places on a drawing, and where to put marks on them."""

from __future__ import annotations

import itertools
from bisect import bisect_right
from dataclasses import dataclass
from math import log10
from typing import TYPE_CHECKING, Final, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterable

MILLISECOND: Final = 1_000_000
MARK_STEPS: Final = (1, 2, 5)


class Scale(Protocol):
    """From a number to a place."""

    def __call__(self, value: float) -> float:
        """The place of this value."""
        ...


@dataclass(frozen=True, slots=True)
class Linear:
    """`low` stands at `start`, `high` at `end`, and what is outside stands at the nearer end."""

    low: float
    high: float
    start: float
    end: float

    def __call__(self, value: float) -> float:
        """The place of this value."""
        if self.high <= self.low:
            return self.start
        share = (min(max(value, self.low), self.high) - self.low) / (self.high - self.low)
        return self.start + share * (self.end - self.start)


@dataclass(frozen=True, slots=True)
class Logarithmic:
    """The same for the logarithm of a value, which must be above 0."""

    low: float
    high: float
    start: float
    end: float

    def __call__(self, value: float) -> float:
        """The place of this value."""
        line = Linear(log10(self.low), log10(self.high), self.start, self.end)
        return line(log10(max(value, self.low)))

    def decades(self) -> list[int]:
        """The powers of ten on it."""
        power = 10 ** round(log10(self.low))
        marks = []
        while power <= self.high:
            marks.append(power)
            power *= 10
        return marks


@dataclass(frozen=True, slots=True)
class Squeezed:
    """Keeps the order of the times and shortens the gaps between them.

    Operations of a millisecond that are seconds apart would be invisible on a true scale. A gap
    takes a fixed width and a bit for each factor of ten of its length.
    """

    times: tuple[int, ...]
    places: tuple[float, ...]

    @classmethod
    def of(cls, times: Iterable[int], start: float, end: float) -> Squeezed:
        """A scale on which these times are apart, from `start` to `end`."""
        ordered = sorted(set(times)) or [0]
        widths = [0.0]
        for before, after in itertools.pairwise(ordered):
            widths.append(widths[-1] + 1 + log10(1 + (after - before) / MILLISECOND))
        line = Linear(0, widths[-1], start, end)
        return cls(tuple(ordered), tuple(line(width) for width in widths))

    def __call__(self, value: float) -> float:
        """The place of a time; one outside stands at the nearer end."""
        after = bisect_right(self.times, value)
        if after == 0:
            return self.places[0]
        if after == len(self.times):
            return self.places[-1]
        low, high = self.times[after - 1], self.times[after]
        return Linear(low, high, self.places[after - 1], self.places[after])(value)


def marks(low: int, high: int, most: int) -> list[int]:
    """At most so many round numbers between two."""
    if high <= low:
        return [low]
    size = 1
    while True:
        for step in MARK_STEPS:
            first = -(-low // (size * step))
            last = high // (size * step)
            if last - first < most:
                return [mark * size * step for mark in range(first, last + 1)]
        size *= 10
