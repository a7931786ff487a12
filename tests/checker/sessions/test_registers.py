from __future__ import annotations

import pytest

from checker.convergence.registers import registers
from checker.sessions.checker import Sessions
from checker.sessions.order import GUARANTEES
from tests.checker.convergence.registers_at_random import register_history
from tests.checker.judging import context, judged, kinds, sentence

REAL_TIME = {"linearizable", *GUARANTEES}
NECESSARY = {"read-your-writes", "monotonic-reads"}


def found(text: str, claims: set[str] = REAL_TIME) -> list[str]:
    return kinds(judged(Sessions(), text, claims=claims))


def test_finds_a_client_that_reads_nothing_after_its_own_write() -> None:
    text = "p1: write x 5 -> ok\np1: read x node=n2 -> null"
    verdict = judged(Sessions(), text, claims=NECESSARY)
    assert kinds(verdict) == ["read-your-writes"]
    assert sentence(verdict) == (
        'Process 1 wrote 5 of key "x" (asked at 1 ns, answered at 2 ns). Its later read through n2'
        " (asked at 3 ns, answered at 4 ns) saw null, as if nothing had ever been written."
    )


def test_finds_a_client_that_reads_nothing_after_a_value() -> None:
    assert found("p2: write x 5 -> ok\np1: read x -> 5\np1: read x -> null", NECESSARY) == [
        "monotonic-reads"
    ]


def test_a_client_may_read_nothing_before_and_values_of_others_after() -> None:
    assert not found(
        """
        p1: read x -> null
        p1: write x 5 -> ok
        p2: write x 6 -> ok
        p1: read x -> 6
        """,
        NECESSARY,
    )


def test_a_write_without_an_answer_need_not_be_read() -> None:
    assert not found("p1: write x 5 -> info\np2: read x -> null\np3: write y 1 -> ok", NECESSARY)


def test_finds_a_value_that_comes_back_without_any_version_order() -> None:
    verdict = judged(
        Sessions(),
        """
        p2: write x 1
        p3: write x 2
        p1: read x -> 1
        p1: read x -> 2
        p1: read x -> 1
        """,
        claims=NECESSARY,
    )
    assert kinds(verdict) == ["monotonic-reads"]
    assert sentence(verdict) == (
        'The values of key "x" cannot have any order: 1 came before 2, because process 1 read the'
        " one (asked at 3 ns, answered at 4 ns) and later read the other (asked at 5 ns, answered"
        " at 6 ns); 2 came before 1, because process 1 read the one (asked at 5 ns, answered at"
        " 6 ns) and later read the other (asked at 7 ns, answered at 8 ns)."
    )


def test_finds_two_clients_that_read_in_opposite_orders() -> None:
    text = """
        p8: write x 1
        p9: write x 2
        p1: read x -> 1
        p1: read x -> 2
        p2: read x -> %d
        p2: read x -> %d
        p8: -> ok
    """
    assert found(text % (2, 1), NECESSARY) == ["monotonic-reads"]
    assert not found(text % (1, 2), NECESSARY)


def test_without_a_version_order_the_other_two_are_unknown() -> None:
    text = "p1: write x 1 -> ok\np1: read x -> 1"
    for guarantee in ("monotonic-writes", "writes-follow-reads"):
        verdict = judged(Sessions(), text, claims=[guarantee])
        assert (verdict.status, verdict.cause) == ("unknown", "no version order")
    assert judged(Sessions(), text, claims=NECESSARY).status == "valid"


STALE = """
    p2: write x 1 -> ok @%d
    p1: write x 2 @20 -> ok
    p1: read x -> 1
"""


def test_real_time_orders_writes_that_do_not_overlap_where_it_is_claimed() -> None:
    verdict = judged(Sessions(), STALE % 19, claims=REAL_TIME)
    assert kinds(verdict) == ["read-your-writes"]
    assert (
        "1 came before 2, because the write of 1 had returned at 19 ns, before that of 2 was called"
        " at 20 ns"
    ) in sentence(verdict)
    assert not found(STALE % 19, NECESSARY)


def test_writes_that_touch_at_a_stamp_overlap() -> None:
    assert not found(STALE % 20)


def test_finds_monotonic_writes_and_writes_follow_reads_broken_against_real_time() -> None:
    """Process 1 writes 1 and is answered late; its 2 is over before the 3 that 1 comes after."""
    assert found("""
        p1: write x 1 -> ok
        p2: read x -> 3
        p2: write x 2 -> ok
        p3: write x 3 -> ok
    """) == ["writes-follow-reads"]


def test_a_long_circle_is_told_once_with_all_its_reasons() -> None:
    verdict = judged(
        Sessions(),
        """
        p7: write x 1
        p8: write x 2
        p9: write x 3
        p1: read x -> 1
        p1: read x -> 2
        p2: read x -> 2
        p2: read x -> 3
        p3: read x -> 3
        p3: read x -> 1
        """,
        claims=NECESSARY,
    )
    assert kinds(verdict) == ["monotonic-reads"]
    assert sentence(verdict).count("came before") == 3


def test_a_register_of_a_store_that_keeps_siblings_has_no_order_of_values() -> None:
    """Siblings a and b, shown as a; c replaces a alone, and b and c are shown as b."""
    text = """
        p1: write x "b" -> ok context=c1
        p2: write x "a" -> ok context=c2
        p1: read x -> "a" context=c3
        p3: write x "c" -> ok context=c4
        p2: read x -> "b" context=c5
    """
    assert judged(Sessions(), text, claims=NECESSARY | {"linearizable"}).status == "valid"
    assert judged(Sessions(), text, claims=["monotonic-writes"]).status == "unknown"
    gone = text + "p2: read x -> null"
    assert found(gone, NECESSARY) == ["monotonic-reads", "read-your-writes"]


def test_the_same_answers_of_a_single_register_are_broken() -> None:
    assert found(
        """
        p1: write x "b" -> ok
        p2: write x "a" -> ok
        p1: read x -> "a"
        p2: read x -> "b"
        """,
        NECESSARY,
    ) == ["read-your-writes"]


def test_values_written_twice_leave_a_register_unknown() -> None:
    verdict = judged(Sessions(), "p1: write x 1 -> ok\np1: write x 1 -> ok", claims=NECESSARY)
    assert verdict.status == "unknown"
    assert verdict.cause is not None
    assert verdict.cause.startswith("assumption broken: 1 was written of key")
    for text in (
        "p1: write x -> ok",
        "p1: write x 1 -> ok\np1: delete x -> ok",
        "p1: cas x 5 -> ok",
    ):
        assert judged(Sessions(), text, claims=NECESSARY).status == "unknown"


def test_values_that_nobody_wrote_are_no_business_of_sessions() -> None:
    assert not found("p1: write x 1 -> fail\np2: read x -> 1\np2: read x -> 7\np3: write y 1 -> ok")


def test_a_compare_and_set_reads_and_then_writes() -> None:
    assert not found("""
        p1: write x 1 -> ok
        p1: cas x [1, 2] -> true
        p1: cas x [1, 3] -> false
        p1: read x -> 2
        p2: cas x [2, 4] -> info
        p3: read x -> 4
    """)
    assert found("""
        p1: write x 1 -> ok
        p1: write x 2 -> ok
        p1: cas x [1, 3] -> true
    """) == ["read-your-writes"]


@pytest.mark.parametrize(
    ("text", "cause"),
    [
        ("p1: write x 1 -> info\np2: read x -> 1", "no write was acknowledged"),
        ("p1: write x 1 -> ok\np2: read x -> info", "no read was answered"),
    ],
)
def test_without_a_write_or_a_reader_too_little_was_observed(text: str, cause: str) -> None:
    verdict = judged(Sessions(), text, claims=NECESSARY)
    assert verdict.cause == f"too little observed: {cause}"


def test_linearizable_registers_are_never_accused() -> None:
    from checker.linearizability.checker import check
    from checker.models.register import Register

    legal = 0
    for seed in range(400):
        history = register_history(seed)
        if any(register.unwritten for register in registers(history)):
            continue
        if check(history, Register()).status == "valid":
            legal += 1
            verdict = Sessions().check(history, context(REAL_TIME))
            assert verdict.status == "valid", f"seed {seed}: {verdict.explain()}"
    assert legal > 50
