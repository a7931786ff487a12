"""The disk against its simple twin, which keeps every input and replays those that survive."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from systems_under_test.environments.simulated.disk import Change, Disk
from systems_under_test.environments.simulated.options import SimulationOptions
from systems_under_test.replica import Append, AppendLater, StorageDamaged, Write, WriteLater
from systems_under_test.rng import Rng

KEYS = st.sampled_from([b"", b"a", b"b", b"\xff"])
VALUES = st.none() | st.binary(max_size=4)
CHANGES: st.SearchStrategy[Change] = (
    st.builds(Write, st.sampled_from("tu"), KEYS, VALUES)
    | st.builds(WriteLater, st.just("t"), KEYS, VALUES)
    | st.builds(Append, st.sampled_from("fg"), st.binary(max_size=4))
    | st.builds(AppendLater, st.just("f"), st.binary(max_size=4))
)
INPUTS = st.lists(CHANGES, min_size=1, max_size=4)
State = tuple[dict[str, list[tuple[bytes, bytes]]], dict[str, list[bytes]]]


def replayed(inputs: list[list[Change]]) -> State:
    """What the twin holds after these inputs."""
    tables: dict[str, dict[bytes, bytes]] = {"t": {}, "u": {}}
    files: dict[str, list[bytes]] = {"f": [], "g": []}
    for change in (change for changes in inputs for change in changes):
        if isinstance(change, Append | AppendLater):
            files[change.file].append(change.record)
        elif change.value is None:
            tables[change.table].pop(change.key, None)
        else:
            tables[change.table][change.key] = change.value
    return {name: sorted(table.items()) for name, table in tables.items()}, files


def shown(disk: Disk) -> State:
    return (
        {name: list(disk.scan(name)) for name in "tu"},
        {name: list(disk.records(name)) for name in "fg"},
    )


def new_disk(seed: int = 0, options: SimulationOptions = SimulationOptions()) -> Disk:  # noqa: B008
    return Disk(options, Rng(f"disk/{seed}"))


@given(st.lists(INPUTS, max_size=8))
def test_shows_every_write_at_once(inputs: list[list[Change]]) -> None:
    disk = new_disk()
    for changes in inputs:
        disk.apply(changes)
    assert shown(disk) == replayed(inputs)
    for name, entries in shown(disk)[0].items():
        for key in (b"", b"a", b"b", b"\xff"):
            assert disk.get(name, key) == dict(entries).get(key)


@given(st.lists(INPUTS, max_size=8), st.integers(0, 8), st.integers(0, 5))
def test_power_loss_keeps_a_prefix_of_the_inputs_and_all_that_is_durable(
    inputs: list[list[Change]], durable: int, seed: int
) -> None:
    disk = new_disk(seed)
    for number, changes in enumerate(inputs, 1):
        disk.apply(changes)
        disk.hand_over()
        if number == durable:
            assert disk.commit(disk.unsynced()) is None
    disk.process_died()
    assert shown(disk) == replayed(inputs)
    disk.power_lost()
    least = durable if durable <= len(inputs) else 0
    assert shown(disk) in [replayed(inputs[:n]) for n in range(least, len(inputs) + 1)]


@given(st.lists(INPUTS, min_size=1, max_size=6), st.integers(0, 6), st.integers(0, 5))
def test_the_death_of_a_process_takes_only_what_was_not_handed_over(
    inputs: list[list[Change]], handed_over: int, seed: int
) -> None:
    disk = new_disk(seed)
    for number, changes in enumerate(inputs, 1):
        disk.apply(changes)
        if number == handed_over:
            disk.hand_over()
    disk.process_died()
    least = handed_over if handed_over <= len(inputs) else 0
    assert shown(disk) in [replayed(inputs[:n]) for n in range(least, len(inputs) + 1)]


@given(st.lists(INPUTS, min_size=1, max_size=6), st.integers(0, 5))
def test_any_inputs_survive_where_that_is_asked_for(inputs: list[list[Change]], seed: int) -> None:
    disk = new_disk(seed, SimulationOptions(power_loss="subset"))
    for changes in inputs:
        disk.apply(changes)
    before = disk.counters["lost"]
    disk.power_lost()
    subsets = [
        [changes for at, changes in enumerate(inputs) if bits >> at & 1]
        for bits in range(1 << len(inputs))
    ]
    assert shown(disk) in [replayed(subset) for subset in subsets]
    assert 0 <= disk.counters["lost"] - before <= sum(map(len, inputs))


def test_scans_a_range_in_order() -> None:
    disk = new_disk()
    disk.apply([Write("t", key, key * 2) for key in (b"c", b"a", b"b", b"d")])
    assert [key for key, _ in disk.scan("t", b"b")] == [b"b", b"c", b"d"]
    assert list(disk.scan("t", b"b", b"d")) == [(b"b", b"bb"), (b"c", b"cc")]
    assert list(disk.scan("t", b"d", b"b")) == []
    assert list(disk.scan("absent")) == []


def test_every_flipped_bit_is_found_and_named() -> None:
    places: Counter[str] = Counter()
    for seed in range(60):
        disk = new_disk(seed)
        disk.apply([Write("t", b"k", b"value"), Append("f", b""), Append("f", b"record")])
        harm = disk.damage("flip")
        places[f"{harm['file']}/{harm['record']}"] += 1
        assert disk.counters["flipped"] == 1
        with pytest.raises(StorageDamaged, match="checksum"):
            shown(disk)
        with pytest.raises(StorageDamaged, match=str(harm["record"])):
            disk.get("t", b"k") if harm["file"] == "t" else list(disk.records("f"))
    assert set(places) == {"t/k", "f/0", "f/1"}


def test_damage_is_gone_once_the_record_is_written_again() -> None:
    disk = new_disk()
    disk.apply([Write("t", b"k", b"old")])
    disk.damage("flip")
    disk.apply([Write("t", b"k", b"new")])
    assert disk.get("t", b"k") == b"new"


def test_a_torn_tail_that_was_not_durable_is_left_out() -> None:
    disk = new_disk()
    disk.apply([Append("f", b"one")])
    assert disk.commit(1) is None
    disk.apply([AppendLater("f", b"two")])
    assert disk.damage("torn") == {"file": "f", "record": 1, "durable": False}
    assert list(disk.records("f")) == [b"one"]
    assert not disk.damaged
    disk.settle()
    disk.apply([Append("f", b"three")])
    assert list(disk.records("f")) == [b"one", b"three"]


def test_a_torn_record_that_was_durable_is_damage() -> None:
    for seed in range(10):
        disk = new_disk(seed)
        disk.apply([Append("f", b"one"), Append("f", b"two")])
        assert disk.commit(1) is None
        assert disk.damage("torn") == {"file": "f", "record": 1, "durable": True}
        with pytest.raises(StorageDamaged, match="record 1"):
            list(disk.records("f"))


def test_what_is_damaged_can_be_damaged_again() -> None:
    for seed in range(10):
        disk = new_disk(seed)
        disk.apply([Append("f", b"")])
        assert disk.commit(1) is None
        for kind in ("torn", "torn", "flip", "torn"):
            disk.damage(kind)
            with pytest.raises(StorageDamaged):
                list(disk.records("f"))


def test_nothing_stored_is_nothing_to_damage() -> None:
    for kind in ("torn", "flip"):
        disk = new_disk()
        assert disk.damage(kind)["record"] is None
        assert not disk.damaged


def test_a_power_loss_may_leave_a_torn_append() -> None:
    torn = set()
    for seed in range(20):
        disk = new_disk(seed)
        disk.apply([Append("f", b"one")])
        disk.power_lost()
        torn.add((len(list(disk.records("f"))), disk.counters["torn"]))
    assert torn == {(0, 0), (0, 1), (1, 0)}


def test_what_is_never_synced_is_written_back_in_the_end() -> None:
    disk = new_disk(options=SimulationOptions(unsynced_inputs_max=100))
    for _ in range(1000):
        disk.apply([WriteLater("t", b"k", b"v")])
        disk.hand_over()
    assert disk.unsynced() <= 101
