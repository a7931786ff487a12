"""Every family of faults in whole runs of the correct systems, and named bugs that they find."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from lineal import registry
from lineal.cli.main import main
from lineal.definition import Test
from lineal.running import run
from nemesis.families import partition, pause
from nemesis.plans import parse
from nemesis.schedule import SECOND, Timing
from systems_under_test.environments.docker import disks, slow_writes
from tests.systems_under_test.docker.containers import require_docker, require_for_docker

if TYPE_CHECKING:
    from pathlib import Path

    from nemesis.plan import FaultPlan

pytestmark = pytest.mark.live

FIVE = ("n1", "n2", "n3", "n4", "n5")
SOON = Timing(
    lead_in_ns=(SECOND, SECOND),
    fault_ns=(2 * SECOND, 3 * SECOND),
    quiet_ns=(2 * SECOND, 2 * SECOND),
)
SEEDS_MAX = 6
"""A bug that shows itself in most runs shows itself in one of so many."""


def clean(
    runs: Path, environment: str, system: str, nemesis: str, *words: str, seconds: int = 15
) -> None:
    """Run the correct system: the fault was seen to take effect, and nobody was accused.

    On a busy machine too little may come through for a verdict; nothing else may keep it back.
    """
    flags = [
        "--environment",
        environment,
        "--nemesis",
        nemesis,
        "--seed",
        "3",
        "--rate",
        "80",
        *words,
    ]
    status = main(["run", system, *flags, "--time-limit", str(seconds), "--runs", str(runs)])
    directory = runs / "latest"
    verdict = json.loads((directory / "verdict.json").read_text())
    effects = effects_in(directory)
    causes = [checker["cause"] for checker in verdict["checkers"] if checker["cause"]]
    assert status in (0, 2), (verdict["verdict"], verdict["checkers"])
    assert all(cause.startswith("too little observed") for cause in causes), causes
    injected = {effect for f, effect in effects if f not in ("heal", "recovered", "quiescent")}
    healed = {effect for f, effect in effects if f == "heal"}
    # A store that syncs before it answers may have nothing to lose: then its power loss is a kill.
    wanted = {"applied", "partly"} if nemesis.startswith("power") else {"applied"}
    assert injected & wanted, effects
    assert "healed" in healed
    assert "leaked" not in healed


def effects_in(directory: Path) -> set[tuple[str, str]]:
    lines = (directory / "history.jsonl").read_text().splitlines()
    events: list[dict[str, Any]] = [json.loads(line) for line in lines if '"nemesis"' in line]
    return {
        (event["f"], event["output"]["effect"])
        for event in events
        if event["process"] == "nemesis" and "effect" in (event.get("output") or {})
    }


EVERYWHERE = (
    *("clock", "clock:strobe", "link", "link:rate", "power"),
    *("disk:full", "disk:slow", "disk:errors", "disk:read-errors"),
)


@pytest.mark.soak
@pytest.mark.parametrize("nemesis", [*EVERYWHERE, "link:slow-out", "link:slow-peer"])
@pytest.mark.parametrize("system", ["dynamo", "paxos"])
def test_local_processes_are_clean_under(tmp_path: Path, system: str, nemesis: str) -> None:
    clean(tmp_path, "local", system, nemesis)


@pytest.mark.docker
@pytest.mark.soak
@pytest.mark.parametrize("nemesis", [*EVERYWHERE, "resources:cpu", "resources:memory"])
@pytest.mark.parametrize("system", ["dynamo", "paxos"])
def test_containers_are_clean_under(tmp_path: Path, system: str, nemesis: str) -> None:
    require_docker()
    clean(tmp_path, "docker", system, nemesis)


@pytest.mark.docker
@pytest.mark.soak
@pytest.mark.parametrize("system", ["dynamo", "paxos"])
def test_containers_are_clean_on_disks_that_the_kernel_makes_slow(
    tmp_path: Path, system: str
) -> None:
    require_docker()
    require_for_docker(disks.cannot())
    if reason := slow_writes.cannot():
        pytest.skip(reason)
    clean(tmp_path, "docker", system, "disk:slow", "--environment-option", "disk=loop")
    text = (tmp_path / "latest" / "history.jsonl").read_text()
    assert "slow by the cgroup" in text


def found_within(
    runs: Path, faults: FaultPlan, bug: str, options: dict[str, Any], *, rate: float, seconds: int
) -> set[str]:
    """The kinds of findings of the first run, over some seeds, in which a bug shows itself."""
    for seed in range(1, SEEDS_MAX + 1):
        test = Test(
            system=registry.system("paxos"),
            nodes=FIVE,
            environment="docker",
            faults=faults,
            bug=bug,
            options=options,
            seed=seed,
            rate=rate,
            concurrency=20,
            time_limit_s=seconds,
        )
        outcome = run(test, runs=runs, report=False)
        kinds: set[str] = {
            f.kind for _, verdict in outcome.judgement.checks for f in verdict.findings
        }
        if kinds:
            return kinds
    return set()


@pytest.mark.docker
@pytest.mark.soak
@pytest.mark.timeout(600)
def test_reads_of_a_deposed_leader_are_found_in_containers(tmp_path: Path) -> None:
    require_docker()
    faults = partition("one-node", timing=SOON) + pause("one")
    options = {"step_down": "off", "request_timeout_ms": 300, "keys": 1}
    found = found_within(tmp_path, faults, "deposed-leader-reads", options, rate=100.0, seconds=25)
    assert "not-linearizable" in found


SLOW_LEADER = """\
nemesis: clock slow target=leader
nemesis: wait 1
nemesis: partition one-node target=leader
nemesis: wait 6
nemesis: heal
nemesis: wait 2
"""
ROUNDS = 4


def slow_leaders(tmp_path: Path) -> FaultPlan:
    """The leader's clock is slow, then it is cut off. One clock at a time is off by a fifth."""
    script = tmp_path / "slow-leader.txt"
    script.write_text("nemesis: wait 1\n" + SLOW_LEADER * ROUNDS)
    return replace(parse(f"script:{script}"), clock_drift_ppm=200_000)


LEASES = {"lease_ms": 4_000, "handover_every_ms": 60_000, "request_timeout_ms": 200, "keys": 1}


@pytest.mark.docker
@pytest.mark.soak
@pytest.mark.timeout(600)
def test_a_lease_that_ignores_drift_is_found_in_containers(tmp_path: Path) -> None:
    require_docker()
    found = found_within(
        tmp_path,
        slow_leaders(tmp_path),
        "lease-ignores-drift",
        LEASES,
        rate=60.0,
        seconds=38,
    )
    assert "not-linearizable" in found


@pytest.mark.soak
@pytest.mark.timeout(300)
def test_a_lease_that_heeds_drift_is_clean_under_the_same(tmp_path: Path) -> None:
    test = Test(
        system=registry.system("paxos"),
        nodes=FIVE,
        environment="local",
        faults=slow_leaders(tmp_path),
        options=LEASES,
        seed=1,
        rate=40.0,
        concurrency=5,  # Fewer operations without an answer, so that the search comes to an end.
        time_limit_s=38,
    )
    judgement = run(test, runs=tmp_path, report=False).judgement
    assert judgement.status == "valid", judgement


@pytest.mark.docker
@pytest.mark.soak
def test_a_clock_that_is_ahead_is_found_where_the_last_write_wins(tmp_path: Path) -> None:
    require_docker()
    words = ["--bug", "lww", "--option", "reconciliation=last-write-wins", "--seed", "3"]
    flags = ["--environment", "docker", "--time-limit", "12", "--rate", "80"]
    assert main(["run", "dynamo", *words, *flags, "--runs", str(tmp_path)]) == 1
