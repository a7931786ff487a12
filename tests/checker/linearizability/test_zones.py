"""Zones answer what the twin answers, and the rows that they blame are wrong alone."""

from __future__ import annotations

from collections import Counter
from random import Random
from typing import TYPE_CHECKING, Any

import pytest

from checker.history.notation import parse
from checker.linearizability import rules, twin
from checker.linearizability.checker import check
from checker.linearizability.objects import by_key
from checker.models.register import CasRegister, Register
from tests.checker.linearizability.histories import history_of_spans, spans

if TYPE_CHECKING:
    from checker.history.columns import History

CAS = CasRegister()


def judged(history: History, model: Register | CasRegister = CAS) -> rules.Ruled:
    return rules.judge("zones", history, by_key(history, history.columns.outcome), model)


def random_register(rng: Random) -> History:
    """A history of one register in which every value is written once; sometimes wrong."""
    drawn = spans(
        rng,
        operations=rng.randint(3, 10),
        processes=rng.randint(2, 6),
        crash_share=rng.choice([0, 0.2, 0.4]),
        length=12,
    )
    state: Any = None
    values: list[Any] = [None]
    for one in sorted(drawn, key=lambda one: one.moment):
        f, crashed = rng.choice(["read", "read", "write", "cas"]), one.ret is None
        took_place = not crashed or rng.random() < 0.6
        if f == "read":
            one.asked = f, None, state
            continue
        new = len(values)
        old = state if took_place else rng.choice(values)
        one.asked = (f, new, None) if f == "write" else (f, [old, new], True)
        values.append(new)
        state = new if took_place else state
    wrong = rng.choice(drawn)
    f, given, output = wrong.asked
    if rng.random() < 0.5 and f == "read":
        wrong.asked = f, given, rng.choice([*values, 99])
    elif rng.random() < 0.3 and f == "cas":
        wrong.asked = f, [rng.choice([*values, 99]), given[1]], output
    return history_of_spans(drawn)


def test_agrees_with_the_twin() -> None:
    seen: Counter[int] = Counter()
    for seed in range(1500):
        history = random_register(Random(seed))
        found = judged(history)
        expected = twin.search(history, CAS, steps_max=50_000)
        if expected is None or not found.codes or found.codes[0] == rules.UNDECIDED:
            continue
        seen[found.codes[0]] += 1
        assert (found.codes[0] == rules.LEGAL) is expected, seed
        if not expected:
            alone = [history[row] for row in found.illegal[0]]
            assert twin.search(alone, CAS) is False, seed
        status = check(history, CAS).status
        assert status in ("valid" if expected else "invalid", "unknown"), seed
    assert seen[rules.LEGAL] > 500
    assert seen[rules.ILLEGAL] > 100


@pytest.mark.parametrize(
    ("text", "alone"),
    [
        ("p0: write 1 -> ok\np0: read -> 2", [1]),
        ("p0: read -> 1\np0: write 1 -> ok", [0, 1]),
        ("p0: write 1 -> ok\np0: write 2 -> ok\np0: read -> 2\np0: read -> 1", [0, 1, 3]),
        ("p0: write 1 -> ok\np0: read -> null", [0, 1]),
        ("p0: cas [null, 1] -> true\np0: cas [null, 2] -> true", [0, 1]),
        ("p0: cas [1, 2] -> true\np1: cas [2, 1] -> true", [0, 1]),
        ("p0: cas [7, 2] -> true", [0]),
        ("p0: write 1 -> ok\np0: cas [1, 2] -> true\np0: read -> 1", [0, 1, 2]),
        ("p9: write 1\np0: read -> 1\np0: write 2 -> ok\np0: read -> 2\np0: read -> 1", [0, 2, 4]),
        ("p8: cas [7, 1]\np0: read -> 1", [0, 1]),
    ],
)
def test_blames_the_fewest(text: str, alone: list[int]) -> None:
    history = parse(text)
    found = judged(history)
    assert found.codes == bytes([rules.ILLEGAL])
    rows = sorted(found.illegal[0])
    assert set(alone) <= set(rows)
    assert len(rows) <= len(alone) + 2
    assert twin.search([history[row] for row in rows], CAS) is False


@pytest.mark.parametrize(
    "text",
    [
        "p0: write 1 -> ok\np1: write 2 -> ok\np0: read -> 2",
        "p0: write 1\np1: write 2\np2: read -> 2\np2: read -> 1\np0: -> ok\np1: -> ok",
        "p9: write 7\np0: read -> null\np0: read -> null",
        "p9: write 7\np0: read -> null\np0: read -> 7",
        "p9: cas [5, 7]\np0: read -> null",
        "p9: cas [null, 7]\np8: cas [7, 8]\np0: read -> null\np0: read -> 8",
        "p0: cas [1, 1] -> info\np1: write 2 -> ok\np1: cas [2, 2] -> true",
        'p0: write "a,b" -> ok\np0: cas ["a,b", {"x": [1, 2]}] -> true\np0: read -> {"x": [1, 2]}',
        'p0: write "\\\\" -> ok\np0: cas ["\\\\", "]"] -> true\np0: read -> "]"',
    ],
)
def test_accepts(text: str) -> None:
    assert judged(parse(text)).codes == bytes([rules.LEGAL])
    assert check(parse(text), CAS, algorithm="zones").status == "valid"


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("p0: write 1 -> ok\np0: write 1 -> ok", "a value is written twice"),
        ("p0: write 1\np0: cas [2, 1]", "a value is written twice"),
        ("p0: write null -> ok", "the initial value is written"),
        ("p0: write 1 -> ok\np0: cas [2, 3] -> false", "a compare-and-set was refused"),
        ("p0: write 1 @1 -> ok @5\np0: read @5 -> 1 @9", "operations of one process touch"),
        ("p0: enqueue 1 -> ok", "an operation is none of a register"),
        ("p0: cas [1, 2, 3] -> true", "a compare-and-set has no pair"),
        ("p0: cas 1 -> true", "a compare-and-set has no pair"),
    ],
)
def test_does_not_apply(text: str, why: str) -> None:
    text = text.replace("p0: write 1\np0", "p0: write 1\np1")
    assert judged(parse(text)).inapplicable == (0, why)


def test_a_register_without_swaps_has_none() -> None:
    history = parse("p0: cas [null, 1] -> true")
    assert judged(history, Register()).inapplicable == (0, "an operation is none of a register")


def test_the_initial_value_counts_as_written() -> None:
    history = parse("p0: read -> 7\np0: write 1 -> ok\np0: read -> 7")
    assert judged(history, CasRegister("7")).codes == bytes([rules.ILLEGAL])
    assert judged(parse("p0: read -> 7"), CasRegister("7")).codes == bytes([rules.LEGAL])
    assert judged(parse("p0: cas [7, 8] -> true"), CasRegister("7")).codes == bytes([rules.LEGAL])


def test_only_reads_that_were_answered_count_as_observed() -> None:
    assert judged(parse("p0: write 1 -> ok\np0: read -> 1")).observed
    assert not judged(parse("p0: write 1 -> ok\np1: read")).observed
    assert check(parse("p0: write 1 -> ok\np1: read"), CAS).status == "unknown"


def test_objects_are_judged_apart() -> None:
    history = parse("p0: write x 1 -> ok\np0: write y 1 -> ok\np0: read x -> 1\np0: read y -> 2")
    assert judged(history).codes == bytes([rules.LEGAL, rules.ILLEGAL])
