"""Definitions, models and nemeses of a user's own: they work by path, and fail in words."""

from __future__ import annotations

import json
import shlex
import shutil
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest

from lineal.cli import exit_status
from lineal.cli.main import main

if TYPE_CHECKING:
    from pathlib import Path

MODULE = """
from dataclasses import dataclass
from lineal import Test
from nemesis.plan import Effect, FaultPlan
from nemesis.schedule import alternate
from systems_under_test.atomic.system import SYSTEM


def few(*, seed, keys=4):
    return Test(system=SYSTEM, options={"keys": keys}, time_limit_s=2, seed=seed)


def broken(*, seed):
    return Test(system=SYSTEM, faults="clock", time_limit_s=4, seed=seed)


def raising(*, seed):
    raise RuntimeError("not today")


@dataclass(frozen=True)
class Clumsy:
    faults = frozenset({"trip"})
    needs = frozenset()

    def inject(self, cluster, fault):
        raise RuntimeError("tripped")

    def heal(self, cluster, fault):
        raise RuntimeError("tripped again")


def clumsy():
    return FaultPlan("clumsy", Clumsy(), alternate("trip"))


class Unmade:
    def __init__(self):
        raise ValueError("no model today")
"""


@pytest.fixture
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A module of the user's, beside which the command is started; a name of its own each time."""
    name = f"own_{tmp_path.name}"
    (tmp_path / f"{name}.py").write_text(MODULE, encoding="utf-8")
    (tmp_path / f"{name}_broken.py").write_text("1 / 0\n", encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    return name


SHORT = ["--environment", "simulated", "--seed", "3", "--runs", "runs"]


def test_a_definition_runs_and_its_command_repeats_it(
    own: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["run", f"{own}:few", *SHORT, "--option", "keys=2"]) == exit_status.VALID
    said = capsys.readouterr().out
    (again,) = [line for line in said.splitlines() if line.startswith("again: ")]
    first = (tmp_path / "runs" / "latest" / "history.jsonl").read_bytes()
    words = shlex.split(again.removeprefix("again: lineal "))
    assert main([*words, "--runs", "runs"]) == exit_status.VALID
    assert (tmp_path / "runs" / "latest" / "history.jsonl").read_bytes() == first
    assert main(["recheck", "runs/latest"]) == exit_status.VALID


def test_a_definition_can_be_swept(own: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["sweep", f"{own}:few", "--seeds", "2", "--runs", "runs"]) == exit_status.VALID
    said = capsys.readouterr().out
    assert said.count(": valid\n") == 2
    assert "seeds under nemesis none: 2 valid\n" in said
    assert main(["sweep", f"{own}:broken", "--seeds", "1", "--runs", "runs"]) == exit_status.VALID
    assert "seeds under nemesis clock: 1 valid\n" in capsys.readouterr().out


def test_a_sweep_that_is_interrupted_keeps_the_run_that_it_names(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("lineal.running._drive", interrupted)
    words = ["sweep", "atomic", "--seeds", "2", "--runs", str(tmp_path)]
    assert main(words) == exit_status.INTERRUPTED
    (kept,) = tmp_path.glob("sweep-atomic-register/*-0")
    assert f"kept: `lineal recheck {kept}`" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "status", "said"),
    [
        (["run", "{own}:raising"], exit_status.USAGE, "not today"),
        (["run", "{own}_broken:test"], exit_status.USAGE, "division by zero"),
        (["run", "{own}:nothing"], exit_status.USAGE, "nothing"),
        (["run", "atomic", "--nemesis", "{own}:clumsy"], exit_status.FAILED, "tripped"),
        (["sweep", "atomic", "--environment", "local"], exit_status.USAGE, "simulates"),
        (["sweep", "atomic", "--runs", "{own}.py"], exit_status.USAGE, "--runs"),
    ],
)
def test_what_raises_is_said_and_never_taken_for_a_violation(
    own: str, words: list[str], status: int, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    spelled = [word.format(own=own) for word in words]
    short = SHORT if spelled[0] == "run" else []
    assert main([*spelled, *short]) == status
    assert said in capsys.readouterr().err


def test_a_nemesis_that_raises_leaves_its_event_and_the_history(own: str, tmp_path: Path) -> None:
    assert main(["run", "atomic", "--nemesis", f"{own}:clumsy", *SHORT]) == exit_status.FAILED
    lines = (tmp_path / "runs" / "latest" / "history.jsonl").read_text().splitlines()
    assert any('"trip"' in line and "tripped" in line for line in lines)
    check = ["check", "runs/latest/history.jsonl", "--model", "cas-register"]
    assert main(check) == exit_status.VALID


def test_a_nemesis_beside_which_the_command_was_started_is_found(own: str, tmp_path: Path) -> None:
    """As the installed command is started: no folder of the user's is on the path of imports."""
    words = ["run", "atomic", "--nemesis", f"{own}:clumsy", *SHORT]
    command = [sys.executable, "-P", "-m", "lineal", *words]
    ended = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=60)
    assert ended.returncode == exit_status.FAILED
    assert "tripped" in ended.stderr


def test_a_damaged_run_directory_is_said(own: str, tmp_path: Path) -> None:
    assert main(["run", "atomic", *SHORT, "--time-limit", "2"]) == exit_status.VALID
    latest = tmp_path / "runs" / "latest"
    (latest / "verdict.json").write_text('{"format": 1}')
    assert main(["report", "runs/latest"]) == exit_status.USAGE
    (latest / "test.json").write_text('{"format": 1}')
    assert main(["recheck", "runs/latest"]) == exit_status.USAGE


def test_an_inline_test_is_judged_again_by_what_was_written_down(own: str, tmp_path: Path) -> None:
    from lineal import Test, run
    from systems_under_test.atomic.system import SYSTEM

    test = Test(system=SYSTEM, environment="simulated", time_limit_s=2, seed=5)
    outcome = run(test, runs=tmp_path / "runs")
    assert outcome.verdict.status == "valid"
    assert main(["recheck", str(outcome.directory.path)]) == exit_status.VALID


def test_an_outcome_is_no_boolean(tmp_path: Path) -> None:
    from lineal import Test, run
    from systems_under_test.atomic.system import SYSTEM

    test = Test(system=SYSTEM, environment="simulated", time_limit_s=1, seed=5)
    outcome = run(test, runs=tmp_path / "runs")
    with pytest.raises(TypeError, match="three values"):
        assert outcome.verdict


def test_a_bug_that_cannot_show_is_warned_of(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["run", "dynamo", "--bug", "forget-hints", "--option", "anti-entropy=true"]
    words += ["--nemesis", "none"]
    short = ["--environment", "simulated", "--time-limit", "1", "--seed", "1"]
    main([*words, *short, "--runs", str(tmp_path)])
    said = capsys.readouterr().err
    assert "shows under faults: --nemesis" in said
    assert "needs --option anti-entropy=" in said


def test_a_nemesis_that_injected_nothing_is_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["run", "atomic", "--environment", "simulated", "--nemesis", "kill,pause"]
    words += ["--nemesis-option", "lead-in=9", "--time-limit", "3", "--runs", str(tmp_path)]
    assert main([*words, "--seed", "1"]) == 0
    said = capsys.readouterr().out
    assert "warning: kill was asked for and injected nothing" in said
    assert "warning: pause was asked for and injected nothing" in said
    (directory,) = tmp_path.glob("atomic-register/*-1")
    assert "kill was asked for and injected nothing" in (directory / "report.html").read_text()
    assert '"never_injected": ["kill", "pause"]' in json.dumps(
        json.loads((directory / "verdict.json").read_text()), sort_keys=True
    )


def observed(directory: Path) -> Any:
    verdict = json.loads((directory / "verdict.json").read_text())
    (found,) = (c["observed"] for c in verdict["checkers"] if c["name"] == "recovery")
    return found


def test_each_plan_that_did_nothing_is_told_and_not_its_family(tmp_path: Path) -> None:
    words = ["run", "paxos", "--environment", "simulated", "--nodes", "5", "--time-limit", "3"]
    words += ["--runs", str(tmp_path), "--seed", "1"]
    script = tmp_path / "faults.txt"
    script.write_text("n1: kill\nnemesis: wait 9\nn2: kill\nnemesis: heal\n")
    assert main([*words, "--nemesis", f"script:{script}"]) == 0
    (first,) = tmp_path.glob("paxos-register/*-1")
    assert observed(first)["never_injected"] == ["line 3 of the script (kill@n2)"]
    shutil.rmtree(tmp_path / "paxos-register")
    limited = ["--nemesis", "kill:crash-loop@n1,kill@n2", "--nemesis-option", "at-most=one"]
    assert main([*words, *limited, "--nemesis-option", "lead-in=1.8-2.6"]) == 0
    (second,) = tmp_path.glob("paxos-register/*-1")
    (said,) = observed(second)["never_injected"]
    assert said.endswith(" (no room under at-most=one, or too little time)")
    assert "was asked for and injected nothing" in (second / "report.html").read_text()


SHORT_SIMULATION = ["--environment", "simulated", "--time-limit", "1", "--seed", "1"]


def test_a_bug_brings_along_the_faults_under_which_it_shows(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["run", "dynamo", "--bug", "join-serves-early", *SHORT_SIMULATION]
    main([*words, "--runs", str(tmp_path)])
    said = capsys.readouterr()
    assert "brings along what it shows under: --workload membership --nemesis" in said.err
    assert "warning: the bug" not in said.err
    assert "--nemesis membership " in said.out  # In the command that repeats the run.


def test_what_is_asked_for_wins_over_what_a_bug_brings_along(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["run", "dynamo", "--bug", "forget-hints", "--nemesis", "pause", *SHORT_SIMULATION]
    main([*words, "--workload", "set", "--runs", str(tmp_path)])
    said = capsys.readouterr()
    assert "brings along" not in said.err
    assert "--workload set --nemesis pause " in said.out


def test_a_bug_brings_along_no_faults_that_the_environment_does_not_carry(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["run", "dynamo", "--bug", "double-forward", "--environment", "ssh", "--nodes", "one"]
    assert main([*words, "--runs", str(tmp_path)]) == 64
    assert "brings along" not in capsys.readouterr().err


def test_a_valid_run_with_a_bug_says_how_to_look_for_it_further(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["run", "atomic", "--bug", "forgets-on-restart", "--nemesis", "none"]
    assert main([*words, *SHORT_SIMULATION, "--runs", str(tmp_path)]) == 0
    said = capsys.readouterr().out
    assert "`lineal sweep atomic --bug forgets-on-restart --until-first`" in said
