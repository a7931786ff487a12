"""The timers of one life, on its node's monotonic clock."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from systems_under_test.replica import SetTimer, TimerFired

if TYPE_CHECKING:
    from collections.abc import Callable

    from systems_under_test.environments.simulated.clock import Clock
    from systems_under_test.environments.simulated.kernel import Kernel
    from systems_under_test.replica import CancelTimer

RungTimer = tuple[str, int]
"""(name, generation) of a timer whose time has come. It counts only if it is still in force."""


class Timers:
    """Named timers; each setting is a generation of its own, so that older ones count no more."""

    __slots__ = ("_clock", "_generation", "_kernel", "_ring", "_set")

    def __init__(self, kernel: Kernel, clock: Clock, ring: Callable[[RungTimer], None]) -> None:
        self._kernel = kernel
        self._clock = clock
        self._ring = ring
        self._generation = 0
        self._set: dict[str, tuple[int, int, Any]] = {}
        """Name -> (generation, due on the monotonic clock, payload)."""

    def perform(self, effect: SetTimer | CancelTimer, mono: int) -> None:
        """Set or cancel a timer, counting from this reading of the monotonic clock."""
        if isinstance(effect, SetTimer):
            self._arm(effect.name, mono + max(0, effect.delay), effect.payload)
        else:
            self._set.pop(effect.name, None)

    def take(self, rung: RungTimer) -> TimerFired | None:
        """The input of a timer, or None if it was cancelled or set again since it rang."""
        name, generation = rung
        timer = self._set.get(name)
        if timer is None or timer[0] != generation:
            return None
        del self._set[name]
        return TimerFired(name, timer[2])

    def clock_changed(self) -> None:
        """Find anew when each is due, since the clock runs at another rate now."""
        for name, (_, due, payload) in list(self._set.items()):
            self._arm(name, due, payload)

    def clear(self) -> None:
        """Forget all of them."""
        self._set.clear()

    def _arm(self, name: str, due: int, payload: Any) -> None:
        self._generation += 1
        self._set[name] = (self._generation, due, payload)
        self._kernel.push(self._clock.due(due), self._due, (name, self._generation))

    def _due(self, rung: RungTimer) -> None:
        timer = self._set.get(rung[0])
        if timer is not None and timer[0] == rung[1]:
            self._ring(rung)
