"""What the rules of queues say is what the twin says; what they blame is wrong alone."""

from __future__ import annotations

from collections import Counter
from random import Random
from typing import TYPE_CHECKING, Any

import pytest

from checker.history.notation import parse
from checker.linearizability import rules, twin
from checker.linearizability.checker import check
from checker.linearizability.dispatch import Inapplicable
from checker.linearizability.objects import by_key
from checker.models import MODELS
from checker.models.queues import Queue
from tests.checker.linearizability.histories import history_of_spans, spans

if TYPE_CHECKING:
    from checker.history.columns import History

QUEUE = Queue()


def judged(history: History) -> rules.Ruled:
    return rules.judge("queue", history, by_key(history, history.columns.outcome), QUEUE)


def random_queue(rng: Random) -> History:
    """A history of one queue into which every value is put once; sometimes wrong."""
    drawn = spans(
        rng,
        operations=rng.randint(3, 10),
        processes=rng.randint(1, 5),
        crash_share=rng.choice([0, 0.15, 0.3]),
        length=rng.choice([3, 12]),
    )
    held: list[int] = []
    put = 0
    for one in sorted(drawn, key=lambda one: one.moment):
        if one.ret is None or rng.random() < 0.5:
            put += 1
            one.asked = "enqueue", put, None
            if one.ret is not None or rng.random() < 0.6:
                held.append(put)
        else:
            one.asked = "dequeue", None, held.pop(0) if held else None
    taken = [one for one in drawn if one.asked[0] == "dequeue"]
    if taken and rng.random() < 0.6:
        wrong = rng.choice(taken)
        wrong.asked = "dequeue", None, rng.choice([None, *range(1, put + 1), 99])
    return history_of_spans(drawn)


def test_agrees_with_the_twin() -> None:
    seen: Counter[int] = Counter()
    for seed in range(3000):
        history = random_queue(Random(seed))
        found = judged(history)
        expected = twin.search(history, QUEUE, steps_max=50_000)
        if expected is None or not found.codes or found.codes[0] == rules.UNDECIDED:
            continue
        seen[found.codes[0]] += 1
        assert (found.codes[0] == rules.LEGAL) is expected, seed
        if not expected:
            alone = [history[row] for row in found.illegal[0]]
            assert twin.search(alone, QUEUE) is False, seed
        if seed % 10 == 0:
            status = check(history, QUEUE).status
            assert status in ("valid" if expected else "invalid", "unknown"), seed
    assert seen[rules.LEGAL] > 1000
    assert seen[rules.ILLEGAL] > 400


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
        ("p0: enqueue 1 -> ok\np0: dequeue", "a dequeue crashed"),
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
    models: dict[str, Any] = {
        "the queue does not start empty": MODELS["queue"]([7]),
        "the model is no queue, first in first out": MODELS["unordered-queue"](),
    }
    for why, model in models.items():
        with pytest.raises(Inapplicable, match=why):
            check(history, model, algorithm="queue")


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
