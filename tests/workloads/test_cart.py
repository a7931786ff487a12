from __future__ import annotations

from typing import Any

import pytest

from checker.invariants.cart import Cart
from systems_under_test.rng import Rng
from tests.checker.judging import judged, kinds, sentence
from tests.workloads.runs import kinds as kinds_of
from tests.workloads.runs import record, verdicts
from tests.workloads.stores import Versioned
from workloads import cart
from workloads.generators.conformance import check_generator
from workloads.parameters import WrongParameters

PUT = (
    'p1: put c {"value": {"op": %d, "did": "%s", "item": %d, "items": %s}, "context": null}'
    ' -> {"id": "n1.1.%d", "context": "%s"}\n'
)
QUIET = "nemesis: quiescent\n"


def did(op: int, what: str, item: int, items: list[int]) -> str:
    return PUT % (op, what, item, items, op, "ABCDEFG"[op])


def final(*carts: list[int]) -> str:
    shown = ", ".join(
        f'{{"id": "n1.1.{i}", "value": {{"items": {items}}}}}' for i, items in enumerate(carts)
    )
    return QUIET + f'p9: get c {{"r": "all"}} -> {{"versions": [{shown}]}}\n'


def test_an_item_that_nobody_took_out_must_be_there_in_some_version() -> None:
    text = did(1, "add", 1, [1]) + did(2, "add", 2, [2])
    assert kinds(judged(Cart(), text + final([1], [2]))) == []
    verdict = judged(Cart(), text + final([2]))
    assert kinds(verdict) == ["lost-element"]
    assert "put item 1 into the cart" in sentence(verdict)


def test_an_item_that_somebody_may_have_taken_out_may_be_gone() -> None:
    gone = did(2, "remove", 1, [])
    maybe = gone.replace(' -> {"id": "n1.1.2", "context": "C"}', " -> info")
    for removal in (gone, maybe):
        assert kinds(judged(Cart(), did(1, "add", 1, [1]) + removal + final([]))) == []
    never = maybe.replace("info", "fail")
    assert kinds(judged(Cart(), did(1, "add", 1, [1]) + never + final([]))) == ["lost-element"]


def test_an_item_that_came_back_is_counted_and_held_against_nobody() -> None:
    verdict = judged(Cart(), did(1, "add", 1, [1]) + did(2, "remove", 1, []) + final([1], []))
    assert verdict.status == "valid"
    assert verdict.observed["items_taken_out"] == 1
    assert verdict.observed["items_that_came_back"] == 1


def test_an_add_without_an_answer_obliges_to_nothing() -> None:
    maybe = did(1, "add", 1, [1]).replace(' -> {"id": "n1.1.1", "context": "B"}', " -> info")
    text = maybe + did(2, "add", 2, [2]).replace("p1", "p2") + final([2])
    assert kinds(judged(Cart(), text)) == []


@pytest.mark.parametrize("text", ["", did(1, "add", 1, [1]), did(1, "add", 1, [1]) + QUIET])
def test_without_a_final_read_of_a_cart_it_is_unknown(text: str) -> None:
    assert kinds(judged(Cart(), text + "p2: get d -> fail\n")) == ["unknown"]


@pytest.mark.parametrize("seed", range(3))
def test_a_store_that_keeps_siblings_loses_no_item(seed: int) -> None:
    workload = cart.make()
    history = record(workload, Versioned(), seed=seed)
    found = verdicts(workload, history)
    assert [(name, f.sentence) for name, v in found.items() for f in v.findings] == []
    assert found["cart"].status == "valid"
    assert found["cart"].observed["items_added"] > 50


@pytest.mark.parametrize("seed", range(3))
def test_a_store_that_drops_siblings_loses_items(seed: int) -> None:
    workload = cart.make()
    assert "lost-element" in kinds_of(workload, record(workload, Versioned(broken=True), seed=seed))


def test_a_put_merges_what_its_client_read_and_changes_one_item() -> None:
    seen: dict[tuple[int, str], Any] = {}
    for op in record(cart.make(keys=2), Versioned(), operations=600):
        if op.f == "get" and op.outcome == "ok":
            seen[op.process, op.key] = op.output
        if op.f != "put":
            continue
        shown = seen.get((op.process, op.key), {"versions": [], "context": None})
        before = {item for version in shown["versions"] for item in version["value"]["items"]}
        made = op.input["value"]
        expected = before | {made["item"]} if made["did"] == "add" else before - {made["item"]}
        assert set(made["items"]) == expected
        assert op.input["context"] == shown["context"]
        assert (made["item"] in before) == (made["did"] == "remove")


def test_the_generator_keeps_the_rules() -> None:
    assert check_generator(cart.make().generator, streams=Rng) == []


def test_everything_that_is_wrong_is_said_at_once() -> None:
    with pytest.raises(WrongParameters) as caught:
        cart.make(keys=0, reads=60, removals=40)
    assert str(caught.value).splitlines() == [
        "workload cart: keys is 0: give a whole number from 1 to 10,000",
        "workload cart: reads + removals make 100 percent: leave some for adding",
    ]
