"""Budgets hold for rules, for states of a model in Python, and for seeing it as a whole."""

from __future__ import annotations

import pytest

from checker._core import SearchBudget
from checker.history.notation import parse
from checker.linearizability import rules
from checker.linearizability.checker import check
from checker.linearizability.objects import by_key
from checker.linearizability.search import PRUNINGS
from checker.linearizability.unruled import LATE
from checker.models import MODELS
from checker.verdict import Budget


@pytest.mark.parametrize("algorithm", ["frontier", "replay"])
def test_the_states_of_a_model_in_python_count_for_the_budget_of_memory(algorithm: str) -> None:
    lines = [f"p0: enqueue {n} -> ok" for n in range(2000)]
    history = parse("\n".join([*lines, "p0: dequeue -> 0"]))
    for megabytes, status in ((200, "valid"), (8, "unknown")):
        budget = Budget(memory_mb=megabytes)
        verdict = check(history, MODELS["queue"](), algorithm=algorithm, budget=budget)
        assert verdict.status == status, verdict.cause
    assert "memory" in (verdict.cause or "")


@pytest.mark.parametrize(
    ("name", "line"),
    [
        ("zones", "p0: write k{} 1 -> ok"),
        ("queue", "p0: enqueue k{} 1 -> ok"),
        ("growing", "p0: add k{} 1 -> ok"),
    ],
)
def test_rules_look_at_the_clock(name: str, line: str) -> None:
    history = parse("\n".join(line.format(n) for n in range(5000)))
    model = MODELS[{"zones": "register", "growing": "set"}.get(name, name)]()
    objects = by_key(history, history.columns.outcome)
    endless = rules.judge(name, history, objects, model, SearchBudget(seconds=100))
    assert endless.codes == bytes([rules.LEGAL]) * 5000
    late = rules.judge(name, history, objects, model, SearchBudget(seconds=0))
    assert late.codes.count(rules.UNDECIDED) > 900
    assert late.inapplicable is not None
    assert late.inapplicable[1] == LATE
    for algorithm in (name, None):
        verdict = check(history, model, algorithm=algorithm, budget=Budget(seconds=0))
        assert verdict.status == "unknown"


def test_a_model_with_no_end_of_states_is_hardly_asked_to_see_it_whole() -> None:
    history = parse("\n".join(f"p0: enqueue {n % 10} -> ok" for n in range(600)))
    queue = MODELS["queue"]()
    asked = []
    for prune in (PRUNINGS, PRUNINGS.keys() - {"closure"}):
        observed = check(history, queue, algorithm="frontier", prune=prune).observed
        asked.append(observed["model_asked"])
    assert asked[0] < asked[1] + 50, asked
