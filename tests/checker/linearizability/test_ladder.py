"""The ways to search beside the walk over everything: what they say is what the twin says."""

from __future__ import annotations

from collections import Counter
from random import Random

import pytest

from checker.history.columns import History
from checker.linearizability import twin
from checker.linearizability.problem import problem_of
from checker.linearizability.search import PRUNINGS, budget_of, search
from checker.models import MODELS
from checker.verdict import Budget
from tests.benchmarks.adversarial import Shape, Wrong, register
from tests.checker.linearizability.histories import random_history
from tests.checker.linearizability.machines import random_machine, random_run


def test_one_count_for_all_that_crashed_refutes_only_what_the_twin_refutes() -> None:
    found: Counter[tuple[str, bool]] = Counter()
    for seed in range(400):
        rng = Random(f"counted {seed}")
        model = rng.choice(["cas-register", "register", "mutex"])
        history = random_history(
            rng, model, operations=rng.randint(5, 11), crash_share=0.4, stamps=rng.choice([8, 30])
        )
        expected = twin.search(history, MODELS[model](), steps_max=20_000)
        problem = problem_of(history, MODELS[model]())
        for result in search(problem, budget_of(Budget()), rung="counted"):
            if expected is not None:
                found[result.outcome, expected] += 1
    assert not found["illegal", True]
    assert not found["legal", False] + found["legal", True]
    assert found["illegal", False] > 20
    assert found["undecided", True] > 20


@pytest.mark.parametrize("width", [1, 2, 3, 64])
def test_a_beam_of_any_width_agrees_with_the_twin(width: int) -> None:
    verdicts = set()
    for seed in range(150):
        rng = Random(f"beam {width} {seed}")
        if rng.random() < 0.3:
            model = random_machine(rng)
            history = random_run(rng, model)
        else:
            name = rng.choice(["cas-register", "register", "kv", "mutex", "counter", "queue"])
            model = MODELS[name]()
            share = rng.choice([0, 0.3, 0.5])
            history = random_history(rng, name, operations=9, processes=6, crash_share=share)
        expected = twin.search(history, model, steps_max=20_000)
        problem = problem_of(history, model)
        results = search(problem, budget_of(Budget()), rung="dived", width=width)
        found = {result.outcome for result in results}
        if expected is not None and "undecided" not in found:
            assert ("illegal" not in found) is expected, seed
            verdicts.add(expected)
    assert verdicts == {True, False}


@pytest.mark.parametrize("wrong", ["nothing", "impossible", "counted", "split"])
def test_where_much_crashed_all_ways_together_say_what_the_walk_says(wrong: Wrong) -> None:
    for seed in range(8):
        history = History.from_bytes(register(Shape(operations=80, crashed=17, wrong=wrong), seed))
        problem = problem_of(history, MODELS["cas-register"]())
        budget = Budget(steps=3_000_000)
        [walked] = search(problem, budget_of(budget), rung="exact")
        [found] = search(problem, budget_of(budget))
        [plain] = search(problem, budget_of(budget), prune=PRUNINGS.keys() - {"relaxation"})
        assert {found.outcome, plain.outcome} == {walked.outcome}, seed


@pytest.mark.parametrize("seed", range(3))
def test_a_store_that_went_on_as_two_while_a_hundred_crashed_is_refuted(seed: int) -> None:
    shape = Shape(operations=10_000, processes=10, crashed=100, wrong="split")
    problem = problem_of(History.from_bytes(register(shape, seed)), MODELS["cas-register"]())
    [result] = search(problem, budget_of(Budget(steps=1_000_000)))
    assert (result.outcome, result.rung) == ("illegal", "counted")


@pytest.mark.parametrize("seed", range(3))
def test_a_legal_history_of_which_a_hundred_crashed_is_shown_so_at_a_glance(seed: int) -> None:
    shape = Shape(operations=10_000, processes=10, crashed=100)
    problem = problem_of(History.from_bytes(register(shape, seed)), MODELS["cas-register"]())
    [result] = search(problem, budget_of(Budget(steps=100_000)))
    assert (result.outcome, result.rung) == ("legal", "dived")


@pytest.mark.parametrize("threads", [1, 2])
def test_when_time_is_over_it_is_told_how_far_the_walk_came(threads: int) -> None:
    shape = Shape(operations=3_000, processes=10, crashed=60, wrong="split")
    problem = problem_of(History.from_bytes(register(shape, 0)), MODELS["cas-register"]())
    [result] = search(problem, budget_of(Budget(seconds=0.5)), threads=threads)
    assert (result.outcome, result.rung) == ("seconds", "exact")
    assert result.frontier > 1
