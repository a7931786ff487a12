"""Models that the core steps by itself do what they do in Python."""

from __future__ import annotations

from random import Random
from typing import Any

import pytest

from checker.history.notation import parse
from checker.linearizability.automaton import REFUSED, Automaton
from checker.linearizability.known import KnownAutomaton
from checker.linearizability.problem import problem_of
from checker.models import MODELS
from checker.models.model import Inconsistent, Unfit
from tests.checker.linearizability.histories import random_history

STARTS: dict[str, list[Any]] = {
    "register": [None, 1, {"a": [1, "b"]}],
    "cas-register": [None, 2, "x"],
    "kv": [None],
}


@pytest.mark.parametrize("model", STARTS)
def test_they_step_alike(model: str) -> None:
    compared = 0
    for seed in range(60):
        rng = Random(f"{model} {seed}")
        start = MODELS[model](rng.choice(STARTS[model]))
        history = random_history(rng, model, operations=8, crash_share=0.2)
        automaton = problem_of(history, start).automaton
        assert isinstance(automaton, KnownAutomaton)
        states = {0: start}
        todo = [0]
        while todo and len(states) < 12:
            number = todo.pop()
            for action in set(problem_of(history, start).action) - {-1}:
                compared += 1
                after = states[number].step(automaton.action(action))
                found = automaton.successor(number, action)
                if isinstance(after, Inconsistent):
                    assert found == REFUSED
                    assert automaton.refusal(number, action) == after.reason
                else:
                    assert automaton.refusal(number, action) is None
                    assert automaton.state(found, automaton.action(action)) == after
                    todo += [found] if found not in states else []
                    states[found] = after
    assert compared > 500


@pytest.mark.parametrize("model", STARTS)
def test_they_declare_alike(model: str) -> None:
    for seed in range(40):
        history = random_history(Random(f"{model} {seed}"), model, operations=8, crash_share=0.2)
        known = problem_of(history, MODELS[model]()).automaton
        assert isinstance(known, KnownAutomaton)
        asked = Automaton(MODELS[model]())
        for row, action in enumerate(problem_of(history, MODELS[model]()).action):
            if action >= 0:
                number = asked.number(known.action(action))
                assert known.is_pure(action) == asked.is_pure(number)
                # Of a map that holds texts only the core knows more: appending is always possible.
                grows = history[row].f == "append"
                assert known.is_blind(action) == (asked.is_blind(number) or grows)


@pytest.mark.parametrize(
    ("model", "text"),
    [
        ("register", "p0: cas [1,2] -> true"),
        ("cas-register", "p0: cas 1 -> true"),
        ("cas-register", "p0: cas [1,2,3] -> true"),
        ("cas-register", "p0: cas [1,2] -> 7"),
        ("kv", "p0: append x 1 -> ok"),
        ("kv", "p0: take x -> ok"),
    ],
)
def test_what_they_cannot_take_python_refuses(model: str, text: str) -> None:
    with pytest.raises(Unfit):
        problem_of(parse(text), MODELS[model]())


def test_appending_to_what_is_no_text_is_not_always_possible() -> None:
    problem = problem_of(parse('p0: put x 1 -> ok\np1: append x "a" -> ok'), MODELS["kv"]())
    automaton = problem.automaton
    assert [automaton.is_blind(action) for action in problem.action] == [True, False]
