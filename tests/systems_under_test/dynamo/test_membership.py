"""Members come and go: views agree, only the affected ranges move, and nothing is lost."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from systems_under_test.dynamo.api import ORDERS
from systems_under_test.dynamo.arrangement import Arrangement
from systems_under_test.dynamo.configuration import Configuration
from systems_under_test.dynamo.messages import NewerView, Store, Stored
from systems_under_test.dynamo.views import View, begun, confirming, ended, first_view, given_up
from tests.systems_under_test.dynamo.alone import Alone, logged, responses, sent
from tests.systems_under_test.dynamo.driving import Drive
from tests.systems_under_test.dynamo.storm import any_fault, storm

if TYPE_CHECKING:
    from tests.systems_under_test.dynamo.storm import Storm
    from workloads.client import Reply

SIX = ("n1", "n2", "n3", "n4", "n5", "n6")
NODES_HELD = SIX[:5]
SEVEN = (*SIX, "n7")
SPARE: dict[str, Any] = {"spares": 1}
CONFIGURATIONS: list[dict[str, Any]] = [{}, {"quorum": "strict"}, {"n": 2, "r": 1, "w": 1}]


def filled(drive: Drive, keys: int = 60) -> dict[str, str]:
    """So many keys with a value each."""
    values = {f"key{i}": f"value{i}" for i in range(keys)}
    for key, value in values.items():
        drive.put("n1", key, value)
    drive.wait(300)
    return values


def assert_kept(drive: Drive, values: dict[str, str]) -> None:
    """Every key is read through every node, and held by its home nodes and no others."""
    for node in drive.cluster.nodes:
        assert {key: drive.values(node, key, "?r=all") for key in values} == {
            key: [value] for key, value in values.items()
        }
    dumps = {node: drive.page(node, "dump")["keys"] for node in drive.cluster.nodes}
    for key in values:
        home, _ = drive.home(key)
        assert sorted(node for node, keys in dumps.items() if key in keys) == sorted(home)


def said(reply: Reply) -> str:
    """The sentence of a refusal."""
    sentence: str = msgspec.json.decode(reply.body)["error"]
    return sentence


# --- a change, from start to end ---


def test_a_spare_is_no_member_and_holds_nothing_but_serves_clients() -> None:
    drive = Drive(SPARE, nodes=SIX)
    values = filled(drive)
    assert drive.members("n6") == list(SIX[:5])
    assert drive.page("n6", "dump")["keys"] == {}
    assert drive.values("n6", "key3") == ["value3"]
    drive.put("n6", "key3", "more")
    assert drive.values("n2", "key3") == ["more", "value3"]
    assert set(values) == {f"key{i}" for i in range(60)}


def test_a_node_that_joins_takes_its_ranges_and_others_forget_them() -> None:
    drive = Drive(SPARE, nodes=SIX)
    values = filled(drive)
    before = drive.page("n1", "dump")["keys"]
    drive.change("n2", "join", node="n6")
    assert all(drive.members(node) == list(SIX) for node in SIX)
    assert_kept(drive, values)
    assert drive.page("n6", "dump")["keys"]
    assert len(drive.page("n1", "dump")["keys"]) < len(before)


@pytest.mark.parametrize("verb", ["leave", "remove"])
def test_a_node_that_goes_leaves_its_ranges_to_others(verb: str) -> None:
    drive = Drive()
    values = filled(drive)
    drive.change("n3", verb, node="n2")
    assert all(drive.members(node) == ["n1", "n3", "n4", "n5"] for node in drive.cluster.nodes)
    assert drive.page("n2", "dump")["keys"] == {}
    assert_kept(drive, values)


def test_a_dead_node_is_replaced_and_forgets_what_it_held_when_it_comes_back() -> None:
    drive = Drive(SPARE, nodes=SIX)
    values = filled(drive)
    drive.cluster.nodes["n3"].kill()
    assert drive.order("n1", "replace", node="n3", by="n6").status == 200
    drive.wait(4000)
    assert drive.members("n1") == ["n1", "n2", "n4", "n5", "n6"]
    drive.settle()
    assert drive.page("n3", "dump")["keys"] == {}
    assert_kept(drive, values)
    drive.change("n3", "replace", node="n6", by="n3")
    assert drive.members("n6") == ["n1", "n2", "n3", "n4", "n5"]
    assert_kept(drive, values)


def test_only_the_affected_ranges_move() -> None:
    drive = Drive(SPARE, nodes=SIX)
    filled(drive, 200)
    drive.change("n2", "join", node="n6")
    moved = len(drive.page("n6", "dump")["keys"])
    assert drive.counter("keys_transferred") == moved
    assert drive.counter("keys_transferred", ["n6"]) == moved
    assert 0 < moved < 200
    steps = ("transfers_begun", "transfers_confirmed", "changes_ended")
    assert all(0 < drive.counter(step) <= len(SIX) for step in steps)
    assert drive.counter("ranges_gained", ["n6"]) > 0
    assert drive.counter("keys_relocated") > 0


def test_dots_go_on_when_a_node_has_left_and_comes_again() -> None:
    drive = Drive()
    filled(drive)
    dots = drive.page("n2", "status")["dots"]
    for verb in ("leave", "join"):
        drive.change("n1", verb, node="n2")
    assert drive.page("n2", "status")["dots"] >= dots
    drive.cluster.nodes["n2"].kill()
    drive.settle()
    assert drive.page("n2", "status")["dots"] >= dots


# --- overlapping changes, and changes that cannot be ---


def test_two_nodes_that_join_at_once_through_different_peers_meet() -> None:
    drive = Drive({"spares": 2}, nodes=SEVEN)
    values = filled(drive)
    wanted = {"n2": "n6", "n4": "n7"}
    for _ in range(20):
        begun_ = {
            via: drive.begin(via, _order("join", node))
            for via, node in wanted.items()
            if node not in drive.page(via, "status")["view"]["members"]
        }
        if not begun_:
            break
        drive.wait(3000)
    drive.settle()
    assert all(drive.members(node) == list(SEVEN) for node in SEVEN)
    assert_kept(drive, values)


def test_a_change_is_refused_while_another_is_under_way() -> None:
    drive = Drive({"spares": 2}, nodes=SEVEN)
    filled(drive)
    drive.isolate("n6")  # The change cannot end.
    assert drive.order("n1", "join", node="n6").status == 200
    drive.wait(50)
    refused = drive.order("n2", "join", node="n7")
    assert refused.status == 409
    assert said(refused) == "a change is under way (n6 joins): wait for it, or abort it"


def test_a_joining_node_that_dies_is_waited_for_or_given_up() -> None:
    drive = Drive(SPARE, nodes=SIX)
    values = filled(drive)
    assert drive.order("n1", "join", node="n6").status == 200
    drive.cluster.nodes["n6"].kill()
    drive.wait(3000)
    assert drive.page("n1", "status")["view"]["phase"] == "transfer"
    drive.put("n2", "key1", "meanwhile")
    assert drive.order("n4", "abort").status == 200
    drive.settle()
    assert drive.members("n6") == list(SIX[:5])
    assert drive.page("n6", "dump")["keys"] == {}
    assert sorted(drive.values("n6", "key1")) == ["meanwhile", "value1"]
    del values["key1"]
    assert_kept(drive, values)
    again = drive.order("n1", "abort")
    assert said(again) == "there is nothing to give up: no change is under way"


@pytest.mark.parametrize(
    ("verb", "whom", "status", "sentence"),
    [
        ("join", {"node": "n9"}, 400, "'n9' is no node; nodes are n1, n2, n3, n4"),
        ("replace", {"node": "n5", "by": "n4"}, 400, "'n5' is no node; nodes are n1, n2, n3, n4"),
        ("leave", {"node": "n2"}, 409, "3 members are needed for n copies: join one first"),
        ("replace", {"node": "n2", "by": "n1"}, 409, "n1 is a member already"),
        ("join", {}, 400, "join takes ?node=..."),
        ("replace", {"node": "n2"}, 400, "replace takes ?node=...&by=..."),
        ("dance", {}, 404, "there is no order 'dance': use " + ", ".join(ORDERS)),
    ],
)
def test_an_order_that_cannot_be_is_refused(
    verb: str, whom: dict[str, str], status: int, sentence: str
) -> None:
    drive = Drive(SPARE, nodes=("n1", "n2", "n3", "n4"))
    reply = drive.order("n1", verb, **whom)
    assert (reply.status, said(reply)) == (status, sentence)
    assert drive.page("n1", "status")["view"]["view"] == 1


# --- partitions ---


def test_the_side_without_a_majority_changes_nothing_and_says_so() -> None:
    drive = Drive(SPARE, nodes=SIX)
    drive.isolate("n1", "n2", "n6")
    reply = drive.order("n1", "join", node="n6")
    assert reply.status == 503
    assert said(reply).startswith("no majority of the members answered")
    assert drive.order("n3", "leave", node="n1").status == 200
    drive.wait(5000)
    drive.settle()
    seen = {tuple(drive.members(node)) for node in SIX}
    assert seen == {("n2", "n3", "n4", "n5")}, "one side alone has decided"


def test_a_node_cut_off_while_its_whole_view_was_replaced_meets_the_ring_through_a_seed() -> None:
    """n1 knows n1, n2, n3 as members; by the time it is back only n4, n5, n6 are."""
    drive = Drive({"spares": 3, "seeds": "n6"}, nodes=SIX)
    drive.isolate("n1")
    for old, new in (("n2", "n4"), ("n3", "n5"), ("n1", "n6")):
        assert drive.order("n2", "replace", node=old, by=new).status == 200
        drive.wait(4000)
    for node in ("n2", "n3"):
        drive.cluster.nodes[node].kill()
    drive.heal()
    drive.wait(8000)
    assert drive.members("n1") == ["n4", "n5", "n6"]


def test_the_history_of_views_is_persisted() -> None:
    drive = Drive(SPARE, nodes=SIX)
    drive.change("n1", "join", node="n6")
    for node in drive.cluster.nodes.values():
        node.power_off()
    drive.settle()
    assert all(drive.members(node) == list(SIX) for node in SIX)
    history = drive.page("n4", "ring")["history"]
    assert [(view["view"], view["phase"]) for view in history] == [
        (2, "transfer"),
        (3, "confirm"),
        (4, "stable"),
    ]
    assert [view["members"] for view in history] == [list(SIX[:5])] * 2 + [list(SIX)]


@pytest.mark.parametrize("copies", [1, 2])
@pytest.mark.parametrize("anew", [False, True])
def test_a_node_that_was_given_up_ships_none_of_its_open_writes_on(copies: int, anew: bool) -> None:
    """Others may have deleted what it wrote, and collected the tombstone without it."""
    node = Alone("n1", SPARE, nodes=SIX)
    shipped: list[tuple[str, Store]] = []
    for number in range(100):  # Until n1 coordinates one itself.
        put = node.request("PUT", f"/kv/k{number}", b"v")
        shipped = [(to, it) for to, it in sent(put) if isinstance(it, Store)]
        if shipped:
            break
    assert shipped[0][1].durable
    acknowledged = [
        reply
        for to, it in shipped[: copies - 1]
        for reply in responses(node.message(to, Stored(it.request)))
    ]
    others = tuple((name, 1) for name in SIX[1:])
    effects = node.message(
        "n2", NewerView(View(4, "stable", (*others, ("n1", 4)) if anew else others))
    )
    assert "gave-up-data" in logged(effects)
    assert not [it for _, it in sent(effects) if isinstance(it, Store)]
    told = [(reply.status, msgspec.json.decode(reply.body)) for reply in responses(effects)]
    if copies == 2:  # W: the client has its answer.
        assert [reply.status for reply in acknowledged] == [200]
        assert told == []
    else:
        sentence = "the coordinator was removed from the members meanwhile"
        assert told == [(503, {"error": sentence, "definite": False})]


# --- what a view means ---


def test_ranges_of_a_change_have_the_old_and_the_new_home() -> None:
    configuration = Configuration()
    first = first_view(SIX[:5])
    joining = begun(first, joins=("n6",), leaves=())
    old = Arrangement(first, configuration)
    now = Arrangement(joining, configuration)
    new = Arrangement(ended(confirming(joining)), configuration)
    for i, end in enumerate(now.ring.ends):
        was = old.home(old.ring.range_at(end))
        will_be = new.home(new.ring.range_at(end))
        assert now.home(i) == was
        assert Arrangement(confirming(joining), configuration).home(i) == will_be
        assert set(now.keepers(i)) == {*was, *will_be}
        assert (i in now.moving()) == (set(was) != set(will_be))
        assert (i in now.gains("n6")) == ("n6" in will_be)
    assert given_up(joining).members == first.members


# --- storms ---


def changes(storm_: Storm) -> None:
    """Any fault, or an order through a random node, whether it can be carried out or not."""
    rng, cluster = storm_.rng, storm_.drive.cluster
    names = list(cluster.nodes)
    if rng.below(4):
        any_fault(storm_)
    via = rng.choice(names)
    verb = rng.choice(["join", "join", "leave", "leave", "abort"])
    whom = {} if verb == "abort" else {"node": rng.choice(names)}
    storm_.faults.append(f"{verb} {whom}")
    storm_.drive.begin(via, _order(verb, *whom.values()))


def _order(verb: str, *whom: str) -> Any:
    from workloads.client import Request

    return Request("POST", f"/admin/{verb}" + (f"?node={whom[0]}" if whom else ""))


@pytest.mark.parametrize("seed", range(6))
def test_nothing_is_lost_while_members_come_and_go_in_a_storm(seed: int) -> None:
    options = CONFIGURATIONS[seed % len(CONFIGURATIONS)]
    drive = Drive(options | {"spares": 2}, seed=seed, nodes=SEVEN)
    blown = storm(drive, seed)
    blown.blow(12, changes)
    assert blown.problems == []
    assert drive.page("n1", "status")["view"]["view"] > 3
