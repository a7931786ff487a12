from __future__ import annotations

from typing import TYPE_CHECKING

from systems_under_test.dynamo.versions import EMPTY, STAMPED, Dot, Version, context_of, merge
from systems_under_test.rng import Rng
from tests.proof.sweeping import simulate
from tests.systems_under_test.dynamo.driving import Drive

if TYPE_CHECKING:
    from pathlib import Path

OPTIONS = {"reconciliation": "last-write-wins"}


def version(node: str, time: int, value: bytes = b"v") -> Version:
    return Version(Dot(node, 1, time), STAMPED, (), value)


def test_the_later_of_two_versions_stays_whoever_saw_whom() -> None:
    early, late = (version("n1", 5),), (version("n2", 9),)
    assert merge(early, late) == merge(late, early) == late
    assert merge(early, EMPTY) == merge(EMPTY, early) == early


def test_a_tie_is_settled_the_same_way_everywhere() -> None:
    one, other = (version("n1", 5, b"a"),), (version("n2", 5, b"b"),)
    assert merge(one, other) == merge(other, one) == other


def test_merging_in_any_order_ends_in_the_same() -> None:
    rng = Rng("merge")
    sets = [(version(f"n{rng.between(1, 5)}", n),) for n in rng.shuffled(range(30))]
    expected = max(sets, key=lambda one: one[0].dot.counter)
    for _ in range(20):
        merged = EMPTY
        for one in rng.shuffled([*sets, *sets]):
            merged = merge(merged, one)
        assert merged == expected


def test_a_context_covers_the_write_alone_and_not_all_before_it() -> None:
    assert context_of((version("n1", 7),)) == (("n1", 1, (6, 7)),)


def test_a_read_shows_one_version_and_a_blind_write_replaces_what_it_never_saw() -> None:
    drive = Drive(OPTIONS)
    drive.put("n1", "k", "first")
    drive.wait(10)
    drive.put("n2", "k", "second")
    for node in drive.cluster.nodes:
        assert drive.values(node, "k") == ["second"]
    assert Drive().put("n1", "k", "first")["id"].endswith(".1")


def test_the_write_of_a_slow_clock_is_acknowledged_and_gone() -> None:
    drive = Drive(OPTIONS)
    home, _ = drive.home("k")
    drive.put(home[0], "k", "by the right clock")
    drive.cluster.nodes[home[1]].set_clock(wall_offset_ns=-5_000_000_000)
    drive.wait(1000)
    drive.put(home[1], "k", "by the slow clock")
    drive.wait(1000)
    assert drive.values(home[2], "k", "?r=all") == ["by the right clock"]


def test_skewed_clocks_lose_updates_where_nothing_is_claimed_of_them(tmp_path: Path) -> None:
    counted = 0
    for seed in range(6):
        judgement = simulate("dynamo", seed, tmp_path, faults="clock", options=OPTIONS)
        assert judgement.status == "valid", judgement.explain()
        assert "lost-update-by-time" in judgement.promises.withdrawn
        observed = dict(judgement.checks)["last-write"].observed
        counted += "counted" in observed
    assert counted >= 2, "half of the seeds did, when this was written"
