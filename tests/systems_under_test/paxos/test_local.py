"""Real processes on loopback: a run under faults, judged; a planned hand-over by HTTP."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from lineal.definition import standard
from lineal.running import run

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.live


def test_a_local_run_under_kills_and_partitions_is_linearizable(tmp_path: Path) -> None:
    test = standard(
        system="paxos",
        environment="local",
        faults="partition,kill@minority",
        time_limit_s=6.0,
        seed=7,
    )
    judgement = run(test, runs=tmp_path, report=False).judgement
    assert "linearizable" in judgement.promises.claims
    assert judgement.status == "valid", judgement.explain()
