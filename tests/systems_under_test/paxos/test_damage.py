"""Damaged and lost disks: never applied, no vote under the old id, made whole by the others."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.systems_under_test.paxos.driving import THREE, Drive

if TYPE_CHECKING:
    from systems_under_test.environments.cluster import DamageKind

KINDS: tuple[DamageKind, ...] = ("flip", "truncate", "lost")


def strike(drive: Drive, node: str, kind: DamageKind) -> None:
    """Kill a node and damage what it has stored."""
    drive.cluster.nodes[node].kill()
    assert drive.cluster.nodes[node].damage_disk(kind)


def await_member(drive: Drive, node: str, replica: int, limit_ms: int = 5_000) -> int:
    """Wait until a node votes under this id; the milliseconds that it took."""
    for waited in range(0, limit_ms, 50):
        if drive.status(node)["replica"] == replica:
            return waited
        drive.wait(50)
    raise AssertionError(f"{node} does not vote as {replica}: {drive.status(node)}")


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("seed", range(4))
def test_a_damaged_replica_is_whole_again_under_a_new_id_while_writes_go_on(
    kind: DamageKind, seed: int
) -> None:
    drive = Drive({"checkpoint_slots": 10}, seed=seed)
    leader = drive.await_leader()
    victim = next(node for node in THREE if node != leader)
    for n in range(40):
        drive.put(leader, f"k{n}", n)
    strike(drive, victim, kind)
    for n in range(40, 60):
        drive.put(leader, f"k{n}", n)
    drive.cluster.nodes[victim].start()
    drive.wait(50)
    assert drive.status(victim)["replica"] == 0
    assert "finds no vote of its earlier lives" in drive.status(victim)["no_vote"]
    assert bool(drive.status(victim)["damage"]) == (kind != "lost")
    for n in range(60, 80):
        drive.put(leader, f"k{n}", n)
    await_member(drive, victim, 4)
    assert drive.status(victim)["no_vote"] == ""
    drive.wait(500)
    assert drive.dump(victim)["keys"] == {f"k{n}": n for n in range(80)}


def test_members_that_died_before_they_had_begun_still_found_the_group() -> None:
    """They were counted, and had said nothing: they need not have forgotten anything."""
    drive = Drive(led=False)
    for node in THREE:
        drive.cluster.nodes[node].kill()
        drive.cluster.nodes[node].power_off()
        drive.cluster.nodes[node].start()
    leader = drive.await_leader()
    assert drive.status(leader)["incarnation"] == 2
    assert [drive.status(node)["no_vote"] for node in THREE] == ["", "", ""]


def test_a_majority_that_lost_what_it_had_said_founds_nothing() -> None:
    drive = Drive()
    for node in THREE[:2]:
        strike(drive, node, "lost")
        drive.cluster.nodes[node].start()
    drive.wait(5_000)
    assert [drive.status(node)["role"] for node in THREE] == ["follower"] * 3
    assert all(drive.status(node)["no_vote"] for node in THREE[:2])


@pytest.mark.parametrize("kind", KINDS)
def test_beyond_the_budget_there_is_no_answer_and_no_wrong_one(kind: DamageKind) -> None:
    drive = Drive()
    leader = drive.await_leader()
    drive.put(leader, "k", "acknowledged")
    struck = [node for node in THREE if node != leader]
    for node in struck:
        strike(drive, node, kind)
    drive.cluster.nodes[leader].kill()
    for node in THREE:
        drive.cluster.nodes[node].start()
    drive.wait(5_000)
    assert drive.leader() is None
    assert [drive.status(node)["replica"] for node in struck] == [0, 0]


def test_the_status_names_file_and_record_of_the_damage() -> None:
    drive = Drive()
    leader = drive.await_leader()
    victim = next(node for node in THREE if node != leader)
    place = drive.cluster.nodes[victim]
    place.kill()
    where = place.damage_disk("flip")
    place.start()
    drive.wait(100)
    said = drive.status(victim)["damage"]
    assert where["file"] in said
    assert "checksum" in said


def test_a_lost_leader_is_replaced_and_nothing_acknowledged_is_lost() -> None:
    drive = Drive({"checkpoint_slots": 10})
    leader = drive.await_leader()
    for n in range(30):
        drive.put(leader, f"k{n}", n)
    strike(drive, leader, "lost")
    successor = drive.await_leader()
    assert successor != leader
    drive.cluster.nodes[leader].start()
    await_member(drive, leader, 4)
    drive.wait(500)
    assert drive.dump(leader)["keys"] == {f"k{n}": n for n in range(30)}
