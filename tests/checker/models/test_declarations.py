"""What models declare to the search holds in every state that random operations reach."""

from __future__ import annotations

from random import Random
from typing import Any

import pytest

from checker.linearizability.states import identity
from checker.models import MODELS, Action, Inconsistent
from checker.models.model import answers, purity
from tests.checker.linearizability.histories import ASKED

STATES_MAX = 60


def _actions(model: str) -> list[Action]:
    rng = Random(1)
    found: dict[Action, None] = {}
    for _ in range(300):
        f, given, outputs = ASKED[model](rng)
        found[Action(f, given, key="k", outcome="info")] = None
        for output in outputs:
            found[Action(f, given, output, key="k")] = None
    return list(found)


def _follow(state: Any, action: Action) -> frozenset[Any] | None:
    after = answers(state, action)
    return None if isinstance(after, Inconsistent) else frozenset(map(identity, after))


def _states(model: str, actions: list[Action]) -> list[Any]:
    first = MODELS[model]()
    found = {identity(first): first}
    todo = [first]
    while todo and len(found) < STATES_MAX:
        state = todo.pop(0)
        for action in actions:
            after = answers(state, action)
            for one in () if isinstance(after, Inconsistent) else after:
                if identity(one) not in found:
                    found[identity(one)] = one
                    todo.append(one)
    return list(found.values())


@pytest.mark.parametrize("model", MODELS)
def test_declarations_hold(model: str) -> None:
    actions = _actions(model)
    states = _states(model, actions)
    assert len(states) > 1
    made: Any = MODELS[model]()
    for action in actions:
        reached = [_follow(state, action) for state in states]
        possible = [(s, after) for s, after in zip(states, reached, strict=True) if after]
        if purity(made)(action):
            assert all(after == {identity(state)} for state, after in possible), action
        if hasattr(made, "blind") and made.blind(action):
            assert len(possible) == len(states), action
        if hasattr(made, "settles") and made.settles(action):
            assert len({after for _, after in possible}) <= 1, action
        if hasattr(made, "canonical"):
            alike = [_follow(state, made.canonical(action)) for state in states]
            assert alike == reached, action


@pytest.mark.parametrize("model", MODELS)
def test_a_model_looks_at_nothing_but_what_it_says(model: str) -> None:
    made: Any = MODELS[model]()
    if not getattr(made, "keyless", False):
        return
    actions = _actions(model)
    states = _states(model, actions)[:5]
    for action in actions:
        elsewhere = Action(action.f, action.input, action.output, "other", action.outcome)
        for state in states:
            assert _follow(state, action) == _follow(state, elsewhere)
