from __future__ import annotations

import pytest

from checker.convergence.siblings import Siblings
from tests.checker.judging import judged, kinds, sentence

ONLINE = {"false-sibling", "dishonest-context", "lost-update-online", "resurrection-online"}


def found(text: str, *claims: str) -> list[str]:
    return kinds(judged(Siblings(), text, claims=claims or ONLINE))


def test_finds_a_version_returned_together_with_one_that_had_replaced_it() -> None:
    verdict = judged(
        Siblings(),
        """
        p1: put x {"value": 1} -> {"id": "n1.1.1", "context": "c1"}
        p2: get x -> {"versions": [{"id": "n1.1.1", "value": 1}], "context": "c1"}
        p2: put x {"value": 2, "context": "c1"} -> {"id": "n2.1.1", "context": "c2"}
        p3: get x -> {"versions": [{"id": "n1.1.1", "value": 1}, {"id": "n2.1.1", "value": 2}]}
        """,
        claims=["false-sibling"],
    )
    assert kinds(verdict) == ["false-sibling"]
    assert sentence(verdict) == (
        'Process 3 read key "x" (asked at 7 ns, answered at 8 ns) and got n1.1.1 (1) together with'
        " n2.1.1 (2), which had replaced it: process 2 wrote n2.1.1 (2) at 5 ns with the context of"
        " its get (asked at 3 ns, answered at 4 ns), which had shown n1.1.1 (1)."
    )


def test_finds_a_false_sibling_over_several_steps_and_proves_it_by_every_step() -> None:
    text = """
        p1: put x {"value": 1} -> {"id": "a", "context": "c1"}
        p2: get x -> {"versions": [{"id": "a", "value": 1}], "context": "c1"}
        p2: put x {"value": 2, "context": "c1"} -> {"id": "b", "context": "c2"}
        p4: put x {"value": 9} -> {"id": "z", "context": "c9"}
        p3: get x -> {"versions": [{"id": "b", "value": 2}], "context": "c2"}
        p3: put x {"value": 3, "context": "c2"} -> {"id": "c", "context": "c3"}
        p5: get x -> {"versions": [{"id": "a", "value": 1}, {"id": "c", "value": 3}]}
    """
    (finding,) = judged(Siblings(), text, claims=["false-sibling"]).findings
    assert [op.input["value"] for op in finding.operations if op.f == "put"] == [1, 2, 3]
    assert len(finding.sub_history) == 6  # Everything but the write of 9, which proves nothing.


def test_two_blind_writes_are_honest_siblings() -> None:
    assert not found("""
        p1: put x {"value": 1} -> {"id": "a", "context": "c1"}
        p2: put x {"value": 2} -> {"id": "b", "context": "c2"}
        p3: get x -> {"versions": [{"id": "a", "value": 1}, {"id": "b", "value": 2}]}
    """)


def test_a_write_with_an_old_context_stays_beside_what_came_after_it() -> None:
    assert not found("""
        p1: put x {"value": 1} -> {"id": "a", "context": "c1"}
        p1: put x {"value": 2, "context": "c1"} -> {"id": "b", "context": "c2"}
        p2: put x {"value": 3, "context": "c1"} -> {"id": "c", "context": "c3"}
        p3: get x -> {"versions": [{"id": "b", "value": 2}, {"id": "c", "value": 3}]}
    """)


def test_knows_an_unanswered_put_by_its_value() -> None:
    assert found("""
        p1: put x {"value": 1} -> {"id": "a", "context": "c1"}
        p2: put x {"value": 2, "context": "c1"} -> info
        p3: get x -> {"versions": [{"id": "a", "value": 1}, {"id": "n7.1.7", "value": 2}]}
    """) == ["false-sibling"]


def test_finds_one_put_that_became_two_versions() -> None:
    verdict = judged(
        Siblings(),
        """
        p1: put x {"value": 1} -> {"id": "n1.1.1", "context": "c1"}
        p3: get x -> {"versions": [{"id": "n1.1.1", "value": 1}, {"id": "n2.1.1", "value": 1}]}
        """,
        claims=["false-sibling"],
    )
    assert kinds(verdict) == ["false-sibling"]
    assert "became two versions" in sentence(verdict)


def test_a_tombstone_that_may_be_of_two_deletes_covers_only_what_both_had_seen() -> None:
    text = """
        p1: put x {"value": 1} -> {"id": "a", "context": "c1"}
        p2: put x {"value": 2} -> {"id": "b", "context": "c2"}
        p3: put x {"value": 3, "context": "c1"} -> {"id": "c", "context": "c3"}
        p3: delete x {"context": "c3"} -> info
        p4: delete x {"context": "%s"} -> info
        p5: get x -> {"versions": [{"id": "a", "value": 1}, {"id": "t", "tombstone": true}]}
    """
    assert found(text % "c1", "false-sibling") == ["false-sibling"]
    assert not found(text % "c2", "false-sibling")


def test_each_pair_is_told_once_however_often_it_is_read() -> None:
    read = 'p3: get x -> {"versions": [{"id": "a", "value": 1}, {"id": "b", "value": 2}]}\n'
    text = """
        p1: put x {"value": 1} -> {"id": "a", "context": "c1"}
        p1: put x {"value": 2, "context": "c1"} -> {"id": "b", "context": "c2"}
    """
    assert found(text + 5 * read) == ["false-sibling"]


MISSED = """
    p1: put x {"value": 1} node=n1 @10 -> {"id": "n1.1.1", "context": "c1"} @20
    p2: put x {"value": 2} node=n2 @30 -> {"id": "n2.1.1", "context": "c2"} @40
    p3: get x node=n3 @%d -> {"versions": [{"id": "n1.1.1", "value": 1}]} @60
"""


def test_finds_a_read_that_misses_a_write_acknowledged_before_it() -> None:
    verdict = judged(Siblings(), MISSED % 41, claims=["lost-update-online"])
    assert kinds(verdict) == ["lost-update"]
    assert sentence(verdict) == (
        'Process 2 put 2 of key "x" through n2 and was told at 40 ns that it is stored as n2.1.1;'
        " process 3 then read the key through n3 (asked at 41 ns, answered at 60 ns) and got"
        " n1.1.1 (1), none of which had replaced it."
    )


def test_a_read_called_at_the_stamp_of_the_acknowledgement_may_miss_the_write() -> None:
    assert not found(MISSED % 40)


def test_a_missed_write_is_counted_where_it_is_not_claimed() -> None:
    verdict = judged(Siblings(), MISSED % 41, claims=["false-sibling"])
    assert verdict.status == "valid"
    assert verdict.observed["counted"]["lost-update-online"]["count"] == 1
    assert "process 3 then read" in verdict.observed["counted"]["lost-update-online"]["example"]


@pytest.mark.parametrize("outcome", ['{"id": "t", "context": "c9"}', "info"])
def test_a_write_may_be_missed_once_a_delete_that_had_seen_it_may_have_happened(
    outcome: str,
) -> None:
    """The tombstone may be collected: nothing is left that would cover the write."""
    assert not found(f"""
        p1: put x {{"value": 1}} -> {{"id": "a", "context": "c1"}}
        p2: delete x {{"context": "c1"}} -> {outcome}
        p3: get x -> {{"versions": []}}
    """)


def test_a_delete_asked_after_the_read_explains_nothing() -> None:
    assert found("""
        p1: put x {"value": 1} -> {"id": "a", "context": "c1"}
        p3: get x -> {"versions": []}
        p2: delete x {"context": "c1"} -> {"id": "t", "context": "c2"}
    """) == ["lost-update"]


def test_a_delete_asked_at_the_stamp_at_which_the_read_returned_may_explain_it() -> None:
    assert not found("""
        p1: put x {"value": 1} @1 -> {"id": "a", "context": "c1"} @2
        p3: get x @3 -> {"versions": []} @4
        p2: delete x {"context": "c1"} @4 -> {"id": "t", "context": "c2"} @5
    """)


TWO_MEANINGS = """
    p1: put x {"value": 1} -> {"id": "a", "context": "c"}
    p2: put x {"value": 2} -> {"id": "b", "context": "c"}
    p3: put x {"value": 3, "context": "c"} -> {"id": "d", "context": "c3"}
"""
"""A dishonest context: it covers a, or b, or both; nothing else may be concluded from it."""


def test_what_a_dishonest_context_may_cover_is_not_missed_and_not_held_for_covered() -> None:
    read = 'p4: get x -> {"versions": [{"id": "%s", "value": %d}, {"id": "d", "value": 3}]}'
    assert not found(TWO_MEANINGS + read % ("a", 1), "lost-update-online", "false-sibling")
    assert not found(TWO_MEANINGS + read % ("b", 2), "lost-update-online", "false-sibling")


def test_a_delete_that_surely_never_happened_explains_nothing() -> None:
    assert found("""
        p1: put x {"value": 1} -> {"id": "a", "context": "c1"}
        p2: delete x {"context": "c1"} -> fail
        p3: get x -> {"versions": []}
    """) == ["lost-update"]


DELETED = """
    p1: put x {"value": 1} @1 -> {"id": "a", "context": "c1"} @2
    p2: delete x {"context": "c1"} @3 -> %s
    p3: get x @%d -> {"versions": [{"id": "a", "value": 1}]} @30
"""


def test_finds_a_deleted_version_in_a_read_asked_after_the_acknowledgement() -> None:
    verdict = judged(Siblings(), DELETED % ('{"id": "t"} @10', 11), claims=["resurrection-online"])
    assert kinds(verdict) == ["resurrection"]
    assert sentence(verdict) == (
        'Process 2 deleted key "x" and was told at 10 ns that it is done (as t). It had seen a (1):'
        " process 2 wrote t (a delete) at 3 ns with the context of process 1's put (asked at 1 ns,"
        " answered at 2 ns), which had shown a (1). Yet process 3 read a (1) afterwards (asked at"
        " 11 ns, answered at 30 ns)."
    )


def test_a_read_that_overlaps_the_delete_may_show_what_it_deletes() -> None:
    assert not found(DELETED % ('{"id": "t"} @10', 10))


def test_an_unanswered_delete_may_not_have_happened() -> None:
    assert not found(DELETED % ("info @10", 11))


def test_a_value_put_beside_a_delete_is_not_back_from_the_dead() -> None:
    assert not found("""
        p1: put x {"value": 1} -> {"id": "a", "context": "c1"}
        p2: put x {"value": 2} -> {"id": "b", "context": "c2"}
        p1: delete x {"context": "c1"} -> {"id": "t", "context": "c3"}
        p3: get x -> {"versions": [{"id": "b", "value": 2}, {"id": "t", "tombstone": true}]}
    """)


def test_finds_one_context_for_two_sets_of_versions() -> None:
    verdict = judged(
        Siblings(),
        """
        p1: put x {"value": 1} -> {"id": "a", "context": "c"}
        p2: put x {"value": 2} -> {"id": "b", "context": "c"}
        """,
        claims=["dishonest-context"],
    )
    assert kinds(verdict) == ["dishonest-context"]
    assert "only one of them covers a (1) and b (2)" in sentence(verdict)


def test_the_same_context_in_two_replies_that_cover_the_same_is_honest() -> None:
    assert not found("""
        p1: put x {"value": 1} -> {"id": "a", "context": "c"}
        p2: get x -> {"versions": [{"id": "a", "value": 1}], "context": "c"}
        p3: get x -> {"versions": [{"id": "a", "value": 1}], "context": "c"}
    """)


def test_the_same_context_with_a_tombstone_that_may_be_of_one_delete_or_of_two_is_honest() -> None:
    """Between the replies a second delete was asked, so less is certain of the same tombstone."""
    assert not found("""
        p1: put x {"value": 1} -> {"id": "a", "context": "c1"}
        p2: put x {"value": 2, "context": "c1"} -> {"id": "b", "context": "c2"}
        p3: delete x {"context": "c2"} -> info
        p4: get x -> {"versions": [{"id": "t", "tombstone": true}], "context": "ct"}
        p5: delete x {"context": "c1"} -> info
        p4: get x -> {"versions": [{"id": "t", "tombstone": true}], "context": "ct"}
        p4: put x {"value": 3, "context": "ct"} -> {"id": "c", "context": "c3"}
        p4: get x -> {"versions": [{"id": "c", "value": 3}], "context": "c3"}
    """)


FOREIGN = """
    p1: put x {"value": 1} -> {"id": "a", "context": "c1"}
    p1: put y {"value": 2, "context": "c1"} -> %s
"""


def test_finds_a_context_of_another_key_that_was_accepted() -> None:
    verdict = judged(
        Siblings(), FOREIGN % '{"id": "b", "context": "c2"}', claims=["dishonest-context"]
    )
    assert kinds(verdict) == ["dishonest-context"]
    assert "it belongs to another key, and the write was accepted" in sentence(verdict)


def test_a_context_of_another_key_that_was_refused_is_honest() -> None:
    another = 'p1: put x {"value": 3} -> {"id": "c"}\np2: get x -> {"versions": []}'
    text = FOREIGN % "fail" + another
    assert judged(Siblings(), text, claims=["dishonest-context"]).status == "valid"


def test_a_context_of_another_key_without_an_answer_leaves_the_key_unknown() -> None:
    verdict = judged(Siblings(), FOREIGN % "info", claims=["dishonest-context"])
    assert verdict.status == "unknown"
    assert verdict.cause is not None
    assert "assumption broken" in verdict.cause


def test_the_context_of_nothing_may_look_the_same_for_every_key() -> None:
    assert not found("""
        p1: get x -> {"versions": [], "context": "nothing"}
        p1: put y {"value": 2, "context": "nothing"} -> {"id": "b", "context": "c2"}
        p1: get y -> {"versions": [{"id": "b", "value": 2}], "context": "c2"}
    """)
