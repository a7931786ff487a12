from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any

import pytest

from systems_under_test.rng import Rng
from tests.workloads.generators.schedules import asked
from workloads.generators import Context, Invocation, invoke, lift
from workloads.generators.lifting import NOTHING

if TYPE_CHECKING:
    from collections.abc import Iterator

a, b, c = invoke("a"), invoke("b"), invoke("c")


def context(*, free: tuple[int, ...] = (0, 1), time: int = 0) -> Context:
    return Context(time, free, {0: 0, 1: 1}, ("n1",), Rng("7"))


def test_an_invocation_yields_itself_once() -> None:
    assert asked(invoke("write", 5, key="x")) == ["0 0: write x 5"]


def test_none_and_an_empty_list_yield_nothing() -> None:
    assert asked(None) == []
    assert asked([]) == []
    assert asked(iter(())) == []


def test_a_list_yields_its_items_in_turn_without_waiting_in_between() -> None:
    assert asked([a, b, [c, a]]) == ["0 0: a", "0 1: b", "10 0: c", "10 1: a"]


def test_an_operation_keeps_the_process_the_time_and_the_node_that_it_names() -> None:
    named = Invocation("a", process=1, time=30, node="n3")
    assert asked(named) == ["30 1: a @n3"]


def test_an_endless_iterator_is_drawn_from_only_as_far_as_it_is_needed() -> None:
    drawn: list[int] = []

    def writes() -> Iterator[Invocation]:
        for value in itertools.count():
            drawn.append(value)
            yield invoke("write", value)

    assert asked(writes(), operations_max=3) == ["0 0: write 0", "0 1: write 1", "10 0: write 2"]
    assert drawn == [0, 1, 2]


def test_a_lifted_iterator_is_a_value_which_answers_the_same_when_asked_again() -> None:
    first = lift(invoke("write", value) for value in itertools.count())
    answer = first.op(context())
    again = first.op(context())
    assert answer is not None
    assert again is not None
    assert answer[0] == again[0] == Invocation("write", 0, process=1, time=0)
    second, third = answer[1].op(context()), again[1].op(context())
    assert second is not None
    assert third is not None
    assert second[0] == third[0] == Invocation("write", 1, process=1, time=0)


def test_a_process_that_was_retired_is_an_error_and_not_an_endless_wait() -> None:
    ctx = Context(0, (0,), {0: 2, 1: 1}, ("n1",), Rng("7"))
    with pytest.raises(ValueError, match=r"process 0, which was retired .* processes here: \[2, 1"):
        lift(Invocation("a", process=0)).op(ctx)


def test_a_process_that_is_busy_is_waited_for() -> None:
    generator = lift(Invocation("a", process=0))
    answer = generator.op(context(free=(1,)))
    assert answer is not None
    assert repr(answer[0]) == "Pending(until=None)"
    assert answer[1] == generator


def test_an_endless_iterable_of_nothing_is_an_error_and_not_an_endless_loop() -> None:
    with pytest.raises(RuntimeError, match="10000 items"):
        asked(itertools.repeat(None))


@pytest.mark.parametrize(
    ("thing", "advice"),
    [
        ("read", r"invoke\('read'\)"),
        (b"read", "Invocation"),
        (7, "give an Invocation"),
        ({"f": "read"}, "give an Invocation"),
        ({a.f, b.f}, "a set has no order"),
        (lambda rng: a, r"draw\(\.\.\.\)"),
        (type(NOTHING), "make a value"),
        ([a, [7]], "7 is not a generator"),
    ],
)
def test_anything_else_is_refused_with_what_to_do(thing: Any, advice: str) -> None:
    with pytest.raises(TypeError, match=advice):
        lift(thing)
