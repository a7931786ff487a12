"""A store is introduced before it serves: a disk that was emptied is told from a new one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from systems_under_test.dynamo.introduction import INTRODUCE, WAITED, WAITING_BYTES_MAX
from systems_under_test.dynamo.messages import (
    Fetch,
    Fetched,
    Introduce,
    Introduced,
    Prepare,
    Promised,
)
from tests.proof.sweeping import rested, simulate
from tests.systems_under_test.dynamo.alone import Alone, Tables, known, responses, sent
from tests.systems_under_test.dynamo.driving import Drive, put
from tests.systems_under_test.dynamo.test_membership import NODES_HELD, assert_kept, filled
from tests.systems_under_test.dynamo.test_store_repair import STRICT, state
from workloads.client import Reply, Request

if TYPE_CHECKING:
    from pathlib import Path

THREE = ("n1", "n2", "n3")


def emptied(drive: Drive, name: str = "n2", *, wait_ms: int = 100) -> None:
    """The node is given an empty disk, and started on it."""
    node = drive.cluster.nodes[name]
    node.kill()
    node.damage_disk("lost")
    node.start()
    drive.wait(wait_ms)


# --- a store that is new ---


def test_a_new_node_serves_once_a_majority_of_the_others_knows_it() -> None:
    alone = Alone(introduced=False)
    asked = sent(alone.first)
    mark = next(it.mark for _, it in asked if isinstance(it, Introduce))
    assert [peer for peer, it in asked if isinstance(it, Introduce)] == list(NODES_HELD[1:])
    assert responses(alone.request("GET", "/kv/x?r=own")) == []
    for _ in range(2):
        assert responses(alone.message("n2", known(mark))) == []
    assert sent(alone.message("n3", Fetch(1, b"x"))) == [], "nothing is read of it yet"
    assert sent(alone.message("n3", Prepare(2, (1, "n3", 1)))) == [], "and it has no vote"
    alone.message("n3", known(mark))
    alone.message("n4", known(mark))
    (reply,) = responses(alone.fire(WAITED))
    assert reply.status == 200
    waited = [it for _ in range(2) for _, it in sent(alone.fire(WAITED))]
    assert [type(it) for it in waited] == [Fetched, Promised], "which have waited for that"


def test_it_asks_until_all_have_answered_and_an_answer_to_another_store_counts_nothing() -> None:
    alone = Alone(introduced=False)
    mark = next(it.mark for _, it in sent(alone.first) if isinstance(it, Introduce))
    for peer in NODES_HELD[1:]:
        alone.message(peer, known((7, 7)))
    assert responses(alone.request("GET", "/kv/x?r=own")) == []
    for peer in NODES_HELD[1:4]:
        alone.message(peer, known(mark))
    assert sent(alone.fire(INTRODUCE)) == [("n5", Introduce(mark, 1))]
    alone.message("n5", known(mark))
    assert sent(alone.fire(INTRODUCE)) == []


def test_requests_of_clients_wait_and_are_refused_at_last() -> None:
    alone = Alone(introduced=False)
    alone.request("PUT", "/kv/x", b"v")
    assert responses(alone.fire(INTRODUCE, after_ms=100)) == []
    (reply,) = responses(alone.fire(INTRODUCE, after_ms=1000))
    assert reply.status == 503
    content = msgspec.json.decode(reply.body)
    assert content["definite"] is True
    assert "once a majority of the other nodes has said which" in content["error"]


def test_a_node_that_crashes_meanwhile_goes_on_with_the_same_mark() -> None:
    tables = Tables()
    first = sent(Alone(introduced=False, tables=tables).first)
    again = sent(Alone(introduced=False, tables=tables, incarnation=2).first)
    marks = {it.mark for _, it in (*first, *again) if isinstance(it, Introduce)}
    assert len(marks) == 1
    assert len(first) == len(again) == 4


def test_the_first_mark_of_a_node_is_kept_whatever_comes_after_it() -> None:
    tables = Tables()
    for incarnation, mark in ((1, (5, 5)), (2, (6, 6))):
        alone = Alone(tables=tables, incarnation=incarnation)
        ((_, answer),) = sent(
            alone.message("n2", Introduce(mark, incarnation), incarnation=incarnation)
        )
        assert isinstance(answer, Introduced)
        assert (answer.asked, answer.known) == (mark, (5, 5))


@pytest.mark.parametrize("options", [{"engine": "memory"}, {}])
def test_who_starts_with_nothing_every_time_or_has_no_peers_is_not_introduced(
    options: dict[str, Any],
) -> None:
    alone = Alone(options=options, nodes=NODES_HELD if options else ("n1",), introduced=False)
    assert not any(isinstance(it, Introduce) for _, it in sent(alone.first))
    if not options:
        (reply,) = responses(alone.request("GET", "/kv/x?r=own"))
        assert reply.status == 200


def test_answers_of_stores_that_are_new_themselves_count_only_if_all_have_answered() -> None:
    alone = Alone(introduced=False)
    mark = next(it.mark for _, it in sent(alone.first) if isinstance(it, Introduce))
    for peer in NODES_HELD[1:4]:
        alone.message(peer, known(mark, established=False))
    alone.message("n2", known(mark))
    alone.request("GET", "/kv/x?r=own")
    assert responses(alone.fire(WAITED)) == [], "n5 may know another store of n1"
    assert [peer for peer, _ in sent(alone.fire(INTRODUCE))] == ["n3", "n4", "n5"]
    alone.message("n5", known(mark, established=False))
    (reply,) = responses(alone.fire(WAITED))
    assert reply.status == 200


def test_a_node_that_starts_again_says_its_mark_again_and_hears_those_of_others() -> None:
    tables = Tables()
    Alone(tables=tables)
    alone = Alone(tables=tables, incarnation=2, introduced=False)
    (mark,) = {it.mark for _, it in sent(alone.first) if isinstance(it, Introduce)}
    alone.message("n2", Introduced(mark, mark, 1, True, (("n2", (2, 2)), ("n5", (5, 5)))))
    for name, own in (("n2", (2, 2)), ("n5", (5, 5))):
        ((_, answer),) = sent(alone.message(name, Introduce((9, 9), 1)))
        assert isinstance(answer, Introduced)
        assert answer.known == own


# --- a disk that was emptied ---


def test_a_node_with_an_emptied_disk_shows_what_is_wrong_and_refuses_everything_else() -> None:
    drive = Drive(STRICT)
    filled(drive)
    emptied(drive)
    assert state(drive) == "blank"
    assert "knows an earlier one" in drive.page("n2", "status")["store"]["reason"]
    for request in (Request("GET", "/kv/key1"), put("key1", "x")):
        reply = drive.ask("n2", request)
        assert reply.status == 503
        content = msgspec.json.decode(reply.body)
        assert content["definite"] is True
        assert "was found emptied" in content["error"]
        assert "POST /admin/repair" in content["error"]


def test_what_two_acknowledged_is_not_missed_because_one_of_them_lost_its_disk() -> None:
    drive = Drive(STRICT | {"anti_entropy": "off"}, nodes=THREE)
    drive.isolate("n3")
    written = drive.put("n1", "k", "v")
    drive.wait(500)
    drive.cluster.nodes["n1"].pause()
    drive.heal()
    emptied(drive, wait_ms=1500)
    for via in ("n2", "n3"):
        reply = drive.ask(via, Request("GET", "/kv/k"))
        assert reply.status == 503, "n2 and n3 hold nothing, and n2 must not answer for that"
    drive.cluster.nodes["n1"].resume()
    drive.wait(1000)
    assert [v["id"] for v in drive.get("n3", "k")["versions"]] == [written["id"]]


def test_an_emptied_node_starts_over_when_the_admin_says_so_with_dots_that_are_new() -> None:
    drive = Drive(STRICT)
    values = filled(drive)
    before = {drive.put("n2", f"key{i}", "a")["id"] for i in range(20)}
    held = sorted(drive.page("n2", "dump")["keys"])
    emptied(drive)
    assert drive.order("n2", "repair").status == 200
    drive.settle()
    assert state(drive) == "whole"
    assert sorted(drive.page("n2", "dump")["keys"]) == held
    after = {drive.put("n2", f"key{i}", "b")["id"] for i in range(20)}
    assert not before & after
    for i in range(20):
        del values[f"key{i}"]
    assert_kept(drive, values)


@pytest.mark.parametrize("options", [{"on_damage": "set-aside"}, {"on_damage": "stop"}, {}])
def test_lives_go_on_where_their_number_was_lost_too(options: dict[str, Any]) -> None:
    drive = Drive(STRICT | options)
    values = filled(drive)
    for _ in range(3):
        drive.cluster.nodes["n2"].kill()
        drive.cluster.nodes["n2"].start()
    drive.wait(3000)
    written = [drive.put("n2", "k", str(i))["id"] for i in range(3)]
    drive.cluster.nodes["n2"].count = 0  # Nobody has told its host how often it was started.
    emptied(drive)
    if options.get("on_damage") != "set-aside":
        drive.order("n2", "repair")
    drive.settle()
    assert drive.page("n2", "status")["incarnation"] > 1000
    drive.cluster.nodes["n2"].kill()
    drive.settle()
    assert drive.page("n2", "status")["incarnation"] == 1006
    dots = [drive.put("n2", "k", str(i))["id"] for i in range(3, 6)]
    assert len({*written, *dots}) == 6
    assert drive.values("n4", "k") == [str(i) for i in range(6)]
    assert_kept(drive, values)


def test_an_emptied_spare_and_a_removed_node_are_told_too() -> None:
    drive = Drive({"spares": 1}, nodes=(*NODES_HELD, "n6"))
    values = filled(drive)
    assert isinstance(drive.order("n1", "remove", node="n2"), Reply)
    drive.settle()
    for name in ("n2", "n6"):
        emptied(drive, name)
        assert state(drive, name) == "blank"
        drive.order(name, "repair")
    drive.settle()
    assert "n2" not in drive.members("n2")
    drive.change("n1", "join", node="n6")
    assert_kept(drive, values)


@pytest.mark.parametrize("options", [{"on_damage": "set-aside"}, {}])
def test_a_repair_that_is_ordered_before_the_loss_is_known_is_carried_out(
    options: dict[str, Any],
) -> None:
    drive = Drive(STRICT | options)
    values = filled(drive)
    emptied(drive, wait_ms=0)
    ordered = [drive.begin("n2", Request("POST", "/admin/repair")) for _ in range(2)]
    asked = drive.begin("n2", Request("GET", "/kv/key1"))
    drive.settle()
    assert [reply.status for (reply,) in ordered if isinstance(reply, Reply)] == [200, 200]
    assert isinstance(asked[0], Reply)
    assert state(drive) == "whole"
    assert_kept(drive, values)


def test_a_cluster_that_has_lost_every_disk_is_a_new_one() -> None:
    drive = Drive(STRICT)
    filled(drive)
    for node in drive.cluster.nodes.values():
        node.kill()
        node.damage_disk("lost")
    drive.settle()
    assert {state(drive, node) for node in NODES_HELD} == {"whole"}
    assert drive.values("n1", "key1") == []


@pytest.mark.parametrize("seed", range(4))
def test_runs_with_lost_disks_end_whole_and_are_judged(seed: int, tmp_path: Path) -> None:
    options = STRICT | {"on_damage": ("wait", "set-aside")[seed % 2]}
    judgement = simulate("dynamo", seed, tmp_path, faults="disk:lost@one", options=options)
    assert judgement.status == "valid", judgement.explain()
    assert "no-convergence" in judgement.promises.claims
    assert rested(judgement)


@pytest.mark.parametrize("faults", ["disk:lost@majority", "disk:flip@majority"])
@pytest.mark.parametrize("seed", range(2))
def test_nobody_is_accused_where_a_majority_has_lost_its_disks(
    faults: str, seed: int, tmp_path: Path
) -> None:
    judgement = simulate("dynamo", seed, tmp_path, faults=faults, options=STRICT)
    assert judgement.status != "invalid", judgement.explain()
    assert "majority" in judgement.promises.withdrawn["did-not-recover"]


def test_a_node_that_is_lost_in_a_change_which_waits_for_it_goes_on_after_an_abort() -> None:
    drive = Drive(STRICT | {"spares": 1}, nodes=(*NODES_HELD, "n6"))
    values = filled(drive)
    drive.cluster.nodes["n6"].pause()
    assert drive.order("n1", "join", node="n6").status == 200
    drive.cluster.nodes["n6"].resume()
    emptied(drive, "n6")
    drive.order("n6", "repair")
    drive.wait(5000)
    assert state(drive, "n6") == "renewing"
    assert drive.order("n1", "abort").status == 200
    drive.settle()
    assert state(drive, "n6") == "whole"
    assert drive.members("n6") == list(NODES_HELD)
    assert_kept(drive, values)


def test_what_waits_is_bounded_in_bytes_too() -> None:
    node = Alone(introduced=False)
    many = WAITING_BYTES_MAX // (1 << 20)
    for _ in range(many):
        assert not responses(node.request("PUT", "/kv/k", b"v" * (1 << 20)))
    (reply,) = responses(node.request("PUT", "/kv/k", b"v"))
    assert reply.status == 503
    assert b'"definite":true' in reply.body
    assert not responses(node.request("GET", "/kv/k"))
    overdue = responses(node.fire(INTRODUCE, after_ms=1000))
    assert len(overdue) == many + 1
    assert not responses(node.request("PUT", "/kv/k", b"v"))
