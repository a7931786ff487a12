"""How long requests took, by quantiles, from counts in buckets: no request is kept.

A bucket's width is a sixteenth of its value at most, so a quantile is too great by 6 % at most, and
never too small. Source of the idea: HdrHistogram (Gil Tene).
"""

from __future__ import annotations

from typing import Final

PARTS: Final = 16
"""Buckets from one power of two to the next."""
BITS: Final = 5
MICROSECOND: Final = 1_000
QUANTILES: Final = {"p50": 500, "p99": 990, "p99.9": 999}
"""Names and thousandths."""


class Latencies:
    """Counts of durations, by buckets of microseconds."""

    __slots__ = ("_buckets", "count")

    def __init__(self) -> None:
        self._buckets: dict[int, int] = {}
        self.count = 0

    def add(self, duration: int) -> None:
        """Take in a duration in nanoseconds."""
        bucket = bucket_of(max(duration, 0) // MICROSECOND)
        self._buckets[bucket] = self._buckets.get(bucket, 0) + 1
        self.count += 1

    def quantile(self, thousandths: int) -> int | None:
        """Nanoseconds that so many thousandths did not exceed; None where nothing was taken in."""
        if not self.count:
            return None
        rank = max(1, -(-self.count * thousandths // 1000))
        for bucket in sorted(self._buckets):
            rank -= self._buckets[bucket]
            if rank <= 0:
                return greatest_of(bucket) * MICROSECOND
        raise AssertionError("the buckets hold all that was counted")

    def shown(self) -> dict[str, float | int | None]:
        """The count, and the quantiles in milliseconds."""
        found = {name: self.quantile(thousandths) for name, thousandths in QUANTILES.items()}
        in_ms = {f"{name}_ms": None if ns is None else ns / 1e6 for name, ns in found.items()}
        return {"count": self.count, **in_ms}


def bucket_of(value: int) -> int:
    """The bucket of a whole number from 0: itself at first, then 16 for each power of two."""
    shift = max(value.bit_length() - BITS, 0)
    return shift * PARTS + (value >> shift)


def greatest_of(bucket: int) -> int:
    """The greatest number in a bucket."""
    shift = max(bucket // PARTS - 1, 0)
    return ((bucket - shift * PARTS + 1) << shift) - 1
