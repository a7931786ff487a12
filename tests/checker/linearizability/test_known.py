"""Models that the core steps by itself do what they do in Python."""

from __future__ import annotations

from random import Random
from typing import Any

import pytest

from checker.history.notation import parse
from checker.linearizability.automaton import REFUSED, Automaton
from checker.linearizability.dispatch import Dispatch, dispatch
from checker.linearizability.known import KnownAutomaton
from checker.linearizability.problem import Problem, problem_of
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


@pytest.mark.parametrize("model", STARTS)
def test_what_is_made_ready_in_one_call_is_what_is_made_step_by_step(
    model: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: set[object] = set()
    for seed in range(80):
        rng = Random(f"ready {model} {seed}")
        lines = []
        for n in range(rng.randint(1, 12)):
            key, value = rng.choice("xyz"), rng.choice([n, n, rng.randint(0, 2)])
            f = {"kv": ("get", "put")}.get(model, ("read", "write"))[rng.random() < 0.5]
            asked = f"p{n % 3 + 3 * n}: {f} {key}"
            ended = rng.choice(["ok", "info", "fail", "ok"])
            told = ended == "ok" and f in ("get", "read")
            answer = value if told else ended
            given = f" {value}" if f in ("put", "write") else ""
            lines.append(f"{asked}{given} -> {answer}")
        history, start = parse("\n".join(lines)), MODELS[model]()
        at_once = dispatch(history, start)
        with monkeypatch.context() as patch:
            patch.setattr("checker.linearizability.dispatch.known_automaton", lambda _: None)
            by_steps = dispatch(history, start)
        for found in (at_once, by_steps):
            assert isinstance(found.problem.automaton, KnownAutomaton)
        assert shown(at_once) == shown(by_steps), seed
        assert shown(at_once)[0] == shown_problem(at_once.make())
        seen.add((at_once.rules, bool(at_once.by_rules), len(at_once.problem.objects) > 0))
    assert len(seen) >= (1 if model == "kv" else 4), seen


def shown(of: Dispatch) -> tuple[Any, ...]:
    return (
        shown_problem(of.problem),
        *(of.rules, of.by_rules, of.legal, of.observed, of.elements, of.replay),
    )


def shown_problem(of: Problem) -> tuple[Any, ...]:
    numbers = range(len(of.objects))
    return (
        [(of.objects.key(number), of.objects.group(number).tolist()) for number in numbers],
        of.action.tolist(),
        [of.automaton.action(number) for number in sorted(of.told)],
    )


def test_operations_some_with_and_some_without_a_key_are_unfit() -> None:
    with pytest.raises(Unfit, match="has no key, but operation"):
        dispatch(parse("p0: write x 1 -> ok\np1: read -> 1"), MODELS["register"]())
