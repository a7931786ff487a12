"""Redis with Sentinel, a foreign system: clean when left alone, and what a cut costs it."""

from __future__ import annotations

import importlib.util
import json
from typing import TYPE_CHECKING, Any

import pytest

from checker.history.columns import History
from lineal.cli.main import main
from lineal.definition import Test
from nemesis.schedule import SECOND
from systems_under_test.environments.docker import disks, options, slow_writes
from systems_under_test.redis import SYSTEM
from tests.systems_under_test.docker.containers import left_of, require_docker, require_for_docker

if TYPE_CHECKING:
    from pathlib import Path

docker = pytest.mark.docker
live = pytest.mark.live


def require_redis() -> None:
    require_docker()
    if importlib.util.find_spec("redis") is None:
        require_for_docker("the package `redis` is not installed: pip install lineal[redis]")


def run(runs: Path, *words: str) -> tuple[int, dict[str, Any], Path]:
    """Exit status, verdict and directory of a run of Redis in containers."""
    flags = ["--environment", "docker", "--seed", "1", "--json", "--runs", str(runs)]
    status = main(["run", "redis", *words, *flags])
    (directory,) = runs.glob("redis-set/*-1")
    about = json.loads((directory / "nodes" / "docker.json").read_text())
    assert left_of(about["run"]) == []
    return status, json.loads((directory / "verdict.json").read_text()), directory


@docker
@live
def test_it_is_clean_without_faults(tmp_path: Path) -> None:
    require_redis()
    status, verdict, directory = run(tmp_path, "--time-limit", "5")
    assert (status, verdict["verdict"]) == (0, "valid")
    lives = (directory / "nodes" / "n2" / "lives.jsonl").read_text().splitlines()
    assert {json.loads(line)["program"] for line in lives} == {"redis", "sentinel"}
    assert "Connecting to MASTER" in (directory / "nodes" / "n2" / "redis.log").read_text()
    assert "+monitor master main" in (directory / "nodes" / "n2" / "sentinel.log").read_text()


@docker
@live
def test_a_primary_cut_off_with_a_minority_loses_what_it_acknowledged(tmp_path: Path) -> None:
    require_redis()
    status, verdict, directory = run(
        tmp_path, "--nemesis", "partition:one-node@n1", "--time-limit", "8"
    )
    assert (status, verdict["verdict"]) == (1, "invalid")
    checks = {check["name"]: check for check in verdict["checkers"]}
    found = checks["set-full"]["findings"]
    assert {finding["kind"] for finding in found} == {"lost-element"}
    history = History.read(directory / "history.jsonl")
    cut = history.faults[0]
    assert cut.f == "partition"
    assert cut.end is not None
    acknowledged = [
        op
        for op in history.operations("add")
        if op.outcome == "ok" and cut.start < op.call and (op.ret or 0) < cut.end
    ]
    lost = len(found) + checks["set-full"]["observed"].get("left_out", {}).get("lost-element", 0)
    # A third of the clients speak to the old primary all the time, all others until the sentinels
    # have agreed upon another.
    assert 0.2 * len(acknowledged) < lost <= 1.2 * len(acknowledged)
    report = (directory / "report.html").read_text()
    assert "lost-element" in report


@docker
@live
@pytest.mark.soak
@pytest.mark.parametrize("replicas", [0, 1])
def test_a_primary_that_misses_its_replicas_refuses_writes_if_it_must(
    tmp_path: Path, replicas: int
) -> None:
    """A cut of ten seconds, of which it takes three to miss them: short ones show nothing."""
    require_redis()
    words = ["--nemesis", "partition:one-node@n1", "--option", f"min-replicas={replicas}"]
    for option in ("fault=10", "lead-in=1", "tail=2"):
        words += ["--nemesis-option", option]
    _, _, directory = run(tmp_path, *words, "--time-limit", "14")
    history = History.read(directory / "history.jsonl")
    cut = history.faults[0]
    assert cut.end is not None
    late = cut.start + 5 * SECOND
    by_old = [
        event.time
        for event in history.events()
        if event.f == "add" and event.type == "ok" and event.extra.get("primary") == "n1"
    ]
    assert any(cut.start < time for time in by_old), "it acknowledged something in the cut"
    assert any(late < time < cut.end for time in by_old) == (replicas == 0)


@docker
@live
@pytest.mark.parametrize("variant", ["lossy", "rate"])
def test_its_links_are_spoilt_by_the_kernel(tmp_path: Path, variant: str) -> None:
    require_redis()
    words = ("--nemesis", f"link:{variant}@n1", "--time-limit", "8")
    status, verdict, directory = run(tmp_path, *words)
    assert status in (0, 1), verdict  # A slow primary is replaced, and then it loses.
    recorded = (directory / "history.jsonl").read_text().splitlines()
    told = [
        (event["f"], event["output"])
        for event in map(json.loads, recorded)
        if event["type"] == "info" and event["f"] in ("link", "heal")
    ]
    assert {f for f, _ in told} == {"link", "heal"}
    # A fault in whose time the store had next to nothing to say is honestly ineffective.
    effects = {output["effect"] for _, output in told}
    assert {"applied", "healed"} <= effects <= {"applied", "healed", "ineffective"}
    method = {"lossy": "kernel: nftables", "rate": "kernel: tbf"}[variant]
    assert {output["method"] for _, output in told} == {method}
    moved = {"lossy": "dropped", "rate": "delayed"}[variant]
    healed = [output["evidence"]["meanwhile"][moved] for f, output in told if f == "heal"]
    assert any(count > 0 for count in healed)


@docker
@live
@pytest.mark.soak
def test_its_disk_is_made_slow_by_the_kernel(tmp_path: Path) -> None:
    require_redis()
    require_for_docker(disks.cannot())
    if reason := slow_writes.cannot():
        pytest.skip(reason)
    words = ("--nemesis", "disk:slow@one", "--time-limit", "12")
    status, verdict, directory = run(tmp_path, *words)
    assert status in (0, 1), verdict  # A primary that is too slow is replaced, and then it loses.
    recorded = (directory / "history.jsonl").read_text().splitlines()
    told = [
        (event["f"], event["output"])
        for event in map(json.loads, recorded)
        if event["type"] == "info" and event["f"] in ("disk", "heal")
    ]
    assert all(output["method"].endswith("slow by the cgroup") for _, output in told)
    effects = {(f, output["effect"]) for f, output in told}
    assert effects == {("disk", "applied"), ("heal", "healed")}


def test_only_containers_have_a_place_for_it() -> None:
    problems = Test(system=SYSTEM, environment="local").problems()  # type: ignore[arg-type]
    assert "add --environment docker" in problems[0]


def test_its_options_are_checked_before_anything_starts() -> None:
    options = {"min-replicas": -1, "down-after-ms": "soon"}
    test = Test(system=SYSTEM, environment="docker", options=options)  # type: ignore[arg-type]
    problems = "\n".join(test.problems())
    assert "min_replicas: must be a whole number from 0, not -1" in problems
    assert "down_after_ms: must be a whole number from 100, not 'soon'" in problems


@docker
@live
@pytest.mark.soak
def test_the_disk_of_a_replica_is_full_for_a_while_and_nothing_is_lost(tmp_path: Path) -> None:
    require_redis()
    require_for_docker(disks.cannot())
    script = tmp_path / "full.txt"
    lines = ("wait 1", "disk full target=n2", "wait 3", "heal", "wait 2")
    script.write_text("".join(f"nemesis: {line}\n" for line in lines), encoding="utf-8")
    words = ("--nemesis", f"script:{script}", "--time-limit", "9")
    status, verdict, directory = run(tmp_path, *words)
    (full,) = History.read(directory / "history.jsonl").faults
    assert full.effect == "applied"
    assert "No space left on device" in (directory / "nodes" / "n2" / "redis.log").read_text()
    assert (status, verdict["verdict"]) == (0, "valid")


@pytest.mark.parametrize("faults", ["disk", "disk:errors", "disk:read-errors"])
def test_a_fault_that_nothing_here_can_make_is_refused(faults: str) -> None:
    test = Test(system=SYSTEM, environment="docker", faults=faults)  # type: ignore[arg-type]
    assert any("there are disk:full, disk:slow and damage" in said for said in test.problems())


@pytest.mark.parametrize("faults", ["disk:flip", "disk:truncate", "disk:torn", "disk:lost"])
def test_its_files_can_be_damaged_anywhere(faults: str) -> None:
    about = {"system": SYSTEM, "environment": "docker", "faults": faults}
    test = Test(**about, environment_options={"disk": "directory"})  # type: ignore[arg-type]
    assert not [said for said in test.problems() if "disk" in said]


def test_links_that_are_slow_take_netem_and_are_refused_with_the_reason(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(options, "why_no_netem", lambda: "unknown qdisc")
    for faults in ("link:slow", "zone:slow", "link"):
        test = Test(system=SYSTEM, environment="docker", faults=faults)  # type: ignore[arg-type]
        assert any("no netem (unknown qdisc)" in said for said in test.problems()), faults


def test_a_full_or_slow_disk_takes_one_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    slow = {"system": SYSTEM, "environment": "docker", "faults": "disk:slow"}
    directory = {"environment_options": {"disk": "directory"}}
    problems = Test(**slow, **directory).problems()  # type: ignore[arg-type]
    assert any(problem.startswith("no slow disk for redis: ") for problem in problems)
    full = Test(**{**slow, "faults": "disk:full"}, **directory)  # type: ignore[arg-type]
    assert any(said.startswith("no full disk for redis: it takes") for said in full.problems())
    monkeypatch.setattr(slow_writes, "cannot", lambda: "no cgroup here")
    assert "no slow disk for redis: no cgroup here" in Test(**slow).problems()  # type: ignore[arg-type]


def test_all_draws_no_faults_of_links_that_not_every_kernel_has() -> None:
    test = Test(system=SYSTEM, environment="docker", faults="all")  # type: ignore[arg-type]
    assert not test.plan.nemesis.faults & {"link", "disk"}
    assert "partition" in test.plan.nemesis.faults
