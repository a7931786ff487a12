"""Timers on the node's own monotonic clock, at whatever rate it runs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable

    from systems_under_test.host.clock import NodeClock
    from systems_under_test.replica import Wire

BILLION = 1_000_000_000


@dataclass(frozen=True, slots=True)
class RungTimer:
    """A timer whose time has come. It counts only if it is still the one set under its name."""

    name: str
    generation: int


@dataclass(slots=True)
class _Timer:
    generation: int
    due: int
    payload: Wire
    alarm: asyncio.TimerHandle | None = None


class Timers:
    """The timers that one life has set.

    A timer is taken in two steps: `ring` is told that its time has come, and `take` gives its
    payload when the replica's turn comes. An input handled in between may have cancelled it.
    """

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        clock: NodeClock,
        ring: Callable[[RungTimer], object],
    ) -> None:
        self._loop = loop
        self._clock = clock
        self._ring = ring
        self._timers: dict[str, _Timer] = {}
        self._generation = 0

    def set(self, name: str, due: int, payload: Wire) -> None:
        """Ring when the node's monotonic clock shows `due`; replaces the timer of that name."""
        self.cancel(name)
        self._generation += 1
        timer = self._timers[name] = _Timer(self._generation, due, payload)
        self._arm(name, timer)

    def cancel(self, name: str) -> None:
        """Forget the timer of that name, if there is one."""
        timer = self._timers.pop(name, None)
        if timer is not None and timer.alarm is not None:
            timer.alarm.cancel()

    def take(self, rung: RungTimer) -> tuple[bool, Wire]:
        """Whether that timer still stands, and its payload; it is gone afterwards."""
        timer = self._timers.get(rung.name)
        if timer is None or timer.generation != rung.generation:
            return False, None
        del self._timers[rung.name]
        return True, timer.payload

    def clock_changed(self) -> None:
        """Reckon anew when each timer is due, after the clock's rate has changed."""
        for name, timer in self._timers.items():
            if timer.alarm is not None:
                timer.alarm.cancel()
                self._arm(name, timer)

    def _arm(self, name: str, timer: _Timer) -> None:
        delay_s = self._clock.machine_ns_until(timer.due) / BILLION
        timer.alarm = self._loop.call_later(delay_s, self._alarm, name, timer)

    def _alarm(self, name: str, timer: _Timer) -> None:
        if self._clock.machine_ns_until(timer.due):
            self._arm(name, timer)  # The loop rounds its times; a timer is never early.
            return
        timer.alarm = None
        self._ring(RungTimer(name, timer.generation))
