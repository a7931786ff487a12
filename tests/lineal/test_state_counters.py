"""Counters that nodes show are collected by a run, and summed over a sweep."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from lineal.cli.main import main
from lineal.definition import standard
from lineal.running import run
from lineal.state_counters import StateCounters, never_moved, summed
from workloads.client import Failure, Reply

if TYPE_CHECKING:
    from pathlib import Path


def status(counters: dict[str, int], life: int = 1) -> Reply:
    return Reply(200, {}, json.dumps({"incarnation": life, "counters": counters}).encode())


def test_of_each_life_what_was_seen_last_counts() -> None:
    seen = StateCounters()
    seen.see({"n1": status({"reads": 1}), "n2": status({"reads": 10})})
    seen.see({"n1": status({"reads": 3}), "n2": status({"reads": 0}, life=2)})
    assert seen.total == {"reads": 13}
    assert seen.to_json()["lives"] == {
        "n1": {"1": {"reads": 3}},
        "n2": {"1": {"reads": 10}, "2": {"reads": 0}},
    }


def test_what_tells_no_counters_tells_nothing() -> None:
    seen = StateCounters()
    seen.see(
        {
            "n1": Failure("gone", definite=True),
            "n2": Reply(503),
            "n3": Reply(200, {}, b"ready"),
            "n4": Reply(200, {}, b"{}"),
        }
    )
    assert seen.to_json() == {"total": {}, "never_moved": [], "lives": {}}


def test_a_counter_that_stands_at_zero_never_moved() -> None:
    assert summed([{"b": 1, "a": 0}, {"b": 2}]) == {"a": 0, "b": 3}
    assert never_moved({"a": 0, "b": 3}) == ["a"]


def counters_of(environment: str, runs: Path, **more: object) -> dict[str, int]:
    test = standard(
        system="dynamo", environment=environment, seed=3, time_limit_s=4.0, rate=60.0, **more
    )
    outcome = run(test, runs=runs, report=False)
    found = json.loads((outcome.directory.path / "counters.json").read_text(encoding="utf-8"))
    total: dict[str, int] = found["total"]
    return total


@pytest.mark.live
def test_a_simulated_run_and_a_live_one_count_the_same_things(tmp_path: Path) -> None:
    simulated = counters_of("simulated", tmp_path)
    live = counters_of("local", tmp_path)
    assert simulated.keys() == live.keys()
    busy = ("reads", "writes", "forwards_sent", "forwards_received", "gossip_rounds")
    for name in busy:
        assert live[name] > 0, name
        assert 1 / 4 < simulated[name] / live[name] < 4, name


def test_faults_move_counters_that_calm_leaves_alone(tmp_path: Path) -> None:
    calm = counters_of("simulated", tmp_path)
    broken = counters_of("simulated", tmp_path, faults="partition")
    for name in ("sloppy_writes", "hints_stored", "peers_left_out"):
        assert calm[name] == 0 < broken[name], name


def test_a_sweep_names_the_counters_that_no_run_moved(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["--time-limit", "3", "--nemesis", "none", "--runs", str(tmp_path)]
    main(["sweep", "dynamo", "--seeds", "2", *words])
    line = capsys.readouterr().out.splitlines()[-1]
    assert line.startswith("coverage: of ")
    never = line.partition("never: ")[2].split(", ")
    assert "writes_buffered" in never
    assert "gossip_rounds" not in never
