"""How often a model is asked, and what happens to one that does not answer the same again."""

from __future__ import annotations

import gc
from collections import Counter
from dataclasses import dataclass
from itertools import count
from time import monotonic, sleep
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

import msgspec
import pytest

from checker.history.notation import parse
from checker.linearizability.automaton import ASKED_TWICE_EVERY, Automaton, WrongDeclaration
from checker.linearizability.checker import check
from checker.linearizability.streaming import Stream
from checker.models import MODELS, Inconsistent
from checker.models.model import text
from checker.verdict import Budget

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


def automata() -> int:
    """How many are held in memory."""
    gc.collect()
    return sum(type(held) is Automaton for held in gc.get_objects())


def test_what_a_check_met_is_freed_when_it_is_over() -> None:
    history, before = parse("p0: add 1 -> ok\np0: read -> 2"), automata()
    for _ in range(20):
        assert check(history, MODELS["counter"]()).status == "invalid"
        stream = Stream(MODELS["counter"]())
        assert [stream.feed(event) for event in history.events()][-1] == "possible"
        assert stream.finish() == "illegal"
    del stream
    assert automata() <= before


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


class Unequal:
    """A model that is right but for its equality: that of any object."""

    def __init__(self, value: Any = None) -> None:
        self.value = value

    def step(self, op: Action) -> Unequal | Inconsistent:
        return Unequal(op.input)


def test_a_model_without_equality_is_told_that_it_is_missing() -> None:
    with pytest.raises(WrongDeclaration, match=r"never equal: write 1 .*give the model `__eq__`"):
        check(parse("p0: write 1 -> ok"), Unequal())


@dataclass(frozen=True)
class Lettered:
    """A model whose names of pure operations are one string, in which "read" is found too."""

    value: Any = None
    pure: ClassVar[str] = "read-modify"

    def step(self, op: Action) -> Lettered | Inconsistent:
        return Lettered(op.input)


def test_a_string_of_pure_operations_is_an_error() -> None:
    with pytest.raises(WrongDeclaration, match=r"`pure` a string, read-modify, .* a set of names"):
        check(parse("p0: write 1 -> ok"), Lettered())


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


class Named(NamedTuple):
    """Python holds Named(1) and Named(True) for equal."""

    value: Any = None

    def step(self, op: Action) -> Named | Inconsistent:
        held = op.f == "write" or text(self.value) == op.answered
        after = Named(op.input) if op.f == "write" else self
        return after if held else Inconsistent(f"{text(self.value)} was there")


class Struct(msgspec.Struct, frozen=True):
    """So it does of these."""

    value: Any = None

    def step(self, op: Action) -> Struct | Inconsistent:
        after = Named(self.value).step(op)
        return after if isinstance(after, Inconsistent) else Struct(after.value)


@pytest.mark.parametrize("model", [Named(), Struct()])
def test_states_that_differ_in_type_alone_are_told_apart(model: Named | Struct) -> None:
    right = "p0: write 1 -> ok\np0: write true -> ok\np0: read -> true"
    assert check(parse(right), model).status == "valid"
    assert check(parse(right.replace("-> true", "-> 1")), model).status == "invalid"


@dataclass(frozen=True)
class Undecided:
    """Cannot say what it declares."""

    def step(self, op: Action) -> Undecided:
        raise SystemExit(0)

    def pure(self, op: Action) -> bool:
        if op.f == "write":
            raise ZeroDivisionError("of what?")
        return False


def test_whatever_a_model_raises_is_unknown_with_operation_and_state() -> None:
    wrong = parse("p0: write 1 -> ok\np0: read -> 1")
    told = "the model failed at write 1 in the state Undecided(): ZeroDivisionError: of what?"
    assert check(wrong, Undecided()).cause == told
    stream = Stream(Undecided())
    assert [stream.feed(event) for event in wrong.events()][-1] == "given up"
    assert stream.cause == told
    leaving = check(parse("p0: read -> 1"), Undecided())
    assert leaving.cause == (
        "the model failed at read -> 1 in the state Undecided(): SystemExit: 0"
        " (the search was at operation 0)"
    )


@dataclass(frozen=True)
class Slow:
    """A register that thinks."""

    value: Any = None

    def step(self, op: Action) -> Slow | Inconsistent:
        sleep(0.01)
        if op.f == "write":
            return Slow(op.input)
        return self if op.output == self.value else Inconsistent("it did not hold that")


@pytest.mark.parametrize("overlap", [False, True])
def test_a_slow_model_is_asked_no_longer_than_the_budget(overlap: bool) -> None:
    lines = [f"p0: write {n} -> ok\np0: read -> {n}" for n in range(1_000)]
    history = parse("\n".join(["p1: write 7", *lines] if overlap else lines))
    began = monotonic()
    answer = check(history, Slow(), budget=Budget(seconds=0.5))
    assert monotonic() - began < 10, "all questions take 20 s at least"
    assert answer.status == "unknown"
    assert answer.cause is not None
    assert "ran out of seconds" in answer.cause


@dataclass(frozen=True)
class Speechless:
    """A register whose state cannot be told."""

    value: Any = None

    def step(self, op: Action) -> Speechless | Inconsistent:
        if op.f == "write":
            return Speechless(op.input)
        return self if op.output == self.value else Inconsistent("it did not hold that")

    def __str__(self) -> str:
        raise ValueError("no words")

    __repr__ = __str__


def test_a_state_that_cannot_be_told_takes_no_verdict_with_it() -> None:
    history = parse("p0: write 1 -> ok\np1: write 2\np0: read -> 3")
    [finding] = check(history, Speechless(), algorithm="frontier").findings
    assert "it did not hold that" in finding.sentence
    assert any("a Speechless whose text failed (ValueError)" in line for line in finding.details)


@dataclass(frozen=True)
class Listing:
    """A model whose state is no hashable value after a write."""

    value: Any = None

    def step(self, op: Action) -> Listing:
        return Listing([op.input])


class Wordless:
    """A reason that cannot be told."""

    def __str__(self) -> str:
        raise RuntimeError("no words")


@pytest.mark.parametrize(
    ("reason", "told"), [(1, "1"), (None, "None"), (Wordless(), "a Wordless whose text failed")]
)
def test_a_refusal_whose_reason_is_no_string_is_a_refusal(reason: Any, told: str) -> None:
    @dataclass(frozen=True)
    class Refusing:
        def step(self, op: Action) -> Refusing | Inconsistent:
            return Inconsistent(reason) if op.f == "read" else self

    verdict = check(parse("p0: write 1 -> ok\np0: read -> 2"), Refusing())
    assert verdict.status == "invalid", verdict.cause
    [finding] = verdict.findings
    assert told in "\n".join([finding.sentence, *finding.details])


def test_an_unhashable_state_is_unknown_with_state_and_operation() -> None:
    verdict = check(parse("p0: write 7 -> ok"), Listing())
    assert verdict.status == "unknown"
    for part in ("a model is a hashable value", "write 7", "Listing(value=None)", "operation 0"):
        assert part in str(verdict.cause)
