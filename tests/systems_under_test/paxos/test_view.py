"""A view shows one state, whatever is written while it is read; its twin is a copy of it all."""

from __future__ import annotations

import pytest

from systems_under_test.environments.simulated.disk import Disk
from systems_under_test.environments.simulated.options import SimulationOptions
from systems_under_test.paxos.configuration import Configuration
from systems_under_test.paxos.counters import Counters
from systems_under_test.paxos.state_machine import TABLES, StateMachine
from systems_under_test.paxos.step import Step
from systems_under_test.paxos.view import View
from systems_under_test.replica import Now, Turn
from systems_under_test.rng import Rng

ROW_BYTES_MAX = 12


@pytest.mark.parametrize("seed", range(20))
def test_slices_together_are_the_state_as_it_was(seed: int) -> None:
    rng = Rng(f"{seed}")
    disk = Disk(SimulationOptions(), Rng("disk"))
    state = StateMachine(Configuration(), Counters())
    views: list[View] = []

    def step() -> Step:
        made = Step(Turn(Now(0, 0), Rng("replica"), disk))
        made.views = views
        return made

    def write(at: Step, count: int) -> None:
        for _ in range(count):
            key, value = b"k%d" % rng.below(30), b"%d" % rng.below(10**8)
            table = state.table(rng.choice(TABLES))
            at.write(table, key, rng.choice([value, value, None]), durable=False)

    first = step()
    write(first, rng.below(60))
    disk.apply(first.effects)  # type: ignore[arg-type]
    # In the middle of an input: what it has written so far counts, what it writes later does not.
    second = step()
    write(second, rng.below(8))
    twin = {(table, *row) for table in TABLES for row in second.scan(state.table(table))}
    view = View(second, state)
    write(second, rng.below(8))
    disk.apply(second.effects)  # type: ignore[arg-type]
    found: list[tuple[str, bytes, bytes]] = []
    size_max = rng.choice([1, 20, 100])
    while not view.done:
        reading = step()
        write(reading, rng.below(3))
        rows = view.next(reading, size_max)
        assert sum(len(key) + len(value) for _, key, value in rows) < size_max + ROW_BYTES_MAX
        found += rows
        write(reading, rng.below(6))
        disk.apply(reading.effects)  # type: ignore[arg-type]
    assert len(found) == len(twin)
    assert set(found) == twin
    assert view.whole
    assert views == []


def test_a_view_that_is_closed_is_not_whole() -> None:
    disk = Disk(SimulationOptions(), Rng("disk"))
    at = Step(Turn(Now(0, 0), Rng("replica"), disk))
    view = View(at, StateMachine(Configuration(), Counters()))
    view.close()
    assert view.done
    assert not view.whole
