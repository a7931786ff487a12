"""The notation says any history, and what it cannot say it refuses with the place."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings

from checker.history.columns import History
from checker.history.events import Event
from checker.history.language import NotationError, is_word, statement_of, statements, tokens
from checker.history.notation import parse, render
from checker.history.problems import MalformedHistory
from tests.checker.history.histories import event_lists


def events(text: str) -> list[dict[str, Any]]:
    """The events of a text, fields that are absent left out."""
    defaults: dict[str, Any] = {"extra": {}}
    return [
        {
            name: value
            for name in Event.__struct_fields__
            if (value := getattr(event, name)) != defaults.get(name)
        }
        for event in parse(text).events()
    ]


def test_an_operation_answered_at_once_is_two_events() -> None:
    common = {"process": 3, "f": "cas", "key": "x"}
    assert events("p3: cas x [1, 2] -> false") == [
        {"index": 0, "time": 1, "type": "invoke", "input": [1, 2], **common},
        {"index": 1, "time": 2, "type": "ok", "output": False, **common},
    ]


@pytest.mark.parametrize(
    ("answer", "type", "output", "error"),
    [
        ("ok", "ok", None, None),
        ("5", "ok", 5, None),
        ("null", "ok", None, None),
        ("ok 5", "ok", 5, None),
        ("fail", "fail", None, None),
        ('fail "no"', "fail", None, "no"),
        ('info "time-out"', "info", None, "time-out"),
        ("info output=5", "info", 5, None),
        ("[1] error=odd", "ok", [1], "odd"),
    ],
)
def test_answers(answer: str, type: str, output: Any, error: Any) -> None:
    (operation,) = parse(f"p0: read x -> {answer}")
    assert (operation.outcome, operation.output, operation.error) == (type, output, error)


def test_operations_are_concurrent_when_the_answer_stands_apart() -> None:
    first, second = parse("p0: write x 1\np1: read x -> 1\np0: -> ok\n")
    assert first.ret is not None
    assert second.ret is not None
    assert first.call < second.call < second.ret < first.ret
    assert (first.f, first.key, first.outcome) == ("write", "x", "ok")


def test_stamps_count_on_from_the_latest() -> None:
    found = parse("p0: a @10 -> ok @20\np1: b @15 -> ok @18\np2: c -> ok\n").events()
    assert [event.time for event in found] == [10, 20, 15, 18, 21, 22]


def test_keys_that_are_no_words_and_other_fields_are_named() -> None:
    (event,) = events('p0: add 5 key=[1] node=n-1 request=r.7 slot=12 context="a b" index=9')
    assert (event["key"], event["input"], event["index"]) == ([1], 5, 9)
    assert (event["node"], event["request"]) == ("n-1", "r.7")
    assert event["extra"] == {"slot": 12, "context": "a b"}


def test_a_completion_takes_over_f_key_and_fault_of_its_invocation() -> None:
    text = "nemesis: pause fault=1\nnemesis: kill fault=2\nnemesis: -> applied fault=1\n"
    *_, answered, last = events(text + "nemesis: -> partly")
    assert (answered["f"], answered["fault"]) == ("pause", 1)
    assert (last["f"], last["fault"], last["output"]) == ("kill", 2, {"effect": "partly"})


def test_what_the_run_notes_is_a_completion_alone() -> None:
    assert events('nemesis: recovered {"seconds_ns": 7}') == [
        {
            "index": 0,
            "time": 1,
            "process": "nemesis",
            "type": "info",
            "f": "recovered",
            "output": {"seconds_ns": 7},
        }
    ]


def test_a_line_of_the_file_stands_for_itself() -> None:
    raw = '{"index":4,"time":9,"process":0,"type":"invoke","f":"two words"}'
    first, second = events(f"{raw}\np0: -> ok")
    assert (first["f"], second["f"], second["index"], second["time"]) == (
        "two words",
        "two words",
        5,
        10,
    )


def test_comments_and_blank_lines_say_nothing() -> None:
    assert len(parse('\n# nothing\n  p0: write x "#1" # one\n\n')) == 1
    assert parse('p0: write x "#1" # one')[0].input == "#1"


@pytest.mark.parametrize(
    ("line", "column", "message"),
    [
        ("p0", 3, "a colon belongs here"),
        ("p0:", 4, "what is asked belongs here"),
        (": read", 1, "a process, a node or nemesis belongs here"),
        ("p0: 5", 5, "what is asked belongs here"),
        ("p0: write 1 2", 13, "name=value, @stamp, -> or the end of the line belongs here"),
        ("p0: write x y", 13, "name=value, @stamp, -> or the end of the line belongs here"),
        ("p0: write x @", 14, "an integer of nanoseconds belongs here"),
        ("p0: write x @1.5", 14, "an integer of nanoseconds belongs here"),
        ("p0: write x node=", 18, "a word or a value belongs here"),
        ("p0: write x node=a node=b", 20, "node once and not twice belongs here"),
        ("p0: read -> 1 -> 2", 15, "the end of the line belongs here"),
        ("p0: write x NaN", 13, "name=value, @stamp, -> or the end"),
        ("p0: write x [NaN]", 13, "NaN is no JSON number"),
        ("p0: write x 'a'", 13, "a word, a JSON value or one of -> : = @ belongs here"),
        ('p0: write x "a', 13, "a word, a JSON value or one of"),
        ("p0: write x " + "[" * 100_000, 13, "recursion"),
        ("n1: read", 1, "a process (p0, p1, ...) or nemesis belongs here"),
        ("p01: read", 1, "a process (p0, p1, ...) or nemesis belongs here"),
        ("p0: -> 1", 1, "nothing is open that this could answer"),
        ("nemesis: quiescent -> 1", 1, "nothing is open that this could answer"),
        ("p0: read -> maybe", 1, "maybe is no answer: write ok, fail or info"),
        ("nemesis: kill -> applied 1", 1, "applied is no answer: write ok, fail or info"),
        ("p0: read time=5", 1, "index is an integer; time, process, type, f are no names"),
        ("p0: read index=x", 1, "index is an integer; time, process, type, f are no names"),
    ],
)
def test_refuses_what_is_no_notation_and_names_the_place(
    line: str, column: int, message: str
) -> None:
    with pytest.raises(NotationError) as refused:
        parse(f"# first\n{line}")
    assert message in str(refused.value)
    assert (refused.value.line, refused.value.column) == (2, column)


def test_refuses_what_is_no_history_and_names_the_line_of_the_text() -> None:
    with pytest.raises(MalformedHistory) as refused:
        parse("# first\np0: read -> 1\n\np0: write 1\np0: write 2\np1: read node=5\n")
    assert [(p.line, p.kind) for p in refused.value.problems] == [
        (5, "two-open-operations"),
        (6, "ill-typed-field"),
    ]
    assert str(refused.value).startswith("the notation is malformed: 2 problems")
    with pytest.raises(MalformedHistory, match="line 2: the field type is missing"):
        parse('p0: read -> 1\n{"index":2,"time":9,"process":1,"f":"read"}\n')


@settings(deadline=None, max_examples=200)
@given(script=event_lists())
def test_what_is_rendered_reads_back_as_the_same_history(script: list[Event]) -> None:
    history = History.of(script)
    text = render(history)
    assert parse(text).to_bytes() == history.to_bytes()
    assert render(parse(text)) == text


@pytest.mark.parametrize(
    "text",
    [
        "p0: write x 1\np1: read x -> 1\np0: -> ok\n",
        'p0: write x 1 -> info "time-out"\np1: read x -> fail\n',
        'p0: add {"a": [1, null]} key=3 node=n1 slot=4 @7 -> ok request=r @9\n',
        'nemesis: pause {"targets": ["n1"]} fault=7 -> applied\nnemesis: heal fault=7 -> healed\n',
        'nemesis: kill fault=1 -> {"effect": "partly", "method": "signal"}\nnemesis: quiescent\n',
        "nemesis: kill fault=1\nnemesis: kill fault=2\nnemesis: -> applied fault=1\n",
        '{"index":0,"time":1,"process":0,"type":"invoke","f":"two words"}\np0: -> 5\n',
        'p0: read key="true" -> "tr ue"\n',
    ],
)
def test_texts_in_their_shortest_form_are_rendered_as_they_stand(text: str) -> None:
    assert render(parse(text)) == text


def test_the_language_says_what_scenarios_of_nodes_need() -> None:
    statement, other = statements("n1: write x 1 -> ok\nn1: -> applied")
    assert (statement.line, statement.who) == (1, "n1")
    assert statement.asked is not None
    assert statement.answered is not None
    assert (statement.asked.word, statement.asked.key, statement.asked.value) == ("write", "x", 1)
    assert (statement.answered.word, statement.answered.has_value) == ("ok", False)
    assert (other.line, other.asked) == (2, None)
    assert statement_of("  # nothing", 1) is None


def test_words_hold_hyphens_and_dots_and_end_before_an_arrow() -> None:
    assert [token.value for token in tokens("not-quiescent n1.2.17->x", 1)] == [
        "not-quiescent",
        "n1.2.17",
        "->",
        "x",
    ]
    assert is_word("read-all")
    assert not any(map(is_word, ["", "a b", "true", "1a", "-a", "a-", "é"]))
