"""`lineal run --live-check`: a run is judged while it goes on, and ends at the first violation."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import pytest

from checker.linearizability.streaming import Stream
from lineal import definition
from lineal.cli import exit_status
from lineal.cli.main import main
from lineal.repeating import command_of
from lineal.running import run
from reports.html import render
from reports.terminal import summary

if TYPE_CHECKING:
    from pathlib import Path

    from checker.history.columns import History
    from lineal.definition import Test
    from lineal.running import Outcome


def atomic(**given: Any) -> Test:
    parameters = {"environment": "simulated", "time_limit_s": 20.0, "live_check": True, **given}
    return definition.standard(system="atomic", seed=3, **parameters)


def history_of(outcome: Outcome) -> History:
    from checker.history.columns import History

    return History.read(outcome.directory.history)


def ended_s(history: History) -> float:
    """When the last operation of the workload was asked, before the final reads."""
    recovered = history.nemesis("recovered")[0].time
    return max(op.call for op in history if op.call < recovered) / 1e9


def test_a_run_ends_at_the_first_violation(tmp_path: Path) -> None:
    outcome = run(atomic(bug="stale-read"), runs=tmp_path, report=False)
    history = history_of(outcome)
    assert outcome.verdict.status == "invalid"
    [stopped] = history.nemesis("stopped")
    index = stopped.output["not_linearizable"]
    assert ended_s(history) < 5
    [culprit] = [op for op in history if op.index == index]
    assert culprit.f == "read"
    kinds = {f.kind for _, verdict in outcome.verdict.checks for f in verdict.findings}
    assert "not-linearizable" in kinds
    early = f"for operation {index} fits into no order"
    assert early in summary(outcome.verdict, {}, outcome.directory.path)
    assert early in render(history, outcome.verdict, {})


def test_a_run_without_a_violation_goes_on(tmp_path: Path) -> None:
    outcome = run(atomic(), runs=tmp_path, report=False)
    history = history_of(outcome)
    assert outcome.verdict.status == "valid"
    assert history.nemesis("stopped") == ()
    assert ended_s(history) > 19
    without = run(atomic(live_check=False), runs=tmp_path, report=False)
    assert without.directory.history.read_bytes() == outcome.directory.history.read_bytes()


def test_a_live_check_that_gives_up_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lineal.live_check.Stream", partial(Stream, steps=0))
    outcome = run(atomic(time_limit_s=5.0), runs=tmp_path, report=False)
    assert outcome.verdict.status == "valid"
    said = summary(outcome.verdict, {}, outcome.directory.path)
    assert "live check: it gave up at" in said
    assert "ran out of steps; the whole check judged afterwards" in said


def test_the_same_seed_ends_at_the_same_byte(tmp_path: Path) -> None:
    runs = [run(atomic(bug="stale-read"), runs=tmp_path, report=False) for _ in range(2)]
    first, second = (outcome.directory.history.read_bytes() for outcome in runs)
    assert first == second


def test_faults_do_not_look_like_violations(tmp_path: Path) -> None:
    outcome = run(atomic(faults="kill", time_limit_s=60.0), runs=tmp_path, report=False)
    assert outcome.verdict.status == "valid"
    assert history_of(outcome).nemesis("stopped") == ()


@pytest.mark.live
def test_a_run_of_real_processes_ends_early_too(tmp_path: Path) -> None:
    test = atomic(environment="local", bug="stale-read", time_limit_s=60.0)
    outcome = run(test, runs=tmp_path, report=False)
    history = history_of(outcome)
    assert outcome.verdict.status == "invalid"
    assert history.nemesis("stopped")
    assert ended_s(history) < 30


def test_the_command_that_repeats_a_run_says_so() -> None:
    assert "--live-check" in (command_of(atomic()) or "").split()
    assert "--live-check" not in (command_of(atomic(live_check=False)) or "")


def test_is_refused_where_nothing_can_be_judged(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["run", "dynamo", "--live-check"]) == exit_status.USAGE
    said = "nothing for --live-check: the workload siblings judges no linearizability"
    assert said in capsys.readouterr().err
    assert main(["run", "dynamo", "--workload", "register", "--live-check"]) == exit_status.USAGE
    said = "nothing for --live-check: dynamo claims no linearizability here"
    assert said in capsys.readouterr().err
