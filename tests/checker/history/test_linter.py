"""Every broken line is named, with what to do; by the native reader and by its twin alike."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from checker.history import reader, twin
from checker.history.problems import PROBLEMS_MAX, SENTENCES, MalformedHistory, Problem

if TYPE_CHECKING:
    from checker.history.layout import Table

READERS = ["native", "twin"]


def read(name: str, data: bytes, *, drop: bool = False) -> Table:
    if name == "native":
        return reader.read([data], drop_partial_line=drop, source="h.jsonl")
    return twin.read(data, drop_partial_line=drop, source="h.jsonl")


def refusal(name: str, data: bytes) -> MalformedHistory:
    with pytest.raises(MalformedHistory) as refused:
        read(name, data)
    return refused.value


def problems(name: str, data: bytes) -> list[tuple[int, str, str]]:
    return [(p.line, p.kind, p.detail) for p in refusal(name, data).problems]


def event(index: int, process: Any, type: str, f: str = "read", **fields: Any) -> str:
    values = {"index": index, "time": index * 10, "process": process, "type": type, "f": f}
    return json.dumps(values | fields)


def text(*lines: str) -> bytes:
    return "".join(f"{line}\n" for line in lines).encode()


GOOD = event(0, 0, "invoke")
ANSWER = event(9, 0, "ok")


@pytest.mark.parametrize("name", READERS)
@pytest.mark.parametrize(
    ("line", "kind", "detail"),
    [
        ("[]", "not-an-object", ""),
        ("7", "not-an-object", ""),
        ("{", "not-json", None),
        ("{} {}", "not-json", None),
        ("nul", "not-json", None),
        ('{"f":"read" "key":1}', "not-json", None),
        ('{"f":"a\tb"}', "not-json", None),
        ('{"f":"\\x"}', "not-json", None),
        ('{"f":"\\u12"}', "not-json", None),
        ('{"key":01}', "not-json", None),
        ('{"key":1.}', "not-json", None),
        ('{"key":-}', "not-json", None),
        ('{"key":[1,]}', "not-json", None),
        ("{'f':1}", "not-json", None),
        ('\ufeff{"f":1}', "not-json", None),
        ('{"input":NaN}', "not-finite", "NaN"),
        ('{"input":[-Infinity]}', "not-finite", "-Infinity"),
        ('{"input":1e400}', "not-finite", "1e400"),
        ('{"input":"\\ud83d"}', "surrogate", ""),
        ('{"input":"\\ude00\\ud83d"}', "surrogate", ""),
        ('{"input":{"a":1,"b":2,"a":3}}', "duplicate-key", '"a"'),
        ('{"input":{"a":1,"\\u0061":3}}', "duplicate-key", '"a"'),
        ('{"context":1,"context":1}', "duplicate-key", '"context"'),
        ('{"time":1,"time":1}', "duplicate-key", '"time"'),
        ('{"input":' + "[" * 128 + "]" * 128 + "}", "too-deep", "128"),
        ('{"input":' + "9" * 1001 + "}", "number-too-long", "1000"),
    ],
)
def test_refuses_a_line_that_is_no_event(
    name: str, line: str, kind: str, detail: str | None
) -> None:
    (problem,) = refusal(name, text(GOOD, line)).problems
    assert (problem.line, problem.kind) == (2, kind)
    assert detail in (None, problem.detail)


@pytest.mark.parametrize("name", READERS)
@pytest.mark.parametrize(
    ("fields", "kind", "detail"),
    [
        ({"index": None}, "missing-field", "index"),
        ({"time": None}, "missing-field", "time"),
        ({"process": None}, "missing-field", "process"),
        ({"type": None}, "missing-field", "type"),
        ({"f": None}, "missing-field", "f"),
        ({"index": -1}, "ill-typed-field", "index"),
        ({"index": 1.0}, "ill-typed-field", "index"),
        ({"index": True}, "ill-typed-field", "index"),
        ({"time": 2**62}, "ill-typed-field", "time"),
        ({"time": "10"}, "ill-typed-field", "time"),
        ({"process": "p1"}, "ill-typed-field", "process"),
        ({"process": -1}, "ill-typed-field", "process"),
        ({"f": 5}, "ill-typed-field", "f"),
        ({"node": 5}, "ill-typed-field", "node"),
        ({"request": []}, "ill-typed-field", "request"),
        ({"fault": "7"}, "ill-typed-field", "fault"),
        ({"type": "done"}, "unknown-type", '"done"'),
        ({"type": ["ok"]}, "unknown-type", '["ok"]'),
        ({"type": "x" * 99}, "unknown-type", '"' + "x" * 39),
        ({"output": 0}, "misplaced-field", "output"),
        ({"error": "e"}, "misplaced-field", "error"),
    ],
)
def test_refuses_fields_that_are_not_those_of_an_event(
    name: str, fields: dict[str, Any], kind: str, detail: str
) -> None:
    values = json.loads(event(4, 1, "invoke")) | fields
    assert problems(name, text(GOOD, json.dumps(values))) == [(2, kind, detail)]


@pytest.mark.parametrize("name", READERS)
@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        ([event(1, 0, "ok")], (1, "completion-without-invocation", "0")),
        ([GOOD, event(1, 0, "invoke"), ANSWER], (2, "two-open-operations", "0")),
        ([GOOD, event(1, 0, "info"), event(2, 0, "invoke")], (3, "goes-on-after-info", "0")),
        ([GOOD, event(1, 0, "info"), event(2, 0, "ok")], (3, "goes-on-after-info", "0")),
        ([GOOD, event(1, 0, "ok", time=-1)], (2, "clock-back", "0 steps back from 0 to -1")),
        ([GOOD, event(0, 0, "ok")], (2, "index-back", "0 after 0")),
        ([event(3, 0, "invoke"), event(2, "nemesis", "info")], (2, "index-back", "2 after 3")),
        ([GOOD, event(1, 0, "ok", f="write")], (2, "disagrees", "f")),
        ([event(0, 0, "invoke", key=1), event(1, 0, "ok", key=1.0)], (2, "disagrees", "key")),
        ([event(0, 0, "invoke", key=1), event(1, 0, "ok", key=True)], (2, "disagrees", "key")),
        ([event(0, 0, "invoke", input=1), event(1, 0, "ok", input=2)], (2, "disagrees", "input")),
    ],
)
def test_refuses_lines_that_make_no_history(
    name: str, lines: list[str], expected: tuple[int, str, str]
) -> None:
    assert problems(name, text(*lines)) == [expected]


@pytest.mark.parametrize("name", READERS)
def test_accepts_what_only_looks_wrong(name: str) -> None:
    table = read(
        name,
        text(
            event(0, 0, "invoke", time=50, input=1, key=None),
            event(1, 1, "invoke", time=40, output=None),  # Another process's stamps may be earlier.
            event(5, 0, "ok", time=50, input=1, f="read"),  # Equal stamps, and a gap in the index.
            event(6, "nemesis", "invoke", time=60, fault=1),
            event(7, "nemesis", "invoke", time=55, fault=2),  # Faults overlap, stamped by anybody.
            event(8, "nemesis", "info", time=54),
            "",
            " \t\r",
            event(9, 0, "invoke", time=50),
        ),
    )
    assert (len(table.events), len(table.operations)) == (7, 3)


@pytest.mark.parametrize("name", READERS)
def test_an_unreadable_line_excuses_the_one_that_misses_it(name: str) -> None:
    broken = [(2, "not-json")]
    lost_invocation = text(GOOD, "{]", event(2, 1, "ok"))
    assert [found[:2] for found in problems(name, lost_invocation)] == broken
    lost_completion = text(GOOD, "{]", event(2, 0, "invoke"))
    assert [found[:2] for found in problems(name, lost_completion)] == broken
    second_has_no_excuse = text(GOOD, "{]", event(2, 1, "ok"), event(3, 2, "ok"))
    assert len(problems(name, second_has_no_excuse)) == 2


@pytest.mark.parametrize("name", READERS)
def test_tells_a_hundred_problems_and_counts_the_rest(name: str) -> None:
    refused = refusal(name, text(*["{]"] * (PROBLEMS_MAX + 7)))
    assert [p.line for p in refused.problems] == list(range(1, PROBLEMS_MAX + 1))
    assert refused.more == 7
    assert str(refused).startswith(f"h.jsonl is malformed: {PROBLEMS_MAX + 7} problems\n")
    assert str(refused).endswith("\n  and 7 more")


@pytest.mark.parametrize("name", READERS)
def test_names_the_byte_that_is_not_utf8(name: str) -> None:
    (problem,) = refusal(name, text(GOOD) + b'{"f":"\xc3\xa9\xff"}').problems
    assert (problem.line, problem.column, problem.kind) == (2, 9, "not-utf8")


@pytest.mark.parametrize(
    ("line", "column"),
    [
        ('{"input":[1,NaN]}', 13),
        ('{"é":NaN}', 7),
        ('{"input":{"a":1,"a":2}}', 17),
        ('  {"f":"read",}', 15),
        ('{"f":"\\ud800"}', 7),
    ],
)
def test_the_native_reader_names_the_column_in_bytes(line: str, column: int) -> None:
    (problem,) = refusal("native", text(line)).problems
    assert problem.column == column


@pytest.mark.parametrize("name", READERS)
def test_a_half_written_last_line_is_its_own_problem(name: str) -> None:
    last = event(1, 0, "ok", output={"a": ["é", '\\"{']}).encode()
    for end in range(1, len(last)):
        (problem,) = refusal(name, text(GOOD) + last[:end]).problems
        assert (problem.line, problem.kind) == (2, "partial-line")
        assert "--drop-partial-line" in str(problem)
        dropped = read(name, text(GOOD) + last[:end], drop=True)
        assert (len(dropped.events), dropped.dropped_line) == (1, 2)
    whole = read(name, text(GOOD) + last, drop=True)
    assert (len(whole.events), whole.dropped_line) == (2, None)


@pytest.mark.parametrize("name", READERS)
def test_dropping_leaves_out_nothing_but_a_half_written_last_line(name: str) -> None:
    for data in (text(GOOD, '{"f":'), text(GOOD) + b'{"f":NaN}', b'{"f":\n' + GOOD.encode()):
        with pytest.raises(MalformedHistory):
            read(name, data, drop=True)


@pytest.mark.parametrize("name", READERS)
def test_an_empty_file_is_an_empty_history(name: str) -> None:
    table = read(name, b"")
    assert (len(table.events), len(table.operations), len(table.operations.values)) == (0, 0, 1)


@pytest.mark.parametrize("name", READERS)
def test_refuses_a_line_that_is_too_long(name: str) -> None:
    line = b'{"f":"' + b"x" * 64 * 2**20 + b'"}\n'
    assert problems(name, line) == [(1, "line-too-long", str(64 * 2**20))]


def test_every_kind_has_a_sentence_that_takes_its_detail() -> None:
    for kind in SENTENCES:
        assert "{" not in str(Problem(3, 0, kind, "index"))
        assert str(Problem(3, 4, kind, "index")).startswith("line 3, column 4: ")
