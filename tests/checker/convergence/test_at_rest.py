from __future__ import annotations

import pytest

from checker.convergence.siblings import Siblings, differences_to_read_again
from checker.history.notation import parse
from tests.checker.judging import context, judged, kinds, sentence

FINAL = ("lost-update", "resurrection", "no-convergence")

TWO_WRITES = """
    p1: put x {"value": 1} node=n1 -> {"id": "n1.1.1", "context": "c1"}
    p2: put x {"value": 2} node=n2 -> {"id": "n2.1.1", "context": "c2"}
"""


def shown(*versions: str) -> str:
    """`a=1` is a version with a value, `t` a tombstone."""
    entries = []
    for version in versions:
        id, is_put, value = version.partition("=")
        rest = f'"value": {value}' if is_put else '"tombstone": true'
        entries.append(f'{{"id": "{id}", {rest}}}')
    return f"[{', '.join(entries)}]"


def at_rest(dumps: dict[str, str | None], finals: dict[str, str | None]) -> str:
    """Notation for the end: by node what the dump lists of x and what the final read returns.

    None is a dump that does not list x, or a final read without an answer.
    """
    lines = ["nemesis: quiescent"]
    for node, held in dumps.items():
        listing = "" if held is None else f'"x": {held}'
        lines.append(f"p98: dump node={node} -> {{{listing}}}")
    for node, read in finals.items():
        answer = "fail" if read is None else f'{{"versions": {read}, "context": null}}'
        lines.append(f'p99: get x {{"r": "all"}} node={node} -> {answer}')
    return "\n".join(["", *lines])


def ending(*versions: str) -> str:
    """All replicas hold this, and every final read returns it."""
    held = shown(*versions)
    return at_rest({"n1": held, "n2": held}, {"n1": held, "n2": held})


def found(text: str, *claims: str) -> list[str]:
    return kinds(judged(Siblings(), text, claims=claims or FINAL))


def test_finds_an_acknowledged_write_of_which_nothing_is_left() -> None:
    text = """
        p1: put x {"value": 1} node=n1 -> {"id": "n1.1.1", "context": "c1"}
        p3: get x -> {"versions": [{"id": "n1.1.1", "value": 1}], "context": "c1"}
        p2: put x {"value": 2} node=n2 -> {"id": "n2.1.1", "context": "c2"}
    """
    verdict = judged(Siblings(), text + ending("n2.1.1=2"), claims=FINAL)
    assert kinds(verdict) == ["lost-update"]
    assert sentence(verdict) == (
        'Process 1 put 1 of key "x" through n1 (asked at 1 ns, answered at 2 ns) and was told that'
        " it is stored as n1.1.1, but it is lost: at the end the key was read through n1 and n2 as"
        " n2.1.1 (2); nobody who wrote this had seen n1.1.1, and no delete had covered it. It was"
        " last seen by process 3, asked at 3 ns, answered at 4 ns."
    )


def test_a_lost_write_is_proved_by_a_part_of_the_history() -> None:
    noise = 'p7: put y {"value": 5} -> {"id": "n3.1.9", "context": "c9"}\n'
    history = parse(noise + TWO_WRITES + ending("n2.1.1=2"))
    (finding,) = judged(
        Siblings(), noise + TWO_WRITES + ending("n2.1.1=2"), claims=FINAL[:1]
    ).findings
    part = history.sub(finding.sub_history)
    assert len(part) == 4
    verdict = Siblings().check(part, context(FINAL[:1]))
    assert [again.sentence for again in verdict.findings] == [finding.sentence]


def test_a_lost_write_whose_id_was_given_twice_says_so() -> None:
    text = TWO_WRITES + 'p3: put x {"value": 3} -> {"id": "n1.1.1"}'
    verdict = judged(Siblings(), text + ending("n1.1.1=3", "n2.1.1=2"), claims=["lost-update"])
    assert kinds(verdict) == ["lost-update"]
    assert sentence(verdict).endswith(
        "The same id was given to the put of process 3 (asked at 5 ns, answered at 6 ns)."
    )


def test_siblings_at_the_end_lose_nothing() -> None:
    assert not found(TWO_WRITES + ending("n1.1.1=1", "n2.1.1=2"))


def test_a_write_that_another_had_seen_is_not_lost() -> None:
    merge = """
        p3: get x -> {"versions": SHOWN, "context": "c"}
        p3: put x {"value": 3, "context": "c"} -> %s
    """.replace("SHOWN", shown("n1.1.1=1", "n2.1.1=2"))
    told = '{"id": "n3.1.1", "context": "c3"}'
    assert not found(TWO_WRITES + merge % told + ending("n3.1.1=3"))
    assert not found(TWO_WRITES + merge % "info" + ending("n3.1.1=3"))


def test_an_unanswered_write_may_be_absent_but_replaces_nothing_then() -> None:
    text = 'p3: put x {"value": 3, "context": "c1"} -> info'
    assert not found(TWO_WRITES + text + ending("n1.1.1=1", "n2.1.1=2"))
    assert found(TWO_WRITES + text + ending("n2.1.1=2")) == ["lost-update"]


@pytest.mark.parametrize("answer", ['{"id": "t", "context": "c3"}', "info"])
@pytest.mark.parametrize("end", [["n2.1.1=2"], ["n2.1.1=2", "t"]])
def test_a_deleted_write_is_not_lost_whether_its_tombstone_is_there_or_collected(
    answer: str, end: list[str]
) -> None:
    assert not found(TWO_WRITES + f'p3: delete x {{"context": "c1"}} -> {answer}' + ending(*end))


def test_a_write_still_running_when_the_cluster_came_to_rest_need_not_be_seen() -> None:
    end = ending("n2.1.1=2")
    assert not found(
        'p1: put x {"value": 1}\n' + TWO_WRITES.splitlines()[2] + end + '\np1: -> {"id": "n1.1.1"}'
    )


def test_a_write_acknowledged_at_the_stamp_of_rest_need_not_be_seen() -> None:
    text = """
        p1: put x {"value": 1} @1 -> {"id": "n1.1.1"} @%d
        p2: put x {"value": 2} @2 -> {"id": "n2.1.1"} @3
    """
    rest = ending("n2.1.1=2").replace("quiescent", "quiescent @9")
    assert found(text % 8 + rest) == ["lost-update"]
    assert not found(text % 9 + rest)


def test_a_write_lost_at_the_end_is_told_there_alone() -> None:
    text = TWO_WRITES + 'p3: get x -> {"versions": [{"id": "n2.1.1", "value": 2}]}'
    claims = ("lost-update", "lost-update-online")
    assert found(text + ending("n2.1.1=2"), *claims) == ["lost-update"]
    back = ending("n1.1.1=1", "n2.1.1=2")
    assert found(text + back, *claims) == ["lost-update"]
    assert not found(text + back, "lost-update")


def test_a_get_that_does_not_ask_all_replicas_is_no_final_read() -> None:
    stale = 'p5: get x -> {"versions": [{"id": "n2.1.1", "value": 2}]}\n'
    assert not found(TWO_WRITES + ending("n1.1.1=1", "n2.1.1=2") + "\n" + stale)


def test_what_a_dishonest_context_may_cover_is_not_lost() -> None:
    text = """
        p1: put x {"value": 1} -> {"id": "a", "context": "c"}
        p2: put x {"value": 2} -> {"id": "b", "context": "c"}
        p3: put x {"value": 3, "context": "c"} -> {"id": "d", "context": "c3"}
    """
    assert not found(text + ending("d=3"), "lost-update")


def test_finds_a_deleted_version_at_the_end() -> None:
    deleted = 'p3: delete x {"context": "c1"} -> {"id": "n3.1.1", "context": "c3"}'
    verdict = judged(
        Siblings(), TWO_WRITES + deleted + ending("n1.1.1=1", "n2.1.1=2"), claims=["resurrection"]
    )
    assert kinds(verdict) == ["resurrection"]
    assert "read n1.1.1 (1) through n1 afterwards" in sentence(verdict)


def test_an_unanswered_delete_may_leave_what_it_would_have_deleted() -> None:
    deleted = 'p3: delete x {"context": "c1"} -> info'
    assert not found(TWO_WRITES + deleted + ending("n1.1.1=1", "n2.1.1=2"))


def test_a_final_read_that_overlaps_a_delete_may_show_what_it_deletes() -> None:
    held = shown("n1.1.1=1", "n2.1.1=2")
    end = at_rest({"n1": held}, {"n1": held}).replace(
        '-> {"versions"', '\np3: -> {"id": "t"}\np99: -> {"versions"'
    )
    assert not found(TWO_WRITES + 'p3: delete x {"context": "c1"}' + end)


def test_finds_replicas_that_differ() -> None:
    end = at_rest(
        {"n1": shown("n1.1.1=1", "n2.1.1=2"), "n2": shown("n2.1.1=2")},
        {"n1": shown("n1.1.1=1", "n2.1.1=2")},
    )
    verdict = judged(Siblings(), TWO_WRITES + end, claims=FINAL)
    assert kinds(verdict) == ["no-convergence"]
    assert sentence(verdict) == (
        "After healing, when the cluster was at rest, the replica on n1 held n1.1.1 (1) and n2.1.1"
        ' (2) of key "x", and the replica on n2 held n2.1.1 (2).'
    )


def test_a_node_that_does_not_list_a_key_is_not_its_home() -> None:
    both = shown("n1.1.1=1", "n2.1.1=2")
    assert not found(TWO_WRITES + at_rest({"n1": both, "n2": both, "n3": None}, {"n1": both}))


def test_finds_a_home_that_holds_nothing_where_the_dump_names_homes() -> None:
    both = shown("n1.1.1=1", "n2.1.1=2")
    held = f'{{"versions": {both}, "homes": ["n1", "n2"]}}'
    end = at_rest({"n1": held, "n2": None, "n3": None}, {"n1": both})
    verdict = judged(Siblings(), TWO_WRITES + end, claims=FINAL)
    assert kinds(verdict) == ["no-convergence"]
    assert "the replica on n2 held nothing" in sentence(verdict)
    assert not found(TWO_WRITES + at_rest({"n1": held, "n2": held, "n3": None}, {"n1": both}))


def test_tombstones_may_be_collected_between_two_dumps() -> None:
    deleted = 'p3: delete x {"context": "c1"} -> {"id": "t", "context": "c3"}'
    end = at_rest(
        {"n1": shown("n2.1.1=2", "t"), "n2": shown("n2.1.1=2")}, {"n1": shown("n2.1.1=2")}
    )
    assert not found(TWO_WRITES + deleted + end)


def test_a_replica_may_keep_what_its_own_newer_version_has_replaced() -> None:
    text = TWO_WRITES + 'p1: put x {"value": 3, "context": "c1"} -> {"id": "n1.1.2"}'
    end = at_rest(
        {"n1": shown("n1.1.1=1", "n1.1.2=3", "n2.1.1=2"), "n2": shown("n1.1.2=3", "n2.1.1=2")},
        {"n1": shown("n1.1.2=3", "n2.1.1=2")},
    )
    assert not found(text + end)


def test_a_difference_by_unanswered_writes_alone_is_to_be_read_again() -> None:
    text = TWO_WRITES + 'p3: put x {"value": 3, "context": "c1"} -> info'
    old, new = shown("n1.1.1=1", "n2.1.1=2"), shown("n2.1.1=2", "n3.1.1=3")
    differing = at_rest({"n1": old, "n2": new}, {"n1": new})
    verdict = judged(Siblings(), text + differing, claims=FINAL)
    assert verdict.status == "unknown"
    assert verdict.cause == (
        'what was seen of key "x" at the end differs by writes whose outcome is unknown, and was'
        " not read again"
    )
    assert differences_to_read_again(parse(text + differing)) == ["x"]
    again = differing + at_rest({"n1": new, "n2": new}, {"n1": new}).replace(
        "quiescent", "recovered"
    )
    assert not found(text + again)
    assert differences_to_read_again(parse(text + again)) == []


def test_an_unanswered_write_does_not_explain_what_it_had_not_seen() -> None:
    text = TWO_WRITES + 'p3: put x {"value": 3, "context": "c1"} -> info'
    end = at_rest(
        {"n1": shown("n1.1.1=1", "n2.1.1=2"), "n2": shown("n3.1.1=3")},
        {"n1": shown("n2.1.1=2", "n3.1.1=3")},
    )
    assert found(text + end) == ["no-convergence"]


def test_an_unanswered_delete_may_arrive_between_two_dumps() -> None:
    text = TWO_WRITES + 'p3: delete x {"context": "c1"} -> info'
    end = at_rest(
        {"n1": shown("n1.1.1=1", "n2.1.1=2"), "n2": shown("n2.1.1=2")}, {"n1": shown("n2.1.1=2")}
    )
    assert judged(Siblings(), text + end, claims=FINAL).status == "unknown"


def test_finds_final_reads_that_differ() -> None:
    both = shown("n1.1.1=1", "n2.1.1=2")
    end = at_rest({"n1": both, "n2": both}, {"n1": both, "n2": shown("n2.1.1=2")})
    verdict = judged(Siblings(), TWO_WRITES + end, claims=FINAL)
    assert kinds(verdict) == ["no-convergence"]
    assert "a read of all replicas" in sentence(verdict)


def test_only_the_last_final_read_through_each_node_counts() -> None:
    both = shown("n1.1.1=1", "n2.1.1=2")
    end = at_rest({"n1": both}, {"n1": shown("n2.1.1=2")})
    again = at_rest({}, {"n1": both}).replace("nemesis: quiescent", "")
    assert not found(TWO_WRITES + end + again)


def test_finds_a_final_read_that_does_not_fit_the_replicas() -> None:
    both = shown("n1.1.1=1", "n2.1.1=2")
    end = at_rest({"n1": shown("n2.1.1=2"), "n2": shown("n2.1.1=2")}, {"n1": both})
    verdict = judged(Siblings(), TWO_WRITES + end, claims=FINAL)
    assert kinds(verdict) == ["no-convergence"]
    assert "the replicas held n2.1.1 (2)" in sentence(verdict)


def test_a_dump_without_a_key_that_is_read_at_the_end_does_not_fit() -> None:
    both = shown("n1.1.1=1", "n2.1.1=2")
    assert found(TWO_WRITES + at_rest({"n1": None, "n2": None}, {"n1": both})) == ["no-convergence"]


def test_what_a_replica_gave_no_dump_of_may_be_read_from_it() -> None:
    both = shown("n1.1.1=1", "n2.1.1=2")
    end = at_rest({"n1": shown("n2.1.1=2")}, {"n1": both}) + "\np98: dump node=n2 -> fail"
    verdict = judged(Siblings(), TWO_WRITES + end, claims=FINAL)
    assert verdict.status == "unknown"
    assert verdict.cause == "the replica on n2 gave no dump"


def test_finds_final_reads_that_together_show_a_version_and_what_replaced_it() -> None:
    text = """
        p1: put x {"value": 1} -> {"id": "a", "context": "c1"}
        p1: put x {"value": 2, "context": "c1"} -> {"id": "b", "context": "c2"}
    """
    end = at_rest({"n1": shown("b=2")}, {"n1": shown("b=2"), "n2": shown("a=1")})
    assert found(text + end) == ["no-convergence", "no-convergence"]


def test_finds_a_version_at_the_end_that_nobody_wrote() -> None:
    verdict = judged(
        Siblings(), TWO_WRITES + ending("n1.1.1=1", "n2.1.1=2", "n9.1.1=9"), claims=FINAL
    )
    assert kinds(verdict) == ["no-convergence"]
    assert 'n9.1.1 (9) of key "x", which no client had written' in sentence(verdict)


def test_a_write_that_surely_failed_wrote_nothing() -> None:
    text = TWO_WRITES + 'p3: put x {"value": 3} -> fail'
    assert found(text + ending("n1.1.1=1", "n2.1.1=2", "n3.1.1=3")) == ["no-convergence"]


def test_a_tombstone_may_be_of_any_unanswered_delete_but_not_of_none() -> None:
    end = ending("n1.1.1=1", "n2.1.1=2", "t")
    assert found(TWO_WRITES + end) == ["no-convergence"]
    blind = 'p4: get x -> {"versions": [], "context": "c0"}\np4: delete x {"context": "c0"} -> info'
    assert not found(TWO_WRITES + blind + end)


NOT_JUDGED = {
    "the cluster was not found at rest": TWO_WRITES,
    "too little observed: there are no final reads": TWO_WRITES + at_rest({"n1": "[]"}, {}),
    'key "x" could not be read at the end': TWO_WRITES + at_rest({"n1": "[]"}, {"n1": None}),
    "no replica was dumped at the end": TWO_WRITES
    + at_rest({}, {"n1": shown("n1.1.1=1", "n2.1.1=2")}),
    "too little observed: no get, put or delete": "nemesis: quiescent",
    "too little observed: no write was acknowledged": at_rest({"n1": "[]"}, {"n1": "[]"}),
    "too little observed: no write was ack": 'p1: put x {"value": 1} -> info' + ending("a=1"),
    "too little observed: no put was acknowledged before": (
        'p1: get x -> {"versions": [], "context": "c0"}\n'
        'p1: delete x {"context": "c0"} -> {"id": "t"}' + ending()
    ),
    "no write was acknowledged before the cluster was at rest": (
        ending() + '\np1: put x {"value": 1} -> {"id": "a"}'
    ),
}


@pytest.mark.parametrize("cause", NOT_JUDGED)
def test_what_was_not_seen_is_unknown_with_its_cause(cause: str) -> None:
    verdict = judged(Siblings(), NOT_JUDGED[cause], claims=FINAL)
    assert verdict.status == "unknown"
    assert verdict.cause is not None
    assert cause in verdict.cause


def test_the_end_matters_only_where_something_about_it_is_claimed() -> None:
    text = TWO_WRITES + 'p3: get x -> {"versions": []}'
    assert judged(Siblings(), text, claims=["false-sibling"]).status == "valid"
    assert judged(Siblings(), text, claims=FINAL).status == "unknown"


def test_a_proven_finding_stands_beside_what_could_not_be_judged() -> None:
    text = TWO_WRITES + at_rest({}, {"n1": shown("n2.1.1=2")})
    verdict = judged(Siblings(), text, claims=FINAL)
    assert kinds(verdict) == ["lost-update"]
    assert verdict.observed["not_judged"] == "no replica was dumped at the end"


def test_a_key_that_breaks_an_assumption_is_left_out_and_makes_the_rest_unknown() -> None:
    twice = 'p5: put y {"value": 1} -> {"id": "b1"}\np6: put y {"value": 1} -> {"id": "b2"}'
    fine = TWO_WRITES + twice + ending("n1.1.1=1", "n2.1.1=2")
    fine += '\np99: get y {"r": "all"} -> {"versions": []}'
    verdict = judged(Siblings(), fine, claims=FINAL)
    assert verdict.status == "unknown"
    assert verdict.cause is not None
    assert 'assumption broken: two puts of key "y" wrote 1' in verdict.cause
    lost = TWO_WRITES + twice + ending("n2.1.1=2")
    assert kinds(judged(Siblings(), lost, claims=FINAL)) == ["lost-update"]


def test_a_context_that_no_reply_gave_leaves_the_key_unknown() -> None:
    text = TWO_WRITES + 'p3: put x {"value": 3, "context": "zz"} -> {"id": "c"}' + ending("c=3")
    verdict = judged(Siblings(), text, claims=FINAL)
    assert verdict.status == "unknown"
    assert verdict.cause is not None
    assert 'passed the context "zz", which no reply about this key had given' in verdict.cause


@pytest.mark.parametrize("output", ["5", '{"x": 5}', '{"x": {"homes": []}}'])
def test_a_dump_of_another_shape_is_refused_in_words(output: str) -> None:
    with pytest.raises(ValueError, match="the dump at index 5 "):
        found(TWO_WRITES + f"nemesis: quiescent\np9: dump node=n1 -> {output}")


def test_statistics_count_versions_and_what_became_of_unanswered_writes() -> None:
    text = TWO_WRITES + 'p3: put x {"value": 3, "context": "c1"} -> info\n'
    text += 'p4: put x {"value": 4, "context": "c1"} -> info\n'
    text += 'p5: get x -> {"versions": [], "context": null}'
    observed = judged(Siblings(), text + ending("n2.1.1=2", "n3.1.1=3"), claims=FINAL).observed
    assert observed["versions_per_read"] == {"0": 1, "2": 2}
    assert (observed["puts"], observed["blind_puts"]) == (2, 2)
    assert (observed["info_writes"], observed["info_writes_seen"]) == (2, 1)
    assert (observed["final_reads"], observed["replicas_dumped"]) == (2, 2)
