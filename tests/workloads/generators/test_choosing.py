from __future__ import annotations

from collections import Counter

import pytest

from tests.workloads.generators.schedules import asked, played
from workloads.generators import (
    any_of,
    cycle,
    delay,
    draw,
    first_of,
    flip_flop,
    invoke,
    limit,
    mix,
    on_clients,
    on_nemesis,
    once,
    repeat,
    sleep,
    stagger,
    until_ok,
)
from workloads.generators.schedule import Ending

a, b, c = invoke("a"), invoke("b"), invoke("c")
NS = 1e-9


def test_any_of_takes_whichever_is_soonest() -> None:
    slow, quick = delay(25 * NS, repeat(a)), delay(10 * NS, repeat(b))
    assert asked(any_of(slow, quick), operations_max=8) == [
        "0 0: a",
        "0 1: b",
        "10 1: b",
        "20 1: b",
        "25 0: a",
        "30 1: b",
        "40 0: b",
        "50 0: a",
    ]


def test_any_of_ends_when_all_have_ended() -> None:
    assert sorted(asked(any_of(limit(2, repeat(a)), b, None))) == ["0 0: a", "0 1: b", "10 1: a"]


def test_first_of_takes_the_first_among_equals() -> None:
    assert asked(first_of(limit(2, repeat(a)), b, None)) == ["0 0: a", "0 1: a", "10 1: b"]


def test_any_of_breaks_ties_evenly() -> None:
    events = played(any_of(repeat(a), repeat(b), repeat(c)), operations_max=3000).events
    counts = Counter(e.f for e in events if e.type == "invoke")
    assert all(900 < counts[f] < 1100 for f in "abc")


@pytest.mark.parametrize("drop_proposals", [False, True])
def test_a_sleep_beside_rare_operations_lasts_as_long_as_it_says(drop_proposals: bool) -> None:
    """A proposal that is dropped takes what follows it along; a sleep must not begin anew."""
    rare = on_clients([a, delay(400 * NS, [a, a])])
    schedule = on_nemesis([sleep(500 * NS), b, sleep(100 * NS), b])
    options = {"nemesis": True, "clients": 1, "drop_proposals": drop_proposals}
    assert asked(any_of(rare, schedule), **options) == [
        "0 0: a",
        "10 0: a",
        "410 0: a",
        "500 nemesis: b",
        "610 nemesis: b",
    ]


@pytest.mark.parametrize("drop_proposals", [False, True])
def test_a_sleep_that_ends_before_the_soonest_proposal_is_not_overslept(
    drop_proposals: bool,
) -> None:
    rare = on_clients(delay(1000 * NS, [a, a]))
    schedule = on_nemesis([sleep(300 * NS), b])
    options = {"nemesis": True, "clients": 1, "drop_proposals": drop_proposals}
    assert asked(any_of(rare, schedule), **options) == [
        "0 0: a",
        "300 nemesis: b",
        "1000 0: a",
    ]


def test_mix_takes_a_random_one_and_repeats_bare_invocations() -> None:
    assert asked(mix(a, b), operations_max=8) == [
        "0 0: a",
        "0 1: b",
        "10 1: b",
        "10 0: a",
        "20 0: a",
        "20 1: b",
        "30 1: a",
        "30 0: a",
    ]


def test_mix_follows_its_weights() -> None:
    events = played(mix(a, b, weights=(9, 1)), operations_max=2000).events
    counts = Counter(e.f for e in events if e.type == "invoke")
    assert 1750 < counts["a"] < 1850


def test_mix_goes_on_without_what_has_ended() -> None:
    events = played(mix(limit(2, repeat(a)), limit(3, repeat(b)), once(c))).events
    counts = Counter(e.f for e in events if e.type == "invoke")
    assert counts == {"a": 2, "b": 3, "c": 1}


def test_mix_does_not_wait_for_a_later_operation_while_another_is_due() -> None:
    drawn = draw(lambda rng: invoke("w", rng.below(10)))
    schedule = asked(mix(stagger(1, repeat(a)), limit(5, drawn)), operations_max=6)
    assert [line.split(":")[0].split()[0] for line in schedule] == [
        "0",
        "0",
        "10",
        "10",
        "20",
        "20",
    ]


def test_mix_tells_all_of_them() -> None:
    ended = mix(until_ok(repeat(a)), limit(2, repeat(b)))
    counts = Counter(e.f for e in played(ended, clients=1).events if e.type == "invoke")
    assert counts == {"a": 1, "b": 2}


@pytest.mark.parametrize("weights", [(1,), (1, 0), (1, -1), (1, 2, 3)])
def test_mix_refuses_weights_that_do_not_fit(weights: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="at least 1 for each"):
        mix(a, b, weights=weights)


def test_flip_flop_takes_them_in_turn_until_one_has_ended() -> None:
    assert asked(flip_flop(a, [b, c]), clients=1) == [
        "0 0: a",
        "10 0: b",
        "20 0: a",
        "30 0: c",
        "40 0: a",
    ]


def test_flip_flop_keeps_its_turn_while_it_waits() -> None:
    assert asked(flip_flop(cycle(sleep(50 * NS), a), b), clients=1, operations_max=4) == [
        "50 0: a",
        "60 0: b",
        "120 0: a",
        "130 0: b",
    ]


def test_flip_flop_tells_all_of_them() -> None:
    """The second ends at its own `ok`, though that comes in the first one's turn."""
    ends = played(
        flip_flop(a, until_ok(repeat(b))), clients=1, ends=lambda op, rng: Ending("ok")
    ).asked
    assert ends == ["0 0: a", "10 0: b", "20 0: a"]
