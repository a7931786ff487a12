from __future__ import annotations

import pytest

from checker.convergence.last_write import CLAIM, LastWrite
from checker.history.notation import parse
from checker.verdict import CheckContext, Verdict
from tests.checker.judging import kinds, sentence

EARLY = 'p1: put x {"value": 1} @10 -> {"id": "n1.1.9", "context": "A"} @20\n'
QUIET = "nemesis: quiescent @900\n"


def judged(text: str, bound: int = 0) -> Verdict:
    context = CheckContext(claims=frozenset({CLAIM}), bounds={CLAIM: bound})
    return LastWrite().check(parse(text), context)


def final(*versions: str) -> str:
    shown = ", ".join(versions)
    return QUIET + f'p9: get x {{"r": "all"}} @910 -> {{"versions": [{shown}]}} @920\n'


def later(called: int, answer: str = '{"id": "n2.1.7", "context": "B"}') -> str:
    return f'p2: put x {{"value": 2}} @{called} -> {answer} @{called + 5}\n'


ONE = '{"id": "n1.1.9", "value": 1}'
TWO = '{"id": "n2.1.7", "value": 2}'


def test_the_earlier_write_must_not_win_where_the_later_was_called_beyond_the_bound() -> None:
    text = EARLY + later(71) + final(ONE)
    verdict = judged(text, bound=50)
    assert kinds(verdict) == ["lost-update"]
    assert "what process 1 wrote" in sentence(verdict)
    assert kinds(judged(text, bound=51)) == []


def test_the_later_write_may_win_and_writes_that_overlap_may_win_either_way() -> None:
    assert kinds(judged(EARLY + later(500) + final(TWO))) == []
    for winner in (ONE, TWO):
        assert kinds(judged(EARLY + later(15) + final(winner))) == []


def test_nothing_is_held_against_a_write_without_an_answer() -> None:
    maybe = 'p1: put x {"value": 1} @10 -> info @20\n'
    assert kinds(judged(maybe + later(500) + final(ONE))) == []


def test_a_write_without_an_answer_is_no_later_write() -> None:
    assert kinds(judged(EARLY + later(500, "info") + final(ONE))) == []


def test_a_key_that_shows_nothing_had_to_be_deleted() -> None:
    assert kinds(judged(EARLY + final())) == ["lost-update"]
    gone = 'p3: delete x {"context": "A"} @100 -> %s @110\n'
    assert kinds(judged(EARLY + gone % "info" + final())) == []
    done = '{"id": "n3.1.2", "context": "C"}'
    assert kinds(judged(EARLY + gone % done + final())) == []
    assert kinds(judged(EARLY + gone % done + later(500) + final())) == ["lost-update"]


def test_registers_are_judged_by_the_reads_at_rest() -> None:
    text = "p1: write x 1 @10 -> ok @20\np2: write x 2 @100 -> ok @110\n"
    assert (
        kinds(judged(text + "p3: read x @120 -> 1 @130\n" + QUIET + "p3: read x @910 -> 2 @920\n"))
        == []
    )
    assert kinds(judged(text + QUIET + "p3: read x @910 -> 1 @920\n")) == ["lost-update"]


@pytest.mark.parametrize("text", [EARLY, EARLY + QUIET, QUIET + final()])
def test_without_a_final_read_of_a_written_key_it_is_unknown(text: str) -> None:
    assert kinds(judged(text)) == ["unknown"]


def test_where_nothing_is_ordered_by_time_nothing_is_told() -> None:
    verdict = LastWrite().check(parse(EARLY + later(500) + final(ONE)), CheckContext())
    assert verdict.status == "valid"
    assert verdict.observed == {}


def test_beyond_the_declared_bound_it_is_counted() -> None:
    context = CheckContext(bounds={CLAIM: 50})
    verdict = LastWrite().check(parse(EARLY + later(500) + final(ONE)), context)
    assert verdict.status == "valid"
    assert verdict.observed["counted"][CLAIM]["count"] == 1
