"""The observer sees what bugs break; and the invariants hold where nothing is to be judged.

What the store does under every fault, judged and observed, is in `tests/proof`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
import pytest

from systems_under_test.environments.simulated.disk import Disk
from systems_under_test.environments.simulated.options import SimulationOptions
from systems_under_test.paxos.log import key_of
from systems_under_test.paxos.messages import Ballot, Entry
from systems_under_test.paxos.replica import make_replica
from systems_under_test.paxos.system import Paxos
from systems_under_test.replica import Now, Place, Started, TimerFired, Turn, Write
from systems_under_test.rng import Rng
from tests.systems_under_test.paxos.invariants import Observer, observe

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


def test_the_observer_sees_a_lower_ballot_in_any_slot_whatever_was_there_meanwhile() -> None:
    observer, disk = Observer(), Disk(SimulationOptions(), Rng("disk"))
    replica = make_replica(Place("n1", ("n1", "n2", "n3")), {}, None)
    started = Started(1)
    replica.handle(started, Turn(Now(0, 0), Rng("replica"), disk))
    observer.after(replica, "n1", started, [])
    tick = TimerFired("none", None)
    low, high = (msgspec.msgpack.encode(Entry(Ballot(n, "n2"), 0, b"")) for n in (1, 2))
    writes = [Write("log", key_of(slot), high) for slot in range(1, 9)]
    observer.after(replica, "n1", tick, [*writes, Write("log", key_of(1), None)])
    observer.after(replica, "n1", tick, [Write("log", key_of(9), low)])
    assert observer.violations == []
    observer.after(replica, "n1", tick, [Write("log", key_of(1), low)])
    assert observer.violations == ["n1 accepted a lower ballot in slot 1"]
