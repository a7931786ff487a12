"""Crashed operations that put in what nobody took are left out, and no answer changes by that."""

from __future__ import annotations

from collections import Counter
from random import Random
from typing import TYPE_CHECKING

import pytest

from checker.history.layout import FAIL, INFO
from checker.history.notation import parse
from checker.linearizability import twin
from checker.linearizability.checker import check
from checker.linearizability.dispatch import dispatch
from checker.linearizability.search import budget_of, search
from checker.linearizability.unseen import outcomes_without_unseen
from checker.models import MODELS
from checker.models.model import Unfit
from checker.verdict import Budget
from tests.checker.linearizability.histories import history_of_spans, spans

if TYPE_CHECKING:
    from checker.history.columns import History

FROM, TO = 0, 500
CONTAINERS = ["queue", "stack", "unordered-queue"]


def random_container(rng: Random, name: str) -> History:
    """Values are repeated, and some that crashed operations put in are of no other."""
    put, take = ("push", "pop") if name == "stack" else ("enqueue", "dequeue")
    drawn = spans(rng, operations=8, processes=4, crash_share=0.35, length=rng.choice([3, 12]))
    held: list[int] = []
    for one in sorted(drawn, key=lambda one: one.moment):
        happened = one.ret is not None or rng.random() < 0.6
        if rng.random() < 0.55:
            value = rng.randint(1, 3 if one.ret is not None else 6)
            one.asked = put, value, None
            held += [value] if happened else []
        else:
            place = {"queue": 0, "stack": -1}.get(name, rng.randrange(len(held) or 1))
            one.asked = take, None, held.pop(place) if held and happened else None
    taken = [one for one in drawn if one.asked[0] == take and one.ret is not None]
    if taken and rng.random() < 0.6:
        wrong = rng.choice(taken)
        wrong.asked = take, None, rng.choice([None, 1, 2, 3])
    return history_of_spans(drawn)


def is_legal(history: History, name: str) -> bool:
    dispatched = dispatch(history, MODELS[name]())
    results = search(dispatched.problem, budget_of(Budget()), replay=dispatched.replay)
    return not dispatched.by_rules and all(result.outcome == "legal" for result in results)


@pytest.mark.parametrize("name", CONTAINERS)
def test_no_answer_changes(name: str) -> None:
    seen: Counter[bool] = Counter()
    model = MODELS[name]()
    for seed in range(FROM, TO):
        history = random_container(Random(f"unseen {name} {seed}"), name)
        kept = outcomes_without_unseen(history, model).tolist()
        if kept == history.columns.outcome.tolist():
            continue
        left = [history[row] for row, outcome in enumerate(kept) if outcome != FAIL]
        expected = twin.search(history, model, steps_max=20_000)
        if expected is None:
            continue
        seen[expected] += 1
        assert twin.search(left, model) is expected, seed
        assert is_legal(history, name) is expected, seed
    assert min(seen[True], seen[False]) > 30, seen


@pytest.mark.parametrize(
    ("put", "take", "name"), [("enqueue", "dequeue", "queue"), ("push", "pop", "stack")]
)
@pytest.mark.parametrize("wrong", [False, True])
def test_dozens_of_them_cost_nothing_where_the_rules_do_not_apply(
    name: str, put: str, take: str, wrong: bool
) -> None:
    lines = [f"p{n}: {put} {n}" for n in range(20, 60)]
    lines += [f"p1: {put} 1 -> ok\np2: {take} -> 1"] * 10
    lines.append(f"p1: {take} -> {'1' if wrong else 'null'}")
    verdict = check(parse("\n".join(lines)), MODELS[name](), budget=Budget(steps=2_000))
    assert verdict.status == ("invalid" if wrong else "valid"), verdict.cause
    assert verdict.observed["crashed"] == 40


def test_only_what_nobody_took_from_the_same_container_is_left_out() -> None:
    text = """
        p1: enqueue a 1
        p2: enqueue a 1
        p3: enqueue b 1
        p4: enqueue a 2
        p5: dequeue a
        p6: dequeue a -> 1
    """
    kept = outcomes_without_unseen(parse(text), MODELS["queue"]()).tolist()
    assert kept[:5] == [INFO, INFO, FAIL, FAIL, INFO]


def test_other_models_keep_everything() -> None:
    history = parse("p1: enqueue 1\np2: dequeue -> null")
    kept = outcomes_without_unseen(history, MODELS["register"]())
    assert kept.tolist() == history.columns.outcome.tolist()


def test_that_null_is_put_in_is_still_refused() -> None:
    with pytest.raises(Unfit, match="null"):
        check(parse("p1: enqueue null"), MODELS["queue"]())
