from __future__ import annotations

from collections import Counter

import pytest

from systems_under_test.rng import Rng
from tests.workloads.runs import kinds, record, verdicts
from tests.workloads.stores import Registers
from workloads import register
from workloads.generators.conformance import check_generator
from workloads.generators.schedule import Ending, replay
from workloads.parameters import WrongParameters


@pytest.mark.parametrize("threads_per_key", [0, 2])
@pytest.mark.parametrize("cas", [False, True])
def test_a_correct_store_is_found_valid(cas: bool, threads_per_key: int) -> None:
    workload = register.make(cas=cas, threads_per_key=threads_per_key, operations_per_key=30)
    history = record(workload, Registers())
    assert {name: v.status for name, v in verdicts(workload, history).items()} == {
        judge.name: "valid" for judge in workload.judges
    }


def test_a_store_that_forgets_writes_is_found_not_linearizable() -> None:
    workload = register.make(cas=True, keys=2)
    assert "not-linearizable" in kinds(workload, record(workload, Registers(broken=True)))


def test_values_are_unique_and_shares_are_kept() -> None:
    workload = register.make(cas=True, writes=30, swaps=20)
    history = record(workload, Registers(), operations=2000)
    values = [
        op.input if op.f == "write" else op.input[1] for op in history if op.f in ("write", "cas")
    ]
    assert len(values) == len(set(values))
    counts = Counter(op.f for op in history)
    assert counts["write"] == pytest.approx(600, abs=60)
    assert counts["cas"] == pytest.approx(400, abs=60)


def test_a_swap_is_mostly_from_the_value_that_is_there() -> None:
    workload = register.make(cas=True)
    swaps = list(record(workload, Registers()).operations("cas"))
    assert sum(op.output is True for op in swaps) > len(swaps) / 2
    assert any(op.output is False for op in swaps)


def test_without_cas_there_is_none() -> None:
    history = record(register.make(), Registers())
    assert {op.f for op in history} == {"read", "write", "dump"}


def test_a_write_hands_on_the_last_context_of_its_process_and_key() -> None:
    asked = replay(
        register.make(keys=2, writes=70).generator,
        rng=Rng("45"),
        clients=1,
        operations_max=5,
        ends=lambda op, rng: Ending("ok", extra={"context": f"c{op.time}"}),
    ).asked
    assert asked == [
        "0 0: write k0 1",
        "10 0: write k1 2",
        '20 0: write k0 3 {"context": "c0"}',
        '30 0: write k0 4 {"context": "c20"}',
        '40 0: write k1 5 {"context": "c10"}',
    ]


def test_groups_of_threads_work_on_keys_out_of_phase() -> None:
    workload = register.make(keys=3, threads_per_key=2, operations_per_key=10)
    events = replay(workload.generator, rng=Rng("45"), clients=4, operations_max=60).events
    groups: dict[int, list[str]] = {0: [], 1: []}
    for event in events:
        if event.type == "invoke":
            groups[int(event.process) // 2].append(event.key)
    first = groups[0]
    assert [len(set(first[i : i + 10])) for i in range(0, 20, 10)] == [1, 1]
    assert first[0] != groups[1][0]
    assert {event.key for event in events} == {"k0", "k1", "k2"}


def test_at_the_end_every_key_is_read_through_every_node() -> None:
    final = register.make(keys=2).final_generator(("n1", "n2"))
    lines = [line.split(": ")[1] for line in replay(final, rng=Rng("45")).asked]
    assert lines == ["read k0 @n1", "read k0 @n2", "read k1 @n1", "read k1 @n2"]


def test_a_final_read_is_tried_three_times() -> None:
    final = register.make(keys=1).final_generator(("n1",))
    asked = replay(final, rng=Rng("45"), ends=lambda op, rng: Ending("fail")).asked
    assert len(asked) == 3


@pytest.mark.parametrize("threads_per_key", [0, 2])
def test_the_generator_keeps_the_rules(threads_per_key: int) -> None:
    workload = register.make(cas=True, threads_per_key=threads_per_key)
    assert check_generator(workload.generator, streams=Rng) == []


def test_everything_that_is_wrong_is_said_at_once() -> None:
    with pytest.raises(WrongParameters) as caught:
        register.make(keys=0, writes=60, cas=True, swaps=40, threads_per_key=-1)
    assert str(caught.value).splitlines() == [
        "workload register: keys is 0: give a whole number from 1 to 10,000",
        "workload register: writes + swaps make 100 percent: leave some for reads",
        "workload register: threads_per_key is -1: give a whole number from 0 to 1,000",
    ]


def test_what_is_no_percent_or_truth_is_refused() -> None:
    with pytest.raises(WrongParameters, match=r"writes is 1\.5: give whole percents"):
        register.make(writes=1.5)  # type: ignore[arg-type]
    with pytest.raises(WrongParameters, match="cas is 'yes': give true or false"):
        register.make(cas="yes")  # type: ignore[arg-type]
