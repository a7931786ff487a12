"""Every model by example: what it allows, what it refuses and why, what it cannot take."""

from __future__ import annotations

from typing import Any

import pytest

from checker.models import MODELS, Action, Inconsistent, Unfit
from checker.models.model import answers, purity

Done = tuple[Any, ...]
"""An operation: f, input, output; the output `...` is unknown."""


def action(done: Done, key: Any = None) -> Action:
    f, given, output = done
    if output is ...:
        return Action(f, given, key=key, outcome="info")
    return Action(f, given, output, key=key)


def outcome(model: str, *done: Done, initial: Any = None, key: Any = None) -> str:
    """`allowed`, or the reason of the first refusal in every branch."""
    states = [MODELS[model]() if initial is None else MODELS[model](initial)]
    for one in done:
        after = [answers(state, action(one, key)) for state in states]
        reasons = [one.reason for one in after if isinstance(one, Inconsistent)]
        states = [s for one in after if not isinstance(one, Inconsistent) for s in one]
        if not states:
            return reasons[0]
    return "allowed"


ALLOWED: list[tuple[str, list[Done]]] = [
    ("register", [("read", None, None), ("write", 1, None), ("read", None, 1)]),
    ("register", [("write", {"b": 1, "a": 2}, None), ("read", None, {"a": 2, "b": 1})]),
    ("register", [("write", 1, ...), ("read", None, 1), ("read", None, ...)]),
    ("cas-register", [("write", 1, None), ("cas", [1, 2], True), ("read", None, 2)]),
    ("cas-register", [("write", 1, None), ("cas", [3, 2], False), ("read", None, 1)]),
    ("cas-register", [("cas", [None, 2], ...), ("read", None, 2)]),
    (
        "multi-register",
        [("txn", [["w", "x", 1], ["r", "x", None]], [["w", "x", 1], ["r", "x", 1]])],
    ),
    ("multi-register", [("txn", [["r", "x", None]], ...), ("txn", [["w", "x", 1]], ...)]),
    ("mutex", [("acquire", None, None), ("release", None, None), ("acquire", None, ...)]),
    ("fenced-mutex", [("acquire", None, 3), ("release", 3, None), ("acquire", None, 5)]),
    (
        "fenced-mutex",
        [
            ("acquire", None, 3),
            ("release", None, None),
            ("acquire", None, ...),
            ("release", 4, None),
            ("acquire", None, 5),
        ],
    ),
    ("fenced-mutex", [("acquire", None, ...), ("release", 7, None), ("acquire", None, 8)]),
    (
        "reentrant-mutex",
        [
            ("acquire", {"owner": 1}, None),
            ("acquire", {"owner": 1}, None),
            ("release", {"owner": 1}, None),
            ("release", {"owner": 1}, None),
            ("acquire", {"owner": 2}, None),
        ],
    ),
    ("counter", [("add", 2, None), ("add", -1, ...), ("read", None, 1)]),
    ("counter", [("add", 0.5, None), ("read", None, 0.5), ("read", None, ...)]),
    (
        "set",
        [
            ("add", 1, None),
            ("add", [2], None),
            ("read", None, [[2], 1]),
            ("remove", 1, None),
            ("contains", 1, False),
            ("contains", [2], True),
            ("contains", 5, ...),
        ],
    ),
    (
        "queue",
        [
            ("enqueue", 1, None),
            ("enqueue", 2, None),
            ("dequeue", None, 1),
            ("dequeue", None, ...),
            ("dequeue", None, None),
        ],
    ),
    (
        "unordered-queue",
        [
            ("enqueue", 1, None),
            ("enqueue", 2, None),
            ("dequeue", None, 2),
            ("dequeue", None, 1),
            ("dequeue", None, None),
        ],
    ),
    (
        "unordered-queue",
        [("enqueue", 1, None), ("enqueue", 2, None), ("dequeue", None, ...), ("dequeue", None, 1)],
    ),
    ("unordered-queue", [("dequeue", None, ...), ("enqueue", 1, ...), ("dequeue", None, 1)]),
    (
        "stack",
        [
            ("push", 1, None),
            ("push", 2, None),
            ("pop", None, 2),
            ("pop", None, ...),
            ("pop", None, None),
        ],
    ),
    (
        "kv",
        [
            ("get", None, None),
            ("append", "a", None),
            ("append", "b", None),
            ("get", None, "ab"),
            ("put", 3, None),
            ("get", None, 3),
            ("delete", None, None),
            ("get", None, None),
        ],
    ),
]

REFUSED: list[tuple[str, list[Done], str]] = [
    (
        "register",
        [("write", 1, None), ("read", None, True)],
        "true was read, but the register held 1",
    ),
    (
        "register",
        [("write", 1, None), ("read", None, 1.0)],
        "1.0 was read, but the register held 1",
    ),
    (
        "cas-register",
        [("write", 1, None), ("cas", [2, 3], True)],
        "2 was swapped out, but the register held 1",
    ),
    (
        "cas-register",
        [("write", 2, None), ("cas", [2, 3], False)],
        "swapping 2 out was refused, but the register held it",
    ),
    ("cas-register", [("cas", [1, 2], ...)], "1 was swapped out, but the register held null"),
    (
        "multi-register",
        [("txn", [["w", "x", 1]], ...), ("txn", [["r", "x", None]], [["r", "x", 2]])],
        '2 was read from "x", but it held 1',
    ),
    ("mutex", [("release", None, None)], "it was released, but it was free"),
    (
        "mutex",
        [("acquire", None, None), ("acquire", None, ...)],
        "it was acquired, but it was held",
    ),
    (
        "fenced-mutex",
        [("acquire", None, 3), ("acquire", None, 4)],
        "it was acquired with token 4, but it was held",
    ),
    (
        "fenced-mutex",
        [("acquire", None, 3), ("acquire", None, ...)],
        "it was acquired, but it was held",
    ),
    (
        "fenced-mutex",
        [("acquire", None, 3), ("release", None, None), ("acquire", None, 3)],
        "token 3 was given out, but 3 had been before",
    ),
    ("fenced-mutex", [("release", None, None)], "it was released, but it was free"),
    (
        "fenced-mutex",
        [("acquire", None, 3), ("release", 2, None)],
        "token 2 was released, but the holder had token 3",
    ),
    (
        "fenced-mutex",
        [
            ("acquire", None, 3),
            ("release", None, None),
            ("acquire", None, ...),
            ("release", 3, None),
        ],
        "token 3 was released, but the holder had token 4 or more",
    ),
    (
        "fenced-mutex",
        [
            ("acquire", None, 3),
            ("release", None, None),
            ("acquire", None, ...),
            ("release", None, None),
            ("acquire", None, 4),
        ],
        "token 4 was given out, but 4 had been before",
    ),
    (
        "reentrant-mutex",
        [("acquire", {"owner": 1}, None), ("acquire", {"owner": 2}, None)],
        "acquire by 2 took place, but 1 held it",
    ),
    ("reentrant-mutex", [("release", {"owner": 1}, None)], "1 released it, but it was free"),
    (
        "counter",
        [("add", 1, None), ("read", None, 1.0)],
        "1.0 was read, but the counter stood at 1",
    ),
    ("set", [("add", 1, None), ("contains", 1, False)], "1 was not found, but the set held {1}"),
    ("set", [("contains", 1, True)], "1 was found, but the set held {}"),
    ("set", [("add", 1, None), ("read", None, [1, 1])], "[1,1] was read, but the set held {1}"),
    (
        "queue",
        [("enqueue", 1, None), ("enqueue", 2, None), ("dequeue", None, 2)],
        "2 was taken out, but 1 stood at the head",
    ),
    ("queue", [("dequeue", None, 2)], "2 was taken out, but it was empty"),
    (
        "queue",
        [("enqueue", 1, None), ("dequeue", None, None)],
        "nothing was found, but 1 stood at the head",
    ),
    (
        "unordered-queue",
        [("enqueue", 1, None), ("dequeue", None, 2)],
        "2 was taken out, but 1 stood inside",
    ),
    (
        "unordered-queue",
        [("enqueue", 1, None), ("dequeue", None, None)],
        "nothing was found, but 1 stood inside",
    ),
    (
        "unordered-queue",
        [("enqueue", 1, None), ("dequeue", None, ...), ("dequeue", None, 1)],
        "1 was taken out, but it was empty",
    ),
    (
        "stack",
        [("push", 1, None), ("push", 2, None), ("pop", None, 1)],
        "1 was taken out, but 2 stood on top",
    ),
    ("kv", [("put", "a", None), ("get", None, "b")], '"b" was got, but the key held "a"'),
    (
        "kv",
        [("put", 3, None), ("append", "b", None)],
        '"b" was appended, but the key held 3, no string',
    ),
]

UNFIT: list[tuple[str, Done]] = [
    ("register", ("cas", [1, 2], True)),
    ("cas-register", ("cas", 1, True)),
    ("cas-register", ("cas", [1, 2, 3], True)),
    ("cas-register", ("cas", [1, 2], "yes")),
    ("cas-register", ("swap", [1, 2], True)),
    ("multi-register", ("read", "x", 1)),
    ("multi-register", ("txn", "x", None)),
    ("multi-register", ("txn", [["r", "x", None]], None)),
    ("multi-register", ("txn", [["r", "x", None]], [["r", "y", 1]])),
    ("multi-register", ("txn", [["d", "x", None]], [["d", "x", 1]])),
    ("mutex", ("lock", None, None)),
    ("fenced-mutex", ("acquire", None, None)),
    ("fenced-mutex", ("acquire", None, True)),
    ("fenced-mutex", ("release", "3", None)),
    ("fenced-mutex", ("lock", None, None)),
    ("reentrant-mutex", ("acquire", None, None)),
    ("reentrant-mutex", ("lock", {"owner": 1}, None)),
    ("counter", ("add", True, None)),
    ("counter", ("add", "1", None)),
    ("counter", ("inc", None, None)),
    ("set", ("contains", 1, None)),
    ("set", ("read", None, 3)),
    ("set", ("put", 1, None)),
    ("queue", ("enqueue", None, None)),
    ("queue", ("push", 1, None)),
    ("unordered-queue", ("enqueue", None, None)),
    ("unordered-queue", ("push", 1, None)),
    ("stack", ("push", None, None)),
    ("stack", ("enqueue", 1, None)),
    ("kv", ("append", 3, None)),
    ("kv", ("cas", [1, 2], True)),
]


@pytest.mark.parametrize(("model", "done"), ALLOWED)
def test_allows(model: str, done: list[Done]) -> None:
    assert outcome(model, *done, key="k") == "allowed"


@pytest.mark.parametrize(("model", "done", "reason"), REFUSED)
def test_refuses_with_its_reason(model: str, done: list[Done], reason: str) -> None:
    assert outcome(model, *done[:-1], key="k") == "allowed"
    assert outcome(model, *done, key="k") == reason


@pytest.mark.parametrize(("model", "done"), UNFIT)
def test_what_a_model_cannot_take_is_an_error_that_names_both(model: str, done: Done) -> None:
    with pytest.raises(Unfit, match=f"the model {model} cannot take the operation {done[0]}"):
        outcome(model, done, key="k")


def test_every_model_has_one_sentence() -> None:
    for name, make in MODELS.items():
        assert (make.__doc__ or "").strip().endswith("."), name
        assert "\n" not in (make.__doc__ or ""), name


def test_a_state_says_in_words_what_it_is() -> None:
    for name, make in MODELS.items():
        assert str(make()).startswith("the "), name


def test_a_key_is_needed_by_the_map() -> None:
    with pytest.raises(Unfit, match="every operation has a key"):
        outcome("kv", ("get", None, None))


def test_an_info_operation_has_no_output() -> None:
    assert Action("read", None, 3, outcome="info").output is None
    assert str(Action("read", None, 3, outcome="info")) == "read -> ?"
    assert str(Action("cas", [1, 2], True)) == "cas [1,2] -> true"


def test_actions_compare_as_json_does() -> None:
    assert Action("write", 1) != Action("write", True)
    assert Action("write", {"a": 1, "b": 2}) == Action("write", {"b": 2, "a": 1})


class Wordless:
    """A model that forgets to answer."""

    def step(self, op: Action) -> None:
        del op


class Several:
    """A model with pure reads by name, and several states after a step."""

    pure = frozenset({"read"})

    def steps(self, op: Action) -> list[Several]:
        return [self] if op.f == "read" else []


def test_a_step_answers_a_model_or_a_refusal() -> None:
    with pytest.raises(TypeError, match="a step answers a model or Inconsistent"):
        answers(Wordless(), Action("read"))


def test_no_states_are_a_refusal() -> None:
    assert isinstance(answers(Several(), Action("write")), Inconsistent)
    assert purity(Several())(Action("read"))
    assert not purity(Several())(Action("write"))
