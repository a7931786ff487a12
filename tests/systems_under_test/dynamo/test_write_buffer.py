"""Versions that wait in memory: what sees them, what does not wait, and what a crash costs."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from systems_under_test.dynamo.configuration import configure
from systems_under_test.dynamo.counters import Counters
from systems_under_test.dynamo.messages import HandedOff, Handoff, Store, Stored
from systems_under_test.dynamo.write_buffer import ENTRIES_MAX, WRITER, WriteBuffer
from systems_under_test.replica import Write
from systems_under_test.rng import Rng
from tests.proof.sweeping import simulate
from tests.systems_under_test.dynamo.alone import Alone, Tables, sent, step_on, timers, writes
from tests.systems_under_test.dynamo.driving import Drive

if TYPE_CHECKING:
    from pathlib import Path

    from checker.judgement import Judgement

BUFFERED = {"write_buffer_ms": 60_000}


def node_at_home(key: bytes, **options: object) -> tuple[Alone, list[str]]:
    """A home node of the key, and its home nodes."""
    for name in ("n1", "n2", "n3", "n4", "n5"):
        node = Alone(name, {**BUFFERED, **options})
        life = node.replica._life
        assert life is not None
        homes = life.node.lists.home(life.node.ring.place(key).range)
        if name in homes:
            return node, list(homes)
    raise AssertionError(key)


def test_the_coordinator_stores_nothing_durably_and_asks_one_other_to() -> None:
    node, homes = node_at_home(b"k")
    effects = node.request("PUT", "/kv/k", b"v")
    assert not any(isinstance(write, Write) for write in writes(effects))
    stores = {to: it.durable for to, it in sent(effects) if isinstance(it, Store)}
    assert sorted([*stores, node.replica._place.node]) == sorted(homes)
    assert sorted(stores.values()) == [False, True]
    assert WRITER in timers(effects)


def test_without_a_buffer_every_copy_is_durable() -> None:
    node, _ = node_at_home(b"k", write_buffer_ms=0)
    effects = node.request("PUT", "/kv/k", b"v")
    assert {write.table for write in writes(effects) if isinstance(write, Write)} >= {"versions"}
    assert all(it.durable for _, it in sent(effects) if isinstance(it, Store))


def test_the_writer_stores_what_waits_in_one_input() -> None:
    node, _ = node_at_home(b"k")
    for _ in range(3):
        node.request("PUT", "/kv/k", b"v")
    effects = node.fire(WRITER)
    assert [type(write) for write in writes(effects)] == [Write]
    assert node.fire(WRITER) == []


def test_what_may_be_forgotten_by_its_sender_is_stored_before_it_is_acknowledged() -> None:
    node, _ = node_at_home(b"k")
    waited = node.request("PUT", "/kv/k", b"v")
    (blob,) = {it.blob for _, it in sent(waited) if isinstance(it, Store)}
    life = node.replica._life
    assert life is not None
    stored = life.node.ring.place(b"k").stored
    effects = node.message("n9", Handoff(7, ((stored, blob),)))
    assert [type(write) for write in writes(effects)] == [Write]
    assert ("n9", HandedOff(7)) in sent(effects)
    assert not life.node.buffer.waiting


def test_a_durable_copy_does_not_wait_and_another_does() -> None:
    node, homes = node_at_home(b"k")
    other = next(home for home in homes if home != node.replica._place.node)
    blob = Alone(other, BUFFERED)
    made = sent(blob.request("PUT", "/kv/k", b"v"))
    (content,) = {it.blob for _, it in made if isinstance(it, Store)}
    own = node.replica._place.node
    waiting = node.message(other, Store(1, b"k", content, own, False))
    assert writes(waiting) == []
    assert (other, Stored(1)) in sent(waiting)
    assert len(writes(node.message(other, Store(2, b"k", content, own, True)))) == 1


@pytest.mark.parametrize("seed", range(10))
def test_what_waits_is_read_and_scanned_like_what_is_stored(seed: int) -> None:
    rng, tables = Rng(f"buffer/{seed}"), Tables()
    rows = WriteBuffer("t", configure(BUFFERED), Counters())
    expected: dict[bytes, bytes] = {}
    for n in range(300):
        step, key = step_on(tables), b"%d" % rng.below(30)
        match rng.below(8):
            case 0:
                rows.on_writer(step)
            case 1:
                rows.write(step, key, None, durable=False, may_wait=False)
                expected.pop(key, None)
            case 2:
                rows.settle(step, key)
            case kind:
                rows.write(step, key, b"%d" % n, durable=True, may_wait=kind > 4)
                expected[key] = b"%d" % n
        tables.apply(step.effects)
        step = step_on(tables)
        low, high = sorted((b"%d" % rng.below(30), b"%d" % rng.below(30)))
        assert list(rows.scan(step)) == sorted(expected.items())
        within = sorted((k, v) for k, v in expected.items() if low <= k < high)
        assert list(rows.scan(step, low, high)) == within
        assert rows.get(step, key) == expected.get(key)


def test_a_full_buffer_lets_nothing_more_wait() -> None:
    rows = WriteBuffer("t", configure(BUFFERED), Counters())
    for n in range(ENTRIES_MAX):
        rows.write(step_on(Tables()), b"%d" % n, b"v", durable=True, may_wait=True)
    step = step_on(Tables())
    rows.write(step, b"one more", b"v", durable=True, may_wait=True)
    assert len(step.effects) == 1


@pytest.mark.parametrize(("copies", "left"), [(0, []), (1, ["v"]), (3, ["v"])])
def test_a_crash_of_all_costs_what_no_durable_copy_was_made_of(
    copies: int, left: list[str]
) -> None:
    drive = Drive({**BUFFERED, "durable_copies": copies})
    drive.put("n1", "k", "v")
    drive.wait(100)
    assert drive.values("n2", "k", "?r=all") == ["v"]
    for node in drive.cluster.nodes.values():
        node.kill()
    drive.settle()
    assert drive.values("n2", "k", "?r=all") == left


def test_the_writer_runs_by_itself() -> None:
    drive = Drive({"write_buffer_ms": 300, "durable_copies": 0})
    drive.put("n1", "k", "v")
    drive.wait(1000)
    assert drive.counter("buffer_flushes") == 3
    for node in drive.cluster.nodes.values():
        node.kill()
    drive.settle()
    assert drive.values("n2", "k", "?r=all") == ["v"]


def test_a_crash_loses_it_where_the_durable_copy_could_not_be_made() -> None:
    drive = Drive({**BUFFERED, "quorum": "strict"})
    home, _ = drive.home("k")
    drive.cluster.set_cut([(home[0], home[2])])
    drive.put(home[0], "k", "v")  # Acknowledged by two that buffer it.
    for node in drive.cluster.nodes.values():
        node.kill()
    drive.settle()
    assert drive.values("n2", "k", "?r=all") == []


def lost(judgement: Judgement) -> int:
    assert judgement.status != "invalid", judgement.explain()
    counted = dict(judgement.checks)["set-full"].observed.get("counted", {})
    count: int = counted.get("lost-element", {}).get("count", 0)
    return count


def test_the_set_checker_shows_what_the_buffer_costs(tmp_path: Path) -> None:
    costs = {}
    for copies in (0, 1, 3):
        options = {"write_buffer_ms": 2_000, "durable_copies": copies}
        costs[copies] = sum(
            lost(
                simulate(
                    "dynamo", seed, tmp_path, faults="kill@all", workload="set", options=options
                )
            )
            for seed in range(3)
        )
    assert costs[0] > 20
    assert costs[1] < costs[0] / 4
    assert costs[3] == 0
