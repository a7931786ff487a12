"""`lineal run --environment ssh`, from the command line to the verdict."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from checker.history.columns import History
from lineal.cli import exit_status
from lineal.cli.main import main
from tests.lineal.healings import told_of_healings
from tests.lineal.test_families_live import SCRIPTS, script
from tests.systems_under_test.ssh.test_ends import assert_nothing_left

if TYPE_CHECKING:
    from pathlib import Path

    from tests.systems_under_test.ssh.machines import Machines

pytestmark = [pytest.mark.live, pytest.mark.ssh]


def run(made: Machines, runs: Path, system: str, count: int, *words: str, **options: str) -> int:
    flags = [
        word
        for key, value in made.options(**options).items()
        for word in ("--environment-option", f"{key}={value}")
    ]
    machines = ["--environment", "ssh", "--nodes", ",".join(made.texts(count))]
    return main(["run", system, *machines, *flags, "--runs", str(runs), "--seed", "11", *words])


def effects(runs: Path) -> list[tuple[str, dict[str, Any]]]:
    (history,) = runs.glob("*/*/history.jsonl")
    lines = [json.loads(line) for line in history.read_text().splitlines()]
    return [
        (line["f"], line["output"])
        for line in lines
        if line.get("process") == "nemesis" and (line.get("output") or {}).get("effect")
    ]


def test_dynamo_under_partition_kill_and_pause_is_valid(made: Machines, tmp_path: Path) -> None:
    nemesis = ("--nemesis", "partition,kill,pause", "--time-limit", "10")
    status = run(made, tmp_path, "dynamo", 5, *nemesis)
    assert status == exit_status.VALID
    seen = effects(tmp_path)
    applied = {(f, said["method"]) for f, said in seen if said["effect"] == "applied"}
    assert {("partition", "iptables"), ("kill", "SIGKILL"), ("pause", "SIGSTOP")} <= applied
    assert not [said for _, said in seen if said["effect"] == "leaked"]
    dropped = [
        said["evidence"]["dropped_meanwhile"]
        for _, said in seen
        if said["effect"] == "healed" and said["method"] == "iptables"
    ]
    assert any(dropped)
    for n in range(1, 6):
        (log,) = tmp_path.glob(f"*/*/nodes/n{n}/node.log")
        assert " ready " in log.read_text()
    assert_nothing_left(made, within_s=3.0, places=5)


UNCARRIED = ("link rate", "zone slow", "resources")


@pytest.mark.soak
@pytest.mark.parametrize("families", SCRIPTS)
def test_every_family_is_healed_and_it_is_told_how_long_nodes_took_to_answer(
    made: Machines, tmp_path: Path, families: str
) -> None:
    faults = [fault for fault in SCRIPTS[families] if not any(no in fault for no in UNCARRIED)]
    seconds = sum(float(fault.rpartition(" ")[2]) + 1.6 for fault in faults) + 4
    words = ("--nemesis", script(tmp_path, *faults), "--time-limit", str(round(seconds)))
    assert run(made, tmp_path / "runs", "dynamo", 5, *words, "--rate", "80") == exit_status.VALID
    (directory,) = (found.parent for found in tmp_path.glob("runs/*/*/history.jsonl"))
    told_of_healings(directory, at_least=len(faults) - 2)
    assert {said["effect"] for f, said in effects(tmp_path / "runs") if f == "heal"} <= {
        "healed",
        "ineffective",
    }


def test_paxos_under_cuts_losses_clocks_disks_and_power_is_valid(
    made: Machines, tmp_path: Path
) -> None:
    nemesis = ["--nemesis", "partition:one-node@leader,clock,disk,power,link:lossy"]
    nemesis += ["--time-limit", "11"]
    for option in ("order=cycle", "lead-in=0.5", "fault=1-1.5", "quiet=0.3"):  # Each of them once.
        nemesis += ["--nemesis-option", option]
    status = run(made, tmp_path, "paxos", 3, *nemesis)
    assert status == exit_status.VALID
    seen = effects(tmp_path)
    took = {f for f, said in seen if said["effect"] in ("applied", "partly")}
    assert {"partition", "clock", "disk", "power", "link"} <= took
    assert not [said for _, said in seen if said["effect"] == "leaked"]
    assert_nothing_left(made, within_s=3.0, places=3)


def test_zones_are_lost_and_cut_off(made: Machines, tmp_path: Path) -> None:
    nemesis = ["--nemesis", "zone:lost,zone:cut", "--time-limit", "9"]
    for option in ("order=cycle", "lead-in=0.5", "fault=1.5", "quiet=1", "zones=n1+n2/n3/n4+n5"):
        nemesis += ["--nemesis-option", option]
    assert run(made, tmp_path, "dynamo", 5, *nemesis) == exit_status.VALID
    seen = effects(tmp_path)
    applied = {(f, said["method"]) for f, said in seen if said["effect"] == "applied"}
    assert {("kill", "SIGKILL"), ("partition", "iptables")} <= applied
    assert {said["effect"] for f, said in seen if f == "heal"} == {"healed"}
    (history,) = tmp_path.glob("*/*/history.jsonl")
    struck = [window.input["targets"] for window in History.read(history).faults]
    assert all(sorted(nodes) in (["n1", "n2"], ["n3"], ["n4", "n5"]) for nodes in struck), struck
    assert_nothing_left(made, within_s=3.0, places=5)


def test_a_slow_zone_takes_queues_that_machines_do_not_get(
    made: Machines, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(made, tmp_path, "dynamo", 3, "--nemesis", "zone:slow") == exit_status.USAGE
    assert "the environment ssh cannot carry these link faults (delay_ns" in capsys.readouterr().err


def test_a_bug_of_dynamo_is_found_on_machines(made: Machines, tmp_path: Path) -> None:
    status = run(made, tmp_path, "dynamo", 3, "--bug", "drop-siblings", "--time-limit", "4")
    assert status == exit_status.INVALID


def test_what_the_machines_refuse_ends_with_3_and_wrong_usage_with_64(
    made: Machines, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(made, tmp_path, "atomic", 1, python="/none") == exit_status.FAILED
    said = capsys.readouterr().err
    assert "lineal: n1 (root@" in said
    assert "history so far" not in said
    assert "it ended before anything was recorded" in said
    assert "Traceback" not in said
    twice = ",".join(made.texts(1) * 3)
    words = ["run", "dynamo", "--environment", "ssh", "--nodes", twice, "--nemesis", "partition"]
    assert main([*words, "--runs", str(tmp_path)]) == exit_status.USAGE
    assert "iptables could not tell them apart" in capsys.readouterr().err
