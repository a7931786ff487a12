"""What a finding shows of a long history, of a spent budget, and of one element of many."""

from __future__ import annotations

from dataclasses import dataclass
from random import Random

import pytest

from checker.history.columns import History
from checker.history.notation import parse
from checker.linearizability import twin
from checker.linearizability.checker import check
from checker.linearizability.observable import closure
from checker.linearizability.problem import problem_of
from checker.linearizability.relaxing import Relaxing
from checker.linearizability.search import budget_of
from checker.models import MODELS, Action, Inconsistent
from checker.verdict import Budget
from tests.benchmarks.adversarial import Shape, register
from tests.checker.linearizability.histories import random_history


@pytest.mark.parametrize("model", ["register", "cas-register", "mutex", "kv"])
def test_what_is_left_of_a_legal_history_that_begins_late_is_legal_from_some_state(
    model: str,
) -> None:
    seen = 0
    for seed in range(60):
        rng = Random(f"late {model} {seed}")
        history = random_history(rng, model, operations=8, processes=3, stamps=12, wrong_share=0)
        problem = problem_of(history, MODELS[model]())
        for number in range(len(problem.objects)):
            rows = [*problem.objects.group(number)]
            budget = budget_of(Budget())
            last = max(rows, key=lambda row: history.columns.ret[row])
            relaxing = Relaxing(problem, rows, last, 0, budget, lambda: False)
            whole = relaxing.rows, relaxing.ret
            if not twin.search(relaxing.relaxed(), problem.model):
                continue
            actions = [problem.action[row] for row in relaxing.rows]
            states = closure(problem.automaton, actions, lambda: False)
            if states is None:  # as where a kv is appended to
                continue
            relaxing.starts, relaxing.late = [*states], True
            for moment in {relaxing.call[row] for row in relaxing.rows}:
                relaxing.rows, relaxing.ret = relaxing.begun_at(moment, *whole)
                left = relaxing.relaxed()
                assert any(twin.search(left, start) for start in relaxing.models()), (seed, moment)
                seen += len(left) < len(whole[0])
    assert seen > 20


@pytest.mark.parametrize(
    "shape",
    [
        Shape(operations=10_000, processes=10, wrong="split"),
        Shape(operations=10_000, processes=10, wrong="split", fs=("read", "write")),
        Shape(operations=10_000, processes=50, busy=67, wrong="impossible"),
    ],
)
def test_what_is_wrong_late_in_a_long_history_is_shown_by_what_came_last(shape: Shape) -> None:
    for seed in (1, 2):
        history = History.from_bytes(register(shape, seed))
        [finding] = check(
            history, MODELS["cas-register"](), budget=Budget(steps=3_000_000)
        ).findings
        assert 1 <= len(finding.sub_history) <= 40
        before = [d for d in finding.details if d.startswith("what came before the small history")]
        assert len(before) == 1
        starts = [MODELS["cas-register"](value) for value in (None, 0, 1, 2, 3, 4)]
        assert all(str(start) in before[0] for start in starts)
        assert not any(twin.search(finding.sub_history, start) for start in starts)


def test_a_model_in_python_that_was_looked_at_from_a_late_state_is_not_taken_for_less() -> None:
    """What is seen of it counts as declared: it has to be seen from the first state on."""
    problem = problem_of(parse("p0: open -> ok\np0: take -> 7\np0: take -> 7"), _Once())
    rows = [*problem.objects.group(0)]
    again = Relaxing(problem, rows, rows[-1], 100, budget_of(Budget()), lambda: False)
    opened = problem.automaton.successor(0, problem.action[rows[0]])
    assert isinstance(opened, int)
    late, first = (again.search(rows, start=start) for start in (opened, 0))
    assert late is not None
    assert first is not None
    assert (late.outcome, first.outcome) == ("illegal", "legal")


@dataclass(frozen=True)
class _Once:
    """A door that is opened once; then what lies behind it can be taken as often as one likes."""

    is_open: bool = False

    def step(self, op: Action) -> _Once | Inconsistent:
        if op.f == "open":
            return Inconsistent("it is open") if self.is_open else _Once(is_open=True)
        return self if self.is_open else Inconsistent("it is closed")


WORDS = "the budget of steps was spent"


def test_what_a_spent_budget_left_out_is_said_and_nothing_more() -> None:
    text = "p0: write 6 -> ok\np0: cas [6,7] -> true\np1: read -> null\np1: write 9 -> ok"
    told = {}
    for steps in range(1, 60):
        verdict = check(parse(text), MODELS["cas-register"](), budget=Budget(steps=steps))
        [finding] = verdict.findings
        lines = "\n".join(finding.details)
        # The whole history was never searched.
        assert "whatever the order" not in finding.sentence
        assert finding.sub_history
        assert "too much for the twin" not in lines
        assert (WORDS in lines) is (len(finding.sub_history) > 2 or "longest" not in lines)
        told[len(finding.sub_history), WORDS in lines] = steps
    assert {(3, True), (2, True), (2, False)} == set(told)


def test_where_no_small_history_is_shown_it_is_said_why() -> None:
    text = "p0: write 6 -> ok\np0: write 6 -> ok\np0: cas [6,7] -> true\np1: read -> null"
    verdict = check(parse(text), MODELS["cas-register"](), budget=Budget(steps=5))
    [finding] = verdict.findings
    assert finding.sub_history == ()
    assert finding.details[0] == f"no small history is shown: {WORDS}"


def test_elements_are_named() -> None:
    text = "p0: add k 1 -> ok\np0: contains k 1 -> false\np0: contains k 2 -> true"
    verdict = check(parse(text), MODELS["set"](), all_keys=True)
    assert ['of element 1 of key "k"' in f.sentence for f in verdict.findings] == [True, False]
    assert ['of element 2 of key "k"' in f.sentence for f in verdict.findings] == [False, True]
    assert [entry["element"] for entry in verdict.observed["hardest"]] == ["1", "2"]
    spent = check(parse(text), MODELS["set"](), all_keys=True, budget=Budget(steps=1))
    assert 'most steps went to the object of element 1 of key "k"' in (spent.cause or "")
    assert 'the search of element 2 of key "k" ran out of steps' in (spent.cause or "")


def test_long_values_are_cut() -> None:
    long, elements = "x" * 20_000, [*range(20_000)]
    texts = {
        "register": f'p0: write "{long}" -> ok\np1: read -> "{long}y"',
        "set": f"p0: add 1 -> ok\np1: read -> {elements}\np1: remove 1 -> ok",
        "queue": f'p0: enqueue "{long}" -> ok\np0: enqueue 2 -> ok\np1: dequeue -> 2',
        "kv": f'p0: put k "{long}" -> ok\np1: get k -> "{long}y"',
    }
    for model, words in texts.items():
        [finding] = check(parse(words), MODELS[model]()).findings
        assert all(len(line) < 2_500 for line in [finding.sentence, *finding.details]), model
        assert "…" in finding.sentence
    cut = str(Action("read", output=elements))
    assert cut.startswith("read -> [0,1,2,")
    assert cut.endswith(",19998,19999]")
    spent = check(parse(texts["set"]), MODELS["set"](), budget=Budget(steps=1))
    assert len(spent.cause or "") < 1_000


@dataclass(frozen=True)
class Long:
    """A model that fails with as long an error as its state is."""

    def step(self, op: Action) -> Long:
        raise RuntimeError("x" * 20_000)

    def __str__(self) -> str:
        return "y" * 20_000


def test_the_long_error_of_a_model_is_cut() -> None:
    verdict = check(parse("p0: write 1 -> ok"), Long())
    assert verdict.status == "unknown"
    assert len(verdict.cause or "") < 1_000


@pytest.mark.parametrize(
    ("rules", "model", "words", "first"),
    [
        ("stack", "stack", "p1: pop\np0: push 1 -> ok\np0: pop -> null\np1: -> 2", 3),
        ("growing", "set", "p1: contains 2\np0: add 1 -> ok\np0: read -> []\np1: -> true", 3),
        ("zones", "register", "p1: read\np0: write 1 -> ok\np0: read -> 0\np1: -> 2", 3),
        ("counting", "counter", "p2: add 1\np1: read\np0: read -> 5\np1: -> 9\np2: -> info", 2),
    ],
)
def test_what_rules_name_need_not_be_the_first_and_they_say_so(
    rules: str, model: str, words: str, first: int
) -> None:
    verdict = check(parse(words), MODELS[model]())
    assert verdict.observed["algorithm"] == rules
    [finding] = verdict.findings
    [told] = [line for line in finding.details if "may fit nowhere already" in line]
    assert told.endswith(": nothing but these operations was searched")
    [searched] = check(parse(words), MODELS[model](), algorithm="frontier").findings
    assert [op.index for op in searched.operations] == [first]
    assert not any("may fit nowhere already" in line for line in searched.details)
