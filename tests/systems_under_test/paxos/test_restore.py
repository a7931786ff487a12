"""Restores judged while leaders die, links are cut and wall clocks are wrong within a bound."""

from __future__ import annotations

from random import Random
from typing import TYPE_CHECKING

import pytest

from checker.invariants.restored import DatedWrite, judge_restore
from systems_under_test.paxos.founding import founding
from tests.systems_under_test.paxos.driving import FIVE, MILLISECOND, THREE, Drive, put
from tests.systems_under_test.paxos.invariants import Observer
from workloads.client import Reply, Request

if TYPE_CHECKING:
    from workloads.client import Failure

BOUND = 300 * MILLISECOND
WRITES = 400
OPTIONS = {
    "archive": "on",
    "archive_every_ms": 150,
    "archive_segment_slots": 30,
    "archive_snapshot_slots": 60,
    "checkpoint_slots": 15,
}


FAULTS = ("kill", "cut", "clock", "clock", "objects")
AWAY = ("kill", "lost", "objects and cut", "objects", "objects and cut")
"""The object store is away, and meanwhile others fall behind, lose their disk, and lead."""


class Storm:
    """A cluster that is written to and broken at the same time, with an observer in each replica.

    `faults` are drawn from, one after the other.
    """

    def __init__(self, seed: int, faults: tuple[str, ...] = FAULTS) -> None:
        self._rng = Random(seed)
        self._faults = faults
        self.observer = Observer()
        self.drive = Drive(OPTIONS, seed=seed, observer=self.observer)
        self.lost = 0
        self.invoked: dict[str, int] = {}
        self.acknowledged: dict[str, int] = {}

    def now(self) -> int:
        """The true wall time: what a clock that is right would show."""
        node = self.drive.cluster.nodes["n1"]
        wall = node.clock.read(self.drive.cluster.now).wall
        return wall - node.read_clock().wall_offset

    def run(self) -> list[DatedWrite]:
        """Write and break, then heal and back up; what was written."""
        for n in range(WRITES):
            if n % 25 == 0:
                self._heal()
                self._break()
            self._write(f"w{n}")
            self.drive.wait(self._rng.randrange(2, 20))
        self._heal()
        self.drive.wait(3_000)
        leader = self.drive.await_leader()
        assert self.drive.order(leader, "backup")[0] == 200
        self.drive.wait(2_000)
        return [
            DatedWrite(element, invoked, self.acknowledged.get(element))
            for element, invoked in self.invoked.items()
        ]

    def _write(self, element: str) -> None:
        cluster = self.drive.cluster
        self.invoked[element] = self.now()

        def done(reply: Reply | Failure) -> None:
            if isinstance(reply, Reply) and reply.status == 200:
                self.acknowledged[element] = self.now()

        cluster.submit(
            self._rng.choice(THREE), put(element, 1), cluster.now + 3_000 * MILLISECOND, done
        )

    def _break(self) -> None:
        node = self._rng.choice(THREE)
        fault = self._rng.choice(self._faults)
        if fault == "kill":
            self.drive.cluster.nodes[node].kill()
        elif fault == "lost":
            self._lose(node)
        elif fault == "objects and cut":
            self.drive.cluster.objects.down = True
            self.drive.isolate(node)
        elif fault == "cut":
            self.drive.isolate(node)
        elif fault == "objects":
            self.drive.cluster.objects.down = True
        else:
            offset = self._rng.randrange(-BOUND, BOUND)
            self.drive.cluster.nodes[node].set_clock(wall_offset_ns=offset)

    def _lose(self, node: str) -> None:
        """Lose a disk, if the one that was lost last is whole again: more could not be borne."""
        if not self._whole():
            return
        self.drive.cluster.nodes[node].kill()
        self.drive.cluster.nodes[node].damage_disk("lost")
        self.drive.cluster.nodes[node].start()
        self.lost += 1

    def _whole(self) -> bool:
        """Whether every node votes, and knows that the configuration in which it does is chosen.

        Until then a candidate needs a quorum of the one before, which may have but two members.
        """
        found = [self.drive.status(node) for node in THREE]
        groups = {(one["group"]["id"], one["group"]["chosen"]) for one in found}
        ids = {node: replica for node, replica, _ in found[0]["group"]["members"]}
        voting = all(one["replica"] == ids.get(one["node"]) for one in found)
        return voting and len(groups) == 1 and found[0]["group"]["chosen"]

    def _heal(self) -> None:
        self.drive.cut([])
        self.drive.cluster.objects.down = False
        for node in self.drive.cluster.nodes.values():
            node.start()


def judged(seed: int, bound: int, faults: tuple[str, ...] = FAULTS) -> tuple[list[str], Storm]:
    """What is wrong with a storm, and with restores to many moments of it. None may be refused."""
    storm = Storm(seed, faults)
    writes = storm.run()
    leader = storm.drive.await_leader()
    rng, wrong = Random(seed), list(storm.observer.violations)
    first, last = writes[5].invoked, writes[-1].invoked
    for _ in range(25):
        ms = rng.randrange(first, last) // MILLISECOND
        status, content = storm.drive.answer(leader, Request("POST", f"/admin/restore?to={ms}"))
        if status == 200:
            keys = content["keys"]
            wrong += judge_restore(writes, keys, moment=ms * MILLISECOND, bound=bound)
        else:
            wrong.append(f"a restore to {ms} was refused: {content}")
    return wrong, storm


@pytest.mark.parametrize("seed", [0, 1, 2, 3, 26, 53, 58])
def test_a_restore_holds_what_was_before_and_nothing_that_came_after(seed: int) -> None:
    """In the last three a replica was installed while the archive was away, and led afterwards."""
    wrong, storm = judged(seed, BOUND + MILLISECOND)
    assert wrong == []
    assert len(storm.acknowledged) > WRITES // 4
    assert max(storm.observer.truncated.values()) > 0


@pytest.mark.parametrize("nodes", [THREE, FIVE])
def test_a_group_that_begins_with_a_restored_state_holds_it_and_goes_on(
    nodes: tuple[str, ...],
) -> None:
    storm = Storm(4)
    writes = storm.run()
    leader = storm.drive.await_leader()
    ms = writes[len(writes) // 2].invoked // MILLISECOND
    status, then = storm.drive.answer(leader, Request("POST", f"/admin/restore?to={ms}"))
    assert status == 200, then
    disks = founding(nodes, then["slot"], then["time"] * MILLISECOND, then["keys"])
    new = Drive(OPTIONS, nodes=nodes, disks=disks)
    keys = {write.element for write in writes if new.get(nodes[0], write.element)["value"] == 1}
    bound = BOUND + MILLISECOND
    assert judge_restore(writes, keys, moment=ms * MILLISECOND, bound=bound) == []
    assert len(keys) > 20
    for n in range(60):  # So many that the log is archived, truncated, and sent to who lost it.
        assert new.put(nodes[n % 3], f"new{n}", n) > then["slot"]
    lost = next(node for node in nodes if node != new.await_leader())
    new.cluster.nodes[lost].kill()
    new.cluster.nodes[lost].damage_disk("lost")
    new.cluster.nodes[lost].start()
    new.wait(5_000)
    new.await_ready()
    dumps = [new.dump(node)["keys"] for node in nodes]
    assert dumps == [dumps[0]] * len(nodes)
    assert {*dumps[0]} == keys | {f"new{n}" for n in range(60)}


@pytest.mark.parametrize("seed", range(3))
def test_no_hole_is_left_where_disks_are_lost_and_the_archive_is_away(seed: int) -> None:
    wrong, storm = judged(seed, BOUND + MILLISECOND, AWAY)
    assert wrong == []
    assert storm.lost > 0


@pytest.mark.soak
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("faults", [FAULTS, AWAY], ids=["any", "away"])
def test_restores_are_right_over_many_seeds(faults: tuple[str, ...]) -> None:
    wrong = {seed: judged(seed, BOUND + MILLISECOND, faults)[0] for seed in range(4, 200)}
    assert {seed: found for seed, found in wrong.items() if found} == {}


def test_with_clocks_taken_for_right_the_judge_sees_that_they_are_not() -> None:
    """Else the restores above would be judged by nothing."""
    assert any(judged(seed, 0)[0] for seed in range(3))


def test_the_judge_tells_what_is_missing_and_what_is_too_new() -> None:
    writes = [DatedWrite("a", 0, 10), DatedWrite("b", 95, 99), DatedWrite("c", 111, None)]
    assert judge_restore(writes, {"a", "b"}, moment=100, bound=10) == []
    assert judge_restore(writes, {"a"}, moment=100, bound=10) == []
    assert "a was acknowledged at 10" in judge_restore(writes, set(), moment=100, bound=10)[0]
    assert "c was invoked at 111" in judge_restore(writes, {"a", "c"}, moment=100, bound=10)[0]
