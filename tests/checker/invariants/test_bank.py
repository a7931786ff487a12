from __future__ import annotations

from typing import Any

import pytest

from checker.history.columns import History
from checker.history.events import Event
from checker.invariants.bank import Bank
from checker.verdict import CheckContext, Verdict

JUDGE = Bank(("a", "b"), 10)


def judged(*outputs: list[Any], claims: frozenset[str] = Bank.claims) -> Verdict:
    events: list[Event] = []
    for output in outputs:
        index = len(events)
        asked = [[verb, name, None if verb == "r" else value] for verb, name, value in output]
        events += [
            Event(index=index, time=index, process=0, type="invoke", f="txn", input=asked),
            Event(index=index + 1, time=index + 1, process=0, type="ok", f="txn", output=output),
        ]
    return JUDGE.check(History.of(events), CheckContext(claims=claims))


def read(a: Any, b: Any) -> list[Any]:
    return [["r", "a", a], ["r", "b", b]]


def test_the_money_that_there_is_is_valid() -> None:
    verdict = judged(read(None, None), read(3, 7), read(10, 0))
    assert verdict.status == "valid"
    assert verdict.observed["reads_of_all_accounts"] == 2


@pytest.mark.parametrize(
    ("a", "b", "sentence"),
    [
        (3, 8, "add up to 11, and there are 10"),
        (-1, 11, "account a holds -1, which is below 0"),
        (10, None, "account b holds None"),
        (10, "0", "account b holds '0'"),
        (10, False, "account b holds False"),
    ],
)
def test_any_other_balance_is_a_finding(a: Any, b: Any, sentence: str) -> None:
    (finding,) = judged(read(5, 5), read(a, b)).findings
    assert finding.kind == "wrong-total"
    assert sentence in finding.sentence


def test_transactions_that_read_less_or_write_are_passed_over() -> None:
    verdict = judged([["r", "a", 99]], [*read(1, 1), ["w", "a", 2]], read(5, 5))
    assert verdict.status == "valid"


def test_if_nobody_has_read_all_accounts_nothing_is_judged() -> None:
    assert judged([["r", "a", 5]]).status == "unknown"


def test_what_is_not_claimed_is_counted() -> None:
    verdict = judged(read(1, 1), claims=frozenset())
    assert verdict.status == "valid"
    assert verdict.observed["counted"]
