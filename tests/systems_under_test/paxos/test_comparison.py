"""Copies are compared as their parts arrive; the twin compares them when all of them are there."""

from __future__ import annotations

from collections import Counter

import pytest

from systems_under_test.paxos import comparison as comparing
from systems_under_test.paxos.comparison import Comparison, Sum
from systems_under_test.paxos.state_machine import TABLES
from systems_under_test.rng import Rng

NAMES = ("n1", "n2", "n3", "archive")


def differences(copies: dict[str, list[Sum]]) -> list[list[str]]:
    """[copy, table, key] wherever a copy differs from what most of them hold."""
    held = {name: {(table, key): crc for table, key, crc in rows} for name, rows in copies.items()}
    found = []
    rows = {row for sums in held.values() for row in sums}
    for row in sorted(rows, key=lambda row: (TABLES.index(row[0]), row[1])):
        values = {name: sums.get(row) for name, sums in held.items()}
        usual, _ = Counter(values.values()).most_common(1)[0]
        found += [[n, row[0], row[1].decode()] for n, crc in values.items() if crc != usual]
    return found


def state(rng: Rng) -> list[Sum]:
    rows = [(table, b"k%02d" % n, n) for table in TABLES for n in range(12)]
    kept = [row for row in rows if rng.below(12)]
    return [(table, key, crc if rng.below(12) else 99) for table, key, crc in kept]


@pytest.mark.parametrize("seed", range(30))
def test_what_differs_is_found_however_the_parts_arrive(seed: int) -> None:
    rng = Rng(f"{seed}")
    copies = {name: state(rng) for name in NAMES}
    left = {name: list(rows) for name, rows in copies.items()}
    comparison = Comparison(NAMES)
    while not comparison.done:
        name = rng.choice(comparison.awaited)
        size = rng.below(6)
        part, left[name] = left[name][:size], left[name][size:]
        comparison.add(name, part, ends=not left[name])
        # No more is held than the parts that came, however many rows there are.
        assert all(len(copy.rows) < 6 for copy in comparison._copies.values())
    assert comparison.names == sorted(NAMES)
    assert comparison.differs == differences(copies)
    assert comparison.differences == len(comparison.differs) > 0


def test_who_is_left_out_is_waited_for_no_more_and_no_more_heard() -> None:
    comparison = Comparison(("n1", "n2", "n3"))
    comparison.add("n1", [("values", b"a", 1)], ends=True)
    comparison.add("n2", [("values", b"a", 1)], ends=True)
    assert comparison.awaited == ["n3"]
    comparison.leave_out("n3")
    comparison.add("n3", [("values", b"a", 2)], ends=False)
    assert comparison.done
    assert (comparison.names, comparison.differences) == (["n1", "n2"], 0)


def test_more_differences_than_are_named_are_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(comparing, "DIFFERENCES_MAX", 3)
    comparison = Comparison(("n1", "n2", "n3"))
    rows = [("values", b"k%d" % n, n) for n in range(5)]
    comparison.add("n1", rows, ends=True)
    comparison.add("n2", rows, ends=True)
    comparison.add("n3", [], ends=True)
    assert comparison.differs == [["n3", "values", f"k{n}"] for n in range(3)]
    assert comparison.differences == 5
