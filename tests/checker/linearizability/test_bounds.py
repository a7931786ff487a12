"""Budgets hold for rules, for states of a model in Python, and for seeing it as a whole."""

from __future__ import annotations

import json
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from time import perf_counter, sleep
from typing import TYPE_CHECKING, Any, ClassVar

import pytest

from checker._core import SearchBudget
from checker.history.columns import History
from checker.history.notation import parse
from checker.linearizability import rules
from checker.linearizability.checker import check
from checker.linearizability.objects import by_key
from checker.linearizability.search import PRUNINGS
from checker.linearizability.sentences import RULED_MAX
from checker.linearizability.unruled import FULL, LATE, Unruled
from checker.linearizability.whole_sets import WholeSet
from checker.models import MODELS
from checker.models.register import Register
from checker.verdict import Budget
from tests.checker.linearizability.lateness import Late

if TYPE_CHECKING:
    from checker.models import Action


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


def test_within_one_register_the_clock_is_looked_at() -> None:
    history = parse("\n".join(f"p0: write {n} -> ok" for n in range(100_000)))
    objects = by_key(history, history.columns.outcome)

    def judged(seconds: float) -> tuple[float, rules.Ruled]:
        began = perf_counter()
        ruled = rules.judge("zones", history, objects, Register(), SearchBudget(seconds=seconds))
        return perf_counter() - began, ruled

    whole = [judged(100) for _ in range(3)]
    assert all(ruled.codes == bytes([rules.LEGAL]) for _, ruled in whole)
    _, late = judged(min(took for took, _ in whole) / 3)
    assert late.inapplicable == (0, LATE)


@dataclass(frozen=True)
class Wordy:
    """A register that takes a while to say which operations are equal, and counts how often."""

    named: ClassVar[list[Action]] = []

    def canonical(self, op: Action) -> Action:
        self.named.append(op)
        sleep(0.001)
        return op

    def step(self, op: Action) -> Wordy:
        assert op.f == "write"
        return self


@pytest.mark.parametrize("executor", [False, True])
def test_operations_are_made_ready_no_longer_than_the_budget(executor: bool) -> None:
    Wordy.named.clear()
    history = parse("\n".join(f"p0: write k{n % 2} {n} -> ok" for n in range(4_000)))
    with ThreadPoolExecutor(2) as pool:
        shared = pool if executor else None
        verdict = check(history, Wordy(), budget=Budget(seconds=0.1), executor=shared)
    assert verdict.status == "unknown"
    assert "seconds was spent before the search began" in str(verdict.cause)
    assert len(Wordy.named) < 1_000


def test_a_short_history_is_made_ready_even_without_time() -> None:
    history = parse("p0: write 1\np1: write 2 -> ok\np0: -> ok")
    verdict = check(history, Wordy(), budget=Budget(seconds=0))
    assert verdict.status == "unknown"
    assert "ran out of seconds at operation" in str(verdict.cause)


def growing(many: int) -> History:
    """As many whole reads of a set as elements that were added, one after another."""
    lines = []
    for n in range(many):
        lines += [f"p0: add {n} -> ok", f"p0: read -> {[*range(n + 1)]}".replace(", ", ",")]
    return parse("\n".join(lines))


@pytest.mark.parametrize("looks", [0, 50, 150])
def test_within_one_set_the_clock_is_looked_at(looks: int) -> None:
    history = growing(100)
    with pytest.raises(Unruled, match=LATE):
        WholeSet(history, frozenset(), Late(looks)).judge(range(len(history)))
    assert WholeSet(history, frozenset(), Late(500)).judge(range(len(history)))


def test_what_was_read_whole_counts_for_the_memory() -> None:
    history, model = growing(400), MODELS["set"]()
    objects = by_key(history, history.columns.outcome)
    for memory_mb, code in ((100, rules.LEGAL), (1, rules.UNDECIDED)):
        ruled = rules.judge("growing", history, objects, model, SearchBudget(memory_mb=memory_mb))
        assert ruled.codes == bytes([code])
    assert ruled.inapplicable == (0, FULL)


def test_a_chain_of_crashed_compare_and_sets_is_shown_in_time() -> None:
    many = 40_000
    events: list[tuple[int, str, str, str, Any]] = [
        (n + 1, "invoke", "cas", "input", [n or None, n + 1]) for n in range(many)
    ]
    for value in (many, many - 1):
        events += [(0, "invoke", "read", "input", None), (0, "ok", "read", "output", value)]
    lines = [
        json.dumps({"index": n, "time": n, "process": process, "type": kind, "f": f, given: value})
        for n, (process, kind, f, given, value) in enumerate(events)
    ]
    history = History.from_bytes("\n".join(lines).encode())
    objects = by_key(history, history.columns.outcome)
    begun = time.monotonic()
    ruled = rules.judge("zones", history, objects, MODELS["cas-register"]())
    assert ruled.codes == bytes([rules.ILLEGAL])
    assert len(ruled.illegal[0]) == many + 2
    assert time.monotonic() - begun < 5, "it takes hundredths of a second"


def test_a_model_with_no_end_of_states_is_hardly_asked_to_see_it_whole() -> None:
    history = parse("\n".join(f"p0: enqueue {n % 10} -> ok" for n in range(600)))
    queue = MODELS["queue"]()
    asked = []
    for prune in (PRUNINGS, PRUNINGS.keys() - {"closure"}):
        observed = check(history, queue, algorithm="frontier", prune=prune).observed
        asked.append(observed["model_asked"])
    assert asked[0] < asked[1] + 50, asked


def test_of_many_operations_that_rules_hold_for_impossible_some_are_shown() -> None:
    many = 1_000
    lines = [f"p{n + 1}: cas [{n or 'null'},{n + 1}]" for n in range(many)]
    history = parse("\n".join([*lines, f"p0: read -> {many}", f"p0: read -> {many - 1}"]))
    budget = Budget(steps=1)
    [finding] = check(history, MODELS["cas-register"](), algorithm="zones", budget=budget).findings
    assert len(finding.sub_history) == RULED_MAX
    assert "and 998 other operations alone" in finding.sentence
    assert finding.details[-1] == "the small history is wrong only with 752 operations more"
