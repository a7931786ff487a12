"""Tombstones go when nothing old can come back, and stay as long as anything could."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from systems_under_test.dynamo.bugs import EARLY_TOMBSTONE_COLLECTION
from systems_under_test.dynamo.envelope import seal
from systems_under_test.dynamo.messages import (
    Collect,
    Confirm,
    Confirmed,
    Exchange,
    Fence,
    Fetch,
    Fetched,
    Handoff,
    Store,
    Stored,
)
from systems_under_test.dynamo.tombstone_collection import COLLECT
from systems_under_test.dynamo.version_store import VERSIONS, fingerprint
from systems_under_test.dynamo.versions import NOTHING, Dot, Version, encode
from systems_under_test.replica import PeerMessage, Write
from tests.systems_under_test.dynamo.alone import Alone, sent, writes
from tests.systems_under_test.dynamo.driving import CONTEXT, Drive
from tests.systems_under_test.dynamo.storm import any_fault, storm
from workloads.client import Request

if TYPE_CHECKING:
    from systems_under_test.dynamo.messages import AnyMessage

QUICK = {"collection_interval_ms": 300}
OLD = Version(Dot("n9", 1, 5), 4, NOTHING, b"old")
OLD_BLOB = encode((OLD,))
TOMBSTONE = encode((Version(Dot("n9", 1, 6), 5, (("n9", 1, (4, 5)),), None),))
OTHERS = ("n2", "n3", "n4", "n5")


def deleted(drive: Drive) -> str:
    """A key that was put and deleted; its first home node."""
    home, _ = drive.home("k")
    context = drive.put(home[0], "k", "1")["context"]
    drive.delete(home[0], "k", context)
    return home[0]


def holders(drive: Drive) -> list[str]:
    """Who holds anything of the key, as home or as a hint."""
    return [
        node
        for node in drive.cluster.nodes
        if "k" in (dump := drive.page(node, "dump"))["keys"]
        or any("k" in hints for hints in dump["hints"].values())
    ]


# --- in a cluster ---


@pytest.mark.parametrize("options", [{}, {"quorum": "strict"}, {"n": 1, "r": 1, "w": 1}])
def test_a_tombstone_is_forgotten_by_every_home_node(options: dict[str, Any]) -> None:
    drive = Drive({**QUICK, **options})
    deleted(drive)
    assert holders(drive)
    drive.wait(1500)
    assert holders(drive) == []
    assert drive.get("n1", "k") == {"versions": [], "context": None}
    assert drive.counter("tombstones_collected") == options.get("n", 3)
    drive.wait(3000)
    assert holders(drive) == [], "anti-entropy does not bring it back"
    assert drive.unrest() == []


def test_a_single_node_collects_its_own_tombstones() -> None:
    drive = Drive({**QUICK, "n": 1, "r": 1, "w": 1}, nodes=("n1",))
    deleted(drive)
    drive.wait(1000)
    assert holders(drive) == []


def test_a_tombstone_beside_a_sibling_stays() -> None:
    drive = Drive(QUICK)
    first = deleted(drive)
    drive.put(first, "k", "2")
    drive.wait(3000)
    assert drive.values("n1", "k") == ["2", "tombstone"]


def test_without_collection_tombstones_stay() -> None:
    drive = Drive({**QUICK, "tombstone_collection": "off"})
    deleted(drive)
    drive.wait(3000)
    assert len(holders(drive)) == 3


@pytest.mark.parametrize("which", [0, 1, 2, 3, 4])
def test_as_long_as_any_node_is_cut_off_or_down_a_tombstone_stays(which: int) -> None:
    for way in ("cut", "down"):
        drive = Drive(QUICK)
        home, stand_ins = drive.home("k")
        context = drive.put(home[0], "k", "1")["context"]
        drive.wait(200)
        lost = (home + stand_ins)[which]
        if way == "cut":
            drive.isolate(lost)
        else:
            drive.cluster.nodes[lost].kill()
        via = next(node for node in home if node != lost)
        drive.delete(via, "k", context)
        drive.wait(5000)
        assert drive.counter("tombstones_collected", [n for n in home if n != lost]) == 0
        drive.settle()
        drive.wait(3000)
        assert holders(drive) == []


def test_with_the_bug_a_long_partition_brings_a_deleted_version_back() -> None:
    for bug, expected in ((EARLY_TOMBSTONE_COLLECTION, ["1"]), (None, [])):
        # Strict: with stand-ins the tombstone would reach the lost node as a hint first.
        drive = Drive({**QUICK, "quorum": "strict"}, bug=bug)
        home, _ = drive.home("k")
        context = drive.put(home[0], "k", "1")["context"]
        drive.wait(200)
        drive.isolate(home[2])
        request = Request("DELETE", "/kv/k", {CONTEXT: context})
        assert drive.ask(home[0], request).status == 200
        drive.wait(5000)
        drive.settle()
        drive.wait(3000)
        assert drive.values("n1", "k") == expected


@pytest.mark.parametrize("seed", range(10))
def test_storms_with_quick_collection_lose_nothing_and_bring_nothing_back(seed: int) -> None:
    options = {**QUICK, **({"quorum": "strict"} if seed % 3 == 0 else {})}
    blown = storm(Drive(options, seed=seed), seed, keys=6, pause_ms=80)
    blown.blow(10, any_fault)
    assert blown.problems == []


# --- alone ---


class Led:
    """A node that is asked about a tombstone of a key by another that leads the round."""

    def __init__(self, *, home: bool) -> None:
        self.node = Alone()
        life = self.node.replica._life
        assert life is not None
        self.life = life
        self.key = next(
            key
            for key in (life.node.ring.place(b"key%d" % i) for i in range(1000))
            if life.node.is_home(key) is home
        )
        self.homes = life.node.lists.home(self.key.range)
        self.graves = ((self.key.stored, fingerprint(self.key.stored, TOMBSTONE)),)
        self.node.mono = 1000
        if home:
            self.store(TOMBSTONE, at=0)

    def store(self, blob: bytes, *, at: int, sender: str = "n2", life: int = 1) -> list[AnyMessage]:
        """A copy arrives that was sent at a time by a life of its sender."""
        home = "n1" if "n1" in self.homes else self.homes[0]
        message = Store(7, self.key.name, blob, home)
        effects = self.node.handle(PeerMessage(sender, life, seal(message, at, life=life)))
        return [reply for _, reply in sent(effects)]

    def confirm(self) -> Confirmed:
        """The first wave."""
        ((_, reply),) = sent(self.node.message("n2", Confirm(1, self.graves)))
        assert isinstance(reply, Confirmed)
        return reply

    def fence(self, *floors: tuple[str, int, int]) -> Confirmed:
        """The second wave."""
        ((_, reply),) = sent(self.node.message("n2", Fence(1, floors, self.graves)))
        assert isinstance(reply, Confirmed)
        return reply

    @property
    def keys(self) -> tuple[bytes, ...]:
        """What a node that is clean answers."""
        return (self.key.stored,)


@pytest.mark.parametrize("home", [True, False])
def test_a_clean_node_confirms_both_waves_with_its_clock(home: bool) -> None:
    led = Led(home=home)
    assert led.confirm() == Confirmed(1, 1, 1, 1000, led.keys)
    assert led.fence(("n3", 1, 50)) == Confirmed(1, 2, 1, 1000, led.keys)


def test_a_node_makes_a_durable_write_before_it_confirms() -> None:
    # A hint that it has deleted lazily would come back after power loss otherwise.
    effects = Led(home=False).node.message("n2", Confirm(1, ()))
    kinds = [type(effect).__name__ for effect in effects]
    assert kinds.index("Write") < kinds.index("Send")
    assert isinstance(writes(effects)[0], Write)


def test_a_home_node_without_the_tombstone_or_with_more_does_not_confirm() -> None:
    led = Led(home=True)
    led.node.tables.tables[VERSIONS].clear()
    assert led.confirm().keys == ()
    led.store(encode((Version(Dot("n8", 1, 1), 0, NOTHING, b"new"),)), at=0)
    assert led.confirm().keys == ()


def test_a_node_with_a_hint_does_not_confirm() -> None:
    led = Led(home=False)
    led.store(OLD_BLOB, at=0)
    assert led.confirm().keys == ()


@pytest.mark.parametrize("home", [True, False])
def test_old_content_between_the_waves_breaks_the_watch(home: bool) -> None:
    led = Led(home=home)
    assert led.confirm().keys == led.keys
    led.store(OLD_BLOB, at=10)
    if not home:
        # The hint is handed off, acknowledged and gone, yet a copy of the message may come twice.
        led.life.node.hints.counts[led.homes[0]] = 0
        led.node.tables.tables["hints"].clear()
    assert led.fence().keys == ()


def test_a_home_node_that_met_old_content_by_anti_entropy_breaks_its_watch() -> None:
    for message in (Exchange, Handoff):
        led = Led(home=True)
        led.confirm()
        entries = ((led.key.stored, OLD_BLOB),)
        led.node.message(
            "n3",
            Exchange(entries, (), answer=False) if message is Exchange else Handoff(1, entries),
        )
        assert led.fence().keys == ()


def test_a_read_that_has_met_old_content_is_not_clean_and_breaks_the_watch() -> None:
    for first_confirmed in (True, False):
        led = Led(home=False)
        effects = led.node.request("GET", f"/kv/{led.key.name.decode()}")
        asked = [(to, m) for to, m in sent(effects) if isinstance(m, Fetch)]
        assert len(asked) == 3
        if first_confirmed:
            assert led.confirm().keys == led.keys
        led.node.message(asked[0][0], Fetched(asked[0][1].request, OLD_BLOB))
        assert (led.fence() if first_confirmed else led.confirm()).keys == ()


def test_a_new_life_has_no_watch() -> None:
    led = Led(home=True)
    led.confirm()
    led.node = Alone(tables=led.node.tables, incarnation=2)
    assert led.fence().keys == ()


def test_a_fence_stops_what_was_sent_before_it_and_nothing_else() -> None:
    led = Led(home=False)
    led.confirm()
    led.fence(("n2", 2, 500))
    assert led.store(OLD_BLOB, at=500, life=2) == []
    assert led.store(OLD_BLOB, at=900, life=1) == [], "of an earlier life of the sender"
    assert led.store(OLD_BLOB, at=501, life=2) == [Stored(7)]
    assert led.store(OLD_BLOB, at=1, life=3) == [Stored(7)]
    assert led.store(OLD_BLOB, at=1, sender="n3") == [Stored(7)]
    led.fence(("n2", 1, 10))
    assert led.store(OLD_BLOB, at=400, life=2) == [], "a late fence lowers nothing"


def test_a_collected_tombstone_is_gone_and_another_content_stays() -> None:
    led = Led(home=True)
    led.node.message("n2", Collect(led.graves))
    assert led.node.tables.tables[VERSIONS] == {}
    led.store(OLD_BLOB, at=0)
    led.node.message("n2", Collect(led.graves))
    assert led.node.tables.tables[VERSIONS] == {led.key.stored: OLD_BLOB}


class Leading(Led):
    """A node that leads a round for a key."""

    def __init__(self) -> None:
        super().__init__(home=True)
        lists, ring = self.life.node.lists, self.life.node.ring
        self.node.tables.tables[VERSIONS].clear()
        self.key = next(
            key
            for key in (ring.place(b"key%d" % i) for i in range(1000))
            if lists.home(key.range)[0] == "n1"
        )
        self.homes = lists.home(self.key.range)
        self.graves = ((self.key.stored, fingerprint(self.key.stored, TOMBSTONE)),)
        self.store(TOMBSTONE, at=0)
        asked = sent(self.node.fire(COLLECT, 2000))
        (self.request,) = {m.request for _, m in asked if isinstance(m, Confirm)}
        assert [to for to, _ in asked] == list(OTHERS)

    def answer(self, wave: int, *nodes: str, keys: tuple[bytes, ...] | None = None) -> list[Any]:
        """These nodes confirm; what the leader sends then."""
        keys = self.keys if keys is None else keys
        return [
            (to, message)
            for node in nodes
            for to, message in sent(
                self.node.message(node, Confirmed(self.request, wave, 1, 77, keys))
            )
        ]


def test_the_leader_fences_after_all_have_confirmed_and_collects_after_all_have_again() -> None:
    led = Leading()
    assert led.answer(1, "n2", "n3", "n3", "n4") == [], "one answered twice"
    assert led.answer(2, "n2", "n3", "n4", "n5") == [], "answers that nobody has asked for yet"
    fences = led.answer(1, "n5")
    assert [to for to, _ in fences] == list(OTHERS)
    floors = {node: (life, at) for node, life, at in fences[0][1].floors}
    assert floors == {**dict.fromkeys(OTHERS, (1, 77)), "n1": (1, led.node.mono)}
    assert led.answer(2, "n2", "n3", "n4", "n4") == []
    assert dict(led.answer(2, "n5")) == {
        home: Collect(led.graves) for home in led.homes if home != "n1"
    }
    assert led.node.tables.tables[VERSIONS] == {}


@pytest.mark.parametrize("wave", [1, 2])
def test_one_node_that_is_not_clean_stops_the_round(wave: int) -> None:
    led = Leading()
    if wave == 2:
        led.answer(1, *OTHERS)
    messages = led.answer(wave, "n2", keys=()) + led.answer(wave, "n3", "n4", "n5")
    assert not any(isinstance(message, Collect) and message.graves for _, message in messages)
    assert led.node.tables.tables[VERSIONS] == {led.key.stored: TOMBSTONE}


def test_the_leader_itself_must_be_clean_in_both_waves() -> None:
    led = Leading()
    led.store(OLD_BLOB, at=led.node.mono)
    led.answer(1, *OTHERS)
    led.store(OLD_BLOB, at=led.node.mono + 1)
    assert led.answer(2, *OTHERS) == []
    assert led.node.tables.tables[VERSIONS] == {led.key.stored: TOMBSTONE}


def test_answers_to_an_earlier_round_count_for_nothing() -> None:
    led = Leading()
    led.answer(1, "n2", "n3", "n4")
    led.node.fire(COLLECT, 2000)
    assert led.answer(1, "n5") == []
