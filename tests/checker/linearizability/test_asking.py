"""How often a model is asked, and what happens to one that does not answer the same again."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from itertools import count
from typing import TYPE_CHECKING, Any, ClassVar

import pytest

from checker.history.notation import parse
from checker.linearizability.automaton import ASKED_TWICE_EVERY, WrongDeclaration
from checker.linearizability.checker import check
from checker.models import Inconsistent

if TYPE_CHECKING:
    from collections.abc import Iterator

    from checker.models import Action

HISTORY = "p0: write 1\np1: write 2\np2: read -> 2\np0: -> ok\np1: -> ok\np2: read -> {}"


@dataclass(frozen=True)
class Counted:
    """A register that counts what it is asked."""

    value: Any = None
    asked: ClassVar[Counter[tuple[Any, str]]] = Counter()

    def step(self, op: Action) -> Counted | Inconsistent:
        self.asked[self.value, str(op)] += 1
        if op.f == "write":
            return Counted(op.input)
        return self if op.output == self.value else Inconsistent("it did not hold that")


def test_a_question_is_asked_once_and_one_in_a_hundred_twice() -> None:
    lines = [f"p0: write {n} -> ok\np0: read -> {n}" for n in range(150)]
    Counted.asked.clear()
    assert check(parse("\n".join(lines)), Counted(), algorithm="frontier").status == "valid"
    assert set(Counted.asked.values()) == {1, 2}
    twice = sum(1 for times in Counted.asked.values() if times == 2)
    assert twice == -(-len(Counted.asked) // ASKED_TWICE_EVERY)


@dataclass(frozen=True)
class Moody:
    """A model that answers something else every time."""

    value: int = 0
    numbers: ClassVar[Iterator[int]] = count()

    def step(self, op: Action) -> Moody:
        return Moody(next(self.numbers))


def test_a_model_that_answers_at_random_is_an_error() -> None:
    with pytest.raises(WrongDeclaration, match="answers one question in two ways: write 1"):
        check(parse("p0: write 1 -> ok"), Moody())


@dataclass(unsafe_hash=True)
class Drifting:
    """A model that changes itself instead of answering another."""

    value: int = 0

    def step(self, op: Action) -> Drifting:
        self.value += 1
        return self


def test_a_model_that_is_changed_by_being_asked_is_an_error() -> None:
    with pytest.raises(WrongDeclaration, match="changed by being asked"):
        check(parse("p0: write 1 -> ok"), Drifting())
