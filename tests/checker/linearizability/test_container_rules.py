"""What the rules of containers say is what the twin says; what they blame is wrong alone."""

from __future__ import annotations

from collections import Counter
from random import Random
from typing import TYPE_CHECKING

import pytest

from checker.history.notation import parse
from checker.linearizability import rules, twin
from checker.linearizability.checker import check
from checker.linearizability.dispatch import Inapplicable
from checker.linearizability.objects import by_key
from checker.models import MODELS
from checker.models.queues import Queue, Stack
from checker.verdict import Budget
from tests.checker.linearizability.histories import history_of_spans, spans

if TYPE_CHECKING:
    from checker.history.columns import History

QUEUE = Queue()
PUT_AND_TAKEN = {
    "queue": ("enqueue", "dequeue", 0),
    "stack": ("push", "pop", -1),
    "unordered-queue": ("enqueue", "dequeue", 0),
}
"""For each model its operations, and where the value lies that is taken out."""
OUT_OF_ORDER = {"queue": 199, "stack": 196, "unordered-queue": 1}
"""What cannot be taken out of what a hundred crashed operations and 200 others left."""


def judged(history: History, name: str = "queue", initial: tuple[int, ...] = ()) -> rules.Ruled:
    objects = by_key(history, history.columns.outcome)
    return rules.judge(name, history, objects, MODELS[name](initial))


def random_container(rng: Random, name: str, initial: tuple[int, ...]) -> History:
    """A history of one container into which every value is put once; sometimes wrong."""
    drawn = spans(
        rng,
        operations=rng.randint(3, 10),
        processes=rng.randint(1, 5),
        crash_share=rng.choice([0, 0.15, 0.3]),
        length=rng.choice([3, 12]),
    )
    put_in, taken_out, place = PUT_AND_TAKEN[name]
    held = [*initial]
    put = 0
    for one in sorted(drawn, key=lambda one: one.moment):
        happens = one.ret is not None or rng.random() < 0.6
        if rng.random() < (0.5 if one.ret is not None else 0.8):
            put += 1
            one.asked = put_in, put, None
            if happens:
                held.append(put)
        else:
            one.asked = taken_out, None, held.pop(place) if held and happens else None
    taken = [one for one in drawn if one.asked[0] == taken_out]
    if taken and rng.random() < 0.6:
        wrong = rng.choice(taken)
        wrong.asked = taken_out, None, rng.choice([None, *initial, *range(1, put + 1), 99])
    return history_of_spans(drawn)


@pytest.mark.parametrize("name", PUT_AND_TAKEN)
def test_agrees_with_the_twin(name: str) -> None:
    seen: Counter[int] = Counter()
    for seed in range(500):
        rng = Random(f"{name} {seed}")
        initial = rng.choice([(), (), (50,), (50, 60)])
        history, model = random_container(rng, name, initial), MODELS[name](initial)
        found = judged(history, name, initial)
        expected = twin.search(history, model, steps_max=50_000)
        if expected is None or not found.codes:
            continue
        seen[found.codes[0]] += 1
        if found.codes[0] == rules.UNDECIDED:
            assert any(op.f == PUT_AND_TAKEN[name][1] and op.ret is None for op in history), seed
            continue
        assert (found.codes[0] == rules.LEGAL) is expected, seed
        if not expected:
            alone = [history[row] for row in found.illegal[0]]
            assert twin.search(alone, model) is False, seed
        if seed % 10 == 0:
            status = check(history, model).status
            assert status in ("valid" if expected else "invalid", "unknown"), seed
    assert seen[rules.LEGAL] > 200
    assert seen[rules.ILLEGAL] > 80
    assert seen[rules.UNDECIDED] > 2


@pytest.mark.parametrize("name", PUT_AND_TAKEN)
@pytest.mark.parametrize("wrong", [False, True])
def test_a_hundred_crashed_operations_are_judged_at_once(name: str, wrong: bool) -> None:
    put_in, taken_out, place = PUT_AND_TAKEN[name]
    lines = [f"p{n + 1}: {put_in} {1000 + n}" for n in range(100)]
    held = [1000 + n for n in range(0, 100, 3)]
    for n in range(200):
        lines.append(f"p0: {put_in} {n} -> ok")
        held.append(n)
        if n % 2:
            lines.append(f"p0: {taken_out} -> {held.pop(place)}")
    if wrong:
        lines.append(f"p0: {taken_out} -> {OUT_OF_ORDER[name]}")
    verdict = check(parse("\n".join(lines)), MODELS[name](), budget=Budget(seconds=5))
    assert verdict.status == ("invalid" if wrong else "valid"), verdict.cause
    assert verdict.observed["algorithm"] == name
    assert verdict.observed["model_asked"] < 500


@pytest.mark.parametrize(
    ("text", "alone"),
    [
        ("p0: enqueue 1 -> ok\np0: dequeue -> 2", [1]),
        ("p0: enqueue 1 -> ok\np0: dequeue -> 1\np0: dequeue -> 1", [0, 1, 2]),
        ("p0: dequeue -> 1\np0: enqueue 1 -> ok", [0, 1]),
        ("p0: enqueue 1 -> ok\np0: enqueue 2 -> ok\np0: dequeue -> 2", [0, 1, 2]),
        (
            "p0: enqueue 1 -> ok\np0: enqueue 2 -> ok\np0: dequeue -> 2\np0: dequeue -> 1",
            [0, 1, 2, 3],
        ),
        ("p0: enqueue 1 -> ok\np0: dequeue -> null\np0: dequeue -> 1", [0, 1, 2]),
        ("p0: enqueue 1 -> ok\np0: dequeue -> null", [0, 1]),
        (
            (
                "p0: enqueue 1 -> ok\np1: dequeue\np0: enqueue 2 -> ok\np0: dequeue -> 1"
                "\np1: -> null\np0: dequeue -> 2"
            ),
            [0, 1, 2, 3, 4],
        ),
    ],
)
def test_blames_the_fewest(text: str, alone: list[int]) -> None:
    found = judged(parse(text))
    assert found.codes == bytes([rules.ILLEGAL])
    assert sorted(found.illegal[0]) == alone


@pytest.mark.parametrize(
    "text",
    [
        "p0: enqueue 1\np1: enqueue 2 -> ok\np1: dequeue -> 1\np0: -> ok\np1: dequeue -> 2",
        "p0: enqueue 1\np1: dequeue -> 1",
        "p0: enqueue 1\np1: dequeue -> null",
        "p0: enqueue 1 -> ok\np1: dequeue\np0: enqueue 2 -> ok\np0: dequeue -> 1",
        "p0: enqueue 1 -> ok\np1: dequeue\np0: dequeue -> 1\np0: enqueue 2 -> ok\np1: -> null",
        "p0: enqueue 1 @1 -> ok @3\np1: dequeue @3 -> null @3\np2: dequeue @3 -> 1 @9",
    ],
)
def test_accepts(text: str) -> None:
    assert judged(parse(text)).codes == bytes([rules.LEGAL])
    assert check(parse(text), QUEUE, algorithm="queue").status == "valid"


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("p0: enqueue 1 -> ok\np0: enqueue 1 -> ok", "a value is put in twice"),
        (
            "p0: enqueue 1 -> ok\np0: enqueue 2 -> ok\np1: dequeue\np0: dequeue -> 2",
            "a dequeue crashed that may matter",
        ),
        ("p0: enqueue 1 @1 -> ok @5\np0: dequeue @5 -> 1 @9", "operations of one process touch"),
        ("p0: enqueue 1 -> ok\np0: push 1 -> ok", "an operation is none of a queue"),
        ("p0: enqueue null -> ok", "null is put in"),
    ],
)
def test_does_not_apply(text: str, why: str) -> None:
    assert judged(parse(text)).inapplicable == (0, why)
    with pytest.raises(Inapplicable, match=f"queue does not apply: {why}"):
        check(parse(text), QUEUE, algorithm="queue")


def test_does_not_apply_to_other_models() -> None:
    history = parse("p0: enqueue 1 -> ok\np0: dequeue -> 1")
    models = {
        "queue": ("the model is no queue, first in first out", "unordered-queue"),
        "unordered-queue": ("the model is no unordered queue", "queue"),
        "stack": ("the model is no stack", "queue"),
    }
    for name, (why, model) in models.items():
        with pytest.raises(Inapplicable, match=why):
            check(history, MODELS[model](), algorithm=name)


@pytest.mark.parametrize(
    ("text", "alone"),
    [
        ("p0: push 1 -> ok\np0: push 2 -> ok\np0: pop -> 1\np0: pop -> 2", [0, 1, 2, 3]),
        ("p0: push 1 -> ok\np0: push 2 -> ok\np0: pop -> 1", [0, 1, 2]),
        # A third value lies between: it has to be inside when the first is popped.
        (
            (
                "p0: push 1 -> ok\np0: push 9 -> ok\np0: push 2 -> ok\np0: pop -> 2"
                "\np0: pop -> 1\np0: pop -> 9"
            ),
            [0, 1, 4, 5],
        ),
        # Each two of the three fit: 2 around 1, and 3 around 2, but 3 is pushed when 1 is inside.
        (
            (
                "p0: push 1 @0 -> ok @1\np1: push 2 @0 -> ok @4\np2: push 3 @3 -> ok @8"
                "\np0: pop @6 -> 1 @7\np1: pop @9 -> 2 @10\np2: pop @12 -> 3 @13"
            ),
            [0, 1, 2, 3, 4, 5],
        ),
    ],
)
def test_blames_the_values_of_a_stack_that_lie_across(text: str, alone: list[int]) -> None:
    found = judged(parse(text), "stack")
    assert found.codes == bytes([rules.ILLEGAL])
    assert sorted(found.illegal[0]) == alone
    assert twin.search([parse(text)[row] for row in alone], Stack()) is False


@pytest.mark.parametrize("name", PUT_AND_TAKEN)
def test_what_was_inside_at_the_beginning_counts(name: str) -> None:
    put_in, taken_out, place = PUT_AND_TAKEN[name]
    held = [7, 8]
    held.append(1)
    right = [f"p0: {put_in} 1 -> ok"] + [f"p0: {taken_out} -> {held.pop(place)}" for _ in "abc"]
    history = parse("\n".join([*right, f"p0: {taken_out} -> null"]))
    assert check(history, MODELS[name]([7, 8]), algorithm=name).status == "valid"
    verdict = check(history, MODELS[name]([7, 8, 9]), algorithm=name)
    assert verdict.status == "invalid", verdict.cause


def test_a_deep_stack_is_judged_in_no_time() -> None:
    depth = 4_000
    lines = [f"p0: push {n} -> ok" for n in range(depth)]
    lines += [f"p0: pop -> {n}" for n in reversed(range(depth))]
    assert judged(parse("\n".join(lines)), "stack").codes == bytes([rules.LEGAL])
    lines[-1], lines[-2] = lines[-2], lines[-1]
    assert judged(parse("\n".join(lines)), "stack").codes == bytes([rules.ILLEGAL])


def test_a_finding_of_the_rules_is_told_like_one_of_the_search() -> None:
    history = parse(
        "p0: enqueue 1 -> ok\np0: enqueue 2 -> ok\np0: enqueue 3 -> ok\np0: dequeue -> 2"
    )
    [finding] = check(history, QUEUE).findings
    assert finding.sentence == (
        "Operation 6 (dequeue -> 2, by process 0, asked at 7 ns, answered at 8 ns) fits into no"
        " order of the operations: even with operation 0 (enqueue 1) and operation 2 (enqueue 2)"
        " alone, 2 was taken out, but 1 stood at the head."
    )


def test_thousands_of_operations_are_judged_without_asking_the_model() -> None:
    lines = [f"p0: enqueue {n} -> ok\np0: dequeue -> {n}" for n in range(1, 3000)]
    verdict = check(parse("\n".join(lines)), QUEUE)
    assert verdict.status == "valid"
    assert verdict.observed["algorithm"] == "queue"
    assert verdict.observed["model_asked"] == 0
