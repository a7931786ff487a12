"""How long things take: distributions drawn in integers, so that every machine draws the same."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Protocol

if TYPE_CHECKING:
    from systems_under_test.rng import Rng

_BITS: Final = 32


class Latency(Protocol):
    """A distribution of durations in nanoseconds."""

    def draw(self, rng: Rng) -> int:
        """One duration, at least 0."""
        ...


@dataclass(frozen=True, slots=True)
class Constant:
    """Always the same."""

    ns: int

    def draw(self, rng: Rng) -> int:
        """The duration; draws nothing."""
        return self.ns


@dataclass(frozen=True, slots=True)
class Uniform:
    """Anything from `low_ns` to below `high_ns`, all alike."""

    low_ns: int
    high_ns: int

    def draw(self, rng: Rng) -> int:
        """One duration."""
        return self.low_ns + ((self.high_ns - self.low_ns) * rng.bits(_BITS) >> _BITS)


@dataclass(frozen=True, slots=True)
class Exponential:
    """`least_ns`, and on top of it a long tail with a mean of `mean_ns`.

    The tail is k + f thirds of twice the mean, where k is geometric (the leading zeros of a random
    word) and f uniform in [0, 1): an exponential whose density is flat within each octave, drawn
    without a logarithm, whose last bit differs between C libraries. At most 22 times the mean.
    """

    least_ns: int
    mean_ns: int

    def draw(self, rng: Rng) -> int:
        """One duration."""
        word = rng.bits(64)
        octave = 32 - (word >> 32).bit_length()
        return self.least_ns + (
            2 * self.mean_ns * ((octave << 32) | (word & 0xFFFFFFFF)) // 3 >> 32
        )
