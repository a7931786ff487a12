"""A client that knows the ring: what it makes of several answers, and where it asks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from systems_under_test.dynamo.partition_aware import KnownRing, reconciled
from systems_under_test.rng import Rng
from tests.proof.sweeping import simulate
from tests.systems_under_test.dynamo.driving import NODES, Drive, put
from workloads.client import Request

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize("options", [{}, {"partitioning": "equal"}, {"zones": "n1=a,n2=a"}])
def test_it_knows_the_home_nodes_of_every_key(options: dict[str, str]) -> None:
    drive = Drive(options)
    ring = KnownRing(drive.page("n3", "ring"))
    for n in range(50):
        name = f"key{n}"
        drive.put("n1", name, "v")
        drive.wait(20)
        held = [node for node in NODES if name in drive.page(node, "dump")["keys"]]
        assert sorted(ring.homes(name.encode())) == held


def test_a_node_answers_what_it_holds_itself() -> None:
    drive = Drive({"read_repair": "off", "anti_entropy": "off"})
    home, _ = drive.home("k")
    drive.put(home[0], "k", "both")
    drive.wait(50)
    drive.cluster.set_cut([(home[0], home[1]), (home[0], home[2])])
    assert drive.begin(home[0], put("k", "one"), 50) == []
    drive.wait(100)
    assert drive.values(home[0], "k", "?r=own") == ["both", "one"]
    assert drive.values(home[1], "k", "?r=own") == ["both"]
    assert drive.counter("reads", [home[1]]) == 0


@pytest.mark.parametrize("seed", range(20))
def test_its_reads_are_those_of_a_coordinator_that_asks_everyone(seed: int) -> None:
    rng = Rng(f"aware/{seed}")
    drive = Drive({"read_repair": "off", "anti_entropy": "off", "handoff_interval_ms": 60_000})
    ring = KnownRing(drive.page("n1", "ring"))
    keys, contexts = ["a", "b", "c"], dict[str, str | None]()
    for _ in range(40):
        match rng.below(6):
            case 0:
                drive.isolate(*rng.shuffled(NODES)[:2])
            case 1:
                drive.heal()
            case 2:
                drive.wait(rng.below(600))
            case _:
                key, node = rng.choice(keys), rng.choice(NODES)
                passed = contexts.get(key) if rng.below(3) else None
                drive.begin(node, put(key, f"{rng.below(1 << 30)}", passed), 500)
                read = drive.begin(rng.choice(NODES), Request("GET", f"/kv/{key}"), 500)
                drive.wait(rng.below(50))
                if read and getattr(read[0], "status", 0) == 200:
                    contexts[key] = getattr(read[0], "headers", {}).get("x-lineal-context")
    drive.heal()
    drive.wait(3000)
    for key in keys:
        expected = drive.get("n1", key, "?r=all")
        answers = [drive.get(node, key, "?r=own") for node in ring.homes(key.encode())]
        versions, context = reconciled(ring.place(key.encode()), rng.shuffled(answers))
        assert (versions, context) == (expected["versions"], expected["context"])


def test_where_the_last_write_wins_it_keeps_the_last_one() -> None:
    drive = Drive({"reconciliation": "last-write-wins", "read_repair": "off"})
    home, _ = drive.home("k")
    drive.cluster.nodes[home[2]].pause()
    drive.put(home[0], "k", "1")
    drive.wait(1000)
    one = drive.get(home[0], "k", "?r=own")
    drive.put(home[0], "k", "2")
    two = drive.get(home[0], "k", "?r=own")
    key = KnownRing(drive.page("n1", "ring")).place(b"k")
    for answers in ([two, one], [one, two]):
        versions, context = reconciled(key, answers, last_write_wins=True)
        assert [version["value"] for version in versions] == ["2"]
        assert context == two["context"]


def test_the_context_that_it_makes_is_taken_by_the_store() -> None:
    drive = Drive()
    ring = KnownRing(drive.page("n1", "ring"))
    drive.put("n1", "k", "1")
    drive.put("n2", "k", "2")
    drive.wait(100)
    answers = [drive.get(node, "k", "?r=own") for node in ring.homes(b"k")]
    _, context = reconciled(ring.place(b"k"), answers)
    preferred = ring.homes(b"k")[0]
    drive.put(preferred, "k", "merged", context)
    drive.wait(100)
    assert drive.values("n5", "k") == ["merged"]
    assert drive.counter("forwards_sent", [preferred]) == 0


def test_of_a_key_that_nobody_holds_it_makes_no_context() -> None:
    key = KnownRing(Drive().page("n1", "ring")).place(b"k")
    nothing: dict[str, Any] = {"versions": [], "context": None}
    assert reconciled(key, [nothing, nothing]) == ([], None)


def test_a_node_that_keeps_a_key_no_more_does_not_show_what_it_holds_as_its_copy() -> None:
    drive = Drive()
    drive.put("n1", "k", "v")
    old = KnownRing(drive.page("n1", "ring")).homes(b"k")
    drive.change("n1" if old[0] != "n1" else "n2", "leave", node=old[0])
    reply = drive.ask(old[0], Request("GET", "/kv/k?r=own"))
    assert reply.status == 421
    assert b"fetch /ring again" in reply.body
    forwards = drive.counter("forwards_sent")
    drive.put(old[0], "k", "w")
    assert drive.counter("forwards_sent") == forwards + 1
    assert drive.values("n3", "k") == ["v", "w"]


@pytest.mark.parametrize("quorum", ["strict", "sloppy"])
@pytest.mark.parametrize("seed", [0, 2])
def test_clients_with_an_old_ring_are_not_lied_to_while_members_change(
    quorum: str, seed: int, tmp_path: Path
) -> None:
    options = {"client": "partition-aware", "quorum": quorum, "spares": 2}
    judgement = simulate(
        "dynamo",
        seed,
        tmp_path,
        faults="membership,partition,kill",
        workload="membership",
        options=options,
        nodes=("n1", "n2", "n3", "n4", "n5", "n6", "n7"),
    )
    assert judgement.status == "valid", judgement.explain()
    assert "lost-update" in judgement.promises.claims or quorum == "sloppy"
    (found,) = tmp_path.rglob("counters.json")
    assert msgspec.json.decode(found.read_bytes())["total"]["forwards_sent"] > 0
