from __future__ import annotations

import pytest

from checker.convergence.siblings import Siblings
from tests.checker.convergence.test_at_rest import FINAL, TWO_WRITES, ending
from tests.checker.judging import judged, kinds


def test_without_an_acknowledged_write_a_violation_is_found_all_the_same() -> None:
    verdict = judged(Siblings(), ending("a=7"), claims=FINAL)
    assert kinds(verdict) == ["no-convergence"]
    assert verdict.observed["not_judged"] == "too little observed: no write was acknowledged"


def test_without_a_delete_the_verdict_stands_on_what_was_put_to_the_test() -> None:
    text = TWO_WRITES + ending("n1.1.1=1", "n2.1.1=2")
    verdict = judged(Siblings(), text, claims=FINAL)
    assert verdict.status == "valid", verdict.explain()
    assert verdict.observed["not_exercised"] == ["resurrection"]
    alone = judged(Siblings(), text, claims=["resurrection"])
    assert alone.cause == (
        "too little observed: no delete of a version was acknowledged before the cluster was at"
        " rest"
    )


def test_a_delete_of_what_its_client_had_read_puts_resurrection_to_the_test() -> None:
    text = TWO_WRITES + 'p1: delete x {"context": "c1"} -> {"id": "t", "context": "c3"}'
    verdict = judged(Siblings(), text + ending("n2.1.1=2"), claims=FINAL)
    assert verdict.status == "valid", verdict.explain()
    assert "not_exercised" not in verdict.observed


ONLINE = {
    "false-sibling": "no key was both written and read",
    "lost-update-online": "no key was read after a put of it was acknowledged",
    "dishonest-context": "there are no two replies to compare",
}


@pytest.mark.parametrize("claim", ONLINE)
def test_a_claim_about_reads_needs_a_read(claim: str) -> None:
    text = 'p1: put x {"value": 1} -> {"id": "a", "context": "c1"}\n'
    verdict = judged(Siblings(), text, claims=[claim])
    assert verdict.cause == f"too little observed: {ONLINE[claim]}"
    read = 'p2: get x -> {"versions": [{"id": "a", "value": 1}]}'
    assert judged(Siblings(), text + read, claims=[claim]).status == "valid"
