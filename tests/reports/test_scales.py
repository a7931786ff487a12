"""From times and latencies to places on a drawing."""

from __future__ import annotations

import itertools

from hypothesis import given
from hypothesis import strategies as st

from reports.scales import Linear, Logarithmic, Squeezed, marks

times = st.lists(st.integers(0, 10**12), min_size=1, max_size=30)


def test_a_line_puts_its_ends_at_the_ends_and_what_is_outside_at_the_nearer_one() -> None:
    line = Linear(10, 20, 100, 200)
    assert [line(v) for v in (10, 15, 20, 5, 99)] == [100, 150, 200, 100, 200]
    assert Linear(5, 5, 100, 200)(5) == 100


def test_a_logarithm_puts_decades_equally_far_apart() -> None:
    scale = Logarithmic(1_000, 1_000_000, 300, 0)
    assert [round(scale(v)) for v in (1, 1_000, 10_000, 100_000, 1_000_000)] == [
        300,
        300,
        200,
        100,
        0,
    ]
    assert scale.decades() == [1_000, 10_000, 100_000, 1_000_000]


@given(times)
def test_a_squeezed_scale_keeps_the_order_and_tells_times_apart(given_times: list[int]) -> None:
    scale = Squeezed.of(given_times, 100, 900)
    places = [scale(time) for time in sorted(set(given_times))]
    assert all(100 <= place <= 900 for place in places)
    if len(places) > 1:
        assert places[0] == 100
        assert round(places[-1]) == 900
        assert all(after - before > 1 for before, after in itertools.pairwise(places))


@given(times, st.integers(0, 10**12), st.integers(0, 10**12))
def test_a_squeezed_scale_never_turns_two_times_around(
    given_times: list[int], a: int, b: int
) -> None:
    scale = Squeezed.of(given_times, 100, 900)
    early, late = sorted((a, b))
    assert scale(early) <= scale(late)


def test_a_long_gap_takes_more_room_than_a_short_one_but_not_all_of_it() -> None:
    scale = Squeezed.of([0, 10**6, 10**12], 0, 100)
    assert 10 < scale(10**6) < 50


@given(st.integers(0, 10**12), st.integers(0, 10**12), st.integers(2, 12))
def test_marks_are_round_few_and_inside(a: int, b: int, most: int) -> None:
    low, high = sorted((a, b))
    found = marks(low, high, most)
    assert len(found) <= most
    assert all(low <= mark <= high for mark in found)
    if len(found) > 2:
        assert len({after - before for before, after in itertools.pairwise(found)}) == 1
