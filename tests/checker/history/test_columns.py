"""A history gives back what was written, as operations and as events."""

from __future__ import annotations

import pickle
from typing import TYPE_CHECKING

import msgspec
import pytest
from hypothesis import given, settings

from checker.history.columns import History
from checker.history.encoding import encode
from checker.history.events import Event, Operation
from checker.history.layout import NEVER, NO_ROW
from checker.history.notation import parse
from checker.history.problems import PROBLEMS_MAX, MalformedHistory
from checker.history.values import canonical
from tests.checker.history.histories import event_lists, files

if TYPE_CHECKING:
    from pathlib import Path

TEXT = """
p0: write x 1 request=r1
p1: read x
nemesis: partition {"targets": ["n1"]} fault=7 -> applied
p0: -> ok node=n2
p1: -> 1
p2: write y 2 node=n1 -> info "time-out"
p3: write x 3 -> fail "no quorum"
nemesis: quiescent {"after_ns": 5}
p1: read y
"""


@pytest.fixture(scope="module")
def history() -> History:
    return parse(TEXT)


def test_operations_are_views_of_invocation_and_completion(history: History) -> None:
    assert history[0] == Operation(
        index=0,
        completion=4,
        process=0,
        f="write",
        key="x",
        input=1,
        output=None,
        error=None,
        outcome="ok",
        call=1,
        ret=5,
        node="n2",
        request="r1",
    )
    assert [operation.index for operation in history] == [0, 1, 6, 8, 11]
    assert [operation.outcome for operation in history] == ["ok", "ok", "info", "fail", "info"]


def test_an_operation_that_may_still_happen_has_no_return(history: History) -> None:
    timed_out, open = history[2], history[-1]
    assert (timed_out.ret, timed_out.completion, timed_out.error) == (None, 7, "time-out")
    assert (open.ret, open.completion, open.error) == (None, None, None)
    assert list(history.columns.ret)[2:] == [NEVER, 10, NEVER]
    assert history.columns.completion[4] == NO_ROW


def test_operations_are_found_by_f_and_outcome(history: History) -> None:
    assert [op.index for op in history.operations("read")] == [1, 11]
    assert [op.index for op in history.operations(outcome="ok")] == [0, 1]
    assert [op.index for op in history.operations("write", outcome="info")] == [6]
    assert list(history.operations("cas")) == []


def test_positions_count_from_both_ends_and_no_further(history: History) -> None:
    assert len(history) == 5
    assert history[-5] == history[0]
    for position in (5, -6):
        with pytest.raises(IndexError, match="of 5"):
            history[position]


def test_operations_come_in_order_of_invocation_whatever_the_order_of_lines() -> None:
    history = parse("p0: a @30 -> ok @40\np1: b @10 -> ok @20\np2: c @10\n")
    assert [op.f for op in history] == ["b", "c", "a"]
    assert [event.time for event in history.events()] == [30, 40, 10, 20, 10]


def test_nemesis_lines_are_no_operations(history: History) -> None:
    assert [event.f for event in history.nemesis()] == ["partition", "partition", "quiescent"]
    assert [event.output for event in history.nemesis("quiescent")] == [{"after_ns": 5}]
    assert [window.fault for window in history.faults] == [7]
    assert history.quiescent_time == 11


def test_a_run_that_never_came_to_rest_has_no_quiescent_time() -> None:
    assert parse("p0: read\nnemesis: not-quiescent\n").quiescent_time is None


def test_a_part_keeps_its_operations_with_their_events_and_every_fault(history: History) -> None:
    reads = history.where(lambda operation: operation.f == "read")
    assert list(reads) == [history[1], history[4]]
    assert reads.faults == history.faults
    assert [event.index for event in reads.events()] == [1, 2, 3, 5, 10, 11]
    assert list(reads.sub([reads[1]])) == [history[4]]
    assert list(history.sub([history[3], history[0], history[3]])) == [history[0], history[3]]
    assert History.from_bytes(reads.to_bytes()).to_bytes() == reads.to_bytes()


def test_a_part_is_made_of_operations_of_the_history(history: History) -> None:
    reads = history.where(lambda operation: operation.f == "read")
    with pytest.raises(ValueError, match="no operation of this history was invoked at index 0"):
        reads.sub([history[0]])


def test_equal_values_are_one_and_equality_is_that_of_json() -> None:
    history = parse(
        'p0: w [1, true, 1.0] -> {"a": 1e0}\np0: w [1, true, 1e0] -> 1\np0: w [1, 1, 1]'
    )
    columns, values = history.columns, history.values
    assert columns.input[0] == columns.input[1] != columns.input[2]
    assert [values.text(number) for number in columns.input] == [b"[1,true,1.0]"] * 2 + [b"[1,1,1]"]
    assert list(values) == [None, "w", [1, True, 1.0], {"a": 1.0}, 1, [1, 1, 1]]


def test_fields_that_are_not_known_are_kept() -> None:
    line = b'{"slot":{"b":[1, null],"a":2},"index":3,"time":1,"process":0,"type":"invoke","f":"r"}'
    (event,) = History.from_bytes(line).events()
    assert event.extra == {"slot": {"a": 2, "b": [1, None]}}
    assert encode(event).endswith(b'"f":"r","slot":{"a":2,"b":[1,null]}}\n')


def test_integers_beyond_64_bits_survive() -> None:
    history = parse(f"p0: write {10**100} -> {-(2**64)}")
    assert (history[0].input, history[0].output) == (10**100, -(2**64))


def meaning(event: Event) -> bytes:
    """What the event says, whatever the way in which its numbers are written."""
    return canonical(msgspec.json.decode(encode(event)))


@settings(deadline=None, max_examples=100)
@given(events=event_lists())
def test_events_come_back_as_they_were_given(events: list[Event]) -> None:
    history = History.of(events)
    assert list(map(meaning, history.events())) == list(map(meaning, events))
    assert list(history.sub(history).events()) == list(history.events())
    assert pickle.loads(pickle.dumps(history)).to_bytes() == history.to_bytes()


@settings(deadline=None, max_examples=50)
@given(data=files())
def test_a_file_is_read_as_its_bytes_are(
    data: bytes, tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.mktemp("history") / "history.jsonl"
    path.write_bytes(data)
    assert History.read(path).to_bytes() == History.from_bytes(data).to_bytes()


def test_a_file_longer_than_a_chunk_is_read_whole(tmp_path: Path) -> None:
    path = tmp_path / "history.jsonl"
    value = "x" * 1000
    lines = [
        b'{"index":%d,"time":%d,"process":%d,"type":"invoke","f":"f","input":"%s"}\n'
        % (number, number, number, value.encode())
        for number in range(10_000)
    ]
    path.write_bytes(b"".join(lines))
    history = History.read(path)
    assert len(history) == 10_000
    assert {operation.input for operation in history} == {value}


def test_a_refused_file_is_named(tmp_path: Path) -> None:
    path = tmp_path / "history.jsonl"
    path.write_bytes(b'{"index":')
    with pytest.raises(MalformedHistory, match=r"history\.jsonl is malformed: 1 problem"):
        History.read(path)
    assert History.read(path, drop_partial_line=True).dropped_line == 1


def test_events_that_cannot_be_written_are_named_all_at_once() -> None:
    events = [
        Event(index=0, time=0, process=0, type="invoke", f="f", input=float("nan")),
        Event(index=1, time=1, process=1, type="invoke", f="f", input=object()),
        Event(index=2, time=2, process=2, type="invoke", f="f", input=1),
        Event(index=3, time=3, process=3, type="invoke", f="f", extra={"time": 1}),
    ]
    with pytest.raises(MalformedHistory) as refused:
        History.of(events)
    assert [problem.line for problem in refused.value.problems] == [1, 2, 4]
    with pytest.raises(MalformedHistory) as refused:
        History.of(events[:1] * (PROBLEMS_MAX + 3))
    assert (len(refused.value.problems), refused.value.more) == (PROBLEMS_MAX, 3)


def test_a_history_says_how_large_it_is(history: History) -> None:
    assert repr(history) == "<History: 5 operations, 12 events>"
