from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from systems_under_test.environments.simulated.clock import EPOCH_NS, Clock

RATES = st.integers(-999_999, 5_000_000)
CHANGES = st.lists(
    st.tuples(
        st.integers(0, 10**12),
        st.none() | st.integers(-(10**12), 10**12),
        st.none() | RATES,
    ),
    max_size=5,
)


def changed(changes: list[tuple[int, int | None, int | None]]) -> tuple[Clock, int]:
    clock, now = Clock(12345, 0), 0
    for after, offset, rate in changes:
        now += after
        clock.change(now, wall_offset_ns=offset, rate_ppm=rate)
    return clock, now


@given(CHANGES, st.integers(0, 10**12))
def test_a_timer_is_due_at_the_first_moment_that_is_not_early(
    changes: list[tuple[int, int | None, int | None]], delay: int
) -> None:
    clock, now = changed(changes)
    target = clock.read(now).mono + delay
    due = clock.due(target)
    assert clock.read(due).mono >= target
    assert due == now or clock.read(due - 1).mono < target


@given(CHANGES, st.integers(0, 10**9))
def test_the_monotonic_clock_never_goes_back(
    changes: list[tuple[int, int | None, int | None]], later: int
) -> None:
    clock, now = Clock(5, 0), 0
    last = clock.read(0).mono
    for after, offset, rate in changes:
        now += after
        assert clock.read(now).mono >= last
        last = clock.read(now).mono
        clock.change(now, wall_offset_ns=offset, rate_ppm=rate)
        assert clock.read(now).mono == last
    assert clock.read(now + later).mono >= last


def test_a_jump_moves_the_wall_clock_alone() -> None:
    clock = Clock(0, 0)
    clock.change(1000, wall_offset_ns=-300)
    assert clock.read(1000).wall == EPOCH_NS + 700
    assert clock.read(1000).mono == 1000
    assert clock.against_true(2000).wall_offset == -300


def test_drift_adds_up_and_stays_after_the_rate_is_mended() -> None:
    clock = Clock(0, 0)
    clock.change(0, rate_ppm=100_000)
    assert clock.read(1000).mono == 1100
    assert clock.against_true(1000).wall_offset == 100
    assert clock.against_true(1000).mono_rate_ppm == 100_000
    clock.change(1000, rate_ppm=0)
    assert clock.against_true(5000).wall_offset == 100
    clock.change(5000, wall_offset_ns=0)
    assert clock.against_true(9000).wall_offset == 0


def test_refuses_a_clock_that_stands_still() -> None:
    with pytest.raises(ValueError, match="stand still"):
        Clock(0, 0).change(0, rate_ppm=-1_000_000)
