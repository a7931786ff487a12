"""Members come and go by a nemesis's orders, proved by the configuration that the leader has."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from checker.history.columns import History
from lineal.cli.main import main
from lineal.definition import Test
from lineal.running import run
from systems_under_test.paxos.administration import PaxosAdministration
from systems_under_test.paxos.system import SYSTEM
from workloads.client import Reply

if TYPE_CHECKING:
    from pathlib import Path

FOUR = ("n1", "n2", "n3", "n4")
OPTIONS: dict[str, Any] = {"repair": "off", "log_replicas": 1}


def status(role: str, *members: str, chosen: bool = True) -> Reply:
    of_group = {"members": [[name, i, "storage"] for i, name in enumerate(members)]}
    body = {"role": role, "group": {**of_group, "chosen": chosen}}
    return Reply(200, {}, msgspec.json.encode(body))


def changed(faults: str, seed: int, runs: Path, seconds: float = 20) -> History:
    test = Test(
        system=SYSTEM,
        nodes=FOUR,
        environment="simulated",
        faults=faults,
        options=OPTIONS,
        time_limit_s=seconds,
        seed=seed,
    )
    outcome = run(test, runs=runs, report=False)
    assert outcome.judgement.status == "valid", outcome.judgement.explain()
    return History.read(outcome.directory.history)


@pytest.mark.parametrize(
    ("faults", "members"),
    [
        ("membership:leave@n2", {"n1", "n3"}),
        ("membership:join", {"n1", "n2", "n3", "n4"}),
        ("membership:replace@n2", {"n1", "n3", "n4"}),
    ],
)
def test_a_change_shows_in_the_configuration_and_is_undone(
    faults: str, members: set[str], tmp_path: Path
) -> None:
    history = changed(faults, 3, tmp_path)
    healings = [e.output["evidence"] for e in history.nemesis("heal") if e.type == "info"]
    assert len(healings) >= 2
    for evidence in healings:
        assert evidence["accepted"]
        assert set(evidence["members"]) == members
    assert all(window.effect != "ineffective" for window in history.faults)


@pytest.mark.parametrize("seed", range(2))
def test_nobody_is_accused_while_members_change_under_other_faults(
    seed: int, tmp_path: Path
) -> None:
    history = changed("membership,partition,kill", seed, tmp_path)
    assert {window.f for window in history.faults} >= {"partition", "kill"}


@pytest.mark.live
def test_members_change_under_real_processes(tmp_path: Path) -> None:
    words = ["run", "paxos", "--nodes", "4", "--nemesis", "membership", "--seed", "3"]
    words += ["--option", "repair=off", "--option", "log_replicas=1", "--time-limit", "10"]
    assert main([*words, "--environment", "local", "--runs", str(tmp_path)]) == 0
    lines = (tmp_path / "latest" / "history.jsonl").read_bytes().splitlines()
    events = [msgspec.json.decode(line) for line in lines if b'"heal"' in line]
    seen = [e["output"]["evidence"] for e in events if e.get("type") == "info"]
    assert any(evidence["accepted"] and evidence["members"] for evidence in seen)


def test_who_leads_knows_the_members_once_they_are_chosen() -> None:
    orders = PaxosAdministration()
    assert orders.members(status("leader", "n3", "n1")) == ("n1", "n3")
    assert orders.members(status("follower", "n3", "n1")) is None
    assert orders.members(status("leader", "n3", "n1", chosen=False)) is None
    assert orders.members(Reply(503)) is None


def test_a_replacement_adds_before_it_removes() -> None:
    orders, members, asked = PaxosAdministration(), {"n1", "n2", "n3"}, []
    while (step := orders.step("replace", "n2", "n4", tuple(sorted(members)))) is not None:
        asked.append(step.target)
        members = members | {"n4"} if "add" in step.target else members - {"n2"}
    assert asked == ["/admin/add?node=n4", "/admin/remove?node=n2"]
    assert orders.step("repair", "n2", "", ("n1", "n2", "n3")) is None


def test_a_group_that_repairs_itself_is_refused() -> None:
    test = Test(system=SYSTEM, nodes=FOUR, faults="membership", options={"log_replicas": 1})
    (problem,) = test.problems()
    assert problem.startswith("changes of members need --option repair=off")
