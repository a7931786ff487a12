"""A sweep runs in one process: nothing of a run that is over stays in its memory."""

from __future__ import annotations

import gc
from typing import TYPE_CHECKING

import pytest

from lineal.definition import Test
from lineal.running import run
from systems_under_test.atomic.system import Atomic
from systems_under_test.dynamo.system import Dynamo
from systems_under_test.environments.simulated.cluster import SimulatedCluster
from systems_under_test.paxos.system import Paxos

if TYPE_CHECKING:
    from pathlib import Path

    from systems_under_test.system import System


@pytest.mark.parametrize("system", [Atomic(), Dynamo(), Paxos()], ids=lambda it: it.name)
def test_the_cluster_of_a_run_that_is_over_is_gone(system: System, tmp_path: Path) -> None:
    gc.collect()
    before = {id(it) for it in gc.get_objects() if isinstance(it, SimulatedCluster)}
    run(
        Test(system=system, environment="simulated", time_limit_s=2),
        runs=tmp_path,
        report=False,
    )
    gc.collect()
    after = [it for it in gc.get_objects() if isinstance(it, SimulatedCluster)]
    assert [it for it in after if id(it) not in before] == []
