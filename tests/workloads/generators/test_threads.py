from __future__ import annotations

from collections import Counter, defaultdict

import msgspec
import pytest

from checker.history.events import NEMESIS, Event
from systems_under_test.rng import Rng
from tests.workloads.generators.schedules import asked, played
from workloads.generators import (
    Context,
    any_of,
    draw,
    each_process,
    each_thread,
    invoke,
    limit,
    on_clients,
    on_nemesis,
    on_threads,
    phases,
    repeat,
    reserve,
    until_ok,
)
from workloads.generators.schedule import crashing

a, b, c = invoke("a"), invoke("b"), invoke("c")


def test_clients_and_nemesis_keep_to_themselves() -> None:
    both = any_of(on_clients(limit(3, repeat(a))), on_nemesis([b, b]))
    assert asked(both, nemesis=True) == [
        "0 nemesis: b",
        "0 1: a",
        "0 0: a",
        "10 1: a",
        "10 nemesis: b",
    ]


def test_clients_hear_nothing_of_the_nemesis() -> None:
    def told(process: int | str) -> bool:
        generator = on_clients(until_ok(repeat(a)))
        ctx = Context(0, (0, "nemesis"), {0: 0, "nemesis": "nemesis"}, ("n1",), Rng("7"))
        answer = generator.op(ctx)
        assert answer is not None
        event = Event(index=1, time=5, process=process, type="ok", f="a")
        return answer[1].update(ctx, event).op(ctx) is None

    assert told(0)
    assert not told("nemesis")


def test_threads_can_be_named() -> None:
    assert asked(on_threads([2], [a, b]), clients=3) == ["0 2: a", "10 2: b"]


def test_threads_that_are_not_there_are_an_error_and_not_an_endless_wait() -> None:
    with pytest.raises(ValueError, match=r"threads \[7\] alone, .* there are \[0, 1\]"):
        asked(on_threads([7], a))
    with pytest.raises(ValueError, match=r"threads \['nemesis'\] alone"):
        asked(on_clients(on_nemesis(a)), nemesis=True)


def test_reserve_without_a_thread_left_has_no_rest() -> None:
    assert sorted(asked(reserve((1, [a, a]), (1, b), rest=c))) == ["0 0: a", "0 1: b", "10 0: a"]


def test_reserve_keeps_threads_in_order_and_gives_the_rest_away() -> None:
    reserved = reserve((1, repeat(a)), (2, repeat(b)), rest=repeat(c))
    whose = defaultdict(set)
    events = played(reserved, clients=5, nemesis=False, operations_max=100).events
    for event in events:
        whose[event.f].add(event.process)
    assert whose == {"a": {0}, "b": {1, 2}, "c": {3, 4}}


def test_reserve_is_fair_to_threads() -> None:
    reserved = reserve((1, repeat(a)), rest=repeat(b))
    first = [asked(reserved, clients=4, operations_max=1, seed=str(i))[0] for i in range(400)]
    assert 60 < sum(line.endswith("a") for line in first) < 140


def test_reserve_goes_on_when_some_have_ended() -> None:
    reserved = reserve((1, [a, a]), (1, b))
    assert sorted(asked(reserved, clients=3)) == ["0 0: a", "0 1: b", "10 0: a"]


def test_reserve_of_more_threads_than_there_are_is_an_error() -> None:
    with pytest.raises(ValueError, match=r"reserve keeps 3 threads \(\[2, 1\]\), but there are 2"):
        asked(reserve((2, a), (1, b)), nemesis=True)


def test_reserve_of_no_thread_is_an_error() -> None:
    with pytest.raises(ValueError, match="leave it out"):
        reserve((0, a))


def test_each_process_has_its_own_copy() -> None:
    assert sorted(asked(each_process([a, b]), clients=3)) == [
        "0 0: a",
        "0 1: a",
        "0 2: a",
        "10 0: b",
        "10 1: b",
        "10 2: b",
    ]


def test_a_new_process_begins_anew_and_a_thread_goes_on() -> None:
    renewed = played(each_process([a, b]), ends=crashing, operations_max=6)
    assert [line.split(": ")[1] for line in renewed.asked] == ["a"] * 6
    assert sorted(asked(each_thread([a, b]), ends=crashing)) == [
        "0 0: a",
        "0 1: a",
        "10 2: b",
        "10 3: b",
    ]


def test_each_process_hears_only_of_itself() -> None:
    schedule = asked(each_process(until_ok(repeat(a))), clients=3)
    assert sorted(schedule) == ["0 0: a", "0 1: a", "0 2: a"]


def test_each_process_takes_free_threads_evenly() -> None:
    drawn = each_process(draw(lambda rng: a))
    first = Counter(asked(drawn, clients=4, operations_max=1, seed=str(i))[0] for i in range(400))
    assert len(first) == 4
    assert all(60 < count < 140 for count in first.values())


def test_each_process_waits_for_operations_in_flight_before_it_ends() -> None:
    """A crash makes a new process, which has a copy to do: ending earlier would be no end."""
    assert asked(phases(each_process(a), b), clients=1) == ["0 0: a", "10 0: b"]


@pytest.mark.parametrize("free", [(0, 1, NEMESIS), (1,), (NEMESIS,), ()])
def test_the_clients_at_hand_are_those_that_are_left_without_the_nemesis(
    free: tuple[int | str, ...],
) -> None:
    processes: dict[int | str, int | str] = {0: 20, 1: 1, NEMESIS: NEMESIS}
    plain = Context(5, free, processes, ("n1",), Rng("clients"))
    clients = tuple(t for t in free if t != NEMESIS), {0: 20, 1: 1}
    at_hand = msgspec.structs.replace(plain, clients=clients)
    assert at_hand.without(NEMESIS) == plain.without(NEMESIS)
    assert at_hand.without(1) == plain.without(1)
