from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.workloads.generators.schedules import asked
from workloads.generators import Invocation, invoke, remembering, with_contexts
from workloads.generators.remembering import KEYS_MAX
from workloads.generators.schedule import Ending

if TYPE_CHECKING:
    from checker.history.events import Event
    from workloads.generators.protocol import Rng

get_x, get_y = invoke("get", key="x"), invoke("get", key="y")
put_x, put_y = invoke("put", {"value": 1}, key="x"), invoke("put", {"value": 2}, key="y")


def siblings(op: Invocation, rng: Rng) -> Ending:
    return Ending("ok", output={"context": f"{op.f}@{op.time}"})


def registers(op: Invocation, rng: Rng) -> Ending:
    return Ending("ok", output=1, extra={"context": f"{op.f}@{op.time}"})


def test_a_put_passes_the_last_context_of_its_process_and_key() -> None:
    schedule = asked(with_contexts([get_x, put_x, put_y, put_x]), clients=1, ends=siblings)
    assert schedule == [
        "0 0: get x",
        '10 0: put x {"value": 1, "context": "get@0"}',
        '20 0: put y {"value": 2, "context": null}',
        '30 0: put x {"value": 1, "context": "put@10"}',
    ]


def test_a_process_does_not_pass_the_context_of_another() -> None:
    other = Invocation("put", {"value": 1}, "x", process=1, time=50)
    schedule = asked(with_contexts([Invocation("get", key="x", process=0), other]), ends=siblings)
    assert schedule[1] == '50 1: put x {"value": 1, "context": null}'


def test_a_blind_put_stays_blind_and_a_delete_has_a_context_too() -> None:
    blind = invoke("put", {"value": 1, "context": None}, key="x")
    schedule = asked(
        with_contexts([get_x, blind, invoke("delete", key="x")]), clients=1, ends=siblings
    )
    assert schedule[1:] == [
        '10 0: put x {"value": 1, "context": null}',
        '20 0: delete x {"context": "put@10"}',
    ]


def test_a_register_passes_its_context_beside_the_input() -> None:
    steps = [
        invoke("write", 1, key="x"),
        invoke("read", key="x"),
        invoke("write", 2, key="x"),
        invoke("write", 3, key="y"),
    ]
    assert asked(with_contexts(steps), clients=1, ends=registers) == [
        "0 0: write x 1",
        "10 0: read x",
        '20 0: write x 2 {"context": "read@10"}',
        "30 0: write y 3",
    ]


def test_nothing_is_learned_from_what_failed_and_a_crash_forgets() -> None:
    def ends(op: Invocation, rng: Rng) -> Ending:
        outcome: Any = {0: "ok", 10: "fail", 20: "ok", 30: "info"}.get(op.time or 0, "ok")
        return Ending(outcome, output={"context": f"{outcome}@{op.time}"})

    schedule = asked(with_contexts([get_x, get_x, put_x, get_x, put_x]), clients=1, ends=ends)
    assert schedule[2] == '20 0: put x {"value": 1, "context": "ok@0"}'
    assert schedule[4] == '40 1: put x {"value": 1, "context": null}'


def test_a_put_whose_input_is_no_object_is_an_error() -> None:
    with pytest.raises(TypeError, match="a context needs an object"):
        asked(with_contexts(invoke("put", 7, key="x")))


def test_what_is_shared_is_known_to_all() -> None:
    def seen(event: Event) -> Any:
        return event.output if event.type == "ok" and event.f == "read" else None

    def swap(op: Invocation, value: Any) -> Invocation:
        return Invocation("cas", [value, 9], op.key, op.process, op.time) if op.f == "cas" else op

    steps = [Invocation("read", key="x", process=0), Invocation("cas", key="x", process=1, time=20)]
    schedule = asked(
        remembering(seen, swap, steps, shared=True), ends=lambda op, rng: Ending("ok", output=4)
    )
    assert schedule == ["0 0: read x", "20 1: cas x [4, 9]"]


def test_only_so_many_keys_are_remembered() -> None:
    gets = [invoke("get", key=key) for key in range(KEYS_MAX + 1)]
    puts = [invoke("put", {"value": 0}, key=key) for key in (KEYS_MAX, 1, 0)]
    schedule = asked(
        with_contexts([*gets, *puts]), clients=1, ends=siblings, operations_max=KEYS_MAX + 10
    )
    assert ["null" in line for line in schedule[-3:]] == [False, False, True]


def test_keys_that_are_lists_are_remembered() -> None:
    pair = [invoke("get", key=[1, "x"]), invoke("put", {"value": 1}, key=[1, "x"])]
    assert "get@0" in asked(with_contexts(pair), clients=1, ends=siblings)[1]
