from __future__ import annotations

import pytest

from checker.sessions.checker import Sessions
from tests.checker.judging import judged, kinds, sentence


def found(text: str) -> list[str]:
    return kinds(judged(Sessions(), text))


@pytest.mark.parametrize("field", ["slot", "revision"])
def test_finds_a_client_that_reads_before_its_own_write(field: str) -> None:
    verdict = judged(
        Sessions(),
        f"""
        p1: write x 1 node=n1 -> {{"{field}": 7}}
        p1: read x node=n2 -> {{"value": null, "{field}": 6}}
        """,
    )
    assert kinds(verdict) == ["read-your-writes"]
    assert sentence(verdict) == (
        f'Process 1 was at {field} 7 with its write of key "x" through n1 (asked at 1 ns, answered'
        f" at 2 ns), and its later read through n2 (asked at 3 ns, answered at 4 ns) was at {field}"
        " 6, which is older."
    )
    assert verdict.observed["version_order"] == f"the total version {field}"


def test_the_version_may_stand_beside_the_output() -> None:
    assert found("p1: read x -> 1 slot=5\np1: read x -> 1 slot=4") == ["monotonic-reads"]


def test_finds_each_of_the_four() -> None:
    assert found("""
        p1: read x -> {"value": 1, "slot": 5}
        p1: read x -> {"value": 1, "slot": 4}
        p2: write x 2 -> {"slot": 9}
        p2: write x 3 -> {"slot": 8}
        p3: read x -> {"value": 1, "slot": 9}
        p3: write x 4 -> {"slot": 3}
    """) == ["monotonic-reads", "monotonic-writes", "writes-follow-reads"]


def test_versions_that_stay_or_grow_are_fine() -> None:
    assert not found("""
        p1: write x 1 -> {"slot": 5}
        p1: read x -> {"value": 1, "slot": 5}
        p1: write x 2 -> {"slot": 5}
        p1: read x -> {"value": 2, "slot": 6}
        p1: write x 3 -> {"slot": 7}
    """)


def test_other_clients_and_other_keys_are_other_sessions() -> None:
    assert not found("""
        p1: read x -> {"value": 1, "slot": 5}
        p2: read x -> {"value": null, "slot": 1}
        p1: read y -> {"value": null, "slot": 1}
        p3: write y 2 -> {"slot": 2}
    """)


def test_the_newest_version_of_the_session_counts() -> None:
    assert found("""
        p1: read x -> {"value": 1, "slot": 5}
        p1: read x -> {"value": 1, "slot": 4}
        p1: read x -> {"value": 1, "slot": 4}
    """) == ["monotonic-reads", "monotonic-reads"]


def test_a_compare_and_set_that_was_answered_no_observed() -> None:
    assert found("""
        p1: read x -> {"value": 1, "slot": 5}
        p1: cas x [7, 8] -> {"value": false, "slot": 4}
    """) == ["monotonic-reads"]


def test_answers_without_a_version_tell_nothing() -> None:
    assert not found("""
        p1: write x 1 -> {"slot": 7}
        p1: read x -> {"value": null, "slot": "six"}
        p1: read x -> info
    """)
