from __future__ import annotations

import pytest

from systems_under_test.rng import Rng
from tests.workloads.runs import kinds, record, verdicts
from tests.workloads.stores import Sets
from workloads import set as sets
from workloads.generators.conformance import check_generator
from workloads.generators.schedule import replay
from workloads.parameters import WrongParameters


def test_a_correct_store_is_found_valid() -> None:
    workload = sets.make()
    found = verdicts(workload, record(workload, Sets()))
    assert {name: v.status for name, v in found.items()} == {
        judge.name: "valid" for judge in workload.judges
    }


def test_a_store_that_loses_elements_is_found_out() -> None:
    workload = sets.make()
    assert "lost-element" in kinds(workload, record(workload, Sets(broken=True)))


def test_elements_are_unique_over_all_sets() -> None:
    history = record(sets.make(keys=3, reads=50), Sets())
    added = [op.input for op in history.operations("add")]
    assert sorted(added) == list(range(1, len(added) + 1))
    assert {op.key for op in history.operations("add")} == {"k0", "k1", "k2"}
    under_way = [op for op in history.operations("read") if op.input is None]
    assert len(under_way) == pytest.approx(200, abs=40)


def test_at_the_end_every_set_is_read_through_every_node() -> None:
    final = sets.make(keys=1).final_generator(("n1", "n2"))
    lines = [line.split(": ", 1)[1] for line in replay(final, rng=Rng("45")).asked]
    assert lines == ['read k0 {"r": "all"} @n1', 'read k0 {"r": "all"} @n2']


def test_the_generator_keeps_the_rules() -> None:
    assert check_generator(sets.make().generator, streams=Rng) == []


def test_what_is_wrong_is_said() -> None:
    with pytest.raises(WrongParameters, match="reads make 100 percent: leave some for adding"):
        sets.make(reads=100)
