"""A clock is read exactly, however long a node is in answering."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import pytest

from systems_under_test.environments.cluster import ClockReading
from systems_under_test.environments.local.loop_thread import LoopThread
from systems_under_test.environments.local.steering import Steering
from systems_under_test.host.clock import NodeClock

if TYPE_CHECKING:
    from collections.abc import Mapping

SECOND = 1_000_000_000
MS = SECOND // 1000


class Slow(Steering):
    """Steers a clock in this process that answers after a while, as behind a slow disk."""

    def __init__(self, *, before_s: float, after_s: float, tears: int = 0) -> None:
        super().__init__("n1", LoopThread("steering"))
        self._waits = before_s, after_s
        self._tears = tears
        self.node = NodeClock()

    def ask(self, do: str, **fields: Any) -> Mapping[str, Any]:
        assert do == "read_clock"
        time.sleep(self._waits[0])
        machine, boot, now = self.node.reading()
        took = time.monotonic_ns() - machine
        if self._tears:
            self._tears -= 1
            took += SECOND
        time.sleep(self._waits[1])
        return {
            "machine": machine, "took_ns": took, "boot": boot, "wall": now.wall, "mono": now.mono,
        }  # fmt: skip

    def turn(self, *, wall_offset_ns: int, rate_ppm: int = 0) -> None:
        self.set_clock("dead", wall_offset_ns=wall_offset_ns, rate_ppm=rate_ppm)
        self.node.set(self.clock)


@pytest.mark.parametrize("waits", [(0.3, 0.0), (0.0, 0.3)])
def test_a_wait_before_or_after_the_reading_is_no_part_of_it(waits: tuple[float, float]) -> None:
    slow = Slow(before_s=waits[0], after_s=waits[1])
    slow.turn(wall_offset_ns=7 * SECOND)
    reading = slow.read_clock()
    assert abs(reading.wall_offset - 7 * SECOND) <= reading.error_ns + MS
    assert reading.error_ns < 100 * MS
    assert slow.clock_setting() == ClockReading(7 * SECOND, 0)


def test_a_drift_is_told_with_how_long_it_has_gone_on() -> None:
    slow = Slow(before_s=0.2, after_s=0.0)
    slow.turn(wall_offset_ns=0, rate_ppm=200_000)
    reading = slow.read_clock()
    assert reading.age_ns >= 200 * MS
    assert abs(reading.wall_offset - reading.age_ns // 5) <= reading.error_ns + MS
    assert abs(reading.mono_rate_ppm - 200_000) <= 1
    assert slow.clock_setting().wall_offset >= reading.wall_offset - reading.error_ns - MS


def test_a_reading_that_was_torn_is_taken_again() -> None:
    assert Slow(before_s=0.0, after_s=0.0, tears=2).read_clock().error_ns < SECOND // 4
    torn = Slow(before_s=0.0, after_s=0.0, tears=100).read_clock()
    assert torn.error_ns >= SECOND // 2, "and if it is torn every time, that is said"
