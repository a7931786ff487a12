from __future__ import annotations

from typing import Any

import pytest

from tests.workloads.generators.schedules import asked
from workloads.generators import (
    PENDING,
    Context,
    Invocation,
    draw,
    each_process,
    filtered,
    from_context,
    invoke,
    limit,
    mapped,
    mix,
    numbered,
    repeat,
)

a, b = invoke("a"), invoke("b")


def test_draw_calls_its_function_for_each_operation() -> None:
    drawn = draw(lambda rng: invoke("write", rng.below(10), key=rng.choice("xyz")))
    assert asked(drawn, operations_max=4) == [
        "0 1: write y 2",
        "0 0: write z 7",
        "10 0: write x 4",
        "10 1: write x 0",
    ]


def test_draw_yields_all_of_a_list_before_it_draws_again() -> None:
    drawn = draw(lambda rng: [invoke("get", key=(key := rng.below(100))), invoke("put", key=key)])
    lines = [line.split(": ")[1] for line in asked(drawn, operations_max=8)]
    gets, puts = lines[::2], lines[1::2]
    assert [g.replace("get", "put") for g in gets] == puts
    assert len(set(gets)) > 1


@pytest.mark.parametrize("nothing", [None, [], limit(0, a)])
def test_a_draw_of_nothing_is_an_error(nothing: Any) -> None:
    with pytest.raises(ValueError, match="which yields nothing"):
        asked(draw(lambda rng: nothing))


def test_an_operation_made_from_the_context_knows_time_nodes_and_who_is_free() -> None:
    def look(ctx: Context) -> Invocation:
        return invoke("look", [ctx.time, len(ctx.free), list(ctx.nodes)])

    assert asked(from_context(look), operations_max=3, nodes=("n1",)) == [
        '0 0: look [0, 2, ["n1"]]',
        '0 1: look [0, 1, ["n1"]]',
        '10 0: look [10, 2, ["n1"]]',
    ]


def test_a_function_of_the_context_may_wait() -> None:
    late = from_context(lambda ctx: b if ctx.time >= 10 else PENDING)
    assert asked([a, late], operations_max=2) == ["0 0: a", "10 0: b"]


def test_a_function_of_the_context_that_returns_something_else_is_an_error() -> None:
    wrong: Any = lambda ctx: "read"  # noqa: E731
    with pytest.raises(TypeError, match="'read': it must return an Invocation"):
        asked(from_context(wrong))


@pytest.mark.parametrize("make", [draw, from_context])
def test_what_is_no_function_is_refused(make: Any) -> None:
    with pytest.raises(TypeError, match="needs a function"):
        make(a)


def test_mapped_changes_operations_and_nothing_else() -> None:
    renamed = mapped(lambda op: Invocation("b", op.input, op.key, op.process, op.time), [a, a])
    assert asked(renamed) == ["0 0: b", "0 1: b"]


def test_filtered_passes_over_what_is_refused() -> None:
    numbers = (invoke("write", n) for n in range(7))
    assert asked(filtered(lambda op: op.input % 3 == 0, numbers)) == [
        "0 0: write 0",
        "0 1: write 3",
        "10 0: write 6",
    ]


def test_a_filter_that_refuses_for_ever_is_an_error_and_not_an_endless_loop() -> None:
    with pytest.raises(RuntimeError, match="refused 10000 operations"):
        asked(filtered(lambda op: False, repeat(a)))


def test_numbers_are_unique_and_in_order() -> None:
    counted = numbered({"write": lambda n, _: n}, mix(invoke("write"), invoke("read")))
    lines = asked(counted, operations_max=40, drop_proposals=True)
    numbers = [int(line.split()[-1]) for line in lines if "write" in line]
    assert numbers == list(range(1, len(numbers) + 1))
    assert len(numbers) > 10


def test_numbers_outside_of_each_process_are_unique_over_all_of_them() -> None:
    counted = numbered({"put": lambda n, given: {**given, "value": n}}, each_process(put_forever()))
    lines = asked(counted, operations_max=6)
    assert [line.split(": ", 1)[1] for line in lines] == [
        f'put {{"context": null, "value": {n}}}' for n in range(1, 7)
    ]


def put_forever() -> Any:
    return repeat(invoke("put", {"context": None}))


def test_numbers_begin_and_step_as_told() -> None:
    counted = numbered(
        {"write": lambda n, _: n}, repeat(invoke("write"), times=3), start=5, step=10
    )
    assert asked(counted, clients=3) == ["0 0: write 5", "0 1: write 15", "0 2: write 25"]


def test_a_step_of_zero_is_refused() -> None:
    with pytest.raises(ValueError, match="all be the same"):
        numbered({}, a, step=0)
