"""Restores judged while leaders die, links are cut and wall clocks are wrong within a bound."""

from __future__ import annotations

from random import Random
from typing import TYPE_CHECKING

import pytest

from checker.invariants.restored import DatedWrite, judge_restore
from tests.systems_under_test.paxos.driving import MILLISECOND, THREE, Drive, put
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


class Storm:
    """A cluster that is written to and broken at the same time."""

    def __init__(self, seed: int) -> None:
        self._rng = Random(seed)
        self.drive = Drive(OPTIONS, seed=seed)
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
        fault = self._rng.choice(("kill", "cut", "clock", "clock", "objects"))
        if fault == "kill":
            self.drive.cluster.nodes[node].kill()
        elif fault == "cut":
            self.drive.isolate(node)
        elif fault == "objects":
            self.drive.cluster.objects.down = True
        else:
            offset = self._rng.randrange(-BOUND, BOUND)
            self.drive.cluster.nodes[node].set_clock(wall_offset_ns=offset)

    def _heal(self) -> None:
        self.drive.cut([])
        self.drive.cluster.objects.down = False
        for node in self.drive.cluster.nodes.values():
            node.start()


def judged(seed: int, bound: int, refused: list[int] | None = None) -> tuple[list[str], int]:
    """What is wrong with restores to many moments, and how many writes were acknowledged.

    Given a list, seeds whose archive has a hole, so that a moment is refused, are added to it.
    """
    storm = Storm(seed)
    writes = storm.run()
    leader = storm.drive.await_leader()
    rng, wrong = Random(seed), []
    first, last = writes[5].invoked, writes[-1].invoked
    for _ in range(25):
        ms = rng.randrange(first, last) // MILLISECOND
        status, content = storm.drive.answer(leader, Request("POST", f"/admin/restore?to={ms}"))
        if refused is not None and status == 409:
            assert "what lies between is missing" in content["error"]
            refused.append(seed)
            break
        assert status == 200, content
        wrong += judge_restore(writes, content["keys"], moment=ms * MILLISECOND, bound=bound)
    return wrong, sum(write.acknowledged is not None for write in writes)


@pytest.mark.parametrize("seed", range(4))
def test_a_restore_holds_what_was_before_and_nothing_that_came_after(seed: int) -> None:
    wrong, acknowledged = judged(seed, BOUND + MILLISECOND)
    assert wrong == []
    assert acknowledged > WRITES // 4


@pytest.mark.soak
@pytest.mark.timeout(3600)
def test_restores_are_right_over_many_seeds() -> None:
    refused: list[int] = []
    wrong = {seed: judged(seed, BOUND + MILLISECOND, refused)[0] for seed in range(4, 100)}
    assert {seed: found for seed, found in wrong.items() if found} == {}
    # A known defect: some storms of the object store leave a hole, and moments in it are refused.
    assert len(refused) <= 10


def test_with_clocks_taken_for_right_the_judge_sees_that_they_are_not() -> None:
    """Else the restores above would be judged by nothing."""
    assert any(judged(seed, 0)[0] for seed in range(3))


def test_the_judge_tells_what_is_missing_and_what_is_too_new() -> None:
    writes = [DatedWrite("a", 0, 10), DatedWrite("b", 95, 99), DatedWrite("c", 111, None)]
    assert judge_restore(writes, {"a", "b"}, moment=100, bound=10) == []
    assert judge_restore(writes, {"a"}, moment=100, bound=10) == []
    assert "a was acknowledged at 10" in judge_restore(writes, set(), moment=100, bound=10)[0]
    assert "c was invoked at 111" in judge_restore(writes, {"a", "c"}, moment=100, bound=10)[0]
