"""Whole runs in containers: clean without a bug, and named bugs found."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from lineal.cli.main import main
from systems_under_test.environments.docker import options
from tests.systems_under_test.docker.containers import left_of, require_docker

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = [pytest.mark.live, pytest.mark.docker]


@pytest.fixture(autouse=True)
def _docker() -> None:
    require_docker()


def run(runs: Path, *words: str, seconds: int = 8) -> tuple[int, dict[str, Any], list[Any]]:
    """Exit status, verdict and what was recorded of the nemesis, of a run in containers."""
    flags = ["--environment", "docker", "--seed", "3", "--time-limit", str(seconds), "--json"]
    status = main(["run", *words, *flags, "--runs", str(runs)])
    latest = runs / "latest"
    directory = latest if latest.exists() else next(runs.glob("*/*-3"))
    verdict = json.loads((directory / "verdict.json").read_text())
    lines = (directory / "history.jsonl").read_text().splitlines()
    events = [event for event in map(json.loads, lines) if event["process"] == "nemesis"]
    about = json.loads((directory / "nodes" / "docker.json").read_text())
    assert left_of(about["run"]) == []
    return status, verdict, events


def effects(events: list[Any], f: str) -> set[str]:
    return {e["output"]["effect"] for e in events if e["f"] == f and e["type"] == "info"}


def test_a_correct_store_is_not_accused(tmp_path: Path) -> None:
    status, verdict, events = run(tmp_path, "dynamo", "--nemesis", "partition,kill")
    assert (status, verdict["verdict"]) == (0, "valid")
    assert "applied" in effects(events, "partition") | effects(events, "kill")
    assert effects(events, "heal") == {"healed"}


def test_a_correct_store_is_not_accused_where_the_kernel_spoils_its_links(tmp_path: Path) -> None:
    words = ("--nemesis", "link:lossy", "--environment-option", "links=kernel")
    status, verdict, events = run(tmp_path, "dynamo", *words)
    assert (status, verdict["verdict"]) == (0, "valid")
    assert effects(events, "link") == {"applied"}
    assert effects(events, "heal") == {"healed"}
    told = [event["output"] for event in events if event["type"] == "info" and event["f"] == "heal"]
    assert {output["method"] for output in told} == {"kernel: nftables"}
    assert any(output["evidence"]["meanwhile"]["dropped"] > 0 for output in told)


@pytest.mark.soak
@pytest.mark.parametrize("system", ["dynamo", "paxos"])
@pytest.mark.parametrize(
    ("nemesis", "injected"),
    [
        ("kill:rolling", {"kill"}),
        ("kill:crash-loop", {"kill"}),
        ("stop,partition:flapping", {"stop", "partition"}),
        ("partition:swizzle", {"partition"}),
        ("zone:lost", {"kill"}),
        ("zone:cut", {"partition"}),
        ("zone:slow", {"link"}),
    ],
)
def test_courses_and_zones_accuse_nobody(
    tmp_path: Path, system: str, nemesis: str, injected: set[str]
) -> None:
    words = (system, "--nodes", "5", "--nemesis", nemesis)
    status, verdict, events = run(tmp_path, *words, seconds=10)
    assert (status, verdict["verdict"]) == (0, "valid")
    for f in injected:
        assert "applied" in effects(events, f)
    assert effects(events, "heal") <= {"healed", "ineffective"}


@pytest.mark.soak
def test_a_leader_is_cut_off_alone(tmp_path: Path) -> None:
    words = ("paxos", "--nodes", "5", "--nemesis", "partition:one-node@leader")
    status, verdict, events = run(tmp_path, *words, seconds=10)
    assert (status, verdict["verdict"]) == (0, "valid")
    looks = [e["output"]["roles"] for e in events if e["f"] == "roles" and e["type"] == "info"]
    cut = [e["input"]["targets"] for e in events if e["f"] == "partition" and e["type"] == "invoke"]
    assert cut
    assert all([*look["leader"]] in cut for look in looks if look)


@pytest.mark.soak
def test_a_store_that_forgets_is_found_by_kills(tmp_path: Path) -> None:
    words = ("atomic", "--nemesis", "kill", "--bug", "forgets-on-restart")
    status, verdict, _ = run(tmp_path, *words, seconds=15)
    assert (status, verdict["verdict"]) == (1, "invalid")


def test_what_cannot_be_carried_is_told_before_anything_starts(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    words = ["run", "dynamo", "--environment", "docker", "--runs", str(tmp_path)]
    assert main([*words, "--environment-option", "partition=scissors"]) == 64
    assert "there are auto, host-bridge, sidecar, in-container" in capsys.readouterr().err
    monkeypatch.setattr(options, "why_no_netem", lambda: "unknown qdisc")
    assert main([*words, "--environment-option", "links=kernel", "--nemesis", "link"]) == 64
    assert "the kernel has no netem (unknown qdisc)" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())
