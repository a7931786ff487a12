"""The command line: names, exit statuses, and errors in words."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from lineal.cli import exit_status
from lineal.cli.main import main

if TYPE_CHECKING:
    from pathlib import Path

SHORT = ["--environment", "simulated", "--time-limit", "2", "--seed", "7"]


def lineal(*words: str) -> int:
    try:
        return main(list(words))
    except SystemExit as end:
        return int(end.code or 0)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["run", "dynamoo"], "unknown system 'dynamoo'; there are: atomic, dynamo"),
        (["run", "dynamo", "--option", "r=two"], "r must be a whole number, not 'two'"),
        (["run", "paxos", "--live-check", "--option", "lease-ms=x"], "must be a whole number"),
        (["run", "dynamo", "--environment-option", "a=1"], "has no option 'a': it takes none"),
        (["run", "atomic", "--workload", "cart"], "unknown workload of atomic 'cart'"),
        (["run", "atomic", "--nemesis", "partitoin"], "partition"),
        (["run", "atomic", "--bug", "nope"], "stale-read"),
        (["run", "atomic", "--environment", "moon"], "local"),
        (["run", "atomic", "--option", "colour=red"], "colour"),
        (["run", "atomic", "--rate", "-1"], "--rate"),
        (["run", "atomic", "--nodes", "0"], "--nodes"),
        (["run", "no.such.module:test"], "no.such.module"),
        (["check", "nothing.jsonl", "--model", "register"], "no such file: nothing.jsonl"),
        (["check", __file__, "--model", "regsiter"], "cas-register"),
        (["check", __file__, "--checker", "nothing"], "siblings"),
        (["check", __file__], "--model"),
        (["recheck", "/nowhere/at/all"], "/nowhere/at/all"),
        (["doctor", "dynamo"], "unknown to doctor: dynamo; see `lineal doctor --help`"),
        (["list", "dynmo"], "nothing is called 'dynmo'; did you mean dynamo?"),
        ([], "COMMAND"),
        (["fly"], "fly"),
    ],
)
def test_wrong_usage_is_one_line_with_what_is_valid(
    words: list[str], said: str, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    extra = ["--runs", str(tmp_path)] if words[:1] == ["run"] else []
    assert lineal(*words, *extra) == exit_status.USAGE
    assert said in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("engine", "nemesis", "sentence"),
    [
        ("memory", "disk:full", "nothing is on the disk"),
        ("lmdb", "disk:flip", "no damage to what the engine `lmdb` has stored"),
        ("lmdb", "power", "what it has not synced is not known"),
    ],
)
def test_what_an_engine_cannot_carry_is_told_before_the_run(
    engine: str, nemesis: str, sentence: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["--option", f"engine={engine}", "--nemesis", nemesis, "--runs", str(tmp_path)]
    assert main(["run", "dynamo", *words]) == 64
    assert sentence in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def test_every_problem_of_a_definition_is_reported_at_once(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    words = ["run", "atomic", "--runs", str(tmp_path), "--bug", "nope", "--environment", "moon"]
    assert lineal(*words, "--workload", "cart") == exit_status.USAGE
    said = capsys.readouterr().err
    assert all(word in said for word in ("nope", "moon", "cart"))


@pytest.mark.parametrize(
    "command", ["run", "check", "recheck", "report", "sweep", "list", "doctor"]
)
def test_help_of_a_command_shows_examples(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert lineal(command, "--help") == 0
    said = capsys.readouterr().out
    assert "example" in said
    assert f"lineal {command}" in said


def test_a_run_leaves_everything_and_can_be_judged_again(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert lineal("run", "atomic", *SHORT, "--runs", str(tmp_path)) == exit_status.VALID
    capsys.readouterr()
    latest = tmp_path / "latest"
    names = {path.name for path in latest.iterdir()}
    assert names >= {"test.json", "history.jsonl", "verdict.json", "report.html", "nodes"}
    before = (latest / "verdict.json").read_bytes()
    (latest / "verdict.json").unlink()
    assert lineal("recheck", str(latest)) == exit_status.VALID
    assert (latest / "verdict.json").read_bytes() == before
    (latest / "report.html").unlink()
    assert lineal("report", str(latest)) == exit_status.VALID
    assert (latest / "report.html").exists()


def test_a_bug_is_invalid_and_said_in_json(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["run", "atomic", *SHORT, "--runs", str(tmp_path), "--bug", "cas-without-compare"]
    assert lineal(*words, "--json") == exit_status.INVALID
    shown = json.loads(capsys.readouterr().out)
    assert shown["verdict"] == "invalid"
    kinds = {finding["kind"] for check in shown["checkers"] for finding in check["findings"]}
    assert "not-linearizable" in kinds


def test_recheck_drops_a_half_written_line_and_says_so(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert lineal("run", "atomic", *SHORT, "--runs", str(tmp_path)) == exit_status.VALID
    history = tmp_path / "latest" / "history.jsonl"
    with history.open("ab") as file:
        file.write(b'{"index":99999,"ti')
    capsys.readouterr()
    assert lineal("recheck", str(tmp_path / "latest")) == exit_status.VALID
    assert "half-written" in capsys.readouterr().err
    assert lineal("check", str(history), "--model", "cas-register") == exit_status.USAGE
    assert "--drop-partial-line" in capsys.readouterr().out


def test_a_newer_format_is_refused_with_both_versions(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert lineal("run", "atomic", *SHORT, "--runs", str(tmp_path)) == exit_status.VALID
    test = tmp_path / "latest" / "test.json"
    test.write_text(test.read_text(encoding="utf-8").replace('"format": 1', '"format": 99'))
    capsys.readouterr()
    assert lineal("recheck", str(tmp_path / "latest")) == exit_status.USAGE
    said = capsys.readouterr().err
    assert "99" in said
    assert " 1" in said


@pytest.mark.skipif(os.geteuid() != 0 and not os.access("/proc", os.R_OK), reason="needs /proc")
def test_runs_that_cannot_be_written_are_said_at_once(capsys: pytest.CaptureFixture[str]) -> None:
    assert lineal("run", "atomic", *SHORT, "--runs", "/proc/nothing") == exit_status.USAGE
    assert "--runs" in capsys.readouterr().err


def test_several_files_give_the_worst_status(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    good, bad = tmp_path / "good.jsonl", tmp_path / "bad.jsonl"
    write = (
        '{"index":0,"time":0,"process":0,"type":"invoke","f":"write","input":1}\n'
        '{"index":1,"time":5,"process":0,"type":"ok","f":"write"}\n'
        '{"index":2,"time":6,"process":0,"type":"invoke","f":"read"}\n'
    )
    good.write_text(write + '{"index":3,"time":9,"process":0,"type":"ok","f":"read","output":1}\n')
    bad.write_text(write + '{"index":3,"time":9,"process":0,"type":"ok","f":"read","output":2}\n')
    broken = tmp_path / "broken.jsonl"
    broken.write_text("{]\n")
    assert lineal("check", str(good), "--model", "register") == exit_status.VALID
    assert lineal("check", str(broken), "--model", "register") == exit_status.USAGE
    capsys.readouterr()
    words = ["check", str(tmp_path / "*.jsonl"), "--model", "register", "--json"]
    assert lineal(*words) == exit_status.INVALID
    shown = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [entry["verdict"] for entry in shown] == ["invalid", "malformed", "valid"]


@pytest.mark.live
def test_doctor_tries_what_a_run_needs(capsys: pytest.CaptureFixture[str]) -> None:
    assert lineal("doctor") == 0
    assert "ok       native core" in capsys.readouterr().out


def test_a_file_that_hides_a_package_is_named(tmp_path: Path) -> None:
    (tmp_path / "reports.py").write_text("surprise = 1\n")
    done = subprocess.run(
        [sys.executable, "-m", "lineal", "list"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == exit_status.USAGE
    assert str(tmp_path / "reports.py") in done.stderr
