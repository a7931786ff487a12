"""Every family of faults in whole runs of the correct systems, and named bugs that they find."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from checker.history.columns import History
from lineal import registry
from lineal.cli.main import main
from lineal.definition import Test
from lineal.running import run
from nemesis.clock import Clock
from nemesis.membership import CHANGES
from nemesis.plan import FaultPlan
from nemesis.plans import parse
from nemesis.schedule import SECOND, Timing, alternate
from systems_under_test.environments.docker import disks, slow_writes
from systems_under_test.environments.local import resources
from tests.lineal.healings import told_of_healings
from tests.systems_under_test.docker.containers import require_docker, require_for_docker

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.live

FIVE = ("n1", "n2", "n3", "n4", "n5")


def clean(
    runs: Path, environment: str, system: str, nemesis: str, *words: str, seconds: int = 15
) -> Path:
    """Run the correct system: each fault was seen to take effect, and the verdict is valid.

    The directory of the run.
    """
    flags = ["--environment", environment, "--nemesis", nemesis, "--seed", "3", "--rate", "80"]
    limit = ["--time-limit", str(seconds), "--runs", str(runs)]
    status = main(["run", system, *flags, *words, *limit])
    directory = runs / "latest"
    verdict = json.loads((directory / "verdict.json").read_text())
    causes = [checker["cause"] for checker in verdict["checkers"] if checker["cause"]]
    assert (status, verdict["verdict"]) == (0, "valid"), (verdict["checkers"], causes)
    effects = effects_in(directory)
    injected = {effect for f, effect in effects if f not in ("heal", "recovered", "quiescent")}
    healed = {effect for f, effect in effects if f == "heal"}
    assert injected & may_be(effects), effects
    assert "healed" in healed
    assert "leaked" not in healed
    told_of_healings(directory)
    return directory


def may_be(effects: set[tuple[str, str]]) -> set[str]:
    """What injections may say: what came of an order is known when it is healed only, and where the
    power was lost everything may have been synced."""
    faults = {f for f, _ in effects}
    if faults & CHANGES.keys():
        return {"partly"}
    return {"applied", "partly"} if "power" in faults else {"applied"}


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


def script(directory: Path, *faults: str) -> str:
    """A plan that injects each of these, waits, and heals it; `fault SECONDS` waits so long."""
    lines = ["nemesis: wait 1"]
    for fault in faults:
        what, _, seconds = fault.rpartition(" ")
        lines += [what, f"nemesis: wait {seconds}", "nemesis: heal", "nemesis: wait 1"]
    file = directory / "faults.txt"
    file.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return f"script:{file}"


SCRIPTS: dict[str, tuple[str, ...]] = {
    "network, processes and zones": (
        'nemesis: partition {"n1": ["n2"]} 1.5',
        "nemesis: partition majorities-ring 1.5",
        "nemesis: link lossy target=one 1.5",
        "nemesis: link rate target=one 2",
        "nemesis: kill target=one 1",
        "nemesis: stop target=one 1",
        "nemesis: pause target=one 1.5",
        "nemesis: zone cut 2",
        "nemesis: zone slow 1.5",
        "nemesis: zone lost 1",
    ),
    "clocks, disks and resources": (
        "n1: clock jump 1",
        "n2: clock drift 1",
        "n3: clock strobe 0.2",
        "nemesis: disk full target=one 1.5",
        "nemesis: disk slow target=one 1.5",
        "nemesis: disk errors target=one 1.5",
        "nemesis: disk read-errors target=one 1.5",
        "nemesis: resources cpu target=one 2",
        "nemesis: resources memory target=one 1",
    ),
    "power and damage": (
        "nemesis: power target=one 1",
        # Of two nodes only: where containers start slowly, the next fault comes before the last
        # one's victim is whole, and the others must be able to go on without both.
        "n1: disk torn 0.5",
        "n2: disk flip 0.5",
        "n1: disk truncate 0.5",
        "n2: disk lost 0.5",
    ),
}
NAMES_OF: dict[str, str] = {
    "disk torn": "damage",
    "disk flip": "damage",
    "disk truncate": "damage",
    "disk lost": "wipe",
    "resources cpu": "cpu",
    "resources memory": "memory",
    "zone cut": "partition",
    "zone slow": "link",
    "zone lost": "kill",
}
"""What a fault is called in the history, where that is not its family."""
MAY_BE_IDLE = ("disk read-errors", "power target=one")
"""A store that has all it needs in memory may read nothing meanwhile, or have synced all, and says
so."""


@pytest.mark.soak
@pytest.mark.parametrize("environment", ["local", pytest.param("docker", marks=pytest.mark.docker)])
@pytest.mark.parametrize("families", SCRIPTS)
@pytest.mark.parametrize("system", ["dynamo", "paxos"])
def test_nodes_are_clean_under(
    tmp_path: Path, system: str, families: str, environment: str
) -> None:
    """Every family, one fault after another, the evidence for each of them looked at."""
    if environment == "docker":
        require_docker()
        require_for_docker(disks.cannot())
    elif "resources" in families and (reason := resources.cannot()):
        pytest.skip(reason)
    faults = SCRIPTS[families]
    seconds = sum(float(fault.rpartition(" ")[2]) + 1.6 for fault in faults) + 4
    words = ("--nodes", "5")
    plan = script(tmp_path, *faults)
    directory = clean(tmp_path, environment, system, plan, *words, seconds=round(seconds))
    told_of_healings(directory, at_least=len(faults) - 2)
    windows = History.read(directory / "history.jsonl").faults
    names = [" ".join(fault.partition(": ")[2].split()[:2]) for fault in faults]
    asked = [NAMES_OF.get(name, name.partition(" ")[0]) for name in names]
    assert [window.f for window in windows] == asked
    for name, window in zip(names, windows, strict=True):
        assert window.effect == "applied" or name in MAY_BE_IDLE, (name, window)


@pytest.mark.docker
@pytest.mark.soak
def test_containers_are_clean_while_members_change(tmp_path: Path) -> None:
    require_docker()
    words = ("--workload", "membership", "--nodes", "5", "--option", "spares=1")
    plan = script(
        tmp_path,
        "nemesis: membership join 3",
        "nemesis: membership leave 3",
        "nemesis: membership replace 4",
    )
    directory = clean(tmp_path, "docker", "dynamo", plan, *words, seconds=22)
    windows = History.read(directory / "history.jsonl").faults
    assert [window.f for window in windows] == ["join", "leave", "replace"]
    assert {effect for f, effect in effects_in(directory) if f == "heal"} == {"healed"}


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


def run_in(runs: Path) -> Path:
    """The directory of the one run there."""
    (directory,) = (found.parent for found in runs.glob("*/*/history.jsonl"))
    return directory


def found_by(
    runs: Path,
    system: str,
    faults: FaultPlan,
    bug: str | None,
    options: dict[str, Any],
    *,
    rate: float,
    seconds: int,
) -> set[str]:
    """The kinds of findings of one run in containers, whose faults come when they must."""
    test = Test(
        system=registry.system(system),
        nodes=FIVE,
        environment="docker",
        faults=faults,
        bug=bug,
        options=options,
        seed=1,
        rate=rate,
        concurrency=20,
        time_limit_s=seconds,
    )
    outcome = run(test, runs=runs, report=False)
    return {f.kind for _, verdict in outcome.judgement.checks for f in verdict.findings}


@pytest.mark.docker
@pytest.mark.soak
def test_reads_of_a_deposed_leader_are_found_in_containers(tmp_path: Path) -> None:
    """The leader is cut off alone for longer than a lease, so that the others elect another."""
    require_docker()
    cut = "nemesis: partition one-node target=leader 6"
    plan = parse(script(tmp_path, cut, cut))
    options = {"step_down": "off", "request_timeout_ms": 300, "keys": 1}
    found = found_by(
        tmp_path, "paxos", plan, "deposed-leader-reads", options, rate=100.0, seconds=20
    )
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


DRIFTING_LEASES = {**LEASES, "lease_ms": 8_000}
"""A clock that is slow by a fifth holds on for two seconds longer: time enough for an election."""


@pytest.mark.docker
@pytest.mark.soak
def test_a_lease_that_ignores_drift_is_found_in_containers(tmp_path: Path) -> None:
    require_docker()
    words = SLOW_LEADER.replace("wait 6", "wait 12")
    file = tmp_path / "slow-leader.txt"
    file.write_text("nemesis: wait 1\n" + 2 * words)
    plan = replace(parse(f"script:{file}"), clock_drift_ppm=200_000)
    found = found_by(
        tmp_path, "paxos", plan, "lease-ignores-drift", DRIFTING_LEASES, rate=60.0, seconds=34
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


AN_HOUR_AHEAD = FaultPlan(
    "an hour ahead",
    Clock(),
    alternate(
        "clock",
        "n1",
        timing=Timing(lead_in_ns=(2 * SECOND,) * 2, fault_ns=(3 * SECOND,) * 2),
        wall_offset_ns=3_600 * SECOND,
    ),
)
"""What n1 stamps meanwhile wins for an hour, for its counter never goes back. So of each key it
shows only if another node than n1 coordinates the last write: there are forty."""
LAST_WRITES = {"reconciliation": "last-write-wins", "keys": 40}


@pytest.mark.docker
@pytest.mark.soak
def test_a_clock_that_a_nemesis_moves_is_found_where_the_last_write_wins(tmp_path: Path) -> None:
    """The bug promises what the store does not: that clocks may be set apart."""
    require_docker()
    found = found_by(tmp_path, "dynamo", AN_HOUR_AHEAD, "lww", LAST_WRITES, rate=80.0, seconds=9)
    assert "lost-update" in found
    assert ("clock", "applied") in effects_in(run_in(tmp_path))


LIGHTS_OUT = (
    "nemesis: wait 3",
    "nemesis: power target=all",
    "nemesis: wait 1",
    "nemesis: heal",
    "nemesis: wait 2",
)


def lights_out(tmp_path: Path) -> FaultPlan:
    """Every node loses its power at the same time, three seconds after the first write."""
    file = tmp_path / "lights-out.txt"
    file.write_text("\n".join(LIGHTS_OUT) + "\n", encoding="utf-8")
    return parse(f"script:{file}")


@pytest.mark.docker
@pytest.mark.soak
def test_an_acknowledgement_before_durability_is_found_in_containers(tmp_path: Path) -> None:
    """Nothing of those seconds was synced, so all of it is gone with the power."""
    require_docker()
    require_for_docker(disks.cannot())
    found = found_by(
        tmp_path, "dynamo", lights_out(tmp_path), "ack-before-durable", {}, rate=80.0, seconds=8
    )
    assert "lost-update" in found
    (power,) = History.read(run_in(tmp_path) / "history.jsonl").faults
    assert power.effect == "applied"
    assert power.method == "copy of the disk"
    assert all(node["lost"] > 0 for node in power.evidence.values()), power


@pytest.mark.docker
@pytest.mark.soak
def test_what_is_acknowledged_once_durable_outlives_the_same_loss_of_power(tmp_path: Path) -> None:
    require_docker()
    require_for_docker(disks.cannot())
    found = found_by(tmp_path, "dynamo", lights_out(tmp_path), None, {}, rate=80.0, seconds=8)
    assert found == set()
