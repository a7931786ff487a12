"""Keys in several threads are judged as in one: the same answers, in the same steps."""

from __future__ import annotations

import json
import signal
from random import Random
from typing import TYPE_CHECKING, Any

import pytest

from checker.history.columns import History
from checker.linearizability.problem import problem_of
from checker.linearizability.search import budget_of, search_some
from checker.models import MODELS
from checker.verdict import Budget
from tests.benchmarks.adversarial import Shape, Wrong, register
from tests.checker.linearizability.histories import random_history

if TYPE_CHECKING:
    from collections.abc import Iterable

    from checker.linearizability.problem import Problem

WRONG: list[Wrong] = ["nothing", "split", "counted"]


def side_by_side(histories: Iterable[bytes]) -> History:
    """One history, each of these under a key of its own."""
    events: list[dict[str, Any]] = []
    for number, data in enumerate(histories):
        for line in data.splitlines():
            event = json.loads(line)
            event["process"] = 10_000 * number + event["process"]
            events.append({**event, "key": number})
    events.sort(key=lambda event: int(event["time"]))
    lines = (json.dumps({**event, "index": n}) for n, event in enumerate(events))
    return History.from_bytes("".join(f"{line}\n" for line in lines).encode())


def hard_and_easy(seed: int) -> History:
    shapes = [Shape(operations=150, processes=8, crashed=20, wrong=w) for w in [*WRONG, *WRONG]]
    shapes += [Shape(operations=60 * n, processes=3) for n in range(1, 4)]
    return side_by_side(register(shape, seed + n) for n, shape in enumerate(shapes))


def found(
    problem: Problem, threads: int, budget: Budget, *, stop_at_first: bool = False
) -> tuple[list[Any], int]:
    """All that is told of each object, and the steps taken."""
    spent = budget_of(budget)
    results = search_some(problem, spent, threads=threads, stop_at_first=stop_at_first)
    told: list[Any] = []
    for result in results:
        if result is None or result.row is None:
            told.append(result and (result.outcome, result.rung, result.steps))
            continue
        automaton = problem.automaton
        action = automaton.action(problem.action[result.row])
        told.append(
            (
                *(result.outcome, result.rung, result.row, result.passed, result.steps),
                *(result.frontier, result.widest),
                [(str(automaton.state(n, action)), done) for n, done in result.configurations],
            )
        )
    return told, spent.steps


@pytest.mark.parametrize("steps", [None, 0, 1, 100, 3_000, 10_000, 30_000, 100_000])
@pytest.mark.parametrize("stop_at_first", [False, True])
def test_threads_change_neither_answers_nor_steps(steps: int | None, stop_at_first: bool) -> None:
    history = hard_and_easy(seed=1)
    said = {
        threads: found(
            problem_of(history, MODELS["cas-register"]()),
            threads,
            Budget(steps=steps),
            stop_at_first=stop_at_first,
        )
        for threads in (1, 2, 5)
    }
    assert said[1] == said[2] == said[5]
    if steps is not None:
        assert said[1][1] <= steps


@pytest.mark.parametrize("model", ["kv", "register", "mutex", "set", "counter"])
def test_threads_change_nothing_on_small_objects_of_any_model(model: str) -> None:
    for seed in range(6):
        rng = Random(f"threads {model} {seed}")
        drawn = [random_history(rng, model, operations=9, wrong_share=0.3) for _ in range(6)]
        history = side_by_side(
            b"".join(
                json.dumps({k: v for k, v in line.items() if k != "key"}).encode() + b"\n"
                for line in map(json.loads, one.to_bytes().splitlines())
            )
            for one in drawn
        )
        one, several = (
            found(problem_of(history, MODELS[model]()), threads, Budget()) for threads in (1, 3)
        )
        assert one == several, seed


@pytest.mark.parametrize("memory_mb", [1, 2, 4, 64])
def test_a_budget_of_memory_is_shared_out_and_changes_no_answer(memory_mb: int) -> None:
    problem = problem_of(hard_and_easy(seed=5), MODELS["cas-register"]())
    budget = Budget(memory_mb=memory_mb, seconds=60)
    one, several = ([told[0] for told in found(problem, threads, budget)[0]] for threads in (1, 4))
    assert one == several
    assert "illegal" in one


def test_the_largest_is_judged_first_and_the_first_violation_ends_it() -> None:
    shapes = [
        Shape(operations=50, wrong="impossible"),
        Shape(operations=400),
        Shape(operations=300, wrong="impossible"),
        Shape(operations=200),
    ]
    history = side_by_side(register(shape, 3) for shape in shapes)
    for threads in (1, 3):
        problem = problem_of(history, MODELS["cas-register"]())
        results = search_some(problem, budget_of(Budget()), threads=threads, stop_at_first=True)
        outcomes = [result and result.outcome for result in results]
        assert outcomes == [None, "legal", "illegal", None]


class Interrupted(Exception):
    """What the signal raises."""


def test_a_search_in_threads_can_be_interrupted() -> None:
    shape = Shape(operations=400, processes=8, stamp=10_000, wrong="impossible")
    problem = problem_of(
        side_by_side(register(shape, seed) for seed in (0, 1)), MODELS["cas-register"]()
    )

    def ring(*_: object) -> None:
        raise Interrupted

    before = signal.signal(signal.SIGALRM, ring)
    signal.setitimer(signal.ITIMER_REAL, 0.2)
    try:
        with pytest.raises(Interrupted):
            search_some(problem, budget_of(Budget(seconds=30)), threads=2)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
