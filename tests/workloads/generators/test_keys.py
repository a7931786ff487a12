from __future__ import annotations

import itertools

import pytest

from checker.history.events import Event
from systems_under_test.rng import Rng
from tests.workloads.generators.schedules import asked, played
from workloads.generators import (
    Context,
    Invocation,
    concurrent_keys,
    invoke,
    limit,
    mapped,
    mix,
    on_key,
    phases,
    repeat,
    sequential_keys,
    until_ok,
)

a, b = invoke("a"), invoke("b")


def test_sequential_keys_take_one_after_another() -> None:
    assert asked(sequential_keys("xy", lambda key: limit(2, repeat(a)))) == [
        "0 0: a x",
        "0 1: a x",
        "10 0: a y",
        "10 1: a y",
    ]


def test_concurrent_keys_are_out_of_phase() -> None:
    schedule = asked(concurrent_keys(2, ["x", "y", "z"], lambda k: limit(3, mix(a, b))), clients=4)
    assert schedule == [
        "0 1: a x",
        "0 0: b x",
        "0 2: b y",
        "0 3: a y",
        "10 3: b y",
        "10 2: a z",
        "10 0: b x",
        "20 2: b z",
        "20 3: a z",
    ]


def test_a_key_keeps_to_its_threads() -> None:
    keyed = concurrent_keys(2, itertools.count(), lambda key: limit(7, repeat(a)))
    events = played(keyed, clients=6, operations_max=200).events
    threads_of = {
        key: {int(e.process) // 2 for e in events if e.key == key}
        for key in {e.key for e in events}
    }
    assert len(threads_of) > 25
    assert all(len(groups) == 1 for groups in threads_of.values())


def test_the_last_group_has_the_threads_that_remain() -> None:
    keyed = concurrent_keys(2, itertools.count(), lambda key: limit(7, repeat(a)))
    events = played(keyed, clients=3, operations_max=50).events
    assert {event.process for event in events} == {0, 1, 2}


def test_every_key_is_begun_once_also_when_proposals_are_dropped() -> None:
    made: list[int] = []

    def make(key: int) -> Invocation:
        made.append(key)
        return a

    keyed = concurrent_keys(1, range(20), make)
    schedule = asked(keyed, clients=4, drop_proposals=True)
    assert sorted(int(line.split()[-1]) for line in schedule) == list(range(20))
    assert sorted(made) == list(range(20))


def test_keys_that_yield_nothing_are_passed_over() -> None:
    keyed = concurrent_keys(2, [1, 2, 3], lambda key: a if key == 2 else None)
    assert asked(keyed) == ["0 0: a 2"]


def test_endless_keys_that_yield_nothing_are_an_error() -> None:
    with pytest.raises(RuntimeError, match="10000 keys in a row"):
        asked(concurrent_keys(2, itertools.count(), lambda key: None))


def test_concurrent_keys_end_when_the_keys_do() -> None:
    assert asked(phases(concurrent_keys(1, "x", lambda key: a), b)) == ["0 0: a x", "10 0: b"]


def test_a_key_hears_of_no_other_key() -> None:
    ctx = Context(0, (0,), {0: 0}, ("n1",), Rng("7"))
    answer = on_key("x", until_ok(repeat(a))).op(ctx)
    assert answer is not None

    def ends_at(key: str) -> bool:
        event = Event(index=1, time=5, process=0, type="ok", f="a", key=key)
        return answer[1].update(ctx, event).op(ctx) is None

    assert ends_at("x")
    assert not ends_at("y")


def test_a_second_key_is_refused() -> None:
    with pytest.raises(ValueError, match="on the key 'x', but has one already"):
        asked(on_key("x", invoke("a", key="y")))


def test_groups_of_no_thread_are_refused() -> None:
    with pytest.raises(ValueError, match="a key needs a thread"):
        concurrent_keys(0, "x", lambda key: a)


def test_a_key_stays_when_operations_are_mapped() -> None:
    read = mapped(lambda op: Invocation("r", 1, op.key, op.process, op.time), on_key("x", a))
    assert asked(read) == ["0 0: r x 1"]
