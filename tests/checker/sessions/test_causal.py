from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import pytest

from checker.convergence.contexts import Versions
from checker.convergence.reference import Reference
from checker.sessions.checker import Sessions
from checker.sessions.order import GUARANTEES
from tests.checker.convergence.store import KEYS, Drive
from tests.checker.judging import context, judged, kinds, sentence

if TYPE_CHECKING:
    from checker.history.columns import History
    from checker.history.events import Operation


def found(text: str) -> list[str]:
    return kinds(judged(Sessions(), text))


OWN_WRITE = """
    p2: put x {"value": 2} -> {"id": "b", "context": "c2"}
    p1: put x {"value": 1} node=n1 -> {"id": "a", "context": "c1"}
    %s: get x node=n2 -> {"versions": [{"id": "b", "value": 2}]}
"""


def test_finds_a_client_that_does_not_see_its_own_write() -> None:
    verdict = judged(Sessions(), OWN_WRITE % "p1")
    assert kinds(verdict) == ["read-your-writes"]
    assert sentence(verdict) == (
        'Process 1 put 1 of key "x" through n1 (asked at 3 ns, answered at 4 ns; stored as a).'
        " Then it read the key itself through n2 (asked at 5 ns, answered at 6 ns) and got b (2):"
        " neither its own write nor anything that had replaced it."
    )


def test_another_client_need_not_see_the_write() -> None:
    assert not found(OWN_WRITE % "p3")


@pytest.mark.parametrize("answer", ['{"id": "c", "context": "c3"}', "info"])
def test_a_client_may_see_what_replaced_its_write(answer: str) -> None:
    assert not found(f"""
        p1: put x {{"value": 1}} -> {{"id": "a", "context": "c1"}}
        p2: put x {{"value": 2, "context": "c1"}} -> {answer}
        p1: get x -> {{"versions": [{{"id": "c", "value": 2}}]}}
    """)


def test_a_write_that_failed_or_has_no_answer_is_owed_to_nobody() -> None:
    assert not found("""
        p1: put x {"value": 1} -> fail
        p1: get x -> {"versions": []}
        p2: put x {"value": 2} -> info
        p3: get x -> {"versions": []}
        p4: put y {"value": 3} -> {"id": "c"}
    """)


@pytest.mark.parametrize("answer", ['{"id": "t"}', "info"])
def test_a_client_may_miss_its_write_once_a_delete_of_it_may_have_happened(answer: str) -> None:
    text = """
        p1: put x {"value": 1} -> {"id": "a", "context": "c1"}
        p2: delete x {"context": "c1"}%s
        p1: get x -> {"versions": []}
    """
    assert not found(text % f" -> {answer}")
    assert not found(text % "")  # The delete is still running.


def test_another_key_tells_nothing_about_a_write() -> None:
    assert not found("""
        p1: put x {"value": 1} -> {"id": "a", "context": "c1"}
        p1: get y -> {"versions": []}
    """)


def test_finds_a_client_that_sees_again_what_it_deleted() -> None:
    text = """
        p1: put x {"value": 1} -> {"id": "a", "context": "c1"}
        p1: delete x {"context": "c1"} -> {"id": "t", "context": "c2"}
        p1: get x -> {"versions": [%s]}
    """
    verdict = judged(Sessions(), text % '{"id": "a", "value": 1}')
    assert kinds(verdict) == ["read-your-writes"]
    assert "of which its delete had covered some" in sentence(verdict)
    assert not found(text % "")
    assert not found(text % '{"id": "t", "tombstone": true}')


def test_a_client_that_sees_its_delete_beside_what_it_deleted_sees_its_own_write() -> None:
    """What is wrong with that read is a false sibling, which is judged elsewhere."""
    assert not found("""
        p1: put x {"value": 1} -> {"id": "a", "context": "c1"}
        p1: delete x {"context": "c1"} -> {"id": "t", "context": "c2"}
        p1: get x -> {"versions": [{"id": "a", "value": 1}, {"id": "t", "tombstone": true}]}
    """)


def test_what_a_dishonest_context_may_cover_is_neither_missed_nor_seen() -> None:
    text = """
        p1: put x {"value": 1} -> {"id": "a", "context": "c"}
        p2: put x {"value": 2} -> {"id": "b", "context": "c"}
        p3: put x {"value": 3, "context": "c"} -> {"id": "d", "context": "c3"}
        p%d: get x -> {"versions": [{"id": "d", "value": 3}]}
    """
    assert not found(text % 1)
    assert not found(text % 5 + 'p5: get x -> {"versions": [{"id": "d", "value": 3}]}')
    less = 'p5: get x -> {"versions": [{"id": "e", "value": 4}, {"id": "d", "value": 3}]}'
    other = 'p4: put x {"value": 4} -> {"id": "e", "context": "c4"}\n'
    first = 'p5: get x -> {"versions": [{"id": "d", "value": 3}]}\n'
    assert not found(text % 6 + other + first + less)


SEEN = """
    p2: put x {"value": 1} -> {"id": "a", "context": "c1"}
    p2: put x {"value": 2%s} -> {"id": "b", "context": "c2"}
    p1: get x -> {"versions": [{"id": "b", "value": 2}]}
    %s: get x -> {"versions": [{"id": "a", "value": 1}]}
"""


def test_finds_a_client_that_sees_less_than_before() -> None:
    verdict = judged(Sessions(), SEEN % ("", "p1"), claims=["monotonic-reads"])
    assert kinds(verdict) == ["monotonic-reads"]
    assert sentence(verdict) == (
        'Process 1 read key "x" (asked at 5 ns, answered at 6 ns) and got b (2), so it had seen'
        " b (2). Its next read (asked at 7 ns, answered at 8 ns) got a (1): neither that nor"
        " anything that had replaced it."
    )


def test_what_was_seen_as_replaced_counts_as_seen() -> None:
    """The second read shows a, which b had replaced: b is missed, a is not."""
    verdict = judged(Sessions(), SEEN % (', "context": "c1"', "p1"), claims=["monotonic-reads"])
    assert kinds(verdict) == ["monotonic-reads"]
    assert "so it had seen b (2)" in sentence(verdict)


def test_another_client_may_see_less() -> None:
    assert not found(SEEN.replace("p2", "p4", 1) % ("", "p3"))


def test_a_read_without_an_answer_saw_nothing() -> None:
    assert not found("""
        p2: put x {"value": 1} -> {"id": "a", "context": "c1"}
        p1: get x -> fail
        p1: get x -> {"versions": []}
    """)


def test_finds_a_client_that_saw_a_delete_and_then_what_was_deleted() -> None:
    text = """
        p2: put x {"value": 1} -> {"id": "a", "context": "c1"}
        p2: delete x {"context": "c1"} -> %s
        p1: get x -> {"versions": [{"id": "t", "tombstone": true}]}
        p1: get x -> {"versions": [%s]}
    """
    back = '{"id": "a", "value": 1}'
    for answer in ('{"id": "t"}', "info"):
        verdict = judged(Sessions(), text % (answer, back), claims=["monotonic-reads"])
        assert kinds(verdict) == ["monotonic-reads"]
        assert "of which that delete had covered some" in sentence(verdict)
        assert not found(text % (answer, ""))


TWO_OF_ONE = """
    p1: put x {"value": 1} -> {"id": "a", "context": "c1"}
    p1: put x {"value": 2%s} -> %s
    p2: get x -> {"versions": [{"id": "b", "value": 2}]}
"""


def test_finds_a_later_write_without_the_earlier_one_of_its_session() -> None:
    verdict = judged(Sessions(), TWO_OF_ONE % ("", '{"id": "b"}'))
    assert kinds(verdict) == ["monotonic-writes"]
    assert sentence(verdict) == (
        'Process 1 wrote a (1) of key "x" (asked at 1 ns, answered at 2 ns) and after it b (2)'
        " (asked at 3 ns, answered at 4 ns). Process 2 read the key (asked at 5 ns, answered at"
        " 6 ns) and got b (2): the later write, or what had replaced it, but neither the earlier"
        " one nor anything that had replaced that."
    )


def test_a_later_write_that_replaced_the_earlier_one_shows_it() -> None:
    assert not found(TWO_OF_ONE % (', "context": "c1"', '{"id": "b"}'))


def test_a_later_write_is_owed_its_predecessor_also_without_an_answer() -> None:
    assert found(TWO_OF_ONE % ("", "info")) == ["monotonic-writes"]


def test_an_earlier_write_that_failed_precedes_nothing() -> None:
    assert not found("""
        p1: put x {"value": 1} -> fail
        p1: put x {"value": 2} -> {"id": "b"}
        p2: get x -> {"versions": [{"id": "b", "value": 2}]}
    """)


def test_whoever_sees_what_replaced_a_later_write_is_owed_the_earlier_one() -> None:
    assert found("""
        p1: put x {"value": 1} -> {"id": "a", "context": "c1"}
        p1: put x {"value": 2} -> {"id": "b", "context": "c2"}
        p3: get x -> {"versions": [{"id": "a", "value": 1}, {"id": "b", "value": 2}]}
        p4: put x {"value": 3, "context": "c2"} -> {"id": "c", "context": "c3"}
        p2: get x -> {"versions": [{"id": "c", "value": 3}]}
    """) == ["monotonic-writes"]


CAUSE = """
    p1: put x {"value": 1} -> {"id": "a", "context": "c1"}
    p2: get x -> %s
    p2: put x {"value": 2%s} -> {"id": "b", "context": "c2"}
    p3: get x -> {"versions": [{"id": "b", "value": 2}]}
"""
READ_IT = '{"versions": [{"id": "a", "value": 1}], "context": "c1"}'


def test_finds_a_write_without_what_its_writer_had_read() -> None:
    verdict = judged(Sessions(), CAUSE % (READ_IT, ""))
    assert kinds(verdict) == ["writes-follow-reads"]
    assert 'Process 2 had read a (1) of key "x" before it wrote b (2)' in sentence(verdict)


def test_a_write_that_replaced_what_its_writer_had_read_shows_it() -> None:
    assert not found(CAUSE % (READ_IT, ', "context": "c1"'))


def test_a_writer_that_had_read_nothing_owes_nothing() -> None:
    assert not found(CAUSE % ('{"versions": []}', ""))
    assert not found(CAUSE % ("fail", ""))


@pytest.mark.parametrize("context", ['"zz"', "null"])
def test_a_key_that_breaks_an_assumption_is_unknown(context: str) -> None:
    """A context that no reply gave, or a value that was put twice."""
    put = f'put x {{"value": 1, "context": {context}}}'
    verdict = judged(Sessions(), f'p1: {put} -> {{"id": "a"}}\np2: {put} -> info')
    assert verdict.status == "unknown"
    assert verdict.cause is not None
    assert verdict.cause.startswith("assumption broken")


def test_nothing_to_read_is_unknown_where_something_is_claimed() -> None:
    assert judged(Sessions(), "nemesis: quiescent").status == "unknown"
    assert judged(Sessions(), "nemesis: quiescent", claims=["linearizable"]).status == "valid"


def gone(history: History, read: Operation, key: str) -> frozenset[int]:
    """By definition: what the read saw, or what a delete asked by its return may explain."""
    reference = Reference(history)
    explained = reference.covered(read, "possible")
    for write in reference.writes(key):
        if write.f == "delete" and read.ret is not None and write.call <= read.ret:
            explained |= reference.observed(write, "possible")
    return explained


def counts_by_definition(history: History) -> Counter[str]:
    """Every session against every read, as sets; deletes are left to the tests above."""
    reference, counts = Reference(history), Counter[str]()
    for key in KEYS:
        reads = reference.reads(key)
        told = {(op.process, op.index) for op in reference.writes(key) if _is_told(op)}
        puts = {op.index for op in reference.writes(key) if op.f == "put"}
        broken: dict[str, set[tuple[int, int]]] = {name: set() for name in GUARANTEES}
        for read in reads:
            explained = gone(history, read, key)
            own = {w for process, w in told if process == read.process and w < read.index}
            broken["read-your-writes"] |= {(read.process, w) for w in own - explained}
            earlier = [r for r in reads if r.process == read.process and r.index < read.index]
            for before in earlier[-1:]:
                missed = reference.covered(before, "certain") & puts - explained
                broken["monotonic-reads"] |= {(read.index, w) for w in missed}
            for write in reference.writes(key):
                if write.index in reference.covered(read, "certain"):
                    owed = {w for p, w in told if p == write.process and w < write.index}
                    broken["monotonic-writes"] |= {(0, w) for w in owed - explained}
                    seen = (r for r in reads if r.process == write.process)
                    for r in seen:
                        if r.index < write.index:
                            missed = reference.covered(r, "certain") & puts - explained
                            broken["writes-follow-reads"] |= {(0, w) for w in missed}
        counts.update({name: len(pairs) for name, pairs in broken.items()})
    return counts


def _is_told(operation: Operation) -> bool:
    return operation.f == "put" and operation.outcome == "ok"


def test_counts_equal_the_definitions_on_random_histories() -> None:
    compared: Counter[str] = Counter()
    for seed in range(20):
        bug = ("reads-one-replica", "answers-before-writing-back")[seed % 2]
        history = Drive(seed, bug).all(50)
        versions = Versions.of(history)
        exact = all(
            version.writer is not None
            for graph in versions.by_key.values()
            for read in graph.reads
            for version in read.versions
        )
        verdict = Sessions().check(history, context([]))
        counted = {n: found["count"] for n, found in verdict.observed.get("counted", {}).items()}
        expected = counts_by_definition(history)
        for guarantee in GUARANTEES[2:]:
            count = counted.get(guarantee, 0)
            assert count <= expected[guarantee], (seed, guarantee)
            assert not exact or count == expected[guarantee], (seed, guarantee)
        for guarantee in GUARANTEES[:2]:  # These also tell of deletes undone.
            assert counted.get(guarantee, 0) >= expected[guarantee], (seed, guarantee)
        compared.update(expected)
    assert all(compared[guarantee] for guarantee in GUARANTEES), compared
