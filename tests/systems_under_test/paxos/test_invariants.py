"""The observer sees what bugs break; and the invariants hold where nothing is to be judged.

What the store does under every fault, judged and observed, is in `tests/proof`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from systems_under_test.paxos.system import Paxos
from tests.systems_under_test.paxos.invariants import observe

if TYPE_CHECKING:
    from pathlib import Path

SEEN_BY = {
    "half-quorum": "two values",
    "accepts-below-promise": "two values",
    "promise-not-durable": "two values",
    "votes-right-after-restart": "hold the lease",
    "lease-ignores-drift": "hold the lease",
    "snapshot-over-newer": "is not the log's",
}


@pytest.mark.parametrize("bug", SEEN_BY)
def test_the_observer_sees_what_a_bug_breaks(bug: str, tmp_path: Path) -> None:
    about = Paxos().bugs[bug]
    for seed in range(20):
        _, observer = observe(seed, tmp_path, workload=about.workload, faults=about.faults, bug=bug)
        if any(SEEN_BY[bug] in violation for violation in observer.violations):
            return
    pytest.fail(f"20 seeds, and nothing like {SEEN_BY[bug]!r} was seen")


@pytest.mark.parametrize("seed", range(2))
def test_the_invariants_hold_where_a_majority_may_forget_its_votes(
    seed: int, tmp_path: Path
) -> None:
    options = {"engine": "memory"}
    _, observer = observe(seed, tmp_path, workload="register", options=options, faults="kill")
    assert observer.violations == []
    assert observer.compared > 100
