"""Sets that only grow are judged as the twin judges them, and what is blamed is wrong alone."""

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
from checker.models.set import Set, make_set
from checker.verdict import Budget
from tests.checker.linearizability.histories import history_of_spans, spans

if TYPE_CHECKING:
    from checker.history.columns import History


FROM, TO = 0, 600


def judged(history: History, model: Set) -> rules.Ruled:
    return rules.judge("growing", history, by_key(history, history.columns.outcome), model)


def random_set(rng: Random, initial: list[int]) -> History:
    """A history of one set; sometimes one answer is wrong."""
    drawn = spans(
        rng,
        operations=rng.randint(3, 10),
        processes=rng.randint(1, 5),
        crash_share=rng.choice([0, 0.15, 0.3]),
        length=rng.choice([3, 12]),
    )
    held = {*initial}
    for one in sorted(drawn, key=lambda one: one.moment):
        element = rng.randint(1, 4)
        f = rng.choice(["add", "add", "read", "read", "contains"]) if one.ret else "add"
        outputs = {"add": None, "read": rng.sample(sorted(held), len(held))}
        one.asked = f, None if f == "read" else element, outputs.get(f, element in held)
        if f == "add" and (one.ret is not None or rng.random() < 0.6):
            held.add(element)
    told = [one for one in drawn if one.asked[0] != "add"]
    if told and rng.random() < 0.6:
        wrong = rng.choice(told)
        f, given, output = wrong.asked
        lists = [rng.sample(range(1, 6), rng.randint(0, 4)), [1, 1]]
        wrong.asked = f, given, not output if f == "contains" else rng.choice(lists)
    return history_of_spans(drawn)


def test_agrees_with_the_twin() -> None:
    seen: Counter[int] = Counter()
    for seed in range(FROM, TO):
        rng = Random(f"growing {seed}")
        initial = rng.choice([[], [], [1], [5]])
        history, model = random_set(rng, initial), make_set(initial)
        found = judged(history, model)
        expected = twin.search(history, model, steps_max=50_000)
        if expected is None or not found.codes:
            continue
        seen[found.codes[0]] += 1
        assert found.codes[0] == (rules.LEGAL if expected else rules.ILLEGAL), seed
        if not expected:
            alone = [history[row] for row in found.illegal[0]]
            assert found.part is not None
            assert twin.search(alone, found.part) is False, seed
        if seed % 10 == 0:
            status = check(history, model).status
            assert status in ("valid" if expected else "invalid", "unknown"), seed
    assert seen[rules.LEGAL] > 250
    assert seen[rules.ILLEGAL] > 100


@pytest.mark.parametrize("wrong", [False, True])
def test_a_hundred_crashed_additions_are_judged_at_once(wrong: bool) -> None:
    lines = [f"p{n + 1}: add {1000 + n}" for n in range(100)]
    held: list[int] = []
    for n in range(200):
        lines.append(f"p0: add {n} -> ok")
        held += [n] if n % 3 else [n, 1000 + n // 3]
        lines.append(f"p0: read -> {held}".replace(" ", "").replace(":read->", ": read -> "))
    if wrong:
        lines.append(lines[-1].replace("1005,", ""))
    verdict = check(parse("\n".join(lines)), Set(), budget=Budget(seconds=5))
    assert verdict.status == ("invalid" if wrong else "valid"), verdict.cause
    assert verdict.observed["algorithm"] == "growing"
    assert verdict.observed["model_asked"] < 500


def test_what_is_wrong_is_told_of_few_elements() -> None:
    lines = [f"p{n + 9}: add {n}" for n in range(30)]
    history = parse("\n".join([*lines, "p1: read -> [3,4,5]", "p1: read -> [3,5,7]"]))
    [finding] = check(history, Set()).findings
    assert "of 4, 7 the set held" in finding.sentence
    assert [operation.f for operation in finding.operations] == ["read"]
    assert len(finding.sub_history) <= 4


def test_objects_that_rules_leave_are_searched_and_the_others_are_not_forgotten() -> None:
    wrong = "p1: add a 1 -> ok\np1: add a 2 -> ok\np1: read a -> [2]\n"
    left = "p2: add b 1 -> ok\np2: remove b 1 -> ok\np2: read b -> {}"
    for read, count in (("[]", 1), ("[1]", 2)):
        verdict = check(parse(wrong + left.format(read)), Set(), all_keys=True)
        assert verdict.status == "invalid"
        assert len(verdict.findings) == count


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("p0: add 1 -> ok\np0: remove 1 -> ok", "an element is removed"),
        ("p0: add 1 @1 -> ok @5\np0: read @5 -> [1] @9", "operations of one process touch"),
        ("p0: push 1 -> ok", "an operation is none of a set"),
        ("p0: read -> 1", "what was read is no list"),
        ("p0: contains 1 -> 1", "an answer is neither true nor false"),
    ],
)
def test_does_not_apply(text: str, why: str) -> None:
    with pytest.raises(Inapplicable, match=f"growing does not apply: {why}"):
        check(parse(text), Set(), algorithm="growing")
