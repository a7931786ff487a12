"""The two references agree, and say what the definition says."""

from __future__ import annotations

from random import Random

import pytest

from checker.history.notation import parse
from checker.linearizability.twin import brute_force, search
from checker.models import MODELS
from tests.checker.linearizability.histories import ASKED, random_history


@pytest.mark.parametrize("model", ASKED)
def test_the_reference_search_agrees_with_brute_force(model: str) -> None:
    verdicts = set()
    for seed in range(60):
        rng = Random(f"{model} {seed}")
        history = random_history(rng, model, operations=5, processes=3, stamps=rng.choice([3, 9]))
        operations = list(history)
        expected = brute_force(operations, MODELS[model]())
        assert search(operations, MODELS[model]()) is expected, seed
        verdicts.add(expected)
    assert verdicts == {True, False}


@pytest.mark.parametrize("judge", [search, brute_force])
@pytest.mark.parametrize(
    ("text", "legal"),
    [
        ("p0: write 1 @10 -> ok @20\np1: read @20 -> null @30", True),
        ("p0: write 1 @10 -> ok @20\np1: read @21 -> null @30", False),
        ("p0: write 1 @10 -> ok @20\np0: read @20 -> null @30", False),
        ("p0: write 1 @10 -> info @20\np1: read @30 -> null @40\np1: read @50 -> 1 @60", True),
        ("p0: write 1 @10 -> fail @20\np1: read @30 -> 1 @40", False),
        ("p0: write 1 @10\np1: read @30 -> 1 @40\np1: read @50 -> null @60", False),
    ],
)
def test_intervals_are_closed_and_a_process_is_in_order(
    text: str, legal: bool, judge: type[object]
) -> None:
    assert judge(list(parse(text)), MODELS["register"]()) is legal  # type: ignore[call-arg]


def test_gives_up_after_its_steps() -> None:
    history = parse("p0: write 1 -> ok\np0: read -> 1")
    assert search(list(history), MODELS["register"](), steps_max=1) is None
