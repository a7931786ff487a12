"""Vector clocks do what the paper says, the loss through one coordinator included."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from systems_under_test.dynamo.configuration import configure, problems_of
from systems_under_test.dynamo.last_write_wins import next_counter
from systems_under_test.dynamo.promises import promises
from systems_under_test.dynamo.vector_clocks import ENTRIES_MAX, advanced, cut
from systems_under_test.dynamo.versions import Dot, Version, merge
from systems_under_test.rng import Rng
from systems_under_test.system import FaultPlanSummary
from tests.proof.sweeping import kinds, simulate
from tests.systems_under_test.dynamo.driving import Drive

if TYPE_CHECKING:
    from pathlib import Path

VECTOR = {"versioning": "vector-clock"}


def clock(**entries: int) -> tuple[tuple[str, int, tuple[int, ...]], ...]:
    return tuple((node, 1, (-1, counter)) for node, counter in sorted(entries.items()))


def test_the_counter_is_the_wall_clock_in_microseconds_and_never_goes_back() -> None:
    assert next_counter(0, 5_000_999) == 5_000
    assert next_counter(5_000, 5_000_999) == 5_001
    assert next_counter(9_000, -1_000_000) == 9_001


def test_a_clock_covers_its_context_and_all_that_its_server_wrote_before() -> None:
    assert advanced(clock(a=3, b=7), "a", 1, 9) == clock(a=8, b=7)
    assert advanced(clock(b=7), "a", 1, 1) == clock(a=0, b=7)
    assert advanced((), "a", 1, 4) == clock(a=3)


def test_the_oldest_entries_go_beyond_ten() -> None:
    many = clock(**{f"n{i:02}": 100 - i for i in range(12)})
    kept = advanced(many, "n00", 1, 500)
    assert len(kept) == ENTRIES_MAX
    assert [node for node, _, _ in kept] == [f"n{i:02}" for i in range(10)]
    assert cut(many, 2) == clock(n00=100, n01=99)


@pytest.mark.parametrize("seed", range(20))
def test_until_it_is_cut_a_clock_orders_as_the_exact_vectors_of_the_twin_do(seed: int) -> None:
    rng = Rng(f"clocks/{seed}")
    versions: list[tuple[Version, dict[str, int]]] = []
    for wall in range(1, 30):
        node = rng.choice(["a", "b", "c"])
        seen = [versions[rng.below(len(versions))] for _ in range(rng.below(3)) if versions]
        context = {n: max((v.get(n, 0) for _, v in seen), default=0) for n in "abc"}
        exact = {**context, node: wall}
        history = advanced(clock(**{n: c for n, c in context.items() if c}), node, 1, wall)
        versions.append((Version(Dot(node, 1, wall), -1, history, b""), exact))
    for one, its in versions:
        for other, others in versions:
            below = one is not other and all(its[n] <= others[n] for n in "abc")
            assert (len(merge((one,), (other,))) == 1) == (
                one is other or below or all(others[n] <= its[n] for n in "abc")
            )


def test_of_two_concurrent_updates_through_one_coordinator_the_first_is_lost() -> None:
    for options, expected in ((VECTOR, ["2"]), ({}, ["1", "2"])):
        drive = Drive(options)
        home, _ = drive.home("k")
        drive.put(home[0], "k", "1")
        drive.put(home[0], "k", "2")
        drive.wait(100)
        assert drive.values("n1", "k") == expected


def test_a_clock_that_is_greater_in_one_entry_and_less_in_another_is_concurrent() -> None:
    drive = Drive(VECTOR)
    home, _ = drive.home("k")
    context = drive.put(home[1], "k", "1")["context"]
    drive.put(home[0], "k", "2", context)
    drive.put(home[0], "k", "3")
    drive.wait(100)
    assert drive.values("n1", "k") == ["2", "3"]


def test_concurrent_updates_through_two_coordinators_are_siblings_and_merge() -> None:
    drive = Drive(VECTOR)
    home, _ = drive.home("k")
    drive.put(home[0], "k", "1")
    drive.put(home[1], "k", "2")
    drive.wait(100)
    read = drive.get("n1", "k")
    assert drive.values("n1", "k") == ["1", "2"]
    drive.put(home[2], "k", "3", read["context"])
    drive.wait(100)
    assert drive.values("n1", "k") == ["3"]
    drive.wait(500)
    assert drive.unrest() == []


def test_the_eleventh_server_of_a_key_has_its_clock_cut_and_that_is_counted() -> None:
    nodes = tuple(f"n{i:02}" for i in range(12))
    drive = Drive(VECTOR | {"n": 12}, nodes=nodes)
    context: str | None = None
    for number, node in enumerate(nodes, 1):
        context = drive.put(node, "k", f"{number}", context)["context"]
        assert drive.counter("clocks_cut") == max(0, number - ENTRIES_MAX)


def test_the_loss_is_counted_and_claimed_by_nobody(tmp_path: Path) -> None:
    judgement = simulate("dynamo", 1, tmp_path, options=VECTOR)
    assert judgement.status == "valid"
    assert kinds(judgement) == set()
    observed = dict(judgement.checks)["siblings"].observed
    assert observed["counted"]["lost-update"]["count"] > 0


def test_the_option_is_offered() -> None:
    nodes = ("n1", "n2", "n3")
    assert problems_of(VECTOR, nodes) == []
    assert "versioning must be dotted or vector-clock" in problems_of({"versioning": "x"}, nodes)[0]


def test_one_vector_clock_covers_what_only_one_of_two_reads_has_shown() -> None:
    drive = Drive(VECTOR | {"r": 1, "w": 1, "read_repair": "off", "anti_entropy": "off"})
    (one, other, _), _ = drive.home("k")
    drive.put(other, "k", "seen")
    drive.wait(100)
    context = drive.get(other, "k")["context"]
    drive.isolate(one)
    drive.put(one, "k", "u", context)
    drive.heal()
    drive.put(one, "k", "a")
    drive.put(other, "k", "b")
    drive.wait(100)
    reads = [drive.get(node, "k") for node in (one, other)]
    assert [[it["value"] for it in read["versions"]] for read in reads] == [
        ["u", "a", "b"],
        ["a", "b"],
    ]
    assert reads[0]["context"] == reads[1]["context"]
    claimed = promises(configure(VECTOR), FaultPlanSummary(frozenset())).claims
    assert "dishonest-context" not in claimed
    assert "dishonest-context" in promises(configure({}), FaultPlanSummary(frozenset())).claims
