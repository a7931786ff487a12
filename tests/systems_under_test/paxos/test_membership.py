"""Members come and go through the log; log replicas stand in; lost disks are made whole."""

from __future__ import annotations

import msgspec
import pytest

from systems_under_test.environments.cluster import LinkQuality
from systems_under_test.paxos.group import Groups, first_group
from systems_under_test.paxos.quiescence import unrest
from tests.systems_under_test.paxos.driving import MILLISECOND, THREE, Drive
from tests.systems_under_test.paxos.invariants import Observer
from workloads.client import Reply

FOUR = (*THREE, "n4")


def voters(drive: Drive, node: str) -> list[str]:
    return sorted(name for name, _, _ in drive.status(node)["group"]["members"])


@pytest.mark.parametrize("seed", range(3))
def test_a_member_is_removed_and_added_again_under_a_new_id(seed: int) -> None:
    drive = Drive({"repair": "off"}, seed=seed)
    leader = drive.await_leader()
    other = next(node for node in THREE if node != leader)
    assert drive.order(other, f"remove?node={other}")[0] == 200
    drive.wait(500)
    assert voters(drive, leader) == [node for node in THREE if node != other]
    drive.put(leader, "k", 1)
    assert drive.order(leader, f"add?node={other}")[0] == 200
    drive.wait(500)
    assert voters(drive, leader) == list(THREE)
    assert drive.status(other)["replica"] == 4
    assert drive.get(other, "k", "?read=eventual")["value"] == 1


def test_a_leader_that_is_removed_makes_way() -> None:
    drive = Drive({"repair": "off"})
    leader = drive.await_leader()
    assert drive.order(leader, f"remove?node={leader}")[0] == 200
    drive.wait(500)
    successor = drive.await_leader()
    assert successor != leader
    assert leader not in voters(drive, successor)
    drive.put(successor, "k", 1)


def test_nobody_is_removed_whom_those_that_stay_cannot_do_without() -> None:
    drive = Drive({"log_replicas": 1, "repair": "off"}, nodes=FOUR)
    leader = drive.await_leader()
    other, last = [node for node in THREE if node != leader]
    drive.cluster.nodes[last].kill()
    drive.wait(700)  # Until its silence is seen.
    assert drive.order(leader, f"remove?node={other}")[0] == 200
    drive.wait(1_000)
    assert voters(drive, leader) == list(
        THREE
    )  # The leader and a dead member could choose nothing.
    drive.put(leader, "k", 1)
    drive.cluster.nodes[last].start()
    drive.wait(1_000)
    assert voters(drive, leader) == sorted([leader, last])
    assert drive.order(leader, "add?node=n4")[0] == 200
    drive.wait(500)
    assert drive.order(leader, f"remove?node={last}")[0] == 200
    drive.wait(500)
    status, content = drive.order(leader, f"remove?node={leader}")
    assert (status, content["error"]) == (409, f"{leader} is the last member that keeps state")


def test_a_log_replica_stands_in_within_seconds_and_makes_way_again() -> None:
    drive = Drive({"log_replicas": 1}, nodes=FOUR)
    leader = drive.await_leader()
    lost = next(node for node in THREE if node != leader)
    drive.put(leader, "k", 1)
    drive.cluster.nodes[lost].kill()
    drive.wait(4_500)
    assert voters(drive, leader) == sorted({*FOUR} - {lost})
    last = next(node for node in THREE if node not in (leader, lost))
    drive.cluster.nodes[last].kill()
    drive.put(leader, "k", 2)  # With one storage replica and the log replica alone.
    drive.cluster.nodes[last].start()
    drive.cluster.nodes[lost].start()
    drive.wait(4_000)
    assert voters(drive, drive.await_leader()) == list(THREE)
    assert drive.get(lost, "k")["value"] == 2


def test_what_only_a_log_replica_holds_is_recovered_from_it() -> None:
    drive = Drive({"log_replicas": 1}, nodes=FOUR)
    leader = drive.await_leader()
    lost, last = [node for node in THREE if node != leader]
    drive.cluster.nodes[lost].kill()
    drive.wait(4_500)
    drive.isolate(last)
    drive.put(leader, "k", "in the leader and the log replica")
    drive.cluster.nodes[leader].kill()
    drive.cut([])
    assert drive.await_leader() == last
    assert drive.get(last, "k")["value"] == "in the leader and the log replica"
    assert drive.status("n4")["counters"]["elections_begun"] == 0


def test_a_log_replica_begins_where_the_log_begins_and_not_at_the_leaders_state() -> None:
    drive = Drive({"log_replicas": 1, "checkpoint_slots": 10}, nodes=FOUR)
    leader = drive.await_leader()
    drive.cluster.nodes["n4"].kill()
    for n in range(85):
        drive.put(leader, "k", n)
    drive.wait(500)
    drive.cluster.nodes["n4"].start()
    drive.wait(1_500)
    ours, theirs = drive.status(leader), drive.status("n4")
    assert theirs["counters"]["snapshots_installed"] == 1
    assert theirs["log_start"] == ours["log_start"] < ours["applied"] == theirs["last"]


def test_a_replica_that_lost_its_disk_does_not_vote_until_it_is_a_new_member() -> None:
    drive = Drive({"engine": "memory", "repair": "off"})
    leader = drive.await_leader()
    lost = next(node for node in THREE if node != leader)
    drive.cluster.nodes[lost].kill()
    drive.cluster.nodes[lost].start()
    drive.wait(3_000)
    assert drive.status(lost)["replica"] == 0
    last = next(node for node in THREE if node not in (leader, lost))
    drive.cluster.nodes[last].kill()
    drive.wait(3_000)
    assert drive.leader() is None  # One voter and one amnesiac are no quorum.


def test_an_old_configuration_in_a_snapshot_gives_no_vote_back() -> None:
    drive = Drive({"engine": "memory", "repair": "off", "checkpoint_slots": 5})
    drive.wait(1_000)
    leader = drive.await_leader()
    lost = next(node for node in THREE if node != leader)
    assert drive.order(leader, f"remove?node={lost}")[0] == 200
    drive.wait(300)
    assert drive.order(leader, f"add?node={lost}")[0] == 200
    for n in range(30):
        drive.put(leader, f"k{n}", n)
    drive.wait(500)
    assert drive.status(lost)["replica"] == 4
    drive.cluster.nodes[lost].kill()
    drive.cluster.nodes[lost].start()
    drive.wait(2_000)
    status = drive.status(lost)
    assert status["counters"]["snapshots_installed"] >= 1
    assert [lost, 4, "storage"] in status["group"]["members"]
    assert status["replica"] == 0


def test_with_repair_a_lost_disk_is_whole_again_while_writes_go_on() -> None:
    drive = Drive({"engine": "memory", "checkpoint_slots": 10})
    leader = drive.await_leader()
    lost = next(node for node in THREE if node != leader)
    for n in range(50):
        drive.put(leader, f"k{n}", n)
    drive.wait(300)
    drive.cluster.nodes[lost].kill()
    drive.cluster.nodes[lost].start()
    for n in range(50, 100):
        drive.put(leader, f"k{n}", n)
        drive.wait(20)
    drive.wait(1_000)
    assert drive.status(lost)["replica"] == 4
    assert drive.dump(lost)["keys"] == {f"k{n}": n for n in range(100)}
    assert drive.status(lost)["counters"]["snapshots_installed"] >= 1


def test_a_configuration_is_in_force_from_its_slot() -> None:
    first = first_group(THREE, 3)
    groups = Groups(0, first)
    second = first.without("n3")
    groups.put(7, second)
    assert [groups.at(slot) for slot in (6, 7, 8)] == [first, second, second]
    assert (groups.ends(1), groups.ends(7)) == (6, None)
    groups.put(7, None)
    assert groups.newest == first
    groups.put(7, second)
    groups.settle(7)
    assert (groups.base, groups.pending) == (second, [])


def test_ids_are_never_given_twice() -> None:
    group = first_group(THREE, 3).without("n3").with_member("n3", "storage", 1)
    again = group.without("n3").with_member("n3", "storage", 1)
    ids = [member.replica for member in again.members]
    assert ids == [1, 2, 5]


def test_a_node_that_lacks_the_leaders_configuration_is_told_so_and_is_not_at_rest() -> None:
    drive = Drive()
    leader = drive.await_leader()
    lost = next(node for node in THREE if node != leader)
    drive.cluster.nodes[lost].kill()
    drive.cluster.nodes[lost].damage_disk("lost")
    drive.wait(500)
    assert drive.order(leader, f"remove?node={lost}")[0] == 200
    drive.wait(500)
    drive.cluster.nodes[lost].start()
    sentence = f"{lost} lacks the configuration that its leader has"
    lacked = []
    for _ in range(1_000):
        status = drive.status(lost)
        reply = Reply(200, {}, msgspec.json.encode(status))
        lacked.append(sentence in unrest({lost: reply}))
        assert lacked[-1] == (status["group"]["id"] < status["group"]["told"])
        drive.wait(2)
    assert True in lacked
    assert not lacked[-1]
    groups = [drive.status(node)["group"] for node in THREE]
    assert [(group["id"], group["told"]) for group in groups] == [(2, 2)] * 3


@pytest.mark.parametrize("after_ms", [0, 150, 300, 450])
def test_nobody_is_removed_while_it_is_not_known_who_has_died_just_now(after_ms: int) -> None:
    """A member that was heard half a second ago once counted for one that is there: the two that
    were to stay, one of them dead, could choose nothing, and nobody led any more."""
    drive = Drive({"repair": "off"})
    leader = drive.await_leader()
    other, last = [node for node in THREE if node != leader]
    drive.cluster.nodes[last].kill()
    drive.wait(after_ms)
    assert drive.order(leader, f"remove?node={other}")[0] == 200
    drive.wait(2_000)
    assert voters(drive, leader) == list(THREE)
    drive.put(leader, "k", 1)
    drive.cluster.nodes[last].start()
    drive.wait(1_500)
    assert voters(drive, leader) == sorted([leader, last])
    drive.put(leader, "k", 2)


def test_members_that_answer_late_are_no_reason_not_to_remove_another() -> None:
    drive = Drive({"repair": "off"})
    leader = drive.await_leader()
    other, last = [node for node in THREE if node != leader]
    slow = LinkQuality(delay_ns=130 * MILLISECOND)
    drive.cluster.shape({(leader, last): slow, (last, leader): slow})
    drive.wait(500)
    assert drive.order(leader, f"remove?node={other}")[0] == 200
    drive.wait(1_500)
    assert voters(drive, leader) == sorted([leader, last])


@pytest.mark.parametrize("seed", range(3))
def test_who_crashes_before_it_hears_of_its_admission_gives_its_vote_when_it_is_back(
    seed: int,
) -> None:
    """With a member dead it is needed, and nobody led who could have told it: it was never told."""
    observer = Observer()
    options = {"log_replicas": 1, "replace_after_ms": 1_000}
    drive = Drive(options, nodes=FOUR, observer=observer, seed=seed)
    leader = drive.await_leader()
    other, dead = [node for node in THREE if node != leader]
    drive.put(leader, "k", 1)
    drive.cluster.nodes[dead].kill()
    leading = observer.lives[leader].node
    assert leading is not None
    while leading.groups.newest.member("n4") is None:
        assert drive.cluster.step()
    drive.cluster.nodes["n4"].kill()
    drive.wait(3_000)
    assert drive.leader() is None
    drive.cluster.nodes["n4"].start()
    drive.first_write_after(other, 5_000)
    drive.wait(3_000)
    assert dead not in voters(drive, other)
    assert "n4" in voters(drive, other)
    assert observer.violations == []
