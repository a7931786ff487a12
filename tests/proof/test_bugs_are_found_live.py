"""Bugs of the Dynamo store are found in real processes too, without faults and under kills."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from lineal import registry
from lineal.definition import standard
from lineal.running import run
from tests.proof.sweeping import kinds

if TYPE_CHECKING:
    from pathlib import Path

SEEDS_MAX = 3


@pytest.mark.live
@pytest.mark.soak
@pytest.mark.parametrize("bug", ["drop-siblings", "reuse-dot-after-crash"])
def test_a_bug_is_found_in_local_processes(bug: str, tmp_path: Path) -> None:
    about = registry.system("dynamo").bugs[bug]
    found: set[str] = set()
    for seed in range(1, SEEDS_MAX + 1):
        test = standard(
            system="dynamo",
            environment="local",
            bug=bug,
            faults=about.faults,
            workload=about.workload,
            seed=seed,
            time_limit_s=12.0,
            rate=80.0,
        )
        found |= kinds(run(test, runs=tmp_path, report=False).judgement)
        if about.finding in found:
            return
    pytest.fail(f"{bug}: {about.finding} was not among {sorted(found)}")
