"""Properties of every way to judge, on small histories that are drawn: the answer is that of brute
force, and a change of which it is known what it does to an answer does that.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import chain, combinations
from random import Random
from typing import TYPE_CHECKING, Any, Final

import pytest
from hypothesis import given, note, settings
from hypothesis import strategies as st

from checker.history.columns import History
from checker.history.events import Event
from checker.linearizability import twin
from checker.linearizability.checker import check
from checker.linearizability.dispatch import ALGORITHMS, Inapplicable, dispatch
from checker.linearizability.problem import problem_of
from checker.linearizability.search import PRUNINGS, RUNGS, budget_of, search
from checker.models import MODELS
from checker.verdict import Budget
from tests.checker.linearizability.histories import ASKED, random_history

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from checker.history.events import Operation

BRUTE_MAX: Final = 5
"""Of more operations brute force takes seconds; then Wing and Gong's search is the twin."""
TWIN_STEPS: Final = 20_000
STEPS: Final = 300_000
SUBSETS: Final = [
    frozenset(some) for n in range(len(PRUNINGS) + 1) for some in combinations(PRUNINGS, n)
]


@dataclass(frozen=True)
class Way:
    """One way to search: what is left out, one rung or all, how wide, in how many threads."""

    prune: frozenset[str]
    rung: str | None = None
    width: int = 1
    threads: int = 1
    replay: bool = False


ways = st.one_of(
    st.builds(Way, st.sampled_from(SUBSETS), threads=st.sampled_from([1, 2])),
    st.builds(Way, st.sampled_from(SUBSETS), st.sampled_from(list(RUNGS))),
    st.builds(Way, st.sampled_from(SUBSETS), st.just("dived"), st.sampled_from([1, 2, 3, 64])),
    st.builds(Way, st.just(frozenset(PRUNINGS)), replay=st.just(True)),
)


def drawn(rng: Random, model: str, operations: int = 8) -> History:
    return random_history(
        rng,
        model,
        operations=rng.randint(1, operations),
        processes=rng.randint(1, 6),
        stamps=rng.choice([1, 4, 12, 30]),
        crash_share=rng.choice([0.0, 0.2, 0.5]),
    )


def truth(history: History, model: str) -> bool | None:
    """Whether some order explains the history; None if that takes too long to know."""
    if len(history) <= BRUTE_MAX:
        return twin.brute_force(history, MODELS[model]())
    return twin.search(history, MODELS[model](), steps_max=TWIN_STEPS)


def said(history: History, model: str, way: Way) -> bool | None:
    """What one way says; None where it may be unable to."""
    results = search(
        problem_of(history, MODELS[model]()),
        budget_of(Budget()),
        prune=way.prune,
        rung=way.rung,
        width=way.width,
        threads=way.threads,
        replay=way.replay,
    )
    found = {result.outcome for result in results}
    assert found <= {"legal", "illegal"} | ({"undecided"} if way.rung else set())
    if "illegal" in found:
        return False
    return None if "undecided" in found else True


@pytest.mark.parametrize("model", ASKED)
def test_what_is_drawn_is_right_and_wrong(model: str) -> None:
    histories = (drawn(Random(f"{model} {seed}"), model) for seed in range(60))
    assert {True, False} <= {truth(history, model) for history in histories}


@pytest.mark.parametrize("model", ASKED)
@settings(max_examples=40)
@given(rng=st.randoms(use_true_random=False), some=st.lists(ways, min_size=4, max_size=8))
def test_every_way_says_what_brute_force_says(model: str, rng: Random, some: list[Way]) -> None:
    history = drawn(rng, model)
    expected = truth(history, model)
    note(f"{list(history)}")
    for way in some if expected is not None else []:
        answer = said(history, model, way)
        assert answer is None or answer is expected, way


@pytest.mark.parametrize("model", ASKED)
@settings(max_examples=2)
@given(rng=st.randoms(use_true_random=False))
def test_no_set_of_prunings_changes_an_answer(model: str, rng: Random) -> None:
    history = drawn(rng, model, operations=6)
    expected = truth(history, model)
    problem = problem_of(history, MODELS[model]())
    note(f"{list(history)}")
    for prune in SUBSETS if expected is not None else []:
        results = search(problem, budget_of(Budget()), prune=prune)
        assert ({result.outcome for result in results} <= {"legal"}) is expected, prune


@pytest.mark.parametrize("model", ASKED)
@settings(max_examples=20)
@given(rng=st.randoms(use_true_random=False))
def test_every_algorithm_that_applies_says_what_brute_force_says(model: str, rng: Random) -> None:
    history = drawn(rng, model)
    expected = truth(history, model)
    note(f"{list(history)}")
    for algorithm in (None, *ALGORITHMS) if expected is not None else []:
        try:
            answer = judged(history, model, algorithm)
        except Inapplicable:
            continue
        assert answer == ("valid" if expected else "invalid"), algorithm


def judged(history: History, model: str, algorithm: str | None = None) -> str | None:
    """The verdict, without words; None if the budget was spent."""
    found = dispatch(history, MODELS[model](), algorithm)
    results = search(found.problem, budget_of(Budget(steps=STEPS)), replay=found.replay)
    outcomes = {result.outcome for result in results} | ({"illegal"} if found.by_rules else set())
    if "illegal" in outcomes:
        return "invalid"
    return "valid" if outcomes <= {"legal"} else None


def status(model: str, operations: Iterable[Operation]) -> str | None:
    """The verdict on these operations, None if the budget was spent."""
    events: list[Event] = []
    for process, op in enumerate(operations):
        common: dict[str, Any] = {"index": 0, "process": process, "f": op.f, "key": op.key}
        events.append(Event(time=op.call, type="invoke", input=op.input, **common))
        if op.ret is not None:
            events.append(Event(time=op.ret, type="ok", output=op.output, **common))
    events.sort(key=lambda event: (event.time, event.type != "invoke"))
    history = History.of(_with(event, index=n) for n, event in enumerate(events))
    return judged(history, model)


def _with(of: Any, **changed: Any) -> Any:
    fields = {name: getattr(of, name) for name in of.__struct_fields__}
    return type(of)(**{**fields, **changed})


def changed(operations: Sequence[Operation], place: int, **fields: Any) -> list[Operation]:
    return [_with(op, **fields) if n == place else op for n, op in enumerate(operations)]


@pytest.mark.parametrize("model", ASKED)
@settings(max_examples=25)
@given(rng=st.randoms(use_true_random=False))
def test_asking_less_invents_no_violation_and_asking_more_hides_none(
    model: str, rng: Random
) -> None:
    operations = list(drawn(rng, model, operations=30))
    before = status(model, operations) if operations else None
    if before is None:
        return
    place = rng.randrange(len(operations))
    note(f"{before}, {place} of {operations}")
    others = asking_less(rng, operations, place) if before == "valid" else ()
    if before == "invalid":
        others = asking_more(rng, operations, place)
    for other in others:
        assert status(model, other) in (before, None), other


def asking_less(rng: Random, operations: list[Operation], place: int) -> list[list[Operation]]:
    """Its interval is wider; nobody knows its answer; something that nobody knew is not asked."""
    op = operations[place]
    wider: dict[str, Any] = {"call": op.call - rng.randint(1, 40)}
    if op.ret is not None:
        wider["ret"] = op.ret + rng.randint(0, 40)
    unknown = changed(operations, place, ret=None, outcome="info", output=None)
    return [changed(operations, place, **wider), unknown]


def asking_more(rng: Random, operations: list[Operation], place: int) -> list[list[Operation]]:
    """Its interval is narrower; something that may have happened did not."""
    op = operations[place]
    end = op.call + rng.randint(0, 40) if op.ret is None else rng.randint(op.call, op.ret)
    crashed = [n for n, other in enumerate(operations) if other.ret is None]
    gone = [[other for n, other in enumerate(operations) if n != one] for one in crashed[:2]]
    return [changed(operations, place, call=rng.randint(op.call, end)), *gone]


READS: dict[str, tuple[str, list[Any]]] = {
    "register": ("read", [None, 1, 2, 3]),
    "cas-register": ("read", [None, 1, 2, 3]),
    "counter": ("read", list(range(-20, 40))),
}


@pytest.mark.parametrize("model", READS)
@settings(max_examples=8)
@given(rng=st.randoms(use_true_random=False))
def test_the_last_value_can_be_read_and_reading_finds_no_order(model: str, rng: Random) -> None:
    operations = list(drawn(rng, model, operations=20))
    before = status(model, operations) if operations else None
    if before is None:
        return
    f, values = READS[model]
    end = max(chain((op.call for op in operations), (op.ret or 0 for op in operations))) + 1
    note(f"{before}: {operations}")
    found = set()
    for value in values:
        read = _with(operations[0], f=f, input=None, output=value, call=end, ret=end + 1)
        found.add(status(model, [*operations, _with(read, outcome="ok")]))
    assert found <= {"invalid", None} if before == "invalid" else found & {"valid", None}


@pytest.mark.parametrize("model", ["register", "queue", "set", "kv", "counter"])
def test_every_path_says_the_same_of_long_histories(model: str) -> None:
    for seed in range(10):
        rng = Random(f"paths {model} {seed}")
        history = random_history(
            rng, model, operations=50, processes=4, stamps=200, crash_share=0, wrong_share=0.5
        )
        budget = Budget(steps=STEPS)
        statuses = {
            verdict.status
            for algorithm in (None, "frontier")
            for verdict in [check(history, MODELS[model](), algorithm=algorithm, budget=budget)]
        }
        assert len(statuses - {"unknown"}) <= 1, seed
