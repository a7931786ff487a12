"""Whatever algorithm judges a history, it answers what the twin answers, or says that it cannot."""

from __future__ import annotations

from collections import Counter
from random import Random
from typing import TYPE_CHECKING, Any

import pytest

from checker.history.columns import History
from checker.history.notation import parse
from checker.linearizability import twin
from checker.linearizability.checker import check
from checker.linearizability.dispatch import ALGORITHMS, Inapplicable
from checker.models import MODELS, Action
from checker.verdict import Budget
from tests.checker.linearizability.histories import ASKED, random_history

if TYPE_CHECKING:
    from checker.history.events import Event


def sequential(history: History) -> History:
    """The same operations one after another, each completed as it was."""
    events: list[Event] = []
    for operation in history.operations():
        lines = [e for e in history.events() if e.index in (operation.index, operation.completion)]
        events += [_restamped(event, len(events) + n) for n, event in enumerate(lines)]
    return History.of(events)


def _restamped(event: Event, number: int) -> Event:
    fields = {name: getattr(event, name) for name in event.__struct_fields__}
    return type(event)(**{**fields, "index": number, "time": number})


@pytest.mark.parametrize("model", ASKED)
def test_every_algorithm_agrees_with_the_twin_or_does_not_apply(model: str) -> None:
    judged: Counter[tuple[str, str]] = Counter()
    for seed in range(60):
        rng = Random(f"dispatch {model} {seed}")
        history = random_history(rng, model, operations=7, crash_share=rng.choice([0, 0.3]))
        if rng.random() < 0.5:
            history = sequential(history)
        expected = twin.search(history, MODELS[model](), steps_max=20_000)
        for algorithm in [None, *ALGORITHMS] if expected is not None else []:
            try:
                verdict = check(history, MODELS[model](), algorithm=algorithm)
            except Inapplicable:
                continue
            allowed = ("valid", "unknown") if expected else ("invalid",)
            assert verdict.status in allowed, (seed, algorithm, verdict.cause)
            if verdict.status == "unknown":
                assert (verdict.cause or "").startswith("too little observed")
            judged[verdict.observed["algorithm"], verdict.status] += 1
    assert judged["frontier", "valid"]
    assert judged["frontier", "invalid"]
    assert sum(count for (algorithm, _), count in judged.items() if algorithm == "replay") > 9


@pytest.mark.parametrize(
    ("model", "algorithm", "text", "why"),
    [
        (
            "counter",
            "replay",
            "p0: add 1\np1: add 2 -> ok\np0: -> ok",
            "operations 0 and 1 overlap",
        ),
        ("counter", "replay", "p0: add 1\np1: read -> 1", "operation 0 crashed"),
        ("counter", "elements", "p0: add 1 -> ok", "the model is no set"),
        ("set", "elements", "p0: add 1 -> ok\np0: read -> [1]", "operation 2 read a whole set"),
        ("set", "zones", "p0: add 1 -> ok", "the model is no register"),
        ("kv", "queue", "p0: get a -> null", "the model is no queue"),
        ("register", "replay", "p0: write x 1 @1 -> ok @5\np1: read x @5 -> 1 @6", 'of key "x"'),
    ],
)
def test_an_algorithm_that_does_not_apply_says_why(
    model: str, algorithm: str, text: str, why: str
) -> None:
    with pytest.raises(Inapplicable, match=why):
        check(parse(text), MODELS[model](), algorithm=algorithm)


def test_frontier_applies_to_everything() -> None:
    history = parse("p0: add 1 -> ok\np0: contains 1 -> true\np0: read -> [1]")
    observed = check(history, MODELS["set"](), algorithm="frontier").observed
    assert observed["algorithm"] == "frontier"
    assert check(history, MODELS["set"]()).observed["algorithm"] == "growing"
    shrinking = parse("p0: add 1 -> ok\np0: remove 2 -> ok\np0: read -> [1]")
    assert check(shrinking, MODELS["set"]()).observed["algorithm"] == "replay"


def test_what_one_process_did_at_one_stamp_has_an_order() -> None:
    text = "p0: write 1 @1 -> ok @5\np0: write 2 @5 -> ok @5\np0: read @5 -> {} @9"
    for value, status in [(2, "valid"), (1, "invalid")]:
        verdict = check(parse(text.format(value)), MODELS["register"](), algorithm="replay")
        assert verdict.status == status


def test_crashed_reads_do_not_keep_a_history_from_being_replayed() -> None:
    history = parse("p1: read\np0: write 1 -> ok\np0: read -> 1")
    verdict = check(history, MODELS["register"](), algorithm="replay")
    assert verdict.status == "valid"


def random_sets(rng: Random) -> History:
    """Two sets that nobody reads whole."""
    history = random_history(rng, "set", operations=9, processes=4, crash_share=0.2)
    events = []
    keys: dict[int | str, str] = {}
    for event in history.events():
        if event.f == "read":
            continue
        key = rng.choice("ab") if event.type == "invoke" else keys[event.process]
        keys[event.process] = key
        fields = {name: getattr(event, name) for name in event.__struct_fields__}
        events.append(type(event)(**{**fields, "key": key}))
    return History.of(_restamped_index(event, n) for n, event in enumerate(events))


def _restamped_index(event: Event, number: int) -> Event:
    fields = {name: getattr(event, name) for name in event.__struct_fields__}
    return type(event)(**{**fields, "index": number})


def test_elements_of_sets_are_judged_apart() -> None:
    statuses: Counter[str] = Counter()
    for seed in range(300):
        history = random_sets(Random(f"sets {seed}"))
        model = MODELS["set"]()
        expected = all(
            twin.search([op for op in history if op.key == key], model) for key in ("a", "b")
        )
        verdict = check(history, model, algorithm="elements")
        assert verdict.status in (("valid", "unknown") if expected else ("invalid",)), seed
        statuses[verdict.status] += 1
        whole = check(history, model, algorithm="frontier")
        assert whole.status == verdict.status
    assert statuses["valid"] > 50
    assert statuses["invalid"] > 50


def test_a_finding_about_an_element_is_told_in_words() -> None:
    history = parse("p0: add s 1 -> ok\np0: add s 2 -> ok\np1: contains s 1 -> false")
    [finding] = check(history, MODELS["set"]()).findings
    assert finding.sentence.endswith(
        'of key "s" fits into no order of the operations: whatever the order, the element was not'
        " found, but the set held it."
    )
    assert [op.index for op in finding.sub_history] == [0, 4]


def test_a_thousand_elements_ask_the_model_a_handful_of_questions() -> None:
    lines = [f"p0: add {n} -> ok\np1: contains {n} -> true" for n in range(1000)]
    verdict = check(parse("\n".join(lines)), MODELS["set"]())
    assert verdict.observed["algorithm"] == "elements"
    assert verdict.observed["model_asked"] < 10


def test_rules_that_find_a_violation_stand_even_where_the_budget_is_spent() -> None:
    history = parse("p0: write 1 -> ok\np0: read -> 2")
    verdict = check(history, MODELS["register"](), budget=Budget(steps=0))
    assert verdict.status == "invalid"
    assert verdict.findings[0].sentence == "No order explains operation 2 (read -> 2) alone."


@pytest.mark.parametrize(
    ("model", "writes", "reads"),
    [
        ("register", "write 1 -> ok", "read -> 2"),
        ("cas-register", "write 1 -> ok", "read -> 2"),
        ("queue", "enqueue 1 -> ok", "dequeue -> 2"),
        ("set", "add 1 -> ok", "contains 1 -> false"),
    ],
)
def test_a_model_derived_from_a_known_one_is_judged_by_what_it_does(
    model: str, writes: str, reads: str
) -> None:
    known: Any = type(MODELS[model]())

    class Anything(known):  # type: ignore[misc]
        """Takes every answer."""

        def step(self, op: Action) -> Anything:
            return self

    history = parse(f"p0: {writes}\np0: {reads}")
    assert check(history, known()).status == "invalid"
    assert check(history, Anything()).status == "valid"
