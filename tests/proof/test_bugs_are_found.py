"""Each named bug is found by the checker that must find it, within 20 seeds of the simulator."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from lineal import registry
from tests.proof.sweeping import first_seed_that_finds

if TYPE_CHECKING:
    from pathlib import Path

SEEDS_MAX = 20
BUGS = [
    (system, name)
    for system in registry.SYSTEMS
    for name, bug in sorted(registry.system(system).bugs.items())
    if bug.finding is not None
]


@pytest.mark.parametrize(("system", "bug"), BUGS)
def test_a_bug_is_found_by_its_finding(system: str, bug: str, tmp_path: Path) -> None:
    seed, found = first_seed_that_finds(system, bug, tmp_path, SEEDS_MAX)
    assert seed >= 0, f"{bug} was not found in {SEEDS_MAX} seeds"
    assert registry.system(system).bugs[bug].finding in found
