from __future__ import annotations

from typing import Any

import pytest

from checker.models.model import Action, Inconsistent
from checker.models.multi_register import MultiRegister, multi_register


def step(model: MultiRegister, *steps: list[Any], answer: list[Any] | None = None) -> Any:
    asked = list(steps)
    if answer is None:
        return model.step(Action("txn", asked, None, outcome="info"))
    return model.step(Action("txn", asked, answer, outcome="ok"))


def test_an_append_makes_a_list_longer_and_begins_one_where_there_is_none() -> None:
    after = step(multi_register(), ["append", "l", 1], ["append", "l", 2])
    assert after == multi_register({"l": [1, 2]})
    assert isinstance(step(after, ["r", "l", None], answer=[["r", "l", [1, 2]]]), MultiRegister)
    assert isinstance(step(after, ["r", "l", None], answer=[["r", "l", [1]]]), Inconsistent)


def test_nothing_is_appended_to_what_is_no_list() -> None:
    assert isinstance(step(multi_register({"l": 7}), ["append", "l", 1]), Inconsistent)


@pytest.mark.parametrize(("held", "happens"), [(5, True), (6, False)])
def test_a_read_with_a_value_is_a_condition_also_of_an_unknown_transaction(
    held: int, happens: bool
) -> None:
    after = step(multi_register({"a": held}), ["r", "a", 5], ["w", "a", 1])
    assert isinstance(after, MultiRegister) == happens


def test_a_read_without_a_value_is_none() -> None:
    assert step(multi_register({"a": 5}), ["r", "a", None], ["w", "a", 1]) == multi_register(
        {"a": 1}
    )


def test_an_append_is_neither_blind_nor_pure() -> None:
    action = Action("txn", [["append", "l", 1]], None, outcome="info")
    assert not MultiRegister().blind(action)
    assert not MultiRegister().pure(action)
