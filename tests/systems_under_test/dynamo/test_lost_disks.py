"""Disks are lost one after another, or many at once: each loss is found out, and mended."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from systems_under_test.rng import Rng
from tests.proof.sweeping import kinds, simulate
from tests.systems_under_test.dynamo.driving import Drive
from tests.systems_under_test.dynamo.test_introduction import THREE
from tests.systems_under_test.dynamo.test_membership import NODES_HELD, assert_kept, filled
from tests.systems_under_test.dynamo.test_store_repair import STRICT, damaged, state
from workloads.client import Request

if TYPE_CHECKING:
    from pathlib import Path


def wiped(drive: Drive, *names: str) -> None:
    """These nodes lose their disks at once, and start."""
    for name in names:
        drive.cluster.nodes[name].kill()
        drive.cluster.nodes[name].damage_disk("lost")
    for name in names:
        drive.cluster.nodes[name].start()


def repaired(drive: Drive, *names: str) -> None:
    """These nodes are found to have lost their disks, and repaired."""
    drive.wait(500)
    assert {state(drive, name) for name in names} == {"blank"}
    for name in names:
        assert drive.order(name, "repair").status == 200
    drive.settle()
    assert {state(drive, name) for name in drive.cluster.nodes} == {"whole"}


@pytest.mark.parametrize("nodes", [THREE, NODES_HELD])
def test_disks_that_are_lost_one_after_another_are_each_found_out(nodes: tuple[str, ...]) -> None:
    drive = Drive(STRICT, nodes=nodes)
    values = filled(drive, 6)
    for name in (*nodes, *reversed(nodes)):
        wiped(drive, name)
        repaired(drive, name)
        assert_kept(drive, values)


@pytest.mark.parametrize("seed", range(3))
def test_disks_are_lost_and_repaired_in_any_order_and_acknowledged_writes_are_read(
    seed: int,
) -> None:
    rng = Rng(f"disks/{seed}")
    drive = Drive(STRICT, seed=seed)
    values = filled(drive, 10)
    for _ in range(8):
        name = rng.choice(NODES_HELD)
        others = [node for node in NODES_HELD if node != name]
        key = f"key{rng.between(0, 9)}"
        values[key] = f"{name} {drive.cluster.now}"
        context = drive.get(rng.choice(others), key)["context"]
        drive.put(rng.choice(others), key, values[key], context)
        if rng.between(0, 1):  # Another one was down when the first was repaired.
            drive.cluster.nodes[rng.choice(others)].kill()
        wiped(drive, name)
        repaired(drive, name)
        assert_kept(drive, values)


def test_two_disks_of_five_that_are_lost_at_once_are_found_out_and_repaired() -> None:
    drive = Drive(STRICT | {"n": 5, "r": 3, "w": 3})
    values = filled(drive, 6)
    for pair in (("n1", "n2"), ("n3", "n4"), ("n5", "n1")):
        wiped(drive, *pair)
        repaired(drive, *pair)
        assert_kept(drive, values)


@pytest.mark.parametrize("is_up", [True, False])
def test_all_disks_but_one_that_are_lost_at_once_do_not_pass_as_new(is_up: bool) -> None:
    drive = Drive(STRICT)
    filled(drive, 6)
    if not is_up:
        drive.cluster.nodes["n5"].kill()
    wiped(drive, *NODES_HELD[:4])
    drive.wait(2000)
    assert {state(drive, name) for name in NODES_HELD[:4]} == {"blank" if is_up else "new"}
    drive.cluster.nodes["n5"].start()
    drive.wait(2000)
    assert {state(drive, name) for name in NODES_HELD[:4]} == {"blank"}
    for name in NODES_HELD:
        assert drive.ask(name, Request("GET", "/kv/key1")).status == 503, "not read as empty"


def test_disks_that_are_all_lost_but_none_repaired_between_are_found_out_too() -> None:
    drive = Drive(STRICT, nodes=THREE)
    filled(drive, 6)
    for name in THREE:
        wiped(drive, name)
        drive.wait(500)
    assert {state(drive, name) for name in THREE} == {"blank"}


def test_with_one_copy_a_node_that_is_repaired_starts_with_nothing_and_says_so() -> None:
    drive = Drive({"n": 1, "r": 1, "w": 1}, nodes=THREE)
    values = filled(drive, 12)
    lost = [key for key in values if drive.home(key)[0] == ["n2"]]
    assert lost
    wiped(drive, "n2")
    drive.wait(500)
    reply = drive.ask("n2", Request("GET", "/kv/x"))
    assert b"nobody else holds what it has lost, and that is gone" in reply.body
    repaired(drive, "n2")
    for key in lost:
        assert drive.values("n1", key) == []
        del values[key]
    assert_kept(drive, values)


def test_the_only_node_there_is_starts_with_nothing_when_it_is_repaired() -> None:
    drive = Drive({"n": 1, "r": 1, "w": 1}, nodes=("n1",))
    drive.put("n1", "k", "v")
    damaged(drive, "n1")
    repaired(drive, "n1")
    assert drive.values("n1", "k") == []
    drive.put("n1", "k", "w")
    assert drive.values("n1", "k") == ["w"]


@pytest.mark.parametrize("quorum", ["strict", "sloppy"])
def test_where_only_a_named_disk_is_lost_all_is_claimed_and_holds(
    quorum: str, tmp_path: Path
) -> None:
    faults = "disk:lost@n3,kill,partition"
    judgement = simulate("dynamo", 0, tmp_path, faults=faults, options={"quorum": quorum})
    assert judgement.status == "valid", judgement.explain()
    assert "lost-update" in judgement.promises.claims
    assert ("read-your-writes" in judgement.promises.claims) == (quorum == "strict")


def test_a_node_whose_disk_was_lost_and_that_says_too_soon_that_it_is_whole_is_accused(
    tmp_path: Path,
) -> None:
    judgement = simulate("dynamo", 0, tmp_path, faults="disk:lost@n1", bug="whole-too-soon")
    assert "lost-update" in kinds(judgement)
