"""Changes of a history of which it is known what they do to the verdict, where no twin can follow.

Whatever order explains a history explains it also when less is asked: when an interval is wider,
when nobody knows an answer any more. And what no order explains none explains when more is asked:
when something that may have happened did not, when a moment is narrowed down.
"""

from __future__ import annotations

from collections import Counter
from itertools import product
from random import Random
from typing import TYPE_CHECKING, Any

import pytest

from checker.history.columns import History
from checker.history.events import Event
from checker.linearizability import twin
from checker.linearizability.checker import check
from checker.linearizability.dispatch import dispatch
from checker.linearizability.problem import problem_of
from checker.linearizability.search import PRUNINGS, budget_of, search
from checker.models import MODELS
from checker.verdict import Budget
from tests.checker.linearizability.histories import ASKED, random_history

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from checker.history.events import Operation

STEPS = 300_000


def drawn(rng: Random, model: str) -> list[Operation]:
    """Operations of one object, too many for a twin; each by a process of its own."""
    history = random_history(
        rng,
        model,
        operations=rng.choice([4, 8, 12, 40]),
        processes=4,
        stamps=150,
        crash_share=rng.choice([0.0, 0.05]),
        wrong_share=0.5,
    )
    return list(history)


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
    found = dispatch(history, MODELS[model]())
    results = search(found.problem, budget_of(Budget(steps=STEPS)), replay=found.replay)
    outcomes = {result.outcome for result in results} | ({"illegal"} if found.by_rules else set())
    if "illegal" in outcomes:
        return "invalid"
    return "valid" if outcomes <= {"legal"} else None


def _with(of: Any, **changed: Any) -> Any:
    fields = {name: getattr(of, name) for name in of.__struct_fields__}
    return type(of)(**{**fields, **changed})


def changed(operations: Sequence[Operation], place: int, **fields: Any) -> list[Operation]:
    return [_with(op, **fields) if n == place else op for n, op in enumerate(operations)]


@pytest.mark.parametrize("model", ASKED)
def test_asking_less_invents_no_violation_and_asking_more_hides_none(model: str) -> None:
    seen: Counter[str] = Counter()
    for seed in range(40):
        rng = Random(f"metamorphic {model} {seed}")
        operations = drawn(rng, model)
        before = status(model, operations)
        if before is None:
            continue
        seen[before] += 1
        place = rng.randrange(len(operations))
        op = operations[place]
        if before == "valid":
            wider = {"call": op.call - rng.randint(1, 40)}
            if op.ret is not None:
                wider["ret"] = op.ret + rng.randint(0, 40)
            less = [changed(operations, place, **wider)]
            less.append(changed(operations, place, ret=None, outcome="info", output=None))
            for fewer in less:
                assert status(model, fewer) in ("valid", None), seed
        else:
            assert op.ret is None or op.ret >= op.call
            end = op.call + rng.randint(0, 40) if op.ret is None else rng.randint(op.call, op.ret)
            more = [changed(operations, place, call=rng.randint(op.call, end))]
            crashed = [n for n, other in enumerate(operations) if other.ret is None]
            if crashed:
                gone = rng.choice(crashed)
                more.append([other for n, other in enumerate(operations) if n != gone])
            for stricter in more:
                assert status(model, stricter) in ("invalid", None), seed
    assert seen["valid"] > 1
    assert seen["valid"] + seen["invalid"] > 5


READS: dict[str, tuple[str, list[Any]]] = {
    "register": ("read", [None, 1, 2, 3]),
    "cas-register": ("read", [None, 1, 2, 3]),
    "counter": ("read", list(range(-40, 80))),
}


@pytest.mark.parametrize("model", READS)
def test_the_last_value_can_be_read_at_the_end_and_no_order_is_found_by_reading(model: str) -> None:
    seen: Counter[str] = Counter()
    f, values = READS[model]
    for seed in range(30):
        operations = drawn(Random(f"last {model} {seed}"), model)
        before = status(model, operations)
        if before is None:
            continue
        end = max(op.ret or op.call for op in operations) + 1
        found: set[str | None] = set()
        for value in values:
            read = _with(operations[0], f=f, input=None, output=value, call=end, ret=end + 1)
            found.add(status(model, [*operations, _with(read, outcome="ok")]))
        seen[before] += 1
        assert found <= {"invalid", None} if before == "invalid" else "valid" in found, seed
    assert seen["valid"]
    assert seen["invalid"]


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


def test_no_set_of_prunings_changes_an_answer() -> None:
    names = sorted(PRUNINGS)
    verdicts: Counter[bool] = Counter()
    for number, chosen in enumerate(product((False, True), repeat=len(names))):
        rng = Random(number)
        model = rng.choice(list(ASKED))
        history = random_history(
            rng,
            model,
            operations=rng.randint(3, 8),
            stamps=rng.choice([4, 12, 30]),
            crash_share=rng.choice([0.2, 0.5]),
        )
        expected = twin.search(history, MODELS[model](), steps_max=5_000)
        if expected is None:
            continue
        prune = [name for name, wanted in zip(names, chosen, strict=True) if wanted]
        problem = problem_of(history, MODELS[model]())
        found = {result.outcome for result in search(problem, budget_of(Budget()), prune=prune)}
        assert found <= {"legal", "illegal"}
        assert ("illegal" not in found) is expected, (number, model, prune)
        verdicts[expected] += 1
    assert min(verdicts[True], verdicts[False]) > 100
