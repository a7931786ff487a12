"""Reads by slot: what is right at its slot is held against nobody, what is not is found."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from checker.invariants.slots import Slots
from tests.checker.judging import judged, kinds, sentence

if TYPE_CHECKING:
    from collections.abc import Sequence

START = "p1: write x 1 -> ok slot=3\np2: write x 2 -> ok slot=5\n"


@pytest.mark.parametrize(
    "read",
    [
        "p3: read-eventual x -> null slot=2",
        "p3: read-eventual x -> 1 slot=3",
        "p3: read-eventual x -> 1 slot=4",
        "p3: read x -> 2 slot=900",
        "p3: read-eventual x 5 -> 2 slot=5",
        "p4: write x 3 -> info\np3: read-eventual x -> 3 slot=4",
        "p4: cas x [1, 3] -> true slot=4\np3: read-eventual x -> 3 slot=4",
        "p4: cas x [9, 3] -> false slot=4\np3: read-eventual x -> 1 slot=4",
        "p3: read-eventual y -> null slot=900",
    ],
)
def test_accepts_what_the_key_held_at_the_slot(read: str) -> None:
    assert kinds(judged(Slots(), START + read)) == []


@pytest.mark.parametrize(
    ("read", "words"),
    [
        ("p3: read-eventual x -> null slot=3", "what was there before is over"),
        ("p3: read-eventual x -> 1 slot=5", "what was there before is over"),
        ("p3: read x -> 1 slot=8", "what was there before is over"),
        ("p3: read-eventual x -> 2 slot=4", "where it had not been chosen"),
        ("p3: read-eventual x -> 7 slot=8", "nobody had written that"),
        ("p4: write x 7 -> fail\np3: read-eventual x -> 7 slot=8", "nobody had written that"),
        ("p4: cas x [2, 7] -> false slot=6\np3: read x -> 7 slot=6", "nobody had written that"),
        ("p3: read-eventual x -> 7 slot=8\np4: write x 7 -> ok slot=8", "nobody had written"),
        ("p3: read-eventual x 5 -> 1 slot=4", "had asked for slot 5 or a later one"),
        ("p4: write y 9 -> ok slot=5", "a slot holds one command"),
    ],
)
def test_rejects_what_it_never_held_there(read: str, words: str) -> None:
    verdict = judged(Slots(), START + "p9: read x -> 2 slot=6\n" + read)
    assert kinds(verdict) == ["wrong-slot"]
    assert words in sentence(verdict)


def test_rejects_an_unanswered_write_that_is_read_on_both_sides_of_another() -> None:
    text = (
        f"{START}p4: write x 3 -> info\n"
        "p3: read-eventual x -> 3 slot=4\np3: read-eventual x -> 3 slot=6\n"
    )
    assert kinds(judged(Slots(), text)) == ["wrong-slot"]


def test_what_was_written_twice_is_not_judged() -> None:
    text = "p1: write x 1 -> ok slot=3\np2: write x 1 -> ok slot=5\np3: read x -> 1 slot=3\n"
    verdict = judged(Slots(), text)
    assert verdict.status == "unknown"
    assert "written twice" in (verdict.cause or "")


@pytest.mark.parametrize("text", ["p1: write x 1 -> ok slot=3", "p1: read x -> null slot=0"])
def test_without_writes_or_reads_nothing_is_judged(text: str) -> None:
    assert kinds(judged(Slots(), text)) == ["unknown"]


lines = st.lists(st.tuples(st.booleans(), st.booleans(), st.integers(0, 12)), min_size=1)


def told(log: Sequence[tuple[bool, bool, int]], *, shift: int) -> str:
    """A log of writes, some unanswered, and reads of any slot, two of them wrong by a shift."""
    slots = [slot for slot, (is_write, _, _) in enumerate(log, start=1) if is_write]
    text = ["p0: write x 0 -> ok slot=1000", "p0: read x -> 0 slot=1000"]
    for slot in slots:
        answered = log[slot - 1][1]
        text.append(f"p{slot}: write x {slot} -> {f'ok slot={slot}' if answered else 'info'}")
    for is_write, _, at in log:
        if not is_write:
            held = max((slot for slot in slots if slot <= at), default=None)
            text.append(f"p99: read-eventual x -> {'null' if held is None else held} slot={at}")
    if shift and slots:
        text.append(f"p99: read x -> {slots[0]} slot={slots[0] - shift}")
        text.append(f"p99: read x -> {slots[0]} slot={slots[0] + 1000}")
    return "\n".join(text)


@given(lines)
def test_a_log_read_at_any_slot_is_never_accused(log: list[tuple[bool, bool, int]]) -> None:
    assert kinds(judged(Slots(), told(log, shift=0))) == []


@given(lines)
def test_a_value_that_comes_back_is_found_whoever_wrote_it(
    log: list[tuple[bool, bool, int]],
) -> None:
    found = kinds(judged(Slots(), told(log, shift=1)))
    assert bool(found) == any(is_write for is_write, _, _ in log)
