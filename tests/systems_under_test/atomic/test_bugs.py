"""Each bug is found in a few simulated runs, and the correct store is never accused."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from lineal.definition import Test
from lineal.running import run
from systems_under_test.atomic.bugs import BUGS
from systems_under_test.atomic.system import SYSTEM

if TYPE_CHECKING:
    from pathlib import Path

    from lineal.running import Outcome


def outcome(runs: Path, seed: int, *, time_limit_s: float = 10, **definition: Any) -> Outcome:
    test = Test(
        system=SYSTEM,
        environment="simulated",
        seed=seed,
        time_limit_s=time_limit_s,
        **definition,
    )
    return run(test, runs=runs, report=False)


@pytest.mark.parametrize("name", sorted(BUGS))
def test_the_bug_is_found_within_20_seeds(name: str, tmp_path: Path) -> None:
    bug = BUGS[name]
    for seed in range(20):
        verdict = outcome(tmp_path, seed, bug=name, faults=bug.faults).verdict
        if verdict.status == "invalid":
            kinds = {found.kind for _, checked in verdict.checks for found in checked.findings}
            assert bug.finding in kinds, verdict.explain()
            return
    pytest.fail(f"{name} was not found in 20 seeds")


@pytest.mark.parametrize(
    "faults", ["none", "kill", "power", "pause", "clock", "disk", "kill,clock,disk,pause"]
)
def test_the_correct_store_is_never_accused(faults: str, tmp_path: Path) -> None:
    verdicts = [outcome(tmp_path, seed, faults=faults).verdict for seed in range(6)]
    for verdict in verdicts:
        assert verdict.status != "invalid", verdict.explain()
    # The only copy may be down through all faults of a run: then too little was observed.
    assert [verdict.status for verdict in verdicts].count("valid") >= 3


@pytest.mark.parametrize("faults", ["disk:flip", "disk:torn"])
def test_damage_makes_it_unavailable_and_never_wrong(faults: str, tmp_path: Path) -> None:
    for seed in range(3):
        verdict = outcome(tmp_path, seed, faults=faults).verdict
        assert verdict.status != "invalid", verdict.explain()


def test_memory_is_judged_where_its_process_lives(tmp_path: Path) -> None:
    memory = {"engine": "memory"}
    assert outcome(tmp_path, 1, options=memory, faults="pause").verdict.status == "valid"
    forgot = outcome(tmp_path, 1, options=memory, faults="kill").verdict
    assert forgot.status != "invalid", forgot.explain()
