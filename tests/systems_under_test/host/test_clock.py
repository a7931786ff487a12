from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from systems_under_test.host.clock import ClockSetting, NodeClock

SECOND = 1_000_000_000


class Machine:
    """The machine's clocks, moved by hand."""

    def __init__(self) -> None:
        self.mono = 77 * SECOND
        self.suspended = 0
        self.wall = 1_700_000_000 * SECOND

    def pass_time(self, ns: int) -> None:
        self.mono += ns
        self.wall += ns

    def clock(self) -> NodeClock:
        return NodeClock(
            wall=lambda: self.wall,
            machine=lambda: self.mono,
            boot=lambda: self.mono + self.suspended,
        )

    def suspend(self, ns: int) -> None:
        """The monotonic clock stands still, the others do not."""
        self.suspended += ns
        self.wall += ns


def test_without_a_setting_it_shows_the_machines_clocks() -> None:
    machine = Machine()
    clock = machine.clock()
    machine.pass_time(5)
    assert clock.reading() == (machine.mono, machine.mono, clock.now())
    assert (clock.now().wall, clock.now().mono) == (machine.wall, machine.mono)


def test_while_a_machine_is_suspended_time_passes_for_its_node() -> None:
    machine = Machine()
    clock = machine.clock()
    before = clock.now()
    machine.suspend(60 * SECOND)
    machine.pass_time(SECOND)
    assert clock.now().mono - before.mono == 61 * SECOND
    assert clock.machine_ns_until(before.mono + 62 * SECOND) == SECOND


def test_an_offset_moves_the_wall_clock_alone() -> None:
    machine = Machine()
    clock = machine.clock()
    clock.set(ClockSetting(since_ns=machine.mono, wall_offset_ns=-3 * SECOND))
    assert clock.now().wall == machine.wall - 3 * SECOND
    assert clock.now().mono == machine.mono


def test_a_rate_drives_both_clocks_from_its_beginning() -> None:
    machine = Machine()
    clock = machine.clock()
    clock.set(ClockSetting(since_ns=machine.mono, rate_ppm=100_000))
    machine.pass_time(10 * SECOND)
    assert clock.now().wall == machine.wall + SECOND
    assert clock.now().mono == machine.mono + SECOND


def test_a_later_life_goes_on_along_the_same_line() -> None:
    machine = Machine()
    setting = ClockSetting(since_ns=machine.mono, wall_offset_ns=SECOND, rate_ppm=-200_000)
    first = machine.clock()
    first.set(setting)
    machine.pass_time(10 * SECOND)
    second = machine.clock()
    second.set(setting)
    assert second.now().wall == first.now().wall == machine.wall - SECOND


_RATES = st.integers(-999_999, 3_000_000)
_SPANS = st.integers(0, 100 * SECOND)


@given(changes=st.lists(st.tuples(_RATES, _SPANS), min_size=1, max_size=8))
def test_the_monotonic_clock_never_runs_back(changes: list[tuple[int, int]]) -> None:
    machine = Machine()
    clock = machine.clock()
    shown = clock.now().mono
    for rate_ppm, span_ns in changes:
        clock.set(ClockSetting(since_ns=machine.mono, rate_ppm=rate_ppm))
        assert clock.now().mono >= shown
        machine.pass_time(span_ns)
        assert clock.now().mono >= shown
        shown = clock.now().mono


@given(rate_ppm=_RATES, run_ns=_SPANS, ahead_ns=st.integers(-SECOND, 10 * SECOND))
def test_waiting_as_long_as_it_says_is_never_too_short(
    rate_ppm: int, run_ns: int, ahead_ns: int
) -> None:
    machine = Machine()
    clock = machine.clock()
    clock.set(ClockSetting(since_ns=machine.mono, rate_ppm=rate_ppm))
    machine.pass_time(run_ns)
    due = clock.now().mono + ahead_ns
    for _ in range(4):
        machine.pass_time(clock.machine_ns_until(due))
    assert clock.now().mono >= due
    assert clock.machine_ns_until(due) == 0


def test_a_clock_that_would_stand_still_is_refused() -> None:
    with pytest.raises(ValueError, match="stand still"):
        Machine().clock().set(ClockSetting(rate_ppm=-1_000_000))
