from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.workloads.generators.schedules import asked
from workloads.generators import (
    cycle,
    invoke,
    limit,
    once,
    phases,
    repeat,
    retry,
    sleep,
    until_ok,
)
from workloads.generators.schedule import Ending

if TYPE_CHECKING:
    from collections.abc import Callable

    from workloads.generators import Invocation
    from workloads.generators.protocol import Rng

a, b, c = invoke("a"), invoke("b"), invoke("c")
NS = 1e-9


def ok_from(time: int) -> Callable[[Invocation, Rng], Ending]:
    """Operations invoked from this time on are `ok`, those before fail."""
    return lambda op, rng: Ending("ok" if (op.time or 0) >= time else "fail")


def test_limit_yields_so_many() -> None:
    assert asked(limit(2, [a, b, c])) == ["0 0: a", "0 1: b"]
    assert asked(limit(0, a)) == []


def test_once_yields_one() -> None:
    assert asked(once(repeat(a))) == ["0 0: a"]


def test_repeat_yields_the_first_operation_again_and_again() -> None:
    assert asked(repeat([a, b]), operations_max=3) == ["0 0: a", "0 1: a", "10 0: a"]
    assert asked(repeat([a, b], times=2)) == ["0 0: a", "0 1: a"]


def test_repeat_waits_each_time_as_its_first_operation_does() -> None:
    waiting = repeat([sleep(30 * NS), a, b], times=3)
    assert asked(waiting, clients=1) == ["30 0: a", "70 0: a", "110 0: a"]


def test_cycle_begins_again() -> None:
    assert asked(cycle(a, b, times=2)) == ["0 0: a", "0 1: b", "10 0: a", "10 1: b"]
    assert asked(cycle(a), operations_max=3) == ["0 0: a", "0 1: a", "10 0: a"]


def test_cycle_of_one_operation_ends_after_its_rounds() -> None:
    assert asked(cycle(a, times=3)) == ["0 0: a", "0 1: a", "10 0: a"]


def test_cycle_of_nothing_ends() -> None:
    assert asked(cycle()) == []
    assert asked(cycle(None, [])) == []


def test_until_ok_ends_at_the_first_success_of_its_own() -> None:
    tries = until_ok(repeat(a))
    assert asked(tries, ends=ok_from(20)) == [
        "0 0: a",
        "0 1: a",
        "10 0: a",
        "10 1: a",
        "20 1: a",
        "20 0: a",
    ]


def test_until_ok_takes_no_notice_of_the_success_of_others() -> None:
    begun = phases(b, [until_ok([a, a]), c])
    assert asked(
        begun, clients=1, ends=lambda op, rng: Ending("ok" if op.f == "b" else "fail")
    ) == [
        "0 0: b",
        "10 0: a",
        "20 0: a",
        "30 0: c",
    ]


def test_retry_asks_again_what_did_not_succeed_and_waits_for_the_rest() -> None:
    assert asked(phases(retry(9, [a, b]), c), ends=ok_from(20)) == [
        "0 0: a",
        "0 1: b",
        "10 0: a",
        "10 1: b",
        "20 1: a",
        "20 0: b",
        "30 0: c",
    ]


def test_retry_gives_up_after_its_attempts() -> None:
    assert asked(retry(2, a), ends=lambda op, rng: Ending("info")) == ["0 0: a", "10 2: a"]


def test_retry_keeps_key_input_and_node() -> None:
    read = invoke("get", {"r": "all"}, key="x", node="n2")
    assert asked(retry(2, read), clients=1, ends=ok_from(10)) == [
        '0 0: get x {"r": "all"} @n2',
        '10 0: get x {"r": "all"} @n2',
    ]


@pytest.mark.parametrize("n", [-1, 1.5, True, "3"])
def test_counts_that_are_none_are_refused(n: int) -> None:
    with pytest.raises(ValueError, match="whole number that is not negative"):
        limit(n, a)
    with pytest.raises(ValueError, match="whole number that is not negative"):
        repeat(a, times=n)
    with pytest.raises(ValueError, match="whole number that is not negative"):
        cycle(a, times=n)


def test_retry_without_an_attempt_is_refused() -> None:
    with pytest.raises(ValueError, match="the first attempt is one"):
        retry(0, a)
