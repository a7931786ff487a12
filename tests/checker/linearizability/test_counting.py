"""Counters of which additions crashed are judged as the twin judges them, and what is blamed is
wrong alone."""

from __future__ import annotations

import time
from collections import Counter
from random import Random
from typing import TYPE_CHECKING

import pytest

from checker.history.layout import NEVER
from checker.history.notation import parse
from checker.linearizability import counting, rules, twin
from checker.linearizability.checker import check
from checker.linearizability.dispatch import Inapplicable
from checker.linearizability.objects import by_key
from checker.linearizability.unruled import LATE, Unruled, Watch
from checker.models.counter import counter
from checker.verdict import Budget
from tests.checker.linearizability.histories import history_of_spans, spans
from tests.checker.linearizability.lateness import Late

if TYPE_CHECKING:
    from checker.history.columns import History
    from checker.verdict import Finding

FROM, TO = 0, 1500
AMOUNTS = [[1], [-2], [1, 2, 3], [-2, -3, -5], [-2, -1, 1, 2, 3]]
"""The first two are those of which no history is left to a search unless it is illegal."""


def random_counter(rng: Random, initial: int, amounts: list[int]) -> History:
    """A history of one counter; sometimes one answer is wrong."""
    drawn = spans(
        rng,
        operations=rng.randint(3, 7),
        processes=rng.randint(1, 5),
        crash_share=rng.choice([0.15, 0.3, 0.5]),
        length=rng.choice([3, 12]),
    )
    value = initial
    for one in sorted(drawn, key=lambda one: one.moment):
        f = "read" if one.ret is not None and rng.random() < 0.5 else "add"
        amount = rng.choice(amounts)
        one.asked = (f, None, value) if f == "read" else (f, amount, None)
        if f == "add" and (one.ret is not None or rng.random() < 0.6):
            value += amount
    reads = [one for one in drawn if one.asked[0] == "read"]
    if reads and rng.random() < 0.4:
        wrong = rng.choice(reads)
        wrong.asked = "read", None, wrong.asked[2] + rng.choice([-2, -1, 1, 2])
    return history_of_spans(drawn)


def test_agrees_with_the_twin() -> None:
    seen: Counter[tuple[int, bool]] = Counter()
    for seed in range(FROM, TO):
        rng = Random(f"counting {seed}")
        initial, amounts = rng.choice([0, 0, 4]), rng.choice(AMOUNTS)
        history, model = random_counter(rng, initial, amounts), counter(initial)
        expected = twin.search(history, model, steps_max=50_000)
        found = rules.judge("counting", history, by_key(history, history.columns.outcome), model)
        if expected is None or not found.codes or (found.inapplicable or (0, ""))[1] in SKIPPED:
            continue
        code = found.codes[0]
        seen[code, expected] += 1
        assert code in (rules.UNDECIDED, rules.LEGAL if expected else rules.ILLEGAL), seed
        if len(amounts) == 1 and expected:
            assert code == rules.LEGAL, seed
        if code == rules.ILLEGAL:
            [finding] = check(history, model, algorithm="counting").findings
            assert wrong_from_anywhere(finding, initial), seed
        if seed % 10 == 0:
            status = check(history, model).status
            assert status in ("valid" if expected else "invalid", "unknown"), seed
    assert seen[rules.LEGAL, True] > 250
    assert seen[rules.ILLEGAL, False] > 100
    assert seen[rules.UNDECIDED, False] < seen[rules.ILLEGAL, False] / 2, seen


def wrong_from_anywhere(finding: Finding, initial: int) -> bool:
    """Whether the small history alone is wrong, of two reads wherever the counter stood before."""
    reads = [operation for operation in finding.sub_history if operation.f == "read"]
    starts = range(-40, 40) if len(reads) > 1 else [initial]
    return not any(twin.search(finding.sub_history, counter(start)) for start in starts)


SKIPPED = ("nothing crashed", "operations of one process touch")


def crashed_adders(last: str) -> History:
    """A hundred crashed additions, each of another amount; a third of them took effect."""
    lines = [f"p{n + 1}: add {n + 1}" for n in range(100)]
    value = 0
    for n in range(200):
        lines.append(f"p0: add {n % 7 + 1} -> ok")
        value += n % 7 + 1 + (3 * n + 1 if n < 33 else 0)
        lines.append(f"p0: read -> {value}")
    return parse("\n".join([*lines, *([last.format(value - 1)] if last else [])]))


@pytest.mark.parametrize(
    ("last", "told"),
    [
        ("", None),
        ("p0: read -> {}", "what was added since came to 0 at least"),
        ("p0: read -> 9999", "even with 300 additions alone, 9999 was read"),
    ],
)
def test_a_hundred_crashed_additions_are_judged_at_once(last: str, told: str | None) -> None:
    verdict = check(crashed_adders(last), counter(), budget=Budget(seconds=5))
    assert verdict.status == ("invalid" if told else "valid"), verdict.cause
    assert verdict.observed["algorithm"] == "counting"
    assert verdict.observed["model_asked"] < 50
    for finding in verdict.findings:
        assert told is not None
        assert told in "\n".join([finding.sentence, *finding.details])
        assert len(finding.sub_history) <= 4
        hidden = "the small history is wrong only with 300 additions more"
        assert (hidden in finding.details) == ("9999" in last)


def test_of_each_key_is_told_what_was_added_to_it() -> None:
    text = """
        p8: add a 2
        p9: add b 5
        p1: read a -> 3
        p2: read b -> 1
        p2: read b -> 9
        p3: read c -> 0
    """
    verdict = check(parse(text), counter(), all_keys=True)
    assert verdict.status == "invalid"
    told = ["\n".join([finding.sentence, *finding.details]) for finding in verdict.findings]
    assert len(told) == 2
    assert "3 was read, but the counter stood at 0" in told[0]
    assert "with operation 0 (add 2 -> ?) alone" in told[0]
    assert "came to 2 at most" in told[0]
    assert "came to 5 at most" in told[1]


@pytest.mark.parametrize(
    ("read", "shown", "told"),
    [
        (2, [0, 2, 4, 6], "with operation 0 (add 3), operation 2 (add 2) and operation 4"),
        (1, [0, 4, 6], "what was added since came to 2 at least"),
        (-2, [4, 6], "but the counter stood at 0"),
        (9, [0, 2, 5, 6], "what was added since came to 8 at most"),
    ],
)
def test_one_read_is_blamed_with_the_additions_that_count(
    read: int, shown: list[int], told: str
) -> None:
    history = parse(f"p0: add 3 -> ok\np0: add 2 -> ok\np8: add -1\np9: add 3\np1: read -> {read}")
    [finding] = check(history, counter()).findings
    assert [operation.index for operation in finding.sub_history] == shown
    assert told in finding.sentence
    assert "could have led to it" not in finding.sentence


def test_what_returned_before_and_what_was_called_after_is_no_excuse() -> None:
    begin = "p9: add 1\np1: add 10 -> ok\np1: read -> {}\np1: add 20 -> ok\np1: read -> {}"
    for first, second, status in ((10, 31, "valid"), (9, 31, "invalid"), (11, 32, "invalid")):
        assert check(parse(begin.format(first, second)), counter()).status == status


def read_while_added(many: int) -> tuple[list[counting.Change], list[counting.Change]]:
    """As many reads after one early one, each open to the end, as additions before them."""
    adds = [counting.Change(10 * n, 10 * n + 5, 1, n) for n in range(1, many)]
    adds.append(counting.Change(1, NEVER, 1, many))
    end = 10 * many
    reads = [counting.Change(0, 2, 0, many + 1)]
    reads += [counting.Change(end + n, 2 * end, many - 1, many + 2 + n) for n in range(many)]
    return adds, reads


def test_reads_do_not_each_look_at_all_additions() -> None:
    adds, reads = read_while_added(20_000)
    begun = time.monotonic()
    assert counting.judge(0, adds, reads, Watch()) is None
    assert time.monotonic() - begun < 10, "it takes tenths of a second, and minutes if they do"


def test_a_crashed_addition_is_found_without_passing_over_those_to_come() -> None:
    many = 4_000
    adds = [counting.Change(4 * n, NEVER if n % 2 else 4 * n + 1, 1, 2 * n) for n in range(many)]
    reads = [counting.Change(4 * n + 2, 4 * n + 3, n + 1, 2 * n + 1) for n in range(many)]
    # Three looks for each read; passing over all that is to come takes another for each 256.
    assert counting.judge(0, adds, reads, Late(5 * many)) is None


@pytest.mark.parametrize("looks", [0, 1, 500, 1_500, 2_000])
def test_the_clock_is_looked_at_within_one_counter(looks: int) -> None:
    with pytest.raises(Unruled, match=LATE):
        counting.judge(0, *read_while_added(1_000), Late(looks))
    counting.judge(0, *read_while_added(1_000), Late(5_000))


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("p0: add 1 -> ok", "nothing crashed"),
        ("p0: add 1.5", "a number is not whole"),
        ("p9: add 1\np0: read -> null", "a number is not whole"),
        (
            "p9: add 1\np0: add 1 @1 -> ok @5\np0: read @5 -> 1 @9",
            "operations of one process touch",
        ),
        ("p9: push 1", "an operation is none of a counter"),
        ("p9: add 2\np8: add -1\np0: read -> 1", "something is added and something taken away"),
        ("p9: add 2\np8: add 2\np0: read -> 1", "no order is found at once"),
    ],
)
def test_does_not_apply(text: str, why: str) -> None:
    with pytest.raises(Inapplicable, match=f"counting does not apply: {why}"):
        check(parse(text), counter(), algorithm="counting")
