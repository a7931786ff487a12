from __future__ import annotations

from collections import Counter

import pytest

from systems_under_test.rng import Rng
from tests.workloads.runs import kinds, record, verdicts
from tests.workloads.stores import Versioned
from workloads import siblings
from workloads.generators.conformance import check_generator
from workloads.generators.schedule import Ending, replay
from workloads.parameters import WrongParameters


@pytest.mark.parametrize("seed", range(3))
def test_a_correct_store_is_found_valid(seed: int) -> None:
    workload = siblings.make()
    history = record(workload, Versioned(), seed=seed)
    found = verdicts(workload, history)
    assert [(name, f.sentence) for name, v in found.items() for f in v.findings] == []
    assert {name: v.cause for name, v in found.items() if v.status != "valid"} == {}


@pytest.mark.parametrize("seed", range(3))
def test_a_store_that_drops_siblings_is_found_out(seed: int) -> None:
    workload = siblings.make()
    assert "lost-update" in kinds(workload, record(workload, Versioned(broken=True), seed=seed))


def test_conflicts_are_frequent() -> None:
    store = Versioned()
    gets = sum(op.f == "get" for op in record(siblings.make(), store, operations=1000))
    assert store.conflicts > gets / 5


def test_a_turn_is_a_merge_a_read_an_old_context_a_blind_put_or_a_delete() -> None:
    workload = siblings.make(keys=1, reads=0, stale=0, blind=0, deletes=0)
    asked = replay(
        workload.generator, rng=Rng("45"), clients=1, operations_max=4, ends=Versioned()
    ).asked
    assert [line.split(": ", 1)[1] for line in asked] == [
        "get k0",
        'put k0 {"value": 1, "context": null}',
        "get k0",
        'put k0 {"value": 2, "context": "k0:1"}',
    ]


def test_every_kind_of_turn_comes_up() -> None:
    store = Versioned()
    history = record(siblings.make(), store, operations=3000)
    counts: Counter[str] = Counter()
    last: dict[tuple[int, str], str] = {}
    for op in history:
        if op.f == "put":
            after_get = last.get((op.process, op.key)) == "get"
            counts["blind" if op.input["context"] is None else f"{after_get=}"] += 1
        counts[op.f] += 1
        last[op.process, op.key] = op.f
    assert all(
        counts[name] > 50 for name in ("blind", "after_get=True", "after_get=False", "delete")
    ), counts


def test_values_are_unique_integers() -> None:
    puts = list(record(siblings.make(), Versioned()).operations("put"))
    values = [op.input["value"] for op in puts]
    assert sorted(values) == list(range(1, len(values) + 1))


def test_a_delete_always_has_a_context() -> None:
    """Where the get before it failed there is nothing to delete, and it becomes a get."""
    workload = siblings.make(keys=1, reads=0, stale=0, blind=0, deletes=99)
    asked = replay(
        workload.generator,
        rng=Rng("45"),
        clients=1,
        operations_max=4,
        ends=lambda op, rng: Ending("fail"),
    ).asked
    assert [line.split(": ")[1] for line in asked] == ["get k0"] * 4


def test_at_the_end_all_replicas_are_read_through_every_node() -> None:
    final = siblings.make(keys=2).final_generator(("n1", "n2"))
    lines = [line.split(": ", 1)[1] for line in replay(final, rng=Rng("45")).asked]
    assert lines == [
        'get k0 {"r": "all"} @n1',
        'get k0 {"r": "all"} @n2',
        'get k1 {"r": "all"} @n1',
        'get k1 {"r": "all"} @n2',
    ]


def test_the_generator_keeps_the_rules() -> None:
    assert check_generator(siblings.make().generator, streams=Rng) == []


def test_everything_that_is_wrong_is_said_at_once() -> None:
    with pytest.raises(WrongParameters) as caught:
        siblings.make(keys=True, reads=-1, blind=101)
    assert str(caught.value).splitlines() == [
        "workload siblings: keys is True: give a whole number from 1 to 10,000",
        "workload siblings: reads is -1, blind is 101: give whole percents from 0 to 100",
    ]
