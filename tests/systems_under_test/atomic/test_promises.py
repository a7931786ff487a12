from __future__ import annotations

import pytest

from checker.findings import KINDS
from systems_under_test.atomic.bugs import BUGS
from systems_under_test.atomic.promises import LIVENESS, SAFETY, promises
from systems_under_test.system import FaultPlanSummary


def plan(*faults: str) -> FaultPlanSummary:
    return FaultPlanSummary(frozenset(faults))


@pytest.mark.parametrize("faults", [(), ("kill",), ("power", "pause", "clock"), ("disk",)])
def test_a_durable_single_copy_promises_everything(faults: tuple[str, ...]) -> None:
    made = promises("sqlite", plan(*faults))
    assert made.claims == SAFETY | LIVENESS
    assert made.withdrawn == {}


def test_memory_promises_safety_only_while_its_process_lives() -> None:
    assert promises("memory", plan("pause", "partition")).claims == SAFETY | LIVENESS
    made = promises("memory", plan("kill"))
    assert made.claims == LIVENESS
    assert set(made.withdrawn) == SAFETY
    assert "memory engine forgets" in made.withdrawn["linearizable"]


def test_damage_withdraws_recovery_and_not_safety() -> None:
    made = promises("sqlite", plan("damage"))
    assert made.claims == SAFETY
    assert "no other copy" in made.withdrawn["did-not-recover"]


def test_every_bug_is_whole() -> None:
    assert set(BUGS) == {"stale-read", "forgets-on-restart", "cas-without-compare"}
    for name, bug in BUGS.items():
        assert bug.name == name
        assert bug.finding in KINDS
        assert bug.sentence.endswith(".")
