"""The native importer and its simple twin agree: on what they read, and on what they refuse."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from checker.history.columns import History
from checker.history.importers import twin
from checker.history.importers.formats import from_bytes
from checker.history.importers.reading import Reading
from checker.history.layout import EVENT_FIELDS, OPERATION_FIELDS
from checker.history.problems import SENTENCES, MalformedHistory
from tests.checker.history.histories import SEEDS, mutated
from tests.checker.history.importers.texts import SCRAPS, VALUES, histories, logs

if TYPE_CHECKING:
    from collections.abc import Callable

    from checker.history.importers.reading import Format

SYNTAX = {
    *("not-edn", "duplicate-key", "surrogate", "too-deep", "number-too-long", "not-finite"),
    "partial-line",
}
"""Kinds of which the one names the first that it meets, and the other another."""

READINGS = st.builds(
    Reading,
    failed_cas=st.sampled_from([None, "drop", "observe"]),
    nil_reads=st.sampled_from([None, "drop", "observe"]),
    independent=st.sampled_from([None, None, True, False]),
    maps_are_txns=st.booleans(),
    blank_is_absent=st.booleans(),
)


def contents(history: History) -> list[object]:
    columns = [bytes(getattr(history.lines, name)) for name in EVENT_FIELDS]
    columns += [bytes(getattr(history.columns, name)) for name in OPERATION_FIELDS]
    return [*columns, history.values.texts, bytes(history.values.ends), history.dropped_line]


def outcome(read: Callable[[], History]) -> object:
    """What was read, or where it was refused and why."""
    try:
        return contents(read())
    except MalformedHistory as malformed:
        kinds = [(problem.line, problem.kind) for problem in malformed.problems]
    return "not readable" if any(kind in SYNTAX for _, kind in kinds) else sorted(kinds)


def compare(data: bytes, format: Format, reading: Reading, *, drop: bool = False) -> object:
    found = outcome(
        lambda: from_bytes(data, format, reading=reading, drop_partial_line=drop).history
    )
    assert found == outcome(
        lambda: History(twin.read(data, format, reading=reading, drop_partial_line=drop))
    )
    return found


@settings(deadline=None, max_examples=300)
@given(data=histories(), reading=READINGS)
def test_edn_gives_the_same_history(data: bytes, reading: Reading) -> None:
    compare(data, "edn", reading)


@settings(deadline=None, max_examples=100)
@given(data=logs(), reading=READINGS)
def test_logs_give_the_same_history(data: bytes, reading: Reading) -> None:
    compare(data, "log", reading)


@settings(deadline=None, max_examples=300)
@given(value=VALUES)
def test_values_have_the_same_canonical_text(value: str) -> None:
    data = f"{{:process 0 :type :invoke :f :f :value {value}}}".encode()
    compare(data, "edn", Reading(independent=False))


def compare_broken(data: bytes, format: Format, reading: Reading, seed: int, count: int) -> None:
    """Many mutants of one text: to draw a text takes twenty times as long as to read it."""
    rng = random.Random(seed)
    for _ in range(count):
        compare(mutated(rng, data, SCRAPS), format, reading, drop=rng.random() < 0.5)


@settings(deadline=None, max_examples=300)
@given(data=st.binary(max_size=40), reading=READINGS, drop=st.booleans())
def test_any_bytes_give_the_same(data: bytes, reading: Reading, drop: bool) -> None:
    compare(data, "edn", reading, drop=drop)


@settings(deadline=None, max_examples=100)
@given(data=histories(), reading=READINGS, seed=SEEDS)
def test_broken_edn_gives_the_same(data: bytes, reading: Reading, seed: int) -> None:
    compare_broken(data, "edn", reading, seed, count=10)


@settings(deadline=None, max_examples=50)
@given(data=logs(), reading=READINGS, seed=SEEDS)
def test_broken_logs_give_the_same(data: bytes, reading: Reading, seed: int) -> None:
    compare_broken(data, "log", reading, seed, count=10)


@pytest.mark.soak
@settings(deadline=None, max_examples=400)
@given(data=histories(), reading=READINGS, seed=SEEDS)
def test_much_broken_edn_gives_the_same(data: bytes, reading: Reading, seed: int) -> None:
    compare_broken(data, "edn", reading, seed, count=50)


def test_every_kind_of_refusal_has_a_sentence() -> None:
    kinds = ["not-edn", "not-an-event", "not-a-tuple", "unlike-invocation", "unmapped-cas"]
    kinds += ["unmapped-txn", "unmapped-registers", "blank-append", "unrecognized"]
    assert all(SENTENCES[kind].format(detail="x", expected="y") for kind in kinds)
