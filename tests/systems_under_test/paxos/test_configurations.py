"""Every message names its configuration: one of an old configuration is refused, and its sender
is told the newer one, so that it can go on."""

from __future__ import annotations

import os
from itertools import permutations

import pytest

from systems_under_test.rng import Rng
from tests.systems_under_test.paxos.driving import FIVE, THREE, Drive, put
from tests.systems_under_test.paxos.invariants import Observer
from workloads.client import Request

FOUR = (*THREE, "n4")
SEEDS_IN_SOAK = int(os.environ.get("LINEAL_SEEDS", "500")) // 2


def await_group(drive: Drive, node: str, number: int) -> None:
    """Wait until a node knows a configuration to be chosen."""
    for _ in range(10_000):
        group = drive.status(node)["group"]
        if group["id"] >= number and group["chosen"]:
            return
        drive.wait(1)
    raise AssertionError(f"{node} does not come to configuration {number}")


@pytest.mark.parametrize("seed", range(3))
def test_a_node_that_missed_a_configuration_can_lead_by_it(seed: int) -> None:
    """It is cut off while a log replica takes the place of a dead member; then the leader dies.

    The two that are left are a majority of the newest configuration, which only the log replica
    has, and that never leads; they are none of the one before, which the other has.
    """
    drive = Drive({"log_replicas": 1, "replace_after_ms": 500}, nodes=FOUR, seed=seed)
    leader = drive.await_leader()
    dead, behind = [node for node in THREE if node != leader]
    drive.cluster.nodes[dead].kill()
    await_group(drive, leader, 1)
    drive.isolate(behind)
    await_group(drive, "n4", 2)
    drive.put(leader, "k", "in the log replica alone")
    assert drive.status(behind)["group"]["id"] == 1
    drive.cluster.nodes[leader].kill()
    drive.cut([])
    assert drive.await_leader(5_000) == behind
    assert drive.get(behind, "k")["value"] == "in the log replica alone"
    assert drive.status("n4")["counters"]["configurations_refused"] >= 1


def test_who_was_removed_behind_a_one_way_cut_is_told_so_and_falls_silent() -> None:
    drive = Drive({"repair": "off"})
    leader = drive.await_leader()
    gone, other = [node for node in THREE if node != leader]
    drive.isolate(gone)
    assert drive.order(leader, f"remove?node={gone}")[0] == 200
    drive.wait(500)
    drive.cut([(leader, gone)])
    drive.wait(1_000)
    asked = drive.status(gone)["counters"]["suspicions"]
    drive.wait(3_000)
    assert drive.status(gone)["counters"]["suspicions"] == asked
    refused = drive.status(other)["counters"]["configurations_refused"]
    assert refused + drive.status(leader)["counters"]["configurations_refused"] >= 1
    drive.put(leader, "k", 1)


class Upheaval:
    """Members come and go, by order and by repair, while nodes die and links are cut."""

    def __init__(self, seed: int) -> None:
        self._rng = Rng(f"upheaval {seed}")
        nodes = (THREE, FOUR, FIVE)[seed % 3]
        options = {"replace_after_ms": 400, "checkpoint_slots": 10, "log_replicas": len(nodes) - 3}
        self.observer = Observer()
        self.drive = Drive(options, nodes=nodes, seed=seed, observer=self.observer)

    def run(self) -> list[str]:
        """Break for a while, then heal; what is wrong."""
        drive, rng = self.drive, self._rng
        for n in range(25):
            self._break()
            for node in drive.nodes:
                if drive.cluster.nodes[node].state() == "running":
                    drive.begin(node, put(f"k{n}", node), 1_000)
            drive.wait(50 + rng.below(400))
        drive.cut([])
        for place in drive.cluster.nodes.values():
            place.start()
        drive.await_leader()
        drive.await_ready()
        for node in THREE:
            drive.first_write_after(node, 5_000)
        drive.wait(3_000)
        return self.observer.violations + self._unsettled()

    def _break(self) -> None:
        drive, rng = self.drive, self._rng
        node = rng.choice(drive.nodes)
        place = drive.cluster.nodes[node]
        match rng.below(6):
            case 0:
                place.kill()
            case 1:
                place.start()
            case 2:
                links = list(permutations(drive.nodes, 2))
                drive.cut([link for link in links if rng.below(3) == 0])
            case 3:
                drive.cut([])
            case _ if place.state() == "running":
                drive.begin(node, self._order(), 1_000)

    def _order(self) -> Request:
        order, node = self._rng.choice(("add", "remove")), self._rng.choice(self.drive.nodes[:3])
        return Request("POST", f"/admin/{order}?node={node}")

    def _unsettled(self) -> list[str]:
        groups = {node: self.drive.status(node)["group"] for node in self.drive.nodes}
        told = {(group["id"], group["told"], group["chosen"]) for group in groups.values()}
        members = sorted(name for name, _, _ in next(iter(groups.values()))["members"])
        wrong = [] if len(told) == 1 else [f"the configurations differ: {groups}"]
        return wrong if members == list(THREE) else [*wrong, f"the members are {members}"]


def found_in(seeds: range) -> tuple[dict[int, list[str]], int]:
    """What is wrong with an upheaval, by seed; how many messages of old configurations came."""
    wrong, outdated = {}, 0
    for seed in seeds:
        upheaval = Upheaval(seed)
        found = upheaval.run()
        if found:
            wrong[seed] = found
        outdated += upheaval.observer.outdated
        assert len(upheaval.observer.chosen) > 10
    return wrong, outdated


def test_whatever_configurations_nodes_have_missed_they_come_to_the_newest() -> None:
    wrong, outdated = found_in(range(5))
    assert wrong == {}
    assert outdated > 0


@pytest.mark.soak
@pytest.mark.timeout(3600)
def test_so_they_do_over_many_seeds() -> None:
    wrong, outdated = found_in(range(5, 5 + SEEDS_IN_SOAK))
    assert wrong == {}
    assert outdated > 0


def test_slots_that_are_settled_when_a_leader_begins_wait_for_no_quorum() -> None:
    """They were counted for ever, and a leader refused every command for what was chosen."""
    assert any(settles_as_leader(seed) for seed in range(10)), "who is behind never came to lead"


def settles_as_leader(seed: int) -> bool:
    """Whether the one came to lead that was behind; then it has to take commands."""
    options = {"repair": "off", "unchosen_bytes_max": 20_000, "checkpoint_slots": 10_000}
    drive = Drive(options, nodes=FIVE, seed=seed)
    leader = drive.await_leader()
    behind, *_, removed = [node for node in FIVE if node != leader]
    drive.wait(200)
    cut_off(drive, behind)
    for n in range(40):
        drive.put(leader, f"k{n}", "x" * 1_000)
    drive.order(leader, f"remove?node={removed}")
    drive.wait(1_000)
    cut_off(drive, leader, removed)
    left = [node for node in FIVE if node not in (leader, removed)]
    while not (leading := [n for n in left if drive.status(n)["role"] == "leader"]):
        drive.wait(100)
    drive.wait(1_500)
    if drive.status(leading[0])["counters"]["slots_recovered"] < 40:
        return False
    assert drive.put(leading[0], "k", "after") > 40
    return True


def cut_off(drive: Drive, *nodes: str) -> None:
    drive.cut([pair for n in nodes for o in FIVE if o != n for pair in ((n, o), (o, n))])
