"""Models start where they are told, and refuse what would be misread."""

from __future__ import annotations

from typing import Any

import pytest

from checker.models import MODELS
from tests.checker.models.test_models import Done, outcome


@pytest.mark.parametrize(
    ("model", "initial", "done"),
    [
        ("register", 7, ("read", None, 7)),
        ("cas-register", 7, ("cas", [7, 8], True)),
        ("multi-register", {"x": 7}, ("txn", [["r", "x", None]], [["r", "x", 7]])),
        ("mutex", True, ("release", None, None)),
        ("reentrant-mutex", "me", ("release", {"owner": "me"}, None)),
        ("counter", 7, ("read", None, 7)),
        ("set", [7], ("read", None, [7])),
        ("queue", [7, 8], ("dequeue", None, 7)),
        ("unordered-queue", [8, 7], ("dequeue", None, 7)),
        ("stack", [7, 8], ("pop", None, 8)),
        ("kv", {"k": 7}, ("get", None, 7)),
        ("kv", [["k", 7], [7, 0]], ("get", None, 7)),
        ("multi-register", [[1, 7]], ("txn", [["r", 1, None]], [["r", 1, 7]])),
    ],
)
def test_initial_values_can_be_given(model: str, initial: Any, done: Done) -> None:
    assert outcome(model, done, initial=initial, key="k") == "allowed"
    assert outcome(model, done, key="k") != "allowed"


@pytest.mark.parametrize(
    ("model", "initial"),
    [
        *[("counter", True), ("counter", "1"), ("queue", [None]), ("stack", [None])],
        *[(name, "abc") for name in ("set", "queue", "unordered-queue", "stack", "kv")],
        *[(name, {"a": 1}) for name in ("set", "queue", "unordered-queue", "stack")],
        *[("set", 5), ("kv", 5), ("kv", [1]), ("multi-register", "x"), ("mutex", 5)],
        *[("mutex", [1]), ("fenced-mutex", True), ("fenced-mutex", [1])],
    ],
)
def test_refuses_an_impossible_initial_value(model: str, initial: Any) -> None:
    with pytest.raises(ValueError, match=r"null|number|starts at"):
        MODELS[model](initial)


def test_a_fenced_mutex_starts_above_its_last_token() -> None:
    assert outcome("fenced-mutex", ("acquire", None, 7), initial=6) == "allowed"
    assert outcome("fenced-mutex", ("acquire", None, 7), initial=7) != "allowed"
