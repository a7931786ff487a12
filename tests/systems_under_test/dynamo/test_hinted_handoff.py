"""Hints are kept apart, survive crashes, and are deleted only once their owner holds them."""

from __future__ import annotations

import pytest

from systems_under_test.dynamo.bugs import DELETE_HINT_EARLY, FORGET_HINTS
from systems_under_test.dynamo.hinted_handoff import (
    BATCH_ENTRIES_MAX,
    HINTS,
    SCAN,
    HintStore,
)
from systems_under_test.dynamo.messages import HandedOff, Handoff, Store
from systems_under_test.dynamo.ring import Ring, random_tokens
from systems_under_test.dynamo.versions import NOTHING, Dot, Version, encode
from systems_under_test.replica import Write, WriteLater
from tests.systems_under_test.dynamo.alone import Alone, Tables, sent, step_on, writes
from tests.systems_under_test.dynamo.driving import Drive
from workloads.client import Request

NODES = ("n1", "n2", "n3", "n4", "n5")
BLOB = encode((Version(Dot("n9", 1, 1), 0, NOTHING, b"v"),))
NEWER = encode((Version(Dot("n9", 1, 2), 1, NOTHING, b"w"),))


def stand_in(
    key: bytes = b"k", bug: str | None = None, tables: Tables | None = None, incarnation: int = 1
) -> tuple[Alone, str]:
    """A node that stands in for the key, and the first home node."""
    from systems_under_test.dynamo.configuration import Configuration
    from systems_under_test.dynamo.preference_list import PreferenceLists

    ring = Ring(random_tokens(Configuration().tokens(NODES)))
    lists = PreferenceLists(ring, Configuration())
    place = ring.place(key).range
    name = lists.fallbacks(place)[0]
    node = Alone(name, bug=bug, tables=tables, incarnation=incarnation)
    return node, lists.home(place)[0]


def hints_in(tables: Tables) -> int:
    return len(tables.tables.get(HINTS, {}))


def test_a_hint_is_kept_apart_durable_and_acknowledged() -> None:
    node, owner = stand_in()
    effects = node.message("n9", Store(5, b"k", BLOB, owner))
    assert [(type(w), w.table) for w in writes(effects)] == [(Write, HINTS)]
    assert not node.tables.tables.get("versions")
    assert [type(m).__name__ for _, m in sent(effects)] == ["Stored"]


def test_a_hint_is_deleted_only_after_its_owner_acknowledged_it() -> None:
    node, owner = stand_in()
    node.message("n9", Store(5, b"k", BLOB, owner))
    ((to, message),) = sent(node.fire(SCAN))
    assert to == owner
    assert isinstance(message, Handoff)
    assert hints_in(node.tables) == 1
    node.message(owner, HandedOff(message.request + 1))
    assert hints_in(node.tables) == 1, "an answer to something else"
    node.message(owner, HandedOff(message.request))
    assert hints_in(node.tables) == 0


def test_what_was_merged_into_a_hint_under_way_is_kept_and_delivered_next() -> None:
    node, owner = stand_in()
    node.message("n9", Store(5, b"k", BLOB, owner))
    ((_, message),) = sent(node.fire(SCAN))
    assert isinstance(message, Handoff)
    node.message("n9", Store(6, b"k", NEWER, owner))
    node.message(owner, HandedOff(message.request))
    assert hints_in(node.tables) == 1
    ((_, again),) = sent(node.fire(SCAN))
    assert isinstance(again, Handoff)
    assert again.entries != message.entries


def test_the_owner_merges_durably_before_it_acknowledges() -> None:
    node, owner = stand_in()
    node.message("n9", Store(5, b"k", BLOB, owner))
    ((_, message),) = sent(node.fire(SCAN))
    effects = Alone(owner).message("n9", message)
    assert [type(e).__name__ for e in effects] == ["Write", "Send"]


def test_hints_survive_a_crash_and_are_delivered_by_the_next_life() -> None:
    node, owner = stand_in()
    node.message("n9", Store(5, b"k", BLOB, owner))
    reborn, _ = stand_in(tables=node.tables, incarnation=2)
    ((to, message),) = sent(reborn.fire(SCAN))
    assert to == owner
    assert isinstance(message, Handoff)


def test_a_delivery_without_answer_leaves_the_owner_out_and_is_made_again() -> None:
    node, owner = stand_in()
    node.message("n9", Store(5, b"k", BLOB, owner))
    assert sent(node.fire(SCAN))
    assert not sent(node.fire(SCAN, after_ms=100)), "one batch at a time"
    assert not sent(node.fire(SCAN, after_ms=500)), "the owner is left out"
    from systems_under_test.dynamo.messages import Pong

    assert "handoff-scan" in [getattr(e, "name", "") for e in node.message(owner, Pong())]
    assert sent(node.fire(SCAN))


def test_batches_are_bounded() -> None:
    node, owner = stand_in()
    life = node.replica._life
    assert life is not None
    ring, lists = life.node.ring, life.node.lists
    mine = [
        name
        for name in (b"key%d" % i for i in range(6000))
        if owner in lists.home(ring.place(name).range)
        and life.node.name not in lists.home(ring.place(name).range)
    ]
    assert len(mine) > BATCH_ENTRIES_MAX
    for name in mine:
        node.message("n9", Store(5, name, BLOB, owner))
    delivered = 0
    for _ in range(len(mine) // BATCH_ENTRIES_MAX + 1):
        ((_, message),) = sent(node.fire(SCAN, after_ms=100))
        assert isinstance(message, Handoff)
        assert len(message.entries) <= BATCH_ENTRIES_MAX
        delivered += len(message.entries)
        node.message(owner, HandedOff(message.request))
    assert delivered == len(mine)
    assert hints_in(node.tables) == 0


def test_deleting_a_hint_need_not_be_durable() -> None:
    tables = Tables()
    hints = HintStore(NODES, durable=True)
    step = step_on(tables)
    hints.put(step, "n2", b"stored", BLOB)
    tables.apply(step.effects)
    step = step_on(tables)
    assert hints.delete(step, "n2", b"stored", BLOB)
    assert [type(e) for e in step.effects] == [WriteLater]


def cut_off_with_its_stand_ins(key: str, options: dict[str, str] | None = None) -> Drive:
    """A cluster in which the stand-ins of a key are alone, and have found that out."""
    drive = Drive(options)
    _, stand_ins = drive.home(key)
    drive.isolate(*stand_ins)
    for node in stand_ins:
        drive.begin(node, Request("GET", f"/kv/{key}"))
    drive.wait(1500)
    return drive


def test_hints_return_to_zero_after_healing_and_nothing_is_lost() -> None:
    drive = cut_off_with_its_stand_ins("k", {"anti_entropy": "off", "read_repair": "off"})
    _, stand_ins = drive.home("k")
    for i, node in enumerate(stand_ins):
        drive.put(node, "k", str(i))
    kept = [drive.page(node, "status")["hints"] for node in stand_ins]
    assert sum(sum(hints.values()) for hints in kept) == 2
    drive.settle()
    assert all(drive.page(n, "status")["hints"] == {} for n in drive.cluster.nodes)
    assert drive.counter("hints_delivered") == 2
    assert drive.values("n1", "k", "?r=all") == ["0", "1"]


def test_a_read_through_the_minority_sees_what_stand_ins_hold() -> None:
    drive = cut_off_with_its_stand_ins("k")
    _, stand_ins = drive.home("k")
    drive.put(stand_ins[0], "k", "1")
    assert drive.values(stand_ins[1], "k") == ["1"]


@pytest.mark.parametrize("bug", [FORGET_HINTS, DELETE_HINT_EARLY])
def test_the_bugs_lose_hints(bug: str) -> None:
    node, owner = stand_in(bug=bug)
    node.message("n9", Store(5, b"k", BLOB, owner))
    assert sent(node.fire(SCAN)), "it still delivers"
    assert hints_in(node.tables) == 0
