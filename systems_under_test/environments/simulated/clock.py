"""A node's two clocks, as functions of true (virtual) time."""

from __future__ import annotations

from typing import Final

from systems_under_test.environments.cluster import ClockReading
from systems_under_test.replica import Now
from systems_under_test.rng import MILLION

EPOCH_NS: Final = 1_767_225_600_000_000_000
"""The true wall clock at virtual time 0: 2026-01-01T00:00:00Z."""


class Clock:
    """Wall clock with offset and rate, monotonic clock with the same rate and no jumps.

    Both run in straight lines from the last change; integers throughout, rounded down.
    """

    __slots__ = ("_mono", "_since", "_wall", "rate_ppm")

    def __init__(self, mono: int, wall_offset: int) -> None:
        self._since = 0
        self._mono = mono
        self._wall = EPOCH_NS + wall_offset
        self.rate_ppm = 0

    def read(self, true: int) -> Now:
        """Both clocks at this true time."""
        elapsed = true - self._since
        if self.rate_ppm:
            elapsed += elapsed * self.rate_ppm // MILLION
        return Now(self._wall + elapsed, self._mono + elapsed)

    def due(self, mono: int) -> int:
        """The first true time at which the monotonic clock shows at least this."""
        if not self.rate_ppm:
            return self._since + mono - self._mono
        return self._since - (-(mono - self._mono) * MILLION // (MILLION + self.rate_ppm))

    def change(
        self, true: int, *, wall_offset_ns: int | None = None, rate_ppm: int | None = None
    ) -> None:
        """From now on: the wall clock off by this, both clocks faster by that."""
        self._rebase(true)
        if wall_offset_ns is not None:
            self._wall = EPOCH_NS + true + wall_offset_ns
        if rate_ppm is not None:
            if rate_ppm <= -MILLION:
                raise ValueError(f"rate_ppm={rate_ppm}: a clock cannot stand still or run back")
            self.rate_ppm = rate_ppm

    def reboot(self, true: int, mono: int) -> None:
        """Power came back: the monotonic clock starts anew, the wall clock has run on."""
        self._rebase(true)
        self._mono = mono

    def against_true(self, true: int) -> ClockReading:
        """How far off the clocks are."""
        return ClockReading(self.read(true).wall - EPOCH_NS - true, self.rate_ppm)

    def _rebase(self, true: int) -> None:
        now = self.read(true)
        self._since, self._wall, self._mono = true, now.wall, now.mono
