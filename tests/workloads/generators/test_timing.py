from __future__ import annotations

import itertools
from typing import Any

import pytest

from tests.workloads.generators.schedules import asked, played
from workloads.generators import (
    any_of,
    at_rate,
    delay,
    invoke,
    limit,
    on_clients,
    on_nemesis,
    repeat,
    sleep,
    stagger,
    time_limit,
)
from workloads.generators.schedule import Ending

a, b = invoke("a"), invoke("b")
NS = 1e-9


def times_of(*, operations: int, **options: Any) -> list[int]:
    events = played(operations_max=operations, **options).events
    return [e.time for e in events if e.type == "invoke"]


def test_stagger_leaves_random_intervals_around_its_mean() -> None:
    schedule = asked(stagger(10 * NS, repeat(a)), clients=3, operations_max=6)
    assert schedule == ["0 0: a", "13 2: a", "27 0: a", "34 2: a", "34 1: a", "41 0: a"]


@pytest.mark.parametrize("drop_proposals", [False, True])
def test_stagger_keeps_the_rate_uniformly_over_twice_its_mean(drop_proposals: bool) -> None:
    times = times_of(
        generator=stagger(1 / 50, repeat(a)), operations=2001, drop_proposals=drop_proposals
    )
    intervals = [later - sooner for sooner, later in itertools.pairwise(times)]
    assert 0.97 < sum(intervals) / len(intervals) / 20_000_000 < 1.03
    assert max(intervals) <= 40_000_000
    assert sum(i < 10_000_000 for i in intervals) == pytest.approx(500, abs=60)


def test_stagger_does_not_make_up_for_operations_that_came_late() -> None:
    times = times_of(
        generator=stagger(10 * NS, repeat(a)),
        operations=50,
        clients=1,
        ends=lambda op, rng: Ending("ok", 100),
    )
    assert all(later - sooner >= 100 for sooner, later in itertools.pairwise(times))


def test_a_rate_is_a_mean_interval() -> None:
    assert at_rate(50, a) == stagger(0.02, a)


def test_delay_leaves_a_fixed_interval() -> None:
    assert asked(delay(15 * NS, limit(4, repeat(a)))) == [
        "0 0: a",
        "15 0: a",
        "30 1: a",
        "45 0: a",
    ]


def test_sleep_makes_the_rest_of_a_sequence_wait() -> None:
    assert asked([a, sleep(1000 * NS), b]) == ["0 0: a", "1000 0: b"]


def test_sleep_of_one_thread_begins_when_the_operation_before_has_ended() -> None:
    assert asked([a, sleep(1000 * NS), b], clients=1) == ["0 0: a", "1010 0: b"]


def test_sleep_alone_keeps_a_generator_open() -> None:
    assert asked([sleep(500 * NS), sleep(500 * NS), a]) == ["1000 0: a"]


def test_time_limit_counts_from_the_first_operation_and_excludes_its_end() -> None:
    limited = [sleep(100 * NS), time_limit(30 * NS, delay(10 * NS, repeat(a)))]
    assert asked(limited) == ["100 0: a", "110 0: a", "120 1: a"]


def test_time_limit_cuts_a_wait_short() -> None:
    limited = time_limit(30 * NS, [a, sleep(1), a])
    assert asked([limited, b], clients=1) == ["0 0: a", "30 0: b"]


def test_time_limit_waits_for_what_may_still_come_before_its_end() -> None:
    """The nemesis's next operation lies beyond the end; a client's still comes before it."""
    clients, faults = on_clients([a, a]), on_nemesis(delay(1, [b, b]))
    limited = time_limit(100 * NS, any_of(clients, faults))
    schedule = asked(
        limited,
        clients=1,
        nemesis=True,
        ends=lambda op, rng: Ending("ok", 40 if op.f == "a" else 10),
    )
    assert sorted(schedule) == ["0 0: a", "0 nemesis: b", "40 0: a"]


@pytest.mark.parametrize("seconds", [-1, -0.001, float("nan"), float("inf"), "5", None, True])
def test_times_that_are_none_are_refused(seconds: Any) -> None:
    for make in (stagger, delay, time_limit):
        with pytest.raises(ValueError, match="give seconds that are not negative"):
            make(seconds, a)
    with pytest.raises(ValueError, match="give seconds that are not negative"):
        sleep(seconds)


def test_a_rate_of_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="more than 0"):
        at_rate(0, a)


def test_zero_seconds_mean_no_wait_at_all() -> None:
    assert asked([stagger(0, a), sleep(0), delay(0, b)]) == ["0 0: a", "0 1: b"]
    assert asked(time_limit(0, a)) == []
