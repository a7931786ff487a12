from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from checker.convergence.contexts import Versions
from checker.convergence.reference import Reference
from checker.convergence.siblings import Siblings
from checker.history.notation import parse
from tests.checker.convergence.store import BUGS, Drive
from tests.checker.judging import context, kinds

if TYPE_CHECKING:
    from checker.convergence.versions import VersionGraph
    from checker.history.columns import History


def graph_of(text: str, key: str = "x") -> VersionGraph:
    return Versions.of(parse(text)).by_key[key]


def indices(graph: VersionGraph, mask: int) -> frozenset[int]:
    return frozenset(write.operation.index for write in graph.members(mask))


def assert_like_the_reference(history: History) -> None:
    reference = Reference(history)
    for graph in Versions.of(history).by_key.values():
        assert [write.operation for write in graph.writes] == reference.writes(graph.key)
        for write in graph.writes:
            certain, possible = write.observed
            assert indices(graph, certain) == reference.observed(write.operation, "certain")
            assert indices(graph, possible) == reference.observed(write.operation, "possible")
        for read in graph.reads:
            certain, possible = read.down
            assert indices(graph, certain) == reference.down(read.operation, "certain")
            assert indices(graph, possible) == reference.down(read.operation, "possible")


@pytest.mark.parametrize("bug", [None, *BUGS])
def test_equals_the_reference_on_random_histories(bug: str | None) -> None:
    for seed in range(12):
        assert_like_the_reference(Drive(seed, bug).all(40))


def test_equals_the_reference_where_contexts_leave_out_what_was_read() -> None:
    for seed in range(12):
        history = Drive(seed, contexts_hold=1).all(60)
        assert any('"covered"' in repr(op.output).replace("'", '"') for op in history)
        assert_like_the_reference(history)
        assert kinds(Siblings().check(history, context())) == []


def test_a_version_that_a_context_leaves_out_is_not_observed_by_who_passes_it() -> None:
    shown = '[{"id": "a", "value": 1}, {"id": "b", "value": 2, "covered": false}]'
    graph = graph_of(f"""
        p1: put x {{"value": 1}} -> {{"id": "a", "context": "c1"}}
        p2: put x {{"value": 2}} -> {{"id": "b", "context": "c2"}}
        p3: get x -> {{"versions": {shown}, "context": "c1"}}
        p3: put x {{"value": 3, "context": "c1"}} -> {{"id": "c", "context": "c3"}}
    """)
    assert graph.reads[0].down == (0b11, 0b11)
    assert graph.writes[2].observed == (0b01, 0b01)


def test_a_context_covers_what_was_read_and_what_that_had_observed() -> None:
    graph = graph_of("""
        p1: put x {"value": 1} -> {"id": "a", "context": "c1"}
        p1: put x {"value": 2, "context": "c1"} -> {"id": "b", "context": "c2"}
        p2: get x -> {"versions": [{"id": "b", "value": 2}], "context": "c3"}
        p2: put x {"value": 3, "context": "c3"} -> {"id": "c", "context": "c4"}
        p3: put x {"value": 4} -> {"id": "d", "context": "c5"}
    """)
    assert [write.observed.certain for write in graph.writes] == [0b0, 0b1, 0b11, 0b0]
    assert [write.position for write in graph.chain(graph.writes[2], 0)] == [2, 1, 0]
    assert graph.chain(graph.writes[3], 0) == []


def test_the_reply_to_a_put_covers_no_more_than_its_context_and_itself() -> None:
    graph = graph_of("""
        p1: put x {"value": 1} -> {"id": "a", "context": "c1"}
        p2: put x {"value": 2} -> {"id": "b", "context": "c2"}
        p2: put x {"value": 3, "context": "c2"} -> {"id": "c", "context": "c3"}
    """)
    assert graph.writes[2].observed == (0b10, 0b10)


def test_a_tombstone_with_an_id_that_nobody_was_told_may_be_of_any_unanswered_delete() -> None:
    graph = graph_of("""
        p1: put x {"value": 1} -> {"id": "a", "context": "c1"}
        p1: put x {"value": 2, "context": "c1"} -> {"id": "b", "context": "c2"}
        p2: delete x {"context": "c1"} -> info
        p3: delete x {"context": "c2"} -> info
        p4: get x -> {"versions": [{"id": "t", "tombstone": true}]}
        p5: delete x {"context": "c2"} -> {"id": "u"}
        p4: get x -> {"versions": [{"id": "u", "tombstone": true}]}
    """)
    unknown, known = (read.versions[0] for read in graph.reads)
    assert (unknown.writers, unknown.writer) == (0b1100, None)
    assert graph.observed_by(unknown) == (0b01, 0b11)
    assert graph.reads[0].down == (0b0001, 0b1111)
    assert (known.writers, known.writer) == (0b10000, 4)


def test_a_tombstone_whose_id_was_told_twice_may_be_of_either_delete() -> None:
    graph = graph_of("""
        p1: put x {"value": 1} -> {"id": "a", "context": "c1"}
        p2: delete x {"context": "c1"} -> {"id": "t"}
        p3: delete x {"context": "c1"} -> {"id": "t"}
        p4: get x -> {"versions": [{"id": "t", "tombstone": true}]}
    """)
    assert graph.reads[0].versions[0].writers == 0b110
    assert graph.reads[0].down == (0b001, 0b111)


def test_a_value_read_before_its_put_was_asked_is_nobodys() -> None:
    graph = graph_of("""
        p1: get x -> {"versions": [{"id": "a", "value": 1}]}
        p2: put x {"value": 1} -> {"id": "a"}
    """)
    assert graph.reads[0].versions[0].writers == 0


def test_values_compare_as_json_does() -> None:
    graph = graph_of("""
        p1: put x {"value": 1} -> {"id": "a"}
        p1: put x {"value": true} -> {"id": "b"}
        p1: put x {"value": 1.0} -> {"id": "c"}
        p1: put x {"value": [1]} -> {"id": "d"}
        p2: get x -> {"versions": [{"id": "b", "value": true}, {"id": "d", "value": [1]}]}
    """)
    assert graph.problem is None
    assert [version.writer for version in graph.reads[0].versions] == [1, 3]


def test_keys_compare_as_json_does() -> None:
    versions = Versions.of(
        parse("""
        p1: put {"value": 1} key=1 -> {"id": "a"}
        p1: put {"value": 2} key="1" -> {"id": "b"}
        """)
    )
    assert [graph.key for graph in versions.by_key.values()] == [1, "1"]


def test_a_key_with_more_writes_than_the_bound_is_left_out() -> None:
    history = parse("""
        p1: put x {"value": 1} -> {"id": "a"}
        p1: put x {"value": 2} -> {"id": "b"}
        p1: put y {"value": 1} -> {"id": "c"}
        p1: get x -> {"versions": []}
    """)
    x, y = Versions.of(history, writes_max=1).by_key.values()
    assert (x.writes, x.reads) == ([], [])
    assert x.problem == 'more than 1 writes of key "x" were not followed'
    assert (len(y.writes), y.problem) == (1, None)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("p1: put x 5 -> ok", "the put at index 0 needs an input with a context and a value"),
        ("p1: delete x -> ok", "the delete at index 0 needs an input with a context, not null"),
        ('p1: put x {"value": 1} -> ok', "the answer to the put at index 0 is null, no object"),
        ('p1: put x {"value": 1} -> {}', "the put at index 0 was answered without an id"),
        ("p1: get x -> {}", "the get at index 0 has no list of versions"),
        ('p1: get x -> {"versions": [{"value": 1}]}', "is no version: it needs an id"),
    ],
)
def test_operations_of_another_shape_are_refused_in_words(text: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Versions.of(parse(text))
