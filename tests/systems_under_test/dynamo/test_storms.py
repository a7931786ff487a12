"""Random clients under random faults of every kind: a correct store loses nothing, ever."""

from __future__ import annotations

from typing import Any

import pytest

from systems_under_test.dynamo.bugs import BUGS
from tests.systems_under_test.dynamo.driving import NODES, Drive
from tests.systems_under_test.dynamo.storm import any_fault, storm

CONFIGURATIONS: list[dict[str, Any]] = [
    {},
    {"quorum": "strict"},
    {"n": 2, "r": 1, "w": 1},
    {"n": 5, "r": 3, "w": 3, "quorum": "strict"},
    {"n": 1, "r": 1, "w": 1},
    {"w": 3, "r": 1, "extended": 4},
    {"capacities": "n1=3", "vnodes": 3},
]


@pytest.mark.parametrize("seed", range(14))
def test_nothing_acknowledged_is_lost_and_replicas_end_equal(seed: int) -> None:
    blown = storm(Drive(CONFIGURATIONS[seed % len(CONFIGURATIONS)], seed=seed), seed)
    blown.blow(12, any_fault)
    assert blown.problems == []
    assert blown.outcomes["put ok"] > 50
    assert blown.settled_ms <= 5_000
    assert_replicas_are_equal(blown.drive)


@pytest.mark.parametrize("options", [{"anti_entropy": "off"}, {"read_repair": "off"}])
def test_nothing_is_lost_without_one_of_the_repairs(options: dict[str, Any]) -> None:
    blown = storm(Drive(options, seed=99), 99)
    blown.blow(12, any_fault)
    assert blown.problems == []


def test_calm_weather_leaves_no_request_unanswered_and_needs_no_stand_ins() -> None:
    blown = storm(Drive(), 1)
    blown.blow(10)
    assert blown.problems == []
    assert not any(kind.endswith(("fail", "info")) for kind in blown.outcomes)
    assert blown.drive.counter("peers_left_out") == 0
    assert blown.drive.counter("sloppy_writes") == 0
    assert blown.settled_ms == 500


def test_the_same_seed_gives_the_same_storm() -> None:
    first, second = (storm(Drive(seed=5), 5) for _ in range(2))
    for blown in (first, second):
        blown.blow(5, any_fault)
    assert first.writes == second.writes
    assert first.faults == second.faults
    logs = [[blown.drive.cluster.log(node) for node in NODES] for blown in (first, second)]
    assert logs[0] == logs[1]


@pytest.mark.parametrize("name", ["drop-siblings", "reuse-dot-after-crash"])
def test_the_storm_sees_a_bug(name: str) -> None:
    blown = storm(Drive(BUGS[name].needs, bug=name, seed=2), 2)
    blown.blow(12, any_fault)
    assert any("lost" in problem or "same id" in problem for problem in blown.problems)


def assert_replicas_are_equal(drive: Drive) -> None:
    """Each key is held by its N home nodes and by nobody else, and by all of them alike.

    Apart from keys that are deleted: their tombstones may be collected between two dumps.
    """
    dumps = {node: drive.page(node, "dump") for node in NODES}
    assert all(dump["hints"] == {} for dump in dumps.values())
    for key in sorted({key for dump in dumps.values() for key in dump["keys"]}):
        home, _ = drive.home(key)
        held = {n: d["keys"][key]["versions"] for n, d in dumps.items() if key in d["keys"]}
        if all("tombstone" in version for versions in held.values() for version in versions):
            continue
        assert set(held) == set(home)
        assert all(versions == held[home[0]] for versions in held.values())
