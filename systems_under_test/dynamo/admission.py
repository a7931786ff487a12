"""Admission control: work in the background gets slices, as many as foreground latency allows.

A slice is one step of such work: a batch of hints, a comparison with a peer, a page of a transfer,
a batch of keys to relocate. Every tenth of a second the node looks at how many of its clients'
requests took longer than the target. If more than one in a hundred did, it halves the slices of
the next tenth; if not, it adds one. One slice is always left, so that background work goes on,
however slowly. Work that finds no slice is put off, never dropped.

Source: DeCandia et al., SOSP 2007, 6.5 (balancing background and foreground tasks); additive
increase, multiplicative decrease: Chiu and Jain, 1989.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from systems_under_test.dynamo.configuration import MS

if TYPE_CHECKING:
    from systems_under_test.dynamo.configuration import Configuration
    from systems_under_test.dynamo.counters import Counters
    from systems_under_test.dynamo.step import Step

INTERVAL: Final = 100 * MS
SLICES_MAX: Final = 32
SLICES_AT_FIRST: Final = 8
SLOW_IN: Final = 100
"""One slow request in so many is too many."""


class Admission:
    """Hands out slices. Without a target there are always some."""

    def __init__(self, configuration: Configuration, counters: Counters) -> None:
        self._target = configuration.background_latency_ms * MS
        self._counters = counters
        self.slices = SLICES_AT_FIRST
        self._left = self.slices
        self._until = 0
        self._seen = 0
        self._slow = 0

    def observe(self, latency: int) -> None:
        """A client's request took so many nanoseconds."""
        self._seen += 1
        self._slow += latency > self._target

    def admits(self, step: Step) -> bool:
        """Whether a slice is left; takes it."""
        if not self._target:
            return True
        if step.mono >= self._until:
            self._look(step)
        if not self._left:
            self._counters.background_deferred += 1
            return False
        self._left -= 1
        return True

    def _look(self, step: Step) -> None:
        """Judge the requests since the last look, and deal the slices of the next tenth."""
        if self._slow * SLOW_IN > self._seen:
            self.slices = max(1, self.slices // 2)
        else:
            self.slices = min(SLICES_MAX, self.slices + 1)
        self._seen = self._slow = 0
        self._left = self.slices
        self._until = step.mono + INTERVAL
