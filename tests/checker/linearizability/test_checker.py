"""The checker's verdicts, and what it says of them."""

from __future__ import annotations

import re
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import pytest

from checker.history.columns import History
from checker.history.events import Event
from checker.history.notation import parse
from checker.linearizability.automaton import WrongDeclaration
from checker.linearizability.checker import Linearizable, check
from checker.linearizability.dispatch import Inapplicable
from checker.models import MODELS, Action, Inconsistent, Unfit
from checker.models.register import Register
from checker.verdict import Budget, CheckContext

CLAIMED = CheckContext(claims=frozenset({"linearizable"}))


def test_accepts_a_read_of_a_concurrent_write() -> None:
    history = parse("p0: write 1\np1: read -> 1\np0: -> ok")
    assert check(history, Register()).status == "valid"


def test_rejects_a_read_of_a_value_never_written() -> None:
    verdict = check(parse("p0: write x 1 -> ok\np1: read x -> 2"), Register())
    [finding] = verdict.findings
    assert finding.kind == "not-linearizable"
    assert finding.sentence == (
        'Operation 2 (read -> 2, by process 1, asked at 3 ns, answered at 4 ns) of key "x" fits'
        " into no order of the operations: nobody had written what it saw."
    )
    assert [op.index for op in finding.operations] == [2]
    assert [op.index for op in finding.sub_history] == [2]


def test_a_finding_shows_the_smallest_history_around_it() -> None:
    history = parse(
        """
        p0: write 1 -> ok
        p1: read -> 1
        p2: write 5 -> ok
        p3: write 7
        p0: write 2 -> ok
        p4: read -> 5
        p1: read -> 1
        """
    )
    [finding] = check(history, Register()).findings
    assert [op.input or op.output for op in finding.sub_history] == [1, 5, 1]
    assert finding.sentence.endswith(
        "even with operation 0 (write 1) and operation 4 (write 5) alone,"
        " 1 was read, but the register held 5."
    )
    searched = check(history, Register(), algorithm="frontier").findings[0]
    assert [op.input or op.output for op in searched.sub_history] == [5, 2, 5]
    assert searched.sentence.endswith("whatever the order, 5 was read, but the register held 2.")


def test_a_finding_names_the_faults_that_it_touches() -> None:
    history = parse(
        """
        p0: write 1 -> ok
        nemesis: partition {"targets": ["n1"]} fault=7 -> applied
        p0: read -> 2
        nemesis: heal fault=7 -> healed
        p0: read -> 1
        """
    )
    [finding] = check(history, Register()).findings
    assert finding.faults == (7,)


def test_every_wrong_key_is_a_finding() -> None:
    lines = [f"p0: read k{n} -> 1" for n in range(30)]
    verdict = check(parse("\n".join(lines)), Register())
    assert len(verdict.findings) == 20
    assert verdict.observed["left_out"] == {"not-linearizable": 10}
    assert verdict.observed["outcomes"] == {"illegal": 30}


def test_what_is_not_claimed_is_counted_and_no_finding() -> None:
    history = parse("p0: write 1 -> ok\np1: read -> 2")
    verdict = Linearizable(Register()).check(history, CheckContext())
    assert verdict.status == "valid"
    assert verdict.observed["counted"]["linearizable"]["count"] == 1
    assert Linearizable(Register()).check(history, CLAIMED).status == "invalid"


@pytest.mark.parametrize("text", ["", "p0: write 1 -> ok", "p0: read", "p0: read -> fail"])
def test_too_little_observed_is_unknown(text: str) -> None:
    verdict = check(parse(text), Register())
    assert verdict.status == "unknown"
    assert (verdict.cause or "").startswith("too little observed")
    assert Linearizable(Register()).check(parse(text), CheckContext()).status == "valid"


def test_a_spent_budget_is_unknown_and_tells_how_far_it_came() -> None:
    history = parse("p0: write x 1 -> ok\np0: read x -> 1\np0: read x -> 1")
    verdict = check(history, Register(), algorithm="frontier", budget=Budget(steps=2))
    assert verdict.status == "unknown"
    assert verdict.cause == (
        'the search of key "x" ran out of steps at operation 4: 2 of 3 returns passed, 0'
        " crashed operations; the walk over everything had 1 configuration in hand, at most 1"
    )


def test_a_spent_budget_tells_how_wide_the_search_was() -> None:
    lines = [f"p{n}: add {2**n} -> info" for n in range(16)]
    history = parse("\n".join([*lines, f"p90: read -> {2**16}"]))
    budget = Budget(steps=20_000)
    verdict = check(history, MODELS["counter"](), algorithm="frontier", budget=budget)
    told = re.search(r"([\d,]+) configurations in hand, at most ([\d,]+)", verdict.cause or "")
    assert told is not None, verdict.cause
    in_hand, most = (int(number.replace(",", "")) for number in told.groups())
    assert 500 < in_hand <= most
    assert "0 of 1 returns passed" in (verdict.cause or "")
    assert "16 crashed operations" in (verdict.cause or "")


@pytest.mark.parametrize("threads", [False, True])
def test_of_several_keys_unknown_names_the_one_that_took_most(
    threads: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    # A budget in steps asks no executor; one in seconds may be over before anything is searched.
    monkeypatch.setattr(Linearizable, "_is_shared", lambda *_: threads)
    hard = [f"p{n}: enqueue hot {n}" for n in range(1, 40)]
    answers = [f"p{n}: -> ok" for n in range(1, 40)]
    easy = [f"p9{n}: enqueue cold{n} 1 -> ok\np9{n}: dequeue cold{n} -> 1" for n in range(5)]
    history = parse("\n".join([*hard, *easy, *answers, "p99: dequeue hot -> 77"]))
    with ThreadPoolExecutor(2) as executor:
        verdict = check(
            history,
            MODELS["queue"](),
            algorithm="frontier",
            budget=Budget(steps=30_000),
            executor=executor if threads else None,
        )
    assert verdict.status == "unknown"
    assert 'most steps went to the object of key "hot": ' in str(verdict.cause)
    assert verdict.observed["hardest"][0]["key"] == "hot"


def test_one_key_alone_is_not_compared_with_others() -> None:
    history = parse("p0: write x 1 -> ok\np0: read x -> 1\np0: read x -> 1")
    verdict = check(history, Register(), algorithm="frontier", budget=Budget(steps=2))
    assert "most steps" not in str(verdict.cause)


def test_an_unknown_key_does_not_hide_a_violation_of_another() -> None:
    wrong = "p0: read a -> 1"
    hard = [f"p{n}: write b {n % 2}" for n in range(1, 12)]
    answers = [f"p{n}: -> ok" for n in range(1, 12)]
    history = parse("\n".join([wrong, *hard, *answers]))
    verdict = check(history, Register(), budget=Budget(steps=40), all_keys=True)
    assert verdict.status == "invalid"
    assert "ran out of steps" in verdict.observed["not_judged"]


def test_operations_that_the_model_cannot_take_are_all_named() -> None:
    history = parse("p0: enqueue 1 -> ok\np0: cas 3 -> true\np0: write 1 -> ok")
    with pytest.raises(Unfit) as error:
        check(history, MODELS["cas-register"]())
    lines = str(error.value).splitlines()
    assert [line.split(":")[0] for line in lines] == ["operation 0", "operation 2"]
    many = parse("\n".join(f"p0: push {n} -> ok" for n in range(15)))
    with pytest.raises(Unfit, match="and 5 more"):
        check(many, Register())


def test_a_key_on_some_operations_alone_is_an_error() -> None:
    common: dict[str, Any] = {"type": "invoke", "f": "read"}
    history = History.of(
        [
            Event(index=0, time=0, process=0, key="x", **common),
            Event(index=1, time=1, process=1, **common),
        ]
    )
    with pytest.raises(Unfit, match="operation 1 has no key, but operation 0 has one"):
        check(history, Register())


def test_refuses_an_algorithm_that_nobody_knows_or_that_does_not_apply() -> None:
    with pytest.raises(ValueError, match="unknown algorithm 'guess'; known are zones, queue"):
        Linearizable(Register(), algorithm="guess")
    history = parse("p0: write x 1 -> ok\np0: write x 1 -> ok")
    with pytest.raises(Inapplicable, match='of key "x": a value is written twice'):
        check(history, Register(), algorithm="zones")
    with pytest.raises(Inapplicable, match="the model is no register"):
        check(history, MODELS["counter"](), algorithm="zones")


def test_each_object_is_judged_by_what_applies_to_it() -> None:
    text = "p0: write x 1 -> ok\np0: read x -> 1\np0: write y 1 -> ok\np0: write y 1 -> ok"
    observed = check(parse(text), Register()).observed
    assert observed["algorithm"] == "zones and replay"
    assert observed["outcomes"] == {"legal": 2}
    assert [entry["key"] for entry in observed["hardest"]] == ["y"]
    wrong = check(parse(f"{text}\np0: read x -> 0\np0: read y -> 0"), Register(), all_keys=True)
    assert {finding.operations[0].key for finding in wrong.findings} == {"x", "y"}


def test_refuses_a_pruning_that_nobody_knows() -> None:
    with pytest.raises(ValueError, match="unknown prunings"):
        Linearizable(Register(), prune=frozenset({"everything"}))


@dataclass(frozen=True)
class Tally:
    """A model of a user's: how often it was hit; it cannot count above two."""

    count: int = 0

    def step(self, op: Action) -> Tally | Inconsistent:
        if op.f == "hit":
            if self.count == 2:
                raise OverflowError("three is too many")
            return Tally(self.count + 1)
        if op.known and op.output != self.count:
            return Inconsistent(f"{op.output} told, but it was hit {self.count} times")
        return self


def test_judges_by_a_model_of_the_users() -> None:
    assert check(parse("p0: hit -> ok\np0: ask -> 1"), Tally()).status == "valid"
    [finding] = check(parse("p0: hit -> ok\np0: ask -> 2"), Tally()).findings
    assert finding.sentence.endswith("whatever the order, 2 told, but it was hit 1 times.")


def test_a_model_that_fails_is_unknown_with_state_and_operation() -> None:
    history = parse("\n".join(["p0: hit -> ok"] * 3))
    verdict = check(history, Tally())
    assert verdict.status == "unknown"
    assert verdict.cause == (
        "the model failed at hit in the state Tally(count=2): OverflowError: three is too many"
        " (the search was at operation 4)"
    )


@dataclass(frozen=True)
class Liar(Tally):
    """A tally that declares what it does not keep."""

    declared: str = "pure"

    def pure(self, op: Action) -> bool:
        return self.declared == "pure" and op.f == "hit"

    def blind(self, op: Action) -> bool:
        return self.declared == "blind" and op.f == "ask"

    def settles(self, op: Action) -> bool:
        return self.declared == "settles" and op.f == "hit"


@pytest.mark.parametrize("declared", ["pure", "blind", "settles"])
def test_a_wrong_declaration_is_an_error(declared: str) -> None:
    history = parse("p0: hit -> ok\np0: ask -> 1\np0: hit -> ok\np0: ask -> 5")
    with pytest.raises(WrongDeclaration, match=f"declares by `{declared}`"):
        check(history, Liar(declared=declared))


@dataclass(frozen=True)
class Pairs:
    """Registers of which a and b are one object, and a read of all touches everything."""

    held: tuple[tuple[str, Any], ...] = ()

    def step(self, op: Action) -> Pairs | Inconsistent:
        if op.f == "write":
            return Pairs(tuple(sorted({**dict(self.held), op.key: op.input}.items())))
        value = len(self.held) if op.key == "all" else dict(self.held).get(op.key)
        return self if value == op.output else Inconsistent(f"it was {value}")

    def partition(self, op: Action) -> Any:
        return None if op.key == "all" else [op.key in ("a", "b")]


def test_a_model_says_what_belongs_together() -> None:
    apart = parse("p0: write a 1 -> ok\np0: write c 2 -> ok\np0: read b -> null\np0: read c -> 2")
    verdict = check(apart, Pairs())
    assert verdict.status == "valid"
    assert verdict.observed["objects"] == 2
    together = parse("p0: write a 1 -> ok\np0: write c 2 -> ok\np0: read all -> 2")
    verdict = check(together, Pairs())
    assert verdict.status == "valid"
    assert verdict.observed["objects"] == 1


@dataclass(frozen=True)
class Unhashable:
    """A model whose state is a list."""

    items: list[int]

    def step(self, op: Action) -> Unhashable:
        return Unhashable([*self.items, op.input])


def test_a_model_must_be_hashable() -> None:
    with pytest.raises(TypeError, match="a model is a hashable value"):
        check(parse("p0: push 1 -> ok"), Unhashable([]))


def test_states_that_python_holds_for_equal_are_told_apart() -> None:
    @dataclass(frozen=True)
    class Plain:
        value: Any = None

        def step(self, op: Action) -> Plain | Inconsistent:
            if op.f == "write":
                return Plain(op.input)
            return self if repr(op.output) == repr(self.value) else Inconsistent("it was not")

    history = parse("p0: write 1 -> ok\np1: write true -> ok\np0: read -> 1")
    assert check(history, Plain()).status == "invalid"


def test_observes_how_hard_it_was() -> None:
    history = parse("p0: write x 1 -> ok\np1: write x 2\np0: read x -> 2\np0: read y -> null")
    observed = check(history, Register(), algorithm="frontier").observed
    assert observed["operations"] == 4
    assert observed["crashed"] == 1
    assert observed["objects"] == 2
    assert [entry["key"] for entry in observed["hardest"]] == ["x", "y"]


@pytest.mark.parametrize(
    "budget",
    [Budget(steps=10**30), Budget(seconds=1e300), Budget(memory_mb=10**30)],
)
def test_a_budget_that_is_more_than_enough_is_enough(budget: Budget) -> None:
    history = parse("p0: write 1 -> ok\np0: read -> 1")
    answer = check(history, MODELS["register"](), budget=budget, algorithm="frontier")
    assert answer.status == "valid"
