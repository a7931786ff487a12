"""A witness is a history of its own that is not linearizable, and was not made so."""

from __future__ import annotations

from itertools import combinations, permutations
from random import Random
from typing import TYPE_CHECKING, Any

import pytest

from checker.history.columns import History
from checker.history.notation import parse
from checker.linearizability import culprit, twin
from checker.linearizability.checker import check
from checker.linearizability.observable import unobservable
from checker.linearizability.problem import problem_of
from checker.linearizability.search import budget_of, search
from checker.linearizability.witness import Witness, witness
from checker.models import MODELS, Inconsistent
from checker.models.model import answers
from checker.verdict import Budget
from tests.benchmarks.adversarial import Shape, register
from tests.checker.linearizability.histories import ASKED, random_history

if TYPE_CHECKING:
    from collections.abc import Sequence

    from checker.history.events import Operation
    from checker.models.model import Specification


@pytest.mark.parametrize("model", ASKED)
def test_the_small_history_of_every_violation_is_a_violation(model: str) -> None:
    seen = 0
    for seed in range(40):
        rng = Random(f"{model} {seed}")
        history = random_history(rng, model, operations=9, processes=4, stamps=20)
        problem = problem_of(history, MODELS[model]())
        budget = budget_of(Budget())
        for number, result in enumerate(search(problem, budget)):
            if result.outcome != "illegal":
                continue
            found = witness(problem, number, result, budget)
            assert not found.refuted
            assert found.culprit in found.operations
            assert twin.search(found.operations, MODELS[model]()) is False
            assert twin.search(found.relaxed, MODELS[model]()) is False
            for before, after in zip(found.operations, found.relaxed, strict=True):
                assert before.index == after.index
                assert after.call <= before.call
                assert after.ret is None or (before.ret is not None and after.ret >= before.ret)
            if len(found.ordered) <= 5:
                assert_longest(found, MODELS[model]())
            seen += 1
    assert seen > 5


def assert_longest(found: Witness, model: Specification) -> None:
    """Each order told is one that the model allows and time too, and none is longer."""
    longest = 0
    for size in range(len(found.ordered) + 1):
        for order in permutations(found.ordered, size):
            left = [op for op in found.ordered if op not in order]
            in_time = not any(
                twin.precedes(later, earlier) for earlier, later in combinations(order, 2)
            ) and not any(twin.precedes(op, done) for op in left for done in order)
            if in_time and allowed(order, model):
                longest = size
    assert found.orders
    for told in found.orders:
        assert len(told.operations) == longest
        assert allowed(told.operations, model)
        assert told.stuck


def allowed(order: Sequence[Operation], model: Specification) -> bool:
    states = [model]
    for operation in order:
        after = [answers(state, twin.action_of(operation)) for state in states]
        states = [state for some in after if not isinstance(some, Inconsistent) for state in some]
    return bool(states)


FORGETFUL = ("register", "cas-register", "multi-register", "set", "kv")
"""Models in which something can be overwritten before anybody has seen it."""


@pytest.mark.parametrize("model", ASKED)
def test_leaving_out_what_is_unobservable_invents_no_violation(model: str) -> None:
    left_out = 0
    for seed in range(40):
        rng = Random(f"{model} {seed}")
        history = random_history(rng, model, operations=7, processes=3, wrong_share=0)
        problem = problem_of(history, MODELS[model]())
        if not twin.search(history, MODELS[model]()):
            continue
        rows = range(len(history))
        free = unobservable(problem.automaton, (problem.action[row] for row in rows))
        for row in rows:
            if problem.action[row] in free:
                rest = [history[other] for other in rows if other != row]
                assert twin.search(rest, MODELS[model]()), (seed, row)
                left_out += 1
    assert left_out > 0 or model not in FORGETFUL


@pytest.mark.parametrize("rung", ["counted", "relaxed"])
@pytest.mark.parametrize("means", ["the walk", "shorter beginnings", "nothing"])
def test_the_operation_named_is_the_first_that_fits_nowhere(
    rung: str, means: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A walk that allows more empties its frontier late; what it names is not what is told."""
    if means != "the walk":
        monkeypatch.setattr(culprit, "WALK_STEPS", 1)
    if means == "nothing":
        monkeypatch.setattr(culprit, "PROBE_STEPS", 1)
    late = unsure = seen = 0
    for seed in range(25):
        shape = Shape(operations=80, crashed=12, wrong="counted")
        history = History.from_bytes(register(shape, seed))
        problem = problem_of(history, MODELS["cas-register"]())
        [walked] = search(problem, budget_of(Budget()), rung="exact")
        [result] = search(problem, budget_of(Budget()), rung=rung)
        if result.outcome != "illegal":
            continue
        assert walked.row is not None
        assert result.row is not None
        found = culprit.culprit_of(
            problem, list(problem.objects.group(0)), result, budget_of(Budget()), lambda: False
        )
        ret = history.columns.ret
        late += ret[result.row] > ret[walked.row]
        seen += 1
        if found.first:
            assert found.row == walked.row, seed
        else:
            unsure += 1
            assert ret[walked.row] <= ret[found.row] <= ret[result.row]
        assert bool(found.configurations) is (means == "the walk")
    assert seen == 25
    assert late > 0
    assert bool(unsure) is (means == "nothing")


def _witness(text: str, model: str, *, budget: Budget | None = None) -> Witness:
    problem = problem_of(parse(text), MODELS[model]())
    spent = budget_of(budget or Budget())
    [result] = search(problem, spent)
    assert result.outcome == "illegal"
    return witness(problem, 0, result, spent)


def test_what_was_called_too_late_is_cut_off() -> None:
    found = _witness(
        "p0: write 1 -> ok\np0: read -> 2\np1: write 2 -> ok\np0: read -> 2", "register"
    )
    assert [op.index for op in found.operations] == [2]


def test_a_write_that_was_read_is_kept() -> None:
    found = _witness(
        "p0: write 1 -> ok\np0: read -> 1\np0: write 2 -> ok\np0: read -> 1", "register"
    )
    assert [op.input or op.output for op in found.operations] == [1, 2, 1]


def test_a_write_that_returned_after_the_culprit_need_not_have_happened() -> None:
    found = _witness(
        "p0: write 1 -> ok\np1: write 2\np0: read -> 2\np0: read -> 1\np1: -> ok", "register"
    )
    assert {op.f for op in found.operations} == {"write", "read"}
    assert found.reasons == ("1 was read, but the register held 2",)


def test_nothing_is_left_out_of_what_only_counts() -> None:
    found = _witness("p0: add 1 -> ok\np1: add 2 -> ok\np0: read -> 3\np0: read -> 4", "counter")
    assert [op.f for op in found.operations] == ["add", "add", "read"]


def test_a_spent_budget_leaves_the_culprit() -> None:
    text = "p0: write 1 -> ok\np0: read -> 1\np0: read -> 2"
    problem = problem_of(parse(text), MODELS["register"]())
    [result] = search(problem, budget_of(Budget()))
    found = witness(problem, 0, result, budget_of(Budget(steps=1)))
    assert found.culprit.output == 2
    assert found.operations == ()


def test_an_endless_alphabet_leaves_everything_observable() -> None:
    problem = problem_of(parse("p0: push 1 -> ok\np0: pop -> 2"), MODELS["stack"]())
    assert unobservable(problem.automaton, range(2)) == frozenset()


def test_a_violation_is_told_with_what_it_was_up_against() -> None:
    history = parse(
        """
        p0: write 1 -> ok
        p2: write 5 -> ok
        p3: write 5
        p1: read -> 1
        """
    )
    [finding] = check(history, MODELS["register"]()).findings
    assert finding.details == (
        "before it: the register holding 5; 1 was read, but the register held 5",
        (
            "longest order: operation 0 (write 1), operation 2 (write 5),"
            " operation 4 (write 5 -> ?); then the register holding 5;"
            " not operation 5 (read -> 1): 1 was read, but the register held 5"
        ),
        "it matters that operation 0 (write 1) ended before operation 2 (write 5) began",
        "it matters that operation 2 (write 5) ended before operation 5 (read -> 1) began",
    )


def test_what_holds_among_a_few_operations_alone_is_told_so() -> None:
    history = parse("p0: write 1 -> ok\np1: write 2\np0: write 5 -> ok\np1: -> ok\np0: read -> 1")
    [finding] = check(history, MODELS["register"]()).findings
    assert [operation.index for operation in finding.sub_history] == [0, 3, 6]
    shown = [line.partition(":")[0] for line in finding.details[:2]]
    assert shown == [f"{of}, among these operations alone" for of in ("before it", "longest order")]


def test_a_long_history_is_told_by_orders_of_the_small_one() -> None:
    many = "\n".join(f"p0: write {n % 2} -> ok\np1: read -> {n % 2}" for n in range(20))
    found = _witness(f"{many}\np0: read -> 0", "register")
    assert found.ordered == found.relaxed
    assert found.orders


def test_where_the_twin_comes_to_no_end_with_wide_intervals_they_are_not_widened() -> None:
    many = "\n".join("p0: add 1 -> ok" for _ in range(14))
    found = _witness(f"{many}\np0: read -> 20", "counter")
    assert len(found.operations) == 15
    assert [op.ret for op in found.relaxed] == [op.ret for op in found.operations]


def test_open_operations_that_were_done_early_are_named() -> None:
    history = parse("p0: add 1\np1: add 2\np2: read -> 2\np2: read -> 1\np0: -> ok\np1: -> ok")
    [finding] = check(history, MODELS["counter"]()).findings
    assert finding.details[0] == (
        "before it: the counter at 2 with operation 1 (add 2) done; 1 was read, but the counter"
        " stood at 2"
    )
    assert "it does not matter whether" in finding.details[-1]


def test_what_reads_alike_is_told_once() -> None:
    history = parse(
        """
        p0: write 1 -> ok
        p2: cas [1,3]
        p3: cas [2,3]
        p4: cas [1,2]
        p1: read -> 3
        p1: read -> 9
        """
    )
    [finding] = check(history, MODELS["cas-register"]()).findings
    before = [line for line in finding.details if line.startswith("before it")]
    assert before == ["before it: the register holding 3; 9 was read, but the register held 3"]


def test_what_rules_found_is_told_of_the_operations_that_are_shown() -> None:
    history = parse("p0: write 6 -> ok\np0: cas [6,7] -> true\np1: read -> null")
    [finding] = check(history, MODELS["cas-register"](), algorithm="zones").findings
    assert [op.index for op in finding.sub_history] == [0, 4]
    assert finding.sentence.endswith("alone, null was read, but the register held 6.")
    assert "7" not in "".join(finding.details)


def test_a_small_history_keeps_the_order_of_stamps_that_touch() -> None:
    history = parse("""
        p0: release @0
        p2: release @0
        p0: -> ok @1
        p2: -> ok @1
        p2: acquire @1
        p2: -> ok @2
    """)
    [finding] = check(history, MODELS["mutex"]()).findings
    assert [operation.index for operation in finding.sub_history] == [0, 1, 4]
    assert twin.search(finding.sub_history, MODELS["mutex"]()) is False


UNWRITTEN, ALONE = "nobody had written what it saw", "nothing that was called before it ended could"


@pytest.mark.parametrize(
    ("model", "initial", "text", "why"),
    [
        ("register", None, "p0: write 5 -> ok\np0: read -> 6", UNWRITTEN),
        ("register", 5, "p0: write 6 -> fail\np0: read -> 6", UNWRITTEN),
        ("register", None, "p0: read -> 6\np0: write 6 -> ok", ALONE),
        ("register", 5, "p0: read -> null", ALONE),
        ("cas-register", 0, "p0: cas [1,2] -> true", UNWRITTEN),
        ("cas-register", 0, "p0: read -> 2\np0: cas [0,2] -> true", ALONE),
        ("cas-register", 0, "p0: cas [1,1] -> true", ALONE),
        ("queue", [5], "p0: dequeue -> null", ALONE),
        ("queue", [5, 6], "p0: dequeue -> 6", ALONE),
        ("set", [5], "p0: read -> []", ALONE),
        ("set", None, "p0: add 1 -> ok\np0: read -> [1,1]", ALONE),
    ],
)
def test_nobody_is_said_to_have_written_it_only_where_nobody_did(
    model: str, initial: Any, text: str, why: str
) -> None:
    start = MODELS[model]() if initial is None else MODELS[model](initial)
    [finding] = check(parse(text), start).findings
    assert f"fits into no order of the operations: {why}" in finding.sentence


def test_a_set_that_is_read_with_an_element_twice_is_told_so() -> None:
    history = parse("p0: add 1 -> ok\np0: read -> [1,1]")
    [finding] = check(history, MODELS["set"]()).findings
    assert finding.details[0].endswith(
        "the set, whatever it held; [1,1] was read, which names an element twice"
    )
