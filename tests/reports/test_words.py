"""How the report speaks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from checker.history.notation import parse
from reports.words import answered, asked, brief, count, moment, span, struck

if TYPE_CHECKING:
    from checker.history.columns import History


@pytest.mark.parametrize(
    ("ns", "text"),
    [
        (0, "0 ns"),
        (17, "17 ns"),
        (1_500, "1.5 µs"),
        (999_999, "1000 µs"),
        (12_345_678, "12.3 ms"),
        (100_000_000, "100 ms"),
        (1_000_000_000, "1 s"),
        (1_240_000_000, "1.24 s"),
        (-60_000_000_000, "-60 s"),
    ],
)
def test_a_span_has_three_digits_and_a_unit(ns: int, text: str) -> None:
    assert span(ns) == text


def test_a_moment_is_in_seconds_to_the_millisecond() -> None:
    assert moment(12_345_678_901) == "12.346 s"


@pytest.mark.parametrize(
    ("number", "text"),
    [(0, "0 faults"), (1, "1 fault"), (12_345, "12\u00a0345 faults")],
)
def test_a_count_agrees_with_its_noun(number: int, text: str) -> None:
    assert count(number, "fault") == text


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, ""),
        (17, "17"),
        ("x", "x"),
        (False, "false"),
        ([1, "a"], '[1,"a"]'),
        ({"value": 5, "context": None}, "5"),
        ({"value": 5, "context": "AbC"}, "5 with context"),
        ({"id": "n1.1.2", "context": "AbC"}, "n1.1.2"),
        ({"r": "all"}, "from all"),
        (
            {"versions": [{"id": "n1.1.2", "value": 5}, {"id": "n2.1.1", "tombstone": True}]},
            "[n1.1.2=5, n2.1.1=deleted]",
        ),
        ("y" * 100, "y" * 59 + "…"),
    ],
)
def test_a_value_is_said_in_a_few_characters(value: Any, text: str) -> None:
    assert brief(value) == text


def operations() -> History:
    return parse(
        """
        p0: write x 1 -> ok
        p0: read x -> 1
        p1: write x 2 -> info
        p2: write x 3 -> fail
        p0: read x -> ok
        """
    )


def test_an_operation_is_said_as_what_was_asked_and_answered() -> None:
    history = operations()
    said = [f"{asked(op)} / {answered(op)}" for op in history]
    assert said == [
        "write x 1 / ok", "read x / 1", "write x 2 / ?", "write x 3 / failed", "read x / null",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("given", "text"),
    [
        ({"variant": "halves", "targets": ["n1", "n2"], "grudge": {}}, "halves · n1, n2"),
        ({"targets": ["n1"], "wall_offset_ns": -10_000_000_000}, "n1 · by -10 s"),
        ({"targets": ["n1"], "rate_ppm": 500}, "n1 · by 500 ppm"),
        ({"grudge": {"n1": ["n2"]}, "targets": []}, '{"grudge":{"n1":["n2"]},"targets":[]}'),
        (None, ""),
    ],
)
def test_a_fault_is_said_by_what_it_struck(given: Any, text: str) -> None:
    from checker.history.events import FaultWindow

    window = FaultWindow(fault=1, f="x", input=given, start=0, end=None, effect=None, method=None)
    assert struck(window) == text
