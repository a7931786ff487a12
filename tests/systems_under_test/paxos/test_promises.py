"""What is claimed, and what a plan or an option takes away."""

from __future__ import annotations

from typing import Any

import pytest

from lineal.definition import standard
from nemesis.plans import parse
from systems_under_test.paxos.configuration import configure, problems_of
from systems_under_test.paxos.promises import SAFETY, promises
from systems_under_test.system import FaultPlanSummary

THREE = ("n1", "n2", "n3")


def claims(options: dict[str, Any], drift_ppm: int | None = 0, *faults: str) -> frozenset[str]:
    return promises(configure(options), FaultPlanSummary(frozenset(faults), drift_ppm)).claims


def test_everything_is_claimed_under_faults_within_the_budget() -> None:
    assert claims({}, 200_000, "partition", "kill", "pause", "power", "clock") >= SAFETY


@pytest.mark.parametrize("drift", [200_001, None])
def test_drift_beyond_the_bound_withdraws_linearizability_from_leases_alone(
    drift: int | None,
) -> None:
    assert not claims({}, drift, "clock") & SAFETY
    assert claims({"reads": "quorum"}, drift, "clock") >= SAFETY


def test_eventual_reads_are_not_claimed_to_be_linearizable() -> None:
    assert "linearizable" not in claims({"reads": "eventual"})


def test_memory_and_damage_withdraw_what_they_end() -> None:
    assert "did-not-recover" not in claims({"engine": "memory"}, 0, "kill")
    assert "did-not-recover" not in claims({"engine": "memory"}, 0, "replace")
    assert "did-not-recover" in claims({"engine": "memory"}, 0, "partition", "pause", "join")
    assert "linearizable" in claims({"engine": "memory"}, 0, "kill")
    assert "node-died" not in claims({}, 0, "damage")


@pytest.mark.parametrize(
    ("nemesis", "drift"),
    [
        ("partition", 0),
        ("clock:jump", 0),
        ("clock:drift", 200_000),
        ("clock:slow", 200_000),
        ("all", 200_000),
        ("clock,clock", 400_000),
        ("clock:drift,kill", 200_000),
    ],
)
def test_a_plan_says_how_far_clocks_drift(nemesis: str, drift: int) -> None:
    assert parse(nemesis).drift_ppm == drift


def test_a_run_under_two_drifts_at_once_claims_no_linearizability() -> None:
    test = standard(system="paxos", environment="simulated", faults="clock:drift,clock:drift")
    assert "linearizable" not in test.promises().claims
    assert "400000 ppm" in test.promises().withdrawn["linearizable"]


@pytest.mark.parametrize(
    ("options", "nodes", "sentence"),
    [
        ({}, THREE, None),
        ({"reads": "maybe"}, THREE, "reads must be"),
        ({"lease_ms": 0}, THREE, "at least 1"),
        ({"lease_ms": "soon"}, THREE, "a whole number"),
        ({"nonsense": 1}, THREE, "no option 'nonsense'"),
        ({"drift_ppm": 600_000}, THREE, "no lease worth the name"),
        ({"heartbeat_ms": 400}, THREE, "a third"),
        ({}, ("n1", "n2"), "3 or 5 storage replicas, not 2"),
        ({"log_replicas": 1}, THREE, "not 2"),
        ({"log_replicas": 1}, (*THREE, "n4"), None),
    ],
)
def test_wrong_options_are_told_in_words(
    options: dict[str, Any], nodes: tuple[str, ...], sentence: str | None
) -> None:
    problems = problems_of(options, nodes)
    assert bool(problems) == (sentence is not None)
    assert sentence is None or sentence in problems[0]
