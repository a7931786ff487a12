"""A damaged store is refused with a clear error, and repaired from peers when the admin says so."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from tests.proof.sweeping import rested, simulate
from tests.systems_under_test.dynamo.driving import Drive, put
from tests.systems_under_test.dynamo.test_membership import NODES_HELD, assert_kept, filled
from workloads.client import Reply, Request

if TYPE_CHECKING:
    from pathlib import Path

STRICT: dict[str, Any] = {"quorum": "strict"}


def damaged(drive: Drive, name: str = "n2") -> None:
    """A bit of a record of the node is flipped, and it is started again."""
    node = drive.cluster.nodes[name]
    node.kill()
    assert node.damage_disk("flip")["record"] is not None
    node.start()
    drive.wait(100)


def state(drive: Drive, name: str = "n2") -> str:
    """The condition of the node's store."""
    return str(drive.page(name, "status")["store"]["state"])


def test_a_damaged_node_shows_what_is_wrong_and_refuses_everything_else() -> None:
    drive = Drive(STRICT)
    filled(drive)
    damaged(drive)
    for request in (Request("GET", "/kv/key1"), put("key1", "x")):
        reply = drive.ask("n2", request)
        assert reply.status == 503
        content = msgspec.json.decode(reply.body)
        assert content["definite"] is True
        assert "was found damaged and set aside" in content["error"]
        assert "POST /admin/repair" in content["error"]
    assert "checksum" in drive.page("n2", "status")["store"]["reason"]
    assert any("damaged" in reason or "blank" in reason for reason in drive.unrest())


def test_it_stays_apart_after_a_restart_and_others_go_on_without_it() -> None:
    drive = Drive(STRICT)
    values = filled(drive)
    damaged(drive)
    drive.cluster.nodes["n2"].kill()
    drive.cluster.nodes["n2"].start()
    drive.wait(3000)
    assert state(drive) == "blank"
    assert drive.page("n2", "dump")["keys"] == {}
    for key, value in values.items():
        assert drive.values("n3", key) == [value], "no read is answered by what is gone"


def test_it_starts_over_from_its_peers_when_the_admin_says_so() -> None:
    drive = Drive(STRICT)
    values = filled(drive)
    held = sorted(drive.page("n2", "dump")["keys"])
    damaged(drive)
    drive.put("n1", "key1", "meanwhile")
    assert drive.order("n2", "repair").status == 200
    drive.settle()
    assert state(drive) == "whole"
    assert sorted(drive.page("n2", "dump")["keys"]) == held
    del values["key1"]
    assert_kept(drive, values)
    assert len({tuple(drive.members(node)) for node in NODES_HELD}) == 1


def test_dots_of_a_repaired_node_are_new() -> None:
    drive = Drive(STRICT)
    before = {drive.put("n2", f"key{i}", "a")["id"] for i in range(20)}
    damaged(drive)
    drive.order("n2", "repair")
    drive.settle()
    after = {drive.put("n2", f"key{i}", "b")["id"] for i in range(20)}
    assert not before & after


def test_a_repair_goes_on_after_a_crash_in_its_middle() -> None:
    drive = Drive(STRICT)
    values = filled(drive)
    damaged(drive)
    drive.isolate("n2")
    drive.order("n2", "repair")
    drive.wait(1000)
    assert state(drive) == "renewing"
    drive.cluster.nodes["n2"].power_off()
    drive.settle()
    assert state(drive) == "whole"
    assert_kept(drive, values)


def test_a_repair_of_a_whole_node_changes_nothing() -> None:
    drive = Drive()
    assert drive.order("n2", "repair").status == 200
    assert drive.page("n2", "status")["view"]["view"] == 1


def test_a_node_that_was_removed_meanwhile_is_repaired_into_a_spare() -> None:
    drive = Drive()
    values = filled(drive)
    damaged(drive)
    assert isinstance(drive.order("n1", "remove", node="n2"), Reply)
    drive.wait(4000)
    drive.order("n2", "repair")
    drive.settle()
    assert state(drive) == "whole"
    assert "n2" not in drive.members("n2")
    assert_kept(drive, values)


@pytest.mark.parametrize("seed", range(3))
def test_runs_with_flipped_bits_end_whole_and_are_judged(seed: int, tmp_path: Path) -> None:
    judgement = simulate("dynamo", seed, tmp_path, faults="disk:flip@one", options=STRICT)
    assert judgement.status == "valid", judgement.explain()
    assert "no-convergence" in judgement.promises.claims
    assert rested(judgement)


STRUCK_ONCE = {"budget": 1}


@pytest.mark.parametrize("seed", range(3))
def test_a_run_is_judged_by_the_nodes_that_were_struck_and_not_by_those_that_might_be(
    seed: int, tmp_path: Path
) -> None:
    judgement = simulate(
        "dynamo", seed, tmp_path, faults="disk:flip@one", options=STRICT, fault_options=STRUCK_ONCE
    )
    assert judgement.status == "valid", judgement.explain()
    assert {"lost-update", "read-your-writes"} <= judgement.promises.claims
