"""Soundness: correct systems under every simulated fault give no finding."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from lineal import registry
from tests.proof.sweeping import simulate

if TYPE_CHECKING:
    from pathlib import Path

SYSTEMS = [
    ("dynamo", "siblings"),
    ("dynamo", "set"),
    ("atomic", "register"),
]
OF_DYNAMO = [("dynamo", "cart"), ("dynamo", "sessions")]
SEEDS_IN_CHECK = range(20)
SEEDS_IN_SOAK = range(20, int(os.environ.get("LINEAL_SEEDS", "500")))


@pytest.mark.parametrize(("system", "workload"), SYSTEMS)
@pytest.mark.parametrize("seed", SEEDS_IN_CHECK)
def test_every_fault_gives_no_finding(
    system: str, workload: str, seed: int, tmp_path: Path
) -> None:
    judgement = simulate(system, seed, tmp_path, faults="all", workload=workload)
    assert judgement.status == "valid", judgement.explain()


@pytest.mark.parametrize(("system", "workload"), OF_DYNAMO)
@pytest.mark.parametrize("quorum", ["sloppy", "strict"])
@pytest.mark.parametrize("seed", range(3))
def test_the_workloads_of_a_store_with_versions_give_no_finding(
    system: str, workload: str, quorum: str, seed: int, tmp_path: Path
) -> None:
    options = {"quorum": quorum, "fastest_reader": ("off", "on")[seed % 2]}
    judgement = simulate(system, seed, tmp_path, faults="all", workload=workload, options=options)
    assert judgement.status == "valid", judgement.explain()


@pytest.mark.soak
@pytest.mark.timeout(3600)
@pytest.mark.parametrize(("system", "workload"), SYSTEMS + OF_DYNAMO)
def test_every_fault_gives_no_finding_over_many_seeds(
    system: str, workload: str, tmp_path: Path
) -> None:
    accused, undecided = {}, {}
    for seed in SEEDS_IN_SOAK:
        judgement = simulate(system, seed, tmp_path, faults="all", workload=workload)
        if judgement.status == "invalid":
            accused[seed] = judgement.explain()
        elif judgement.status == "unknown":
            undecided[seed] = judgement.cause or ""
    assert accused == {}
    assert all("too little observed" in cause for cause in undecided.values()), undecided
    assert len(undecided) * 10 <= len(SEEDS_IN_SOAK), undecided


@pytest.mark.parametrize("options", [{"quorum": "strict"}, {"n": 3, "r": 1, "w": 3}])
@pytest.mark.parametrize("seed", range(5))
def test_a_strict_quorum_keeps_its_stronger_promises(
    options: dict[str, object], seed: int, tmp_path: Path
) -> None:
    given = {"quorum": "strict", **options}
    judgement = simulate("dynamo", seed, tmp_path, faults="all", options=given)
    assert "read-your-writes" in judgement.promises.claims
    assert judgement.status == "valid", judgement.explain()


@pytest.mark.parametrize("workload", ["siblings", "sessions", "cart"])
@pytest.mark.parametrize("seed", range(3))
def test_clients_that_know_the_ring_are_given_the_same_promises(
    workload: str, seed: int, tmp_path: Path
) -> None:
    options = {"client": "partition-aware", "quorum": "strict"}
    judgement = simulate("dynamo", seed, tmp_path, faults="all", workload=workload, options=options)
    assert workload == "cart" or "read-your-writes" in judgement.promises.claims
    assert judgement.status == "valid", judgement.explain()


@pytest.mark.parametrize(
    ("workload", "claim"), [("siblings", "lost-update"), ("set", "lost-element")]
)
@pytest.mark.parametrize("seed", range(5))
def test_durable_writes_survive_power_loss_and_torn_writes_on_every_node_at_once(
    workload: str, claim: str, seed: int, tmp_path: Path
) -> None:
    judgement = simulate("dynamo", seed, tmp_path, faults="power@all", workload=workload)
    assert claim in judgement.promises.claims
    assert judgement.status == "valid", judgement.explain()


@pytest.mark.parametrize("workload", ["siblings", "register"])
@pytest.mark.parametrize("seed", range(5))
def test_the_last_write_wins_within_the_bound_of_clocks(
    workload: str, seed: int, tmp_path: Path
) -> None:
    given = {"reconciliation": "last-write-wins"}
    faults = "partition,kill,pause,power,link"
    judgement = simulate("dynamo", seed, tmp_path, faults=faults, workload=workload, options=given)
    assert "lost-update-by-time" in judgement.promises.claims
    assert judgement.status == "valid", judgement.explain()


BUGS = [(s, b) for s in ("dynamo", "paxos") for b in sorted(registry.system(s).bugs)]


@pytest.mark.parametrize(("system", "bug"), BUGS)
def test_what_exposes_a_bug_accuses_nobody_who_does_not_have_it(
    system: str, bug: str, tmp_path: Path
) -> None:
    about = registry.system(system).bugs[bug]
    many = about.nodes or registry.system(system).nodes_default
    for seed in range(2):
        judgement = simulate(
            system,
            seed,
            tmp_path,
            faults=about.faults,
            workload=about.workload,
            options=about.needs,
            nodes=tuple(f"n{i + 1}" for i in range(many)),
        )
        assert judgement.status != "invalid", judgement.explain()
