"""Truncation waits for two checkpoints, and snapshots bring up who fell behind."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from systems_under_test.paxos import log as log_of
from systems_under_test.paxos.log import Log
from systems_under_test.replica import Write, WriteLater
from tests.systems_under_test.paxos.driving import THREE, Drive
from tests.systems_under_test.paxos.invariants import Observed, Observer
from workloads.client import Request

if TYPE_CHECKING:
    from collections.abc import Sequence

    from systems_under_test.paxos.step import Step
    from systems_under_test.replica import Effect, Input, Turn

SMALL = {"checkpoint_slots": 10}


def fill(drive: Drive, node: str, first: int, last: int) -> None:
    for n in range(first, last):
        drive.put(node, f"k{n}", f"value {n}")


@pytest.mark.parametrize("batch_bytes", [1 << 18, 200])
def test_a_replica_that_fell_behind_gets_a_snapshot(batch_bytes: int) -> None:
    drive = Drive({**SMALL, "batch_bytes": batch_bytes})
    leader = drive.await_leader()
    other = next(node for node in THREE if node != leader)
    fill(drive, leader, 0, 5)
    drive.isolate(other)
    fill(drive, leader, 5, 60)
    drive.wait(500)
    assert drive.status(leader)["log_start"] > drive.status(other)["last"]
    drive.cut([])
    drive.wait(3_000)
    assert drive.status(other)["counters"]["snapshots_installed"] >= 1
    assert drive.dump(other)["keys"] == drive.dump(leader)["keys"]


def test_the_log_is_kept_until_two_storage_replicas_have_a_checkpoint() -> None:
    drive = Drive({"checkpoint_slots": 40})
    leader = drive.await_leader()
    fill(drive, leader, 0, 30)
    drive.wait(300)
    assert [drive.status(node)["log_start"] for node in THREE] == [0, 0, 0]
    fill(drive, leader, 30, 50)
    drive.wait(500)
    for node in THREE:
        status = drive.status(node)
        assert 0 < status["log_start"] <= status["checkpoint"]


def test_a_restart_replays_at_most_the_tail_of_the_log() -> None:
    drive = Drive(SMALL)
    leader = drive.await_leader()
    other = next(node for node in THREE if node != leader)
    fill(drive, leader, 0, 60)
    drive.wait(500)
    applied = drive.status(other)["applied"]
    drive.cluster.nodes[other].power_off()
    drive.cluster.nodes[other].start()
    drive.wait(10)
    status = drive.status(other)
    assert status["applied"] >= status["checkpoint"] >= applied - 2 * SMALL["checkpoint_slots"]
    drive.wait(500)
    assert drive.dump(other)["keys"] == drive.dump(leader)["keys"]


def test_after_a_snapshot_repeated_requests_are_still_known() -> None:
    from tests.systems_under_test.paxos.driving import put

    drive = Drive(SMALL)
    leader = drive.await_leader()
    other = next(node for node in THREE if node != leader)
    drive.isolate(other)
    drive.answer(leader, put("once", 1, "me/1"))
    fill(drive, leader, 0, 60)
    drive.wait(300)
    drive.cut([])
    drive.wait(1_000)
    assert drive.status(other)["counters"]["snapshots_installed"] >= 1
    drive.put(leader, "once", 2)
    assert drive.order(leader, f"handover?to={other}")[0] == 200
    drive.wait(500)
    assert drive.leader() == other
    assert drive.answer(other, put("once", 1, "me/1"))[0] == 200
    assert drive.get(other, "once")["value"] == 2


def test_a_member_under_a_new_id_does_not_keep_the_checkpoint_of_its_old_one() -> None:
    """What the leader counted for the lost disk would let it truncate what one disk alone holds."""
    observer = Observer()
    drive = Drive(SMALL, observer=observer)
    leader = drive.await_leader()
    lost = next(node for node in THREE if node != leader)
    fill(drive, leader, 0, 60)
    drive.wait(300)
    leading = observer.lives[leader].node
    assert leading is not None
    assert leading.leadership is not None
    peer = leading.leadership.peers[lost]
    old, had = peer.replica, peer.checkpoint
    assert had >= 50
    drive.cluster.nodes[lost].kill()
    drive.cluster.nodes[lost].damage_disk("lost")
    drive.cluster.nodes[lost].start()
    ids = set()
    for _ in range(600):
        drive.wait(5)
        ids.add(peer.replica)
        if peer.replica != old:
            assert peer.checkpoint <= drive.status(lost)["checkpoint"]
    assert ids == {old, 0, 4}
    assert peer.checkpoint >= had
    assert observer.violations == []


def test_a_large_state_is_brought_in_parts_while_writes_go_on() -> None:
    """And what it replaces is swept away, a slice with each input."""
    observer = Observer()
    drive = Drive({**SMALL, "batch_bytes": 400}, observer=observer)
    leader = drive.await_leader()
    other = next(node for node in THREE if node != leader)
    drive.put(leader, "before", 1)
    drive.wait(300)
    drive.isolate(other)
    for n in range(120):
        drive.put(leader, f"k{n}", "x" * 60)
    drive.wait(600)
    sent = drive.status(leader)["counters"]["snapshots_sent"]
    drive.cut([])
    for n in range(200):
        drive.put(leader, f"k{n % 140}", n)
        if n % 3 == 0:
            drive.answer(leader, Request("DELETE", f"/kv/k{(n * 7) % 140}"))
    drive.wait(1_500)
    # One that was begun before the silence was noticed goes on.
    assert drive.status(leader)["counters"]["snapshots_sent"] <= sent + 1
    assert drive.status(other)["counters"]["snapshots_installed"] == 1
    assert drive.dump(other)["keys"] == drive.dump(leader)["keys"]
    assert observer.violations == []
    node = observer.lives[other].node
    assert node is not None
    left = drive.cluster.nodes[other].disk.scan(f"values-{1 - node.head.generation}")
    assert list(left) == []
    leading = observer.lives[leader].node
    assert leading is not None
    assert leading.views == []


def test_a_transfer_that_its_receiver_forgot_begins_anew() -> None:
    drive = Drive({**SMALL, "batch_bytes": 400})
    leader = drive.await_leader()
    other = next(node for node in THREE if node != leader)
    drive.isolate(other)
    for n in range(120):
        drive.put(leader, f"k{n}", "x" * 60)
    drive.wait(300)
    drive.cut([])
    while len(list(drive.cluster.nodes[other].disk.scan("values-1"))) < 10:
        drive.wait(1)
    drive.cluster.nodes[other].kill()
    drive.cluster.nodes[other].start()
    drive.wait(3_000)
    assert drive.status(leader)["counters"]["snapshots_sent"] >= 2
    assert drive.status(other)["counters"]["snapshots_installed"] == 1
    assert drive.dump(other)["keys"] == drive.dump(leader)["keys"]


def test_no_input_drops_more_of_the_log_than_it_may(monkeypatch: pytest.MonkeyPatch) -> None:
    """An engine frees every page of what is deleted, and leaders of long values stepped down."""
    dropped: list[list[int]] = []
    truncate = Log.truncate

    def watched(log: Log, step: Step, upto: int) -> int:
        before = dict(log.entries)
        count = truncate(log, step, upto)
        dropped.append([len(before[slot].payload) for slot in before.keys() - log.entries.keys()])
        return count

    monkeypatch.setattr(Log, "truncate", watched)
    monkeypatch.setattr(log_of, "TRUNCATED_BYTES_AT_ONCE", 500)
    drive = Drive({"checkpoint_slots": 40})
    leader = drive.await_leader()
    fill(drive, leader, 0, 100)
    drive.wait(2_000)
    for node in THREE:
        status = drive.status(node)
        assert status["checkpoint"] - status["log_start"] < 40
        assert status["log_start"] >= 40
    longest = max(max(sizes) for sizes in dropped)
    assert max(sum(sizes) for sizes in dropped) < 500 + longest


def test_what_came_of_one_transfer_is_not_taken_for_another(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Of two of the same slot the log of the second began later: slot 53 came to have two values.

    Between them the leader has given the receiver up and cut its log.
    """
    monkeypatch.setattr(log_of, "TRUNCATED_BYTES_AT_ONCE", 500)
    observer = Observer()
    drive = Drive({"checkpoint_slots": 100, "batch_bytes": 400}, observer=observer)
    leader = drive.await_leader()
    other = next(node for node in THREE if node != leader)
    for n in range(4):
        drive.put(leader, f"a{n}", "x" * 60)
    drive.wait(200)
    drive.isolate(other)
    while (applied := drive.status(leader)["applied"]) < 100:
        drive.put(leader, f"k{applied}", "x" * 60)
    drive.wait(600)
    start = drive.status(leader)["log_start"]
    drive.cut([])
    rows = drive.cluster.nodes[other].disk
    while len(list(rows.scan("values-1"))) < 20:
        drive.wait(1)
    drive.isolate(other)
    drive.wait(12_000)
    assert drive.status(leader)["log_start"] > start
    drive.cut([])
    drive.wait(6_000)
    assert drive.status(leader)["counters"]["snapshots_sent"] >= 2
    assert drive.status(other)["counters"]["snapshots_installed"] == 1
    assert observer.violations == []
    assert drive.dump(other)["keys"] == drive.dump(leader)["keys"]


def behind(observer: Observer) -> tuple[Drive, str, str]:
    """A cluster with its leader, and a follower that lacks slots which are in no log any more.

    Of the log 50 slots or more are left, and the follower has some of its own.
    """
    drive = Drive({"checkpoint_slots": 60, "batch_bytes": 400}, observer=observer)
    leader = drive.await_leader()
    other = next(node for node in THREE if node != leader)
    fill(drive, leader, 0, 50)
    drive.wait(200)
    drive.isolate(other)
    drive.wait(600)  # Nothing is sent any more to one that is silent.
    for n in range(50, 110):
        drive.put(leader, f"k{n}", "x" * 60)
    drive.wait(500)
    assert drive.status(other)["last"] < drive.status(leader)["log_start"]
    return drive, leader, other


def written(effects: Sequence[Effect]) -> list[tuple[str, int]]:
    """The tables that they write to, and how many bytes."""
    return [
        (effect.table, len(effect.key) + len(effect.value or b""))
        for effect in effects
        if isinstance(effect, Write | WriteLater)
    ]


def test_no_input_of_a_receiver_writes_more_than_a_part(monkeypatch: pytest.MonkeyPatch) -> None:
    """20 MB of log that came with a snapshot were once put in place in one input, in 0.4 s."""
    observer = Observer()
    drive, leader, other = behind(observer)
    inputs: list[list[tuple[str, int]]] = []
    handle = Observed.handle

    def watched(replica: Observed, event: Input, turn: Turn) -> Sequence[Effect]:
        effects = handle(replica, event, turn)
        if observer.lives[other] is replica._replica:
            inputs.append(written(effects))
        return effects

    monkeypatch.setattr(Observed, "handle", watched)
    drive.cut([])
    drive.wait(3_000)
    assert drive.status(other)["counters"]["snapshots_installed"] == 1
    assert sum(size for tables in inputs for table, size in tables if table == "log") > 5_000
    assert max(sum(size for _, size in tables) for tables in inputs) < 4 * 400
    assert max(len(tables) for tables in inputs) < 40
    start = drive.status(other)["log_start"]
    rows = drive.cluster.nodes[other].disk.scan("log")
    assert min(int.from_bytes(key, "big") for key, _ in rows) == start + 1
    assert drive.dump(other)["keys"] == drive.dump(leader)["keys"]
    assert observer.violations == []


@pytest.mark.parametrize("leader_dies", [False, True])
@pytest.mark.parametrize("strike", ["kill", "power_off"])
def test_a_receiver_may_die_at_every_part(strike: str, leader_dies: bool) -> None:
    """And with the leader, so that the others elect one with what the receiver says it holds."""
    died_with = set()
    for after in range(0, 60, 3):
        observer = Observer()
        drive, leader, other = behind(observer)
        drive.cut([])
        node = observer.lives[other].node
        assert node is not None
        for _ in range(50_000):
            staging = node.installation._staging
            if node.counters.snapshots_installed or (staging is not None and staging.next > after):
                break
            assert drive.cluster.step()
        if node.counters.snapshots_installed:
            break
        died_with.add(len(node.log.entries))
        getattr(drive.cluster.nodes[other], strike)()
        if leader_dies:
            drive.cluster.nodes[leader].kill()
        drive.cluster.nodes[other].start()
        drive.wait(1_500)
        drive.cluster.nodes[leader].start()
        drive.wait(2_000)
        leader = drive.await_leader()
        drive.put(leader, "last", after)
        drive.wait(500)
        assert drive.status(other)["log_start"] >= 60
        assert drive.dump(other)["keys"] == drive.dump(leader)["keys"]
        assert observer.violations == []
    assert len(died_with) > 5
