"""The native reader and its simple twin agree: on what they read, and on what they refuse."""

from __future__ import annotations

import random
from itertools import pairwise
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from checker.history import reader, twin
from checker.history.layout import EVENT_FIELDS, OPERATION_FIELDS, Table
from checker.history.problems import MalformedHistory
from tests.checker.history.histories import SEEDS, files, mutated

if TYPE_CHECKING:
    from collections.abc import Callable

IN_ORDER_OF_SCANNING = {
    *("not-json", "not-an-object", "duplicate-key", "not-finite", "surrogate", "too-deep"),
    "number-too-long",
}
"""Kinds of which the reader names the first that it meets, and the twin another."""


def contents(table: Table) -> list[object]:
    columns = [bytes(getattr(table.events, name)) for name in EVENT_FIELDS]
    columns += [bytes(getattr(table.operations, name)) for name in OPERATION_FIELDS]
    values = table.operations.values
    return [*columns, values.texts, bytes(values.ends), table.dropped_line]


def outcome(read: Callable[[], Table]) -> tuple[list[object] | None, MalformedHistory | None]:
    try:
        return contents(read()), None
    except MalformedHistory as malformed:
        return None, malformed


def chunks(data: bytes, cuts: list[int]) -> list[bytes]:
    edges = sorted({0, len(data), *(cut % (len(data) + 1) for cut in cuts)})
    return [data[start:end] for start, end in pairwise(edges)]


def described(malformed: MalformedHistory | None) -> set[tuple[int, str, str]]:
    problems = malformed.problems if malformed else ()
    return {
        (problem.line, "unreadable", "")
        if problem.kind in IN_ORDER_OF_SCANNING
        else (problem.line, problem.kind, problem.detail)
        for problem in problems
    }


@settings(deadline=None, max_examples=200)
@given(data=files(), cuts=st.lists(st.integers(0, 2000), max_size=3))
def test_well_formed_files_give_the_same_columns(data: bytes, cuts: list[int]) -> None:
    table = reader.read(chunks(data, cuts))
    assert contents(table) == contents(twin.read(data))
    assert len(table.events) == sum(1 for line in data.split(b"\n") if line.strip())


def compare_broken(data: bytes, cuts: list[int], *, drop: bool) -> None:
    table, refused = outcome(lambda: reader.read(chunks(data, cuts), drop_partial_line=drop))
    twins, twin_refused = outcome(lambda: twin.read(data, drop_partial_line=drop))
    assert table == twins
    assert described(refused) == described(twin_refused)


@settings(deadline=None, max_examples=100)
@given(data=files(), cuts=st.lists(st.integers(0, 2000), max_size=3), seed=SEEDS)
def test_broken_files_give_the_same_columns_or_the_same_problems(
    data: bytes, cuts: list[int], seed: int
) -> None:
    rng = random.Random(seed)
    for _ in range(10):
        compare_broken(mutated(rng, data), cuts, drop=rng.random() < 0.5)


@settings(deadline=None, max_examples=200)
@given(data=st.binary(max_size=40), drop=st.booleans())
def test_any_bytes_give_the_same_problems(data: bytes, drop: bool) -> None:
    compare_broken(data, [], drop=drop)


@pytest.mark.parametrize(
    "value",
    [
        *("0", "-0", "1", "-1", "0.0", "-0.0", "1.0", "1e0", "1E+2", "1e-5", "9.99e-5", "1e-6"),
        *(
            "0.1",
            "1e15",
            "1e16",
            "123456789012345678901234567890",
            "5e-324",
            "1.7976931348623157e308",
            "562949953421312.2",
        ),
        *("9007199254740993", "9007199254740993.0", "2.5e-1", "100000000000000000000.0", "1e22"),
        *('"\\u0000\\u001f\\b\\f\\n\\r\\t\\"\\\\\\/"', '"\\ud83d\\ude00"', '"\x7f\u2028é"'),
        *('{"b":1,"a":{"d":[ ],"c":{ }}}', "[ 1 , [2,3 ] ]", '{"\\u00e9":1,"z":2,"\U0001f600":3}'),
        *('{"\\uffff":1,"\\ud83d\\ude00":2}', "9" * 1000, "[" * 126 + "]" * 126),
    ],
)
def test_values_have_the_same_canonical_text(value: str) -> None:
    line = f'{{"index":0,"time":0,"process":0,"type":"invoke","f":"f","input":{value}}}\n'.encode()
    assert contents(reader.read([line])) == contents(twin.read(line))


@settings(deadline=None, max_examples=300)
@given(
    numbers=st.lists(
        st.floats(allow_nan=False, allow_infinity=False)
        | st.builds(lambda m, e: m * 10.0**e, st.integers(1, 10**17), st.integers(-30, 10))
        # Halfway between two shortest texts: 562949953421312.25.
        | st.builds(lambda m, e: m / 2.0**e, st.integers(2**46, 2**53), st.integers(0, 12)),
        min_size=1,
    )
)
def test_numbers_have_the_same_canonical_text(numbers: list[float]) -> None:
    line = f'{{"index":0,"time":0,"process":0,"type":"invoke","f":"f","input":{numbers}}}'.encode()
    assert contents(reader.read([line])) == contents(twin.read(line))
