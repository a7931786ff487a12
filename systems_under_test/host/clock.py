"""A node's clocks: a wall clock that can be offset, and both clocks at a rate of their own.

The machine's own clocks are only read. A setting says from which moment of the machine's
monotonic clock it counts, so a node that is started again under the same setting goes on along
the same line, and a pause stops nothing.

The node's monotonic clock runs on the machine's boot-time clock where there is one: a machine that
was suspended has let time pass, and a leader on it must not think that its lease still runs.
"""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from systems_under_test.replica import Now

if TYPE_CHECKING:
    from collections.abc import Callable

MILLION = 1_000_000


@dataclass(frozen=True, kw_only=True, slots=True)
class ClockSetting:
    """How a node's clocks run from a moment on."""

    since_ns: int = 0
    """The moment, on the machine's monotonic clock."""
    wall_offset_ns: int = 0
    """How far the wall clock is ahead of the true one at that moment."""
    rate_ppm: int = 0
    """How much faster both clocks run from then on, in parts per million."""

    def wall_offset_at(self, machine_ns: int) -> int:
        """The wall clock's offset at a moment of the machine's monotonic clock."""
        return self.wall_offset_ns + (machine_ns - self.since_ns) * self.rate_ppm // MILLION


def boot_time_ns() -> int:
    """The machine's boot-time clock, which counts while it is suspended; else its monotonic one."""
    clock = getattr(time, "CLOCK_BOOTTIME", None)  # Linux has it.
    return time.monotonic_ns() if clock is None else time.clock_gettime_ns(clock)


def true_wall_at(machine_ns: int) -> tuple[int, int]:
    """What this machine's wall clock showed at a moment of its monotonic clock, and the error."""
    before, wall, after = time.monotonic_ns(), time.time_ns(), time.monotonic_ns()
    return wall - ((before + after) // 2 - machine_ns), (after - before + 1) // 2


class NodeClock:
    """Reads the clocks of one life of a node."""

    def __init__(
        self,
        *,
        wall: Callable[[], int] = time.time_ns,
        machine: Callable[[], int] = time.monotonic_ns,
        boot: Callable[[], int] = boot_time_ns,
    ) -> None:
        self._wall = wall
        self._machine = machine
        self._boot = boot
        # The harness moves the clock from a thread of its own. Half of a setting would show a
        # monotonic clock that goes back, by which a lease outlives itself.
        self._whole = threading.Lock()
        self._setting = ClockSetting()
        # The node's monotonic clock stood at `_mono` when the boot-time clock stood at `_since`.
        self._since = self._mono = boot()

    @property
    def rate_ppm(self) -> int:
        """How much faster its clocks run, in parts per million."""
        return self._setting.rate_ppm

    def set(self, setting: ClockSetting) -> None:
        """Run so from now on; the monotonic clock goes on from where it stands."""
        if setting.rate_ppm <= -MILLION:
            raise ValueError(f"a clock at {setting.rate_ppm} ppm would stand still or run back")
        with self._whole:
            boot = self._boot()
            self._mono, self._since = self._mono_at(boot), boot
            self._setting = setting

    def now(self) -> Now:
        """Both clocks at one moment."""
        return self.reading()[2]

    def reading(self) -> tuple[int, int, Now]:
        """The machine's monotonic and boot-time clocks, and the node's clocks at that moment."""
        with self._whole:
            machine, boot = self._machine(), self._boot()
            wall = self._wall() + self._setting.wall_offset_at(machine)
            return machine, boot, Now(wall=wall, mono=self._mono_at(boot))

    def machine_ns_until(self, mono: int) -> int:
        """How long the machine's clock must run until the node's shows at least this; 0 if past."""
        with self._whole:
            left, rate_ppm = mono - self._mono_at(self._boot()), self._setting.rate_ppm
        # Rounded up: a timer may be late and is never early.
        return -(-left * MILLION // (MILLION + rate_ppm)) if left > 0 else 0

    def _mono_at(self, boot: int) -> int:
        elapsed = boot - self._since
        return self._mono + elapsed + elapsed * self._setting.rate_ppm // MILLION
