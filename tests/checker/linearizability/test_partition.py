"""A declared partition is tried against the model as a whole; a wrong one is an error."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import pytest

from checker.history.notation import parse
from checker.linearizability.automaton import WrongDeclaration
from checker.linearizability.checker import check
from checker.models import MODELS, Action, Inconsistent
from checker.verdict import Budget


@dataclass(frozen=True, slots=True)
class Bank:
    """Accounts by name. Money goes from the operation's key to another account."""

    held: tuple[tuple[str, int], ...] = (("a", 10), ("b", 10))
    pure: ClassVar = frozenset({"read"})

    def step(self, op: Action) -> Bank | Inconsistent:
        held = dict(self.held)
        if op.f == "read":
            right = not op.known or op.output == held[op.key]
            return self if right else Inconsistent(f"{op.key} held {held[op.key]}")
        to, amount = op.input
        if held[op.key] < amount:
            return Inconsistent("it had too little")
        held[op.key] -= amount
        held[to] += amount
        return Bank(tuple(held.items()))

    def partition(self, op: Action) -> Any:
        """Wrong: the account that is given to is touched too."""
        return op.key


@dataclass(frozen=True, slots=True)
class Room:
    """One may be in at a time, whichever door is taken."""

    inside: bool = False

    def step(self, op: Action) -> Room | Inconsistent:
        if (op.f == "enter") == self.inside:
            return Inconsistent("one was inside")
        return Room(op.f == "enter")

    def partition(self, op: Action) -> Any:
        """Wrong: the doors lead to one room."""
        return op.key


@dataclass(frozen=True, slots=True)
class Doors:
    """Which doors are open, by name."""

    open: frozenset[str] = frozenset()

    def step(self, op: Action) -> Doors | Inconsistent:
        if (op.f == "open") == (op.key in self.open):
            return Inconsistent(f"{op.key} was so already")
        return type(self)(self.open ^ {op.key})

    def partition(self, op: Action) -> Any:
        return op.key


@dataclass(frozen=True, slots=True)
class Whole(Doors):
    """The same, not split."""

    def partition(self, op: Action) -> Any:
        return None


@dataclass(frozen=True, slots=True)
class Failing(Doors):
    """Fails where one door is open and another is opened."""

    def step(self, op: Action) -> Doors | Inconsistent:
        if self.open and op.f == "open":
            raise ZeroDivisionError
        return Doors.step(self, op)


TRANSFERRED = """
    p0: transfer a ["b",3] -> ok
    p1: read b -> 13
    p1: read a -> 7
"""


def test_a_partition_that_would_accuse_is_an_error() -> None:
    history = parse(TRANSFERRED)
    assert check(history, Bank()).status == "invalid", "it was split where it is one"
    with pytest.raises(WrongDeclaration) as error:
        check(history, Bank(), verify_partition=True)
    assert 'as a whole it allows read -> 13 of key "b" after' in str(error.value)
    assert "mend `partition` or `step`" in str(error.value)


def test_a_partition_that_would_miss_a_violation_is_an_error() -> None:
    history = parse("p0: enter front -> ok\np1: enter back -> ok\np0: leave front -> ok")
    assert check(history, Room()).status == "valid", "two were inside"
    with pytest.raises(
        WrongDeclaration, match=r'as a whole it .* of key "front" after enter of key "back"'
    ):
        check(history, Room(), verify_partition=True)


@pytest.mark.parametrize("other", ["walk", "judge"])
def test_each_way_of_comparing_sees_it_alone(other: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(f"checker.linearizability.partition._Sample.{other}", lambda *_: 0)
    with pytest.raises(WrongDeclaration):
        check(parse(TRANSFERRED), Bank(), verify_partition=True)


def test_a_true_partition_is_compared_and_changes_no_verdict() -> None:
    text = "p0: open x -> ok\np1: open y -> ok\np0: close x -> ok\np1: close y -> ok"
    verdict = check(parse(text), Doors(), verify_partition=True)
    assert verdict.status == "valid"
    assert verdict.observed["partition"]["steps"] > 100
    assert verdict.observed["partition"]["pieces"] > 30
    wrong = parse(f"{text}\np0: close x -> ok")
    assert check(wrong, Doors(), verify_partition=True).status == "invalid"


def test_the_map_that_comes_with_lineal_is_its_parts() -> None:
    history = parse(
        """
        p0: put x 1 -> ok
        p1: put y "a"
        p2: append x "b" -> info
        p0: get y -> "a"
        p1: -> ok
        p1: append y "b" -> ok
        p0: delete x -> ok
        p3: get y -> "ab"
        """
    )
    verdict = check(history, MODELS["kv"](), verify_partition=True)
    assert verdict.observed["partition"]["steps"] > 1_000


@pytest.mark.parametrize("text", ["p0: open x -> ok", "p0: open x -> ok\np1: open y -> ok"])
def test_what_is_not_split_has_nothing_to_compare(text: str) -> None:
    model = Whole() if "y" in text else Doors()
    observed = check(parse(text), model, verify_partition=True).observed
    assert observed["partition"] == {"steps": 0, "pieces": 0}


def test_without_a_partition_there_is_nothing_to_verify() -> None:
    history = parse("p0: write x 1 -> ok\np1: read y -> 1")
    with pytest.raises(WrongDeclaration, match="declares no `partition`"):
        check(history, MODELS["register"](), verify_partition=True)


def test_a_spent_budget_ends_the_comparing() -> None:
    budget = Budget(seconds=0.0)
    verdict = check(parse(TRANSFERRED), Bank(), verify_partition=True, budget=budget)
    assert verdict.observed["partition"] == {"steps": 0, "pieces": 0}


def test_where_the_model_fails_nothing_is_said() -> None:
    history = parse("p0: open x -> ok\np1: open y -> ok\np0: close x -> ok")
    plain = check(history, Failing())
    asked = check(history, Failing(), verify_partition=True)
    assert asked.status == plain.status
    assert asked.observed["partition"]["steps"] > 0
