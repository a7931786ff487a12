"""The invariants hold at every step under every fault; and an observer that sees bugs."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import pytest

from lineal.definition import Test
from lineal.running import run
from systems_under_test.environments.simulated.cluster import SimulatedCluster
from systems_under_test.paxos.system import Paxos
from tests.systems_under_test.paxos.driving import FIVE, THREE
from tests.systems_under_test.paxos.invariants import Observer

if TYPE_CHECKING:
    from pathlib import Path


SEEDS_IN_SOAK = int(os.environ.get("LINEAL_SEEDS", "500")) // 5


class ObservedPaxos(Paxos):
    """The store, with an observer in every replica."""

    replica_path = "tests.systems_under_test.paxos.invariants:make_replica"  # type: ignore[misc]


CONFIGURATIONS: list[tuple[str, tuple[str, ...], dict[str, Any], str]] = [
    ("register", THREE, {}, "all"),
    ("register", FIVE, {}, "all"),
    ("list-append", THREE, {"handover_every_ms": 700, "checkpoint_slots": 5}, "all"),
    ("register", FIVE, {"log_replicas": 2, "replace_after_ms": 500}, "kill,partition"),
    ("register", THREE, {"engine": "memory"}, "kill"),
    ("list-append", THREE, {"archive": "on", "checkpoint_slots": 5}, "disk:flip,partition"),
    ("register", THREE, {}, "disk:lost,kill"),
]


@pytest.fixture
def observer(monkeypatch: pytest.MonkeyPatch) -> Observer:
    """The observer of the next cluster that comes up."""
    watching = Observer()
    monkeypatch.setattr(Observer, "current", watching)
    plain = SimulatedCluster.up

    def up(cluster: SimulatedCluster) -> None:
        watching.cluster = cluster
        plain(cluster)

    monkeypatch.setattr(SimulatedCluster, "up", up)
    return watching


def observe(runs: Path, seed: int, **given: Any) -> None:
    test = Test(system=ObservedPaxos(), environment="simulated", seed=seed, **given)
    run(test, runs=runs, report=False)


@pytest.mark.parametrize("seed", range(2))
@pytest.mark.parametrize("configuration", CONFIGURATIONS, ids=lambda c: f"{c[0]}-{c[2]}")
def test_the_invariants_hold_at_every_step(
    configuration: tuple[str, tuple[str, ...], dict[str, Any], str],
    seed: int,
    observer: Observer,
    tmp_path: Path,
) -> None:
    workload, nodes, options, faults = configuration
    observe(tmp_path, seed, workload=workload, nodes=nodes, options=options, faults=faults)
    assert observer.violations == []
    assert observer.inputs > 1_000
    assert observer.compared > 100
    assert len(observer.chosen) > 100
    assert len(observer.digests) > 50


@pytest.mark.soak
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("configuration", CONFIGURATIONS, ids=lambda c: f"{c[0]}-{c[2]}")
def test_the_invariants_hold_at_every_step_of_many_runs(
    configuration: tuple[str, tuple[str, ...], dict[str, Any], str],
    observer: Observer,
    tmp_path: Path,
) -> None:
    workload, nodes, options, faults = configuration
    for seed in range(2, 2 + SEEDS_IN_SOAK):
        observer.__init__()  # type: ignore[misc]
        observe(tmp_path, seed, workload=workload, nodes=nodes, options=options, faults=faults)
        assert observer.violations == [], seed


SEEN_BY = {
    "half-quorum": "two values",
    "accepts-below-promise": "two values",
    "promise-not-durable": "two values",
    "votes-right-after-restart": "hold the lease",
    "lease-ignores-drift": "hold the lease",
    "snapshot-over-newer": "is not the log's",
}


@pytest.mark.parametrize("bug", SEEN_BY)
def test_the_observer_sees_what_a_bug_breaks(bug: str, observer: Observer, tmp_path: Path) -> None:
    about = Paxos().bugs[bug]
    for seed in range(20):
        observer.__init__()  # type: ignore[misc]
        observe(tmp_path, seed, workload=about.workload, faults=about.faults, bug=bug)
        if any(SEEN_BY[bug] in violation for violation in observer.violations):
            return
    pytest.fail(f"20 seeds, and nothing like {SEEN_BY[bug]!r} was seen")
