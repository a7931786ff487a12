"""What diagnostics show of the invariants, right and wrong."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tests.systems_under_test.paxos.diagnostics import (
    Look,
    applied_lines,
    broken_by,
    lines_of,
    two_holders,
)
from tests.systems_under_test.paxos.driving import THREE, Drive

if TYPE_CHECKING:
    from tests.systems_under_test.paxos.diagnostics import Line


def applied(slot: int, digest: str, incarnation: int = 1) -> Line:
    return {"event": "applied", "slot": slot, "digest": digest, "incarnation": incarnation}


def promised(round: int, owner: str) -> Line:
    return {"event": "promised", "round": round, "owner": owner, "incarnation": 1}


def test_replicas_that_differ_at_a_slot_are_named() -> None:
    same = [applied(5, "aa"), applied(10, "bb")]
    assert broken_by({"n1": same, "n2": same[:1]}) == []
    wrong = broken_by({"n1": same, "n2": [applied(5, "aa"), applied(10, "cc")]})
    assert wrong == ["n2 and n1 differ in the log up to slot 10"]


def test_a_promise_or_a_slot_that_goes_back_is_named() -> None:
    assert broken_by({"n1": [promised(1, "n2"), promised(1, "n3"), promised(2, "n1")]}) == []
    assert "after (1, 'n3')" in broken_by({"n1": [promised(1, "n3"), promised(1, "n2")]})[0]
    assert broken_by({"n1": [applied(5, "a"), applied(5, "a", incarnation=2)]}) == []
    assert "in one life" in broken_by({"n1": [applied(5, "a"), applied(5, "a")]})[0]


def look(node: str, asked: int, answered: int, *, ballot: int | None, left_ms: float) -> Look:
    role = "follower" if ballot is None else "leader"
    status: dict[str, Any] = {
        "node": node,
        "role": role,
        "ballot": [ballot, node],
        "lease_left_ms": left_ms,
    }
    return Look(asked, status, answered)


def test_two_holders_are_seen_only_where_one_has_surely_held_on() -> None:
    first = look("n1", 0, 10, ballot=1, left_ms=1)
    between = look("n2", 20, 30, ballot=2, left_ms=1)
    still = look("n1", 40, 50, ballot=1, left_ms=1)
    assert two_holders([first, between, still]) == ["n2 and n1 held the lease at 30"]
    assert two_holders([first, between, look("n1", 40, 50, ballot=3, left_ms=1)]) == []
    assert two_holders([first, look("n2", 20, 30, ballot=2, left_ms=0), still]) == []
    assert two_holders([first, look("n2", 5, 30, ballot=2, left_ms=1), still]) == []
    short = look("n1", 0, 10, ballot=1, left_ms=0.00004)
    assert two_holders([short, between, still]) == []


def test_a_simulated_cluster_tells_its_digests_and_they_agree() -> None:
    drive = Drive({"checkpoint_slots": 5, "handover_every_ms": 500})
    for n in range(40):
        drive.put(THREE[n % 3], f"k{n % 4}", n)
        drive.wait(40)
    drive.wait(1_000)
    logs = {node: lines_of("\n".join(drive.cluster.log(node))) for node in THREE}
    assert broken_by(logs) == []
    assert applied_lines(logs) >= 20
    assert len({drive.status(node)["digest"] for node in THREE}) == 1
