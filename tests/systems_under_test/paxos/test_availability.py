"""How long writes stand still: after a kill, after a hand-over, behind cut links."""

from __future__ import annotations

from itertools import combinations
from typing import TYPE_CHECKING

import pytest

from checker.history.columns import History
from lineal.definition import standard
from lineal.running import run
from systems_under_test.replica import STOPPING_NS_MAX
from systems_under_test.rng import Rng
from tests.systems_under_test.paxos.driving import FIVE, MILLISECOND, THREE, Drive, put
from workloads.client import Reply

if TYPE_CHECKING:
    from pathlib import Path

LINKS = [(a, b) for a in THREE for b in THREE if a != b]
GRUDGES = [cut for size in range(len(LINKS) + 1) for cut in combinations(LINKS, size)]
FAIL_OVER_MS = 3_000
HAND_OVER_MS = 200
BEHIND_CUTS_MS = 5_000


def connected_majority(cut: tuple[tuple[str, str], ...]) -> tuple[str, str] | None:
    """Two of the three that reach each other, both ways."""
    for a, b in combinations(THREE, 2):
        if (a, b) not in cut and (b, a) not in cut:
            return a, b
    return None


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("nodes", [THREE, FIVE])
def test_a_write_succeeds_within_three_seconds_of_the_leaders_death(
    seed: int, nodes: tuple[str, ...]
) -> None:
    drive = Drive(seed=seed, nodes=nodes)
    leader = drive.await_leader()
    drive.cluster.nodes[leader].kill()
    other = next(node for node in nodes if node != leader)
    assert drive.first_write_after(other, FAIL_OVER_MS) <= FAIL_OVER_MS


@pytest.mark.parametrize("seed", range(8))
def test_a_write_succeeds_within_200_ms_of_a_planned_hand_over(seed: int) -> None:
    drive = Drive(seed=seed)
    drive.wait(500)
    leader = drive.await_leader()
    assert drive.order(leader, "handover")[0] == 200
    for node in THREE:
        assert drive.first_write_after(node, HAND_OVER_MS) <= HAND_OVER_MS
    assert drive.leader() not in (None, leader)


@pytest.mark.parametrize("dead_ms", [100, 1_000, 5_000])
@pytest.mark.parametrize("by_signal", [False, True])
@pytest.mark.parametrize("seed", range(3))
def test_a_hand_over_goes_to_a_follower_that_lives(
    seed: int, dead_ms: int, by_signal: bool
) -> None:
    first = Drive(seed=seed)
    first.wait(500)
    leader = first.await_leader()
    for dead in THREE:
        if dead == leader:
            continue
        drive = Drive(seed=seed)
        drive.wait(500)
        assert drive.await_leader() == leader
        drive.cluster.nodes[dead].kill()
        drive.wait(dead_ms)
        alive = next(node for node in THREE if node not in (dead, leader))
        began = drive.cluster.now
        if by_signal:
            # A third that is dead leaves no quorum once the leader is gone: only who leads counts.
            drive.cluster.nodes[leader].stop()
            assert (drive.cluster.now - began) // MILLISECOND <= HAND_OVER_MS
            assert drive.status(alive)["role"] == "leader"
        else:
            assert drive.order(leader, "handover")[0] == 200
            assert drive.first_write_after(alive, 5_000) <= HAND_OVER_MS
            assert drive.leader() == alive


@pytest.mark.parametrize("seed", range(3))
def test_no_hand_over_is_accepted_to_a_node_that_does_not_answer(seed: int) -> None:
    drive = Drive(seed=seed)
    leader = drive.await_leader()
    dead, alive = (node for node in THREE if node != leader)
    drive.cluster.nodes[dead].kill()
    drive.wait(1_000)
    status, content = drive.order(alive, f"handover?to={dead}")
    assert status == 409
    assert content["error"].startswith(f"{dead} has not answered for ")
    drive.cluster.nodes[alive].kill()
    drive.wait(500)
    status, content = drive.order(leader, "handover")
    assert status == 409
    assert content["error"].startswith("nobody could lead now: ")
    assert drive.status(leader)["role"] == "leader"


@pytest.mark.parametrize("seed", range(8))
def test_a_write_succeeds_within_200_ms_of_a_leaders_being_asked_to_end(seed: int) -> None:
    drive = Drive(seed=seed)
    drive.wait(500)
    leader = drive.await_leader()
    other = next(node for node in THREE if node != leader)
    asked = drive.begin(leader, put("k", 1))
    began = drive.cluster.now
    drive.cluster.nodes[leader].stop()
    assert drive.cluster.nodes[leader].state() == "dead"
    stood = (drive.cluster.now - began) // MILLISECOND
    assert stood + drive.first_write_after(other, HAND_OVER_MS) <= HAND_OVER_MS
    assert [reply.status for reply in asked if isinstance(reply, Reply)] == [200]


def test_a_leader_alone_that_is_asked_to_end_is_not_waited_for_without_end() -> None:
    drive = Drive()
    leader = drive.await_leader()
    for node in THREE:
        if node != leader:
            drive.cluster.nodes[node].kill()
    began = drive.cluster.now
    drive.cluster.nodes[leader].stop()
    assert drive.cluster.nodes[leader].state() == "dead"
    assert drive.cluster.now - began <= STOPPING_NS_MAX + MILLISECOND


def test_clients_go_on_while_the_nemesis_of_a_run_waits_for_a_stop(tmp_path: Path) -> None:
    """The last one to be asked has nobody to hand over to, and takes all the time that there is."""
    asked = {"faults": "stop@all", "time_limit_s": 8.0, "seed": 1}
    test = standard(system="paxos", environment="simulated", **asked)
    outcome = run(test, runs=tmp_path, report=False)
    history = History.read(outcome.directory.path / "history.jsonl")
    told = [event.time for event in history.nemesis("stop")]
    stops = zip(told[::2], told[1::2], strict=True)
    waits = [(begin, end) for begin, end in stops if end - begin >= STOPPING_NS_MAX]
    assert waits, told
    for begin, end in waits:
        meanwhile = [op for op in history if begin < op.call < end]
        assert len(meanwhile) > 10, "at 50 operations a second"
    assert outcome.verdict.status == "valid"


def elections_with_one_cut_link(seed: int, bug: str | None) -> int:
    """Elections begun after the first one, with a link between leader and follower cut, healed."""
    drive = Drive(seed=seed, bug=bug)
    drive.wait(1_000)  # Two candidates may have met at the start.
    leader = drive.await_leader()
    begun = drive.counted("elections_begun")
    follower = [node for node in THREE if node != leader][seed % 2]
    drive.cut([(leader, follower), (follower, leader)])
    drive.wait(4_000)
    drive.cut([])
    drive.wait(1_000)
    return drive.counted("elections_begun") - begun


def test_one_cut_link_makes_no_election_over_50_seeds() -> None:
    assert [elections_with_one_cut_link(seed, None) for seed in range(50)] == [0] * 50


def test_without_a_pre_vote_the_election_counter_moves() -> None:
    assert any(elections_with_one_cut_link(seed, "elects-while-healthy") for seed in range(20))


@pytest.mark.parametrize("cut", [cut for cut in GRUDGES if connected_majority(cut)])
def test_every_grudge_that_leaves_a_connected_majority_leaves_a_writable_quorum(
    cut: tuple[tuple[str, str], ...],
) -> None:
    drive = Drive(seed=len(cut))
    majority = connected_majority(cut)
    assert majority is not None
    drive.cut(cut)
    drive.wait(BEHIND_CUTS_MS)
    assert any(_writes(drive, node) for node in majority)


@pytest.mark.parametrize("seed", range(20))
def test_so_does_any_grudge_of_five_drawn_around_three_that_reach_each_other(seed: int) -> None:
    rng = Rng(f"grudge {seed}")
    majority = rng.shuffled(FIVE)[:3]
    links = [(a, b) for a in FIVE for b in FIVE if a != b and not {a, b} <= set(majority)]
    drive = Drive(seed=seed, nodes=FIVE)
    drive.cut([link for link in links if rng.below(2)])
    drive.wait(BEHIND_CUTS_MS)
    assert any(_writes(drive, node) for node in majority)


def _writes(drive: Drive, node: str) -> bool:
    try:
        drive.first_write_after(node, 1_000)
    except AssertionError:
        return False
    return True
