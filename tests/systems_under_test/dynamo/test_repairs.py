"""Read repair, anti-entropy, gossip and failure detection, in a cluster and alone."""

from __future__ import annotations

import pytest

from systems_under_test.dynamo.anti_entropy import COMPARE
from systems_under_test.dynamo.configuration import configure
from systems_under_test.dynamo.counters import Counters
from systems_under_test.dynamo.envelope import seal
from systems_under_test.dynamo.failure_detection import PROBE
from systems_under_test.dynamo.membership import GOSSIP
from systems_under_test.dynamo.messages import (
    Digests,
    Exchange,
    Gossip,
    GossipBack,
    Handoff,
    Inventory,
    Ping,
    Pong,
    Same,
    Store,
)
from systems_under_test.dynamo.version_store import VERSIONS, VersionStore
from systems_under_test.dynamo.versions import NOTHING, Dot, Version, encode
from systems_under_test.dynamo.views import first_view
from systems_under_test.dynamo.write_buffer import WriteBuffer
from systems_under_test.replica import PeerMessage
from systems_under_test.rng import Rng
from tests.systems_under_test.dynamo.alone import (
    Alone,
    Tables,
    logged,
    sent,
    step_on,
    writes,
)
from tests.systems_under_test.dynamo.driving import Drive

ALONE = {"anti_entropy": "off"}


def blob(counter: int, value: bytes = b"v") -> bytes:
    return encode((Version(Dot("n9", 1, counter), counter - 1, NOTHING, value),))


def stale_replica(drive: Drive) -> str:
    """A home node of `k` that has missed a write."""
    home, _ = drive.home("k")
    drive.isolate(home[2])
    drive.put(home[0], "k", "1")
    drive.wait(50)
    assert "k" not in drive.page(home[2], "dump")["keys"]
    drive.heal()
    return home[2]


# --- read repair ---


def test_a_read_repairs_a_stale_home_node() -> None:
    drive = Drive({**ALONE, "handoff_interval_ms": 3_600_000, "quorum": "strict"})
    stale = stale_replica(drive)
    drive.wait(1500)
    drive.get("n1", "k")
    drive.wait(300)
    assert drive.page(stale, "dump")["keys"]["k"]["versions"][0]["value"] == "1"
    assert drive.counter("read_repairs_sent") + drive.counter("read_repairs_local") == 1


def test_without_read_repair_a_stale_node_stays_stale() -> None:
    options = {**ALONE, "handoff_interval_ms": 3_600_000, "quorum": "strict", "read_repair": "off"}
    drive = Drive(options)
    stale = stale_replica(drive)
    drive.wait(1500)
    drive.get("n1", "k")
    drive.wait(300)
    assert "k" not in drive.page(stale, "dump")["keys"]


def test_a_dump_repairs_nothing() -> None:
    drive = Drive({**ALONE, "handoff_interval_ms": 3_600_000, "quorum": "strict"})
    stale = stale_replica(drive)
    for node in drive.cluster.nodes:
        drive.page(node, "dump")
    drive.wait(2000)
    assert "k" not in drive.page(stale, "dump")["keys"]


# --- anti-entropy ---


def test_anti_entropy_alone_makes_replicas_equal() -> None:
    options = {"handoff_interval_ms": 3_600_000, "quorum": "strict", "read_repair": "off"}
    drive = Drive(options)
    stale = stale_replica(drive)
    drive.wait(4000)
    assert drive.page(stale, "dump")["keys"]["k"]["versions"][0]["value"] == "1"
    assert drive.counter("digest_rounds_different") >= 1
    assert drive.counter("keys_exchanged") >= 1
    assert drive.unrest() == []


def test_without_anti_entropy_replicas_stay_apart() -> None:
    options = {"handoff_interval_ms": 3_600_000, "quorum": "strict", "read_repair": "off", **ALONE}
    drive = Drive(options)
    stale = stale_replica(drive)
    drive.wait(4000)
    assert "k" not in drive.page(stale, "dump")["keys"]


def test_equal_nodes_exchange_digests_and_nothing_more() -> None:
    drive = Drive()
    drive.put("n1", "k", "1")
    drive.wait(1000)
    keys = drive.counter("keys_exchanged")
    rounds = drive.counter("digest_rounds_equal")
    drive.wait(5000)
    assert drive.counter("digest_rounds_equal") >= rounds + 30
    assert drive.counter("keys_exchanged") == keys


def test_every_pair_of_nodes_compares_in_each_interval() -> None:
    for count in (2, 3, 4, 5, 6):
        nodes = tuple(f"n{i}" for i in range(count))
        pairs = set()
        for node in nodes:
            alone = Alone(node, {"n": 2, "r": 1, "w": 1}, nodes=nodes)
            life = alone.replica._life
            assert life is not None
            pairs |= {frozenset({node, peer}) for peer in life.anti_entropy._asks}
            assert len(life.anti_entropy._asks) <= count // 2
        assert len(pairs) == count * (count - 1) // 2


def exchange(one: Alone, other: Alone, rounds: int = 1) -> int:
    """Rounds of anti-entropy between two nodes; the number of messages."""
    names = {one: "n1", other: "n2"}
    count = 0
    for _ in range(rounds):
        waiting = [(other, one, m) for to, m in sent(one.fire(COMPARE, 1000)) if to == "n2"]
        while waiting:
            receiver, sender, message = waiting.pop(0)
            count += 1
            assert count < 10_000
            effects = receiver.message(names[sender], message)
            waiting += [(sender, receiver, reply) for _, reply in sent(effects)]
    return count


@pytest.mark.parametrize("seed", range(10))
def test_two_nodes_with_different_keys_end_with_the_same(seed: int) -> None:
    rng = Rng(f"entropy/{seed}")
    options = {"n": 2, "r": 1, "w": 1, "vnodes": 4}
    one, other = (Alone(name, options, nodes=("n1", "n2")) for name in ("n1", "n2"))
    for i in range(80):
        for node, name in ((one, "n1"), (other, "n2")):
            if rng.below(2):
                made = blob(rng.between(1, 3), b"v")
                node.message("n9", Store(1, b"key%d" % i, made, name))
    exchange(one, other)
    assert one.tables.tables[VERSIONS] == other.tables.tables[VERSIONS]
    assert exchange(one, other) == 2, "then digests alone"


def test_many_differences_go_over_in_bounded_rounds() -> None:
    options = {"n": 2, "r": 1, "w": 1, "vnodes": 1}
    one, other = (Alone(name, options, nodes=("n1", "n2")) for name in ("n1", "n2"))
    for i in range(3000):
        holder, name = (one, "n1") if i % 2 else (other, "n2")
        holder.message("n9", Store(1, b"key%d" % i, blob(i + 1), name))
    exchange(one, other)
    assert one.tables.tables[VERSIONS] != other.tables.tables[VERSIONS]
    exchange(one, other, rounds=10)
    assert one.tables.tables[VERSIONS] == other.tables.tables[VERSIONS]


def test_a_round_moves_bounded_bytes_and_later_rounds_the_rest() -> None:
    options = {"n": 2, "r": 1, "w": 1, "vnodes": 1}
    one, other = (Alone(name, options, nodes=("n1", "n2")) for name in ("n1", "n2"))
    for i in range(12):
        holder, name = (one, "n1") if i % 2 else (other, "n2")
        holder.message("n9", Store(1, b"key%d" % i, blob(i + 1, b"x" * 900_000), name))
    exchange(one, other, rounds=8)
    assert one.tables.tables[VERSIONS] == other.tables.tables[VERSIONS]
    assert len(one.tables.tables[VERSIONS]) == 12


@pytest.mark.parametrize("buffered_ms", [0, 60_000])
@pytest.mark.parametrize("seed", range(10))
def test_digests_kept_up_to_date_equal_digests_scanned_anew(seed: int, buffered_ms: int) -> None:
    rng = Rng(f"digest/{seed}")
    life = Alone().replica._life
    assert life is not None
    ring, tables = life.node.ring, Tables()
    rows = WriteBuffer("versions", configure({"write_buffer_ms": buffered_ms}), Counters())
    kept = VersionStore(ring, rows, drop_siblings=False, durable=True)
    for i in range(200):
        step = step_on(tables)
        if rng.below(4) == 0:
            kept.digest(step, rng.below(len(ring)))
        key = ring.place(b"key%d" % rng.below(40))
        kept.merge(step, key, blob(i + 1), may_wait=rng.below(2) == 0)
        tables.apply(step.effects)
    assert bool(rows.waiting) == bool(buffered_ms)
    fresh = VersionStore(ring, rows, drop_siblings=False, durable=True)
    step = step_on(tables)
    assert all(kept.digest(step, i) == fresh.digest(step, i) for i in range(len(ring)))


def test_a_key_that_this_node_does_not_keep_is_not_taken() -> None:
    node = Alone()
    life = node.replica._life
    assert life is not None
    foreign = next(
        key
        for key in (life.node.ring.place(b"key%d" % i) for i in range(1000))
        if not life.node.is_home(key)
    )
    effects = node.message("n2", Exchange(((foreign.stored, blob(1)),), (), answer=True))
    assert not writes(effects)
    assert logged(effects) == ["misplaced"]
    for message in (
        Store(1, foreign.name, blob(1), "n1"),
        Handoff(1, ((foreign.stored, blob(1)),)),
    ):
        effects = node.message("n2", message)
        assert not writes(effects)
        assert not sent(effects), "acknowledged, and not kept"


def test_a_message_of_another_protocol_is_not_read() -> None:
    node = Alone()
    effects = node.handle(PeerMessage("n2", 1, [9, *seal(Ping())[1:]]))
    assert logged(effects) == ["not-understood"]


# --- failure detection ---


def test_a_peer_that_does_not_answer_is_left_out_probed_and_taken_back() -> None:
    node = Alone()
    ((peer, _),) = sent(node.fire(GOSSIP))
    assert (peer, Ping()) not in sent(node.fire(PROBE, after_ms=200)), "too early"
    assert sent(node.fire(PROBE, after_ms=100)) == [(peer, Ping())]
    assert sent(node.fire(PROBE, after_ms=500)) == [(peer, Ping())]
    assert "peer-back" in logged(node.message(peer, Pong()))
    assert sent(node.fire(PROBE, after_ms=500)) == []


def test_what_a_peer_asks_is_no_answer() -> None:
    # Under a one-way cut its messages arrive, ours do not.
    node = Alone()
    ((peer, _),) = sent(node.fire(GOSSIP))
    node.fire(PROBE, after_ms=300)
    assert sent(node.message(peer, Ping())) == [(peer, Pong())]
    assert sent(node.fire(PROBE, after_ms=500)) == [(peer, Ping())]


def test_a_lost_answer_does_not_leave_out_a_peer_that_answers_others() -> None:
    node = Alone()
    ((peer, _),) = sent(node.fire(GOSSIP))
    node.mono += 1
    node.message(peer, Same())
    assert sent(node.fire(PROBE, after_ms=300)) == []


def test_under_a_one_way_cut_both_sides_find_out_and_forget_it_after_healing() -> None:
    drive = Drive()
    drive.cluster.set_cut([("n1", "n2")])
    drive.wait(5000)
    # Neither hears an answer: n1's questions do not arrive, n2's are answered into the cut.
    assert drive.page("n1", "status")["peers"]["n2"] == "left-out"
    assert drive.page("n2", "status")["peers"]["n1"] == "left-out"
    assert drive.page("n3", "status")["peers"]["n1"] == "up"
    drive.heal()
    drive.wait(1000)
    assert drive.unrest() == []


# --- gossip ---

FIRST = first_view(("n1", "n2", "n3", "n4", "n5"))


def test_nodes_converge_on_the_latest_life_of_every_node() -> None:
    drive = Drive()
    for _ in range(2):
        drive.cluster.nodes["n2"].kill()
        drive.cluster.nodes["n2"].start()
    drive.wait(8000)
    views = [drive.page(node, "status")["lives"] for node in drive.cluster.nodes]
    assert views == [{"n1": 1, "n2": 3, "n3": 1, "n4": 1, "n5": 1}] * 5


def test_the_lives_of_nodes_are_persisted_and_never_go_back() -> None:
    node = Alone()
    lives = tuple((name, 4 if name == "n2" else 1, 16) for name in ("n1", "n2", "n3", "n4", "n5"))
    ((_, back),) = sent(node.message("n3", Gossip(lives, FIRST)))
    assert isinstance(back, GossipBack)
    assert {name: life for name, life, _ in back.lives}["n2"] == 4
    node.message("n4", GossipBack((("n2", 2, 16),), FIRST))
    reborn = Alone(tables=node.tables, incarnation=2)
    life = reborn.replica._life
    assert life is not None
    assert {name: life for name, life, _ in life.membership.lives} == {
        "n1": 2, "n2": 4, "n3": 1, "n4": 1, "n5": 1,
    }  # fmt: skip


def test_a_stranger_and_another_ring_are_reported_and_not_let_in() -> None:
    node = Alone()
    effects = node.message("n2", Gossip((("n9", 1, 16), ("n3", 7, 99)), FIRST))
    assert logged(effects) == ["other-ring", "other-ring"]
    ((_, back),) = sent(effects)
    assert isinstance(back, GossipBack)
    assert {name: life for name, life, _ in back.lives}["n3"] == 0


# --- messages ---


@pytest.mark.parametrize(
    "body",
    [
        None,
        [],
        [3],
        [3, b"", 0, 1],
        [3, b"\xff", 0, 1],
        [3, b"\x91\xa4ping", 0],
        [2, b"\x91\xa4ping", 0, 1],
        [3, "x", 0, 1],
        {"a": 1},
        [3, b"\x92\xa3foo\x01", 0, 1],
    ],
)
def test_a_message_that_is_not_understood_is_dropped_and_logged(body: object) -> None:
    node = Alone()
    effects = node.handle(PeerMessage("n2", 1, body))
    assert logged(effects) == ["not-understood"]
    assert len(effects) == 1
    assert sent(node.message("n2", Ping())) == [("n2", Pong())], "the node goes on"


def test_an_inventory_and_digests_of_ranges_that_are_not_shared_are_ignored() -> None:
    node = Alone()
    assert not writes(node.message("n2", Inventory(999, b"", ())))
    assert sent(node.message("n2", Digests(((999, b"x"),)))) == [("n2", Same())]
