"""What is claimed, configuration by configuration, as the table of the guarantees says."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from systems_under_test.dynamo.configuration import configure
from systems_under_test.dynamo.promises import (
    ALWAYS,
    AVAILABLE,
    BY_TIME,
    KEPT,
    LIVENESS,
    MONOTONIC,
    ONLINE,
    promises,
)
from systems_under_test.dynamo.quiescence import unrest
from systems_under_test.system import FaultPlanSummary
from tests.systems_under_test.dynamo.driving import Drive
from workloads.client import Reply

AT_REST = (KEPT | LIVENESS) - {BY_TIME}
VECTOR = {"phantom-element", "duplicate", "did-not-recover", "node-died"}
"""A vector clock may cover too much, and once it is cut too little."""

SPOILT = LIVENESS - {"did-not-recover"}
ASKED = ALWAYS | AT_REST | ONLINE
SEEN = ASKED | MONOTONIC
LOST = ALWAYS | LIVENESS
LAST_WRITE = {"reconciliation": "last-write-wins", "quorum": "strict"}


def claims(options: dict[str, Any], *faults: str) -> frozenset[str]:
    """What is claimed under these faults; `damage@n1+n2` strikes those nodes and no other."""
    parts = [fault.partition("@") for fault in faults]
    names = {name for _, _, target in parts for name in filter(None, target.split("+"))}
    summary = FaultPlanSummary(frozenset(f for f, _, _ in parts), 0, len(names) or None)
    return promises(configure(options), summary).claims - AVAILABLE


@pytest.mark.parametrize(
    ("options", "faults", "expected"),
    [
        ({}, (), ALWAYS | AT_REST),
        ({}, ("kill", "power", "partition", "pause", "clock", "link", "disk"), ALWAYS | AT_REST),
        ({"quorum": "strict"}, ("kill", "partition"), ALWAYS | AT_REST | ONLINE),
        ({"quorum": "strict", "r": 1}, (), ALWAYS | AT_REST),
        ({"engine": "memory"}, ("partition", "pause"), ALWAYS | AT_REST),
        ({"engine": "memory"}, ("kill",), ALWAYS | LIVENESS),
        ({"engine": "memory", "quorum": "strict"}, (), ALWAYS | AT_REST | ONLINE),
        ({"engine": "memory", "quorum": "strict"}, ("power",), ALWAYS | LIVENESS),
        ({"engine": "memory", "quorum": "strict"}, ("join", "leave"), ALWAYS | AT_REST | ONLINE),
        # It is killed, and may be a member still when it is back with nothing, votes included.
        ({"engine": "memory", "quorum": "strict"}, ("replace",), ALWAYS),
        ({"engine": "memory"}, ("join", "kill"), ALWAYS),
        ({"engine": "memory"}, ("leave", "partition"), ALWAYS | AT_REST),
        ({"write_buffer_ms": 100, "quorum": "strict"}, ("replace",), ALWAYS | LIVENESS),
        ({"engine": "memory"}, ("a fault of one's own",), ALWAYS | LIVENESS),
        ({"quorum": "strict", "write_back": "on"}, ("kill",), SEEN),
        ({"quorum": "strict", "write_back": "on", "r": 1, "w": 3}, ("damage@n3",), SEEN),
        ({"write_back": "on"}, (), ALWAYS | AT_REST),
        ({"write_back": "on", "client": "partition-aware", "quorum": "strict"}, (), ASKED),
        ({**LAST_WRITE, "write_back": "on"}, (), ALWAYS | LIVENESS | {BY_TIME}),
        ({"quorum": "strict", "write_back": "on", "engine": "memory"}, ("kill",), LOST),
        ({"versioning": "vector-clock", "quorum": "strict", "write_back": "on"}, (), VECTOR),
        ({"anti_entropy": "off"}, (), ALWAYS | AT_REST - {"no-convergence"}),
        ({"on_damage": "stop"}, ("damage",), (ALWAYS | KEPT) - {BY_TIME}),
        ({"on_damage": "stop"}, ("wipe",), ALWAYS | SPOILT),
        ({}, ("damage",), ALWAYS | SPOILT),
        ({"quorum": "strict"}, ("wipe", "kill"), ALWAYS | SPOILT),
        ({}, ("damage@n3", "kill"), ALWAYS | AT_REST),
        ({"quorum": "strict"}, ("damage@n3", "kill"), ALWAYS | AT_REST | ONLINE),
        ({"quorum": "strict"}, ("damage@n3+n4",), ALWAYS | SPOILT),
        ({"n": 5, "w": 3, "r": 3}, ("damage@n3+n4",), ALWAYS | AT_REST),
        ({"n": 3, "w": 3}, ("damage@n3+n4",), (ALWAYS | KEPT | SPOILT) - {BY_TIME}),
        ({}, ("wipe@n3", "kill"), ALWAYS | AT_REST),
        ({"quorum": "strict"}, ("wipe@n3", "damage@n3"), ALWAYS | AT_REST | ONLINE),
        ({"quorum": "strict"}, ("wipe@n3", "damage@n4"), ALWAYS | SPOILT),
        ({"quorum": "strict", "write_back": "on"}, ("wipe@n3",), SEEN),
        ({"on_damage": "stop"}, ("wipe@n3",), ALWAYS | AT_REST),
        ({"w": 1}, ("wipe@n3",), ALWAYS | SPOILT),
        ({"w": 1}, ("damage@n3",), ALWAYS | SPOILT),
        ({}, ("wipe@n3", "join"), ALWAYS | SPOILT),
        ({}, ("damage@n3", "join"), ALWAYS | SPOILT),
        ({"on_damage": "stop"}, ("damage@n3",), (ALWAYS | KEPT) - {BY_TIME}),
        ({}, ("join", "leave"), ALWAYS | AT_REST),
        ({}, ("replace", "kill"), ALWAYS | LIVENESS),
        ({"quorum": "strict"}, ("join", "replace", "kill"), ALWAYS | AT_REST | ONLINE),
        ({"versioning": "vector-clock", "quorum": "strict"}, (), VECTOR),
        (LAST_WRITE, ("kill", "partition"), ALWAYS | LIVENESS | {BY_TIME}),
        ({"write_buffer_ms": 100}, ("partition",), ALWAYS | AT_REST),
        ({"write_buffer_ms": 100}, ("kill",), ALWAYS | LIVENESS),
        ({"write_buffer_ms": 100, "durable_copies": 3}, ("kill",), ALWAYS | AT_REST),
        ({"client": "partition-aware", "quorum": "strict"}, (), ALWAYS | AT_REST | ONLINE),
        ({"client": "partition-aware", "quorum": "strict"}, ("join",), ALWAYS | AT_REST),
        (LAST_WRITE, ("clock",), ALWAYS | LIVENESS),
        ({**LAST_WRITE, "engine": "memory"}, ("kill",), ALWAYS | LIVENESS),
    ],
)
def test_claims_what_the_table_says(
    options: dict[str, Any], faults: tuple[str, ...], expected: frozenset[str]
) -> None:
    assert claims(options, *faults) == expected


def test_never_claims_linearizability_and_says_why_of_everything_that_is_not_claimed() -> None:
    for options in ({}, {"quorum": "strict"}, {"engine": "memory"}, {"r": 1, "w": 1}):
        promised = promises(configure(options), FaultPlanSummary(frozenset({"kill"})))
        assert "linearizable" not in promised.claims
        assert not promised.claims & set(promised.withdrawn)
        assert promised.claims | set(promised.withdrawn) >= ALWAYS | AT_REST | ONLINE
        assert all(len(reason) > 10 for reason in promised.withdrawn.values())


def test_the_bound_of_clocks_belongs_to_the_claim_of_last_write_wins_alone() -> None:
    bound = {**LAST_WRITE, "clock_bound_ms": 7}
    promised = promises(configure(bound), FaultPlanSummary(frozenset({"clock"})))
    assert promised.bounds == {BY_TIME: 7_001_000}
    assert BY_TIME not in promises(configure({}), FaultPlanSummary(frozenset())).bounds


@pytest.mark.parametrize(
    ("options", "faults", "claimed"),
    [
        ({}, (), True),
        ({"n": 5, "w": 3}, ("partition", "kill", "stop", "power", "pause"), True),
        # A lossy node answered enough pings to be asked still, and lost what was passed on to it.
        ({}, ("link",), False),
        ({}, ("partition", "link"), False),
        ({}, ("disk",), False),
        ({}, ("clock",), False),
        ({}, ("cpu",), False),
        ({}, ("memory",), False),
        ({}, ("a fault of one's own",), False),
        ({"quorum": "strict"}, (), False),
        ({"w": 3}, (), False),
        ({"extended": 4}, (), False),
        ({"spares": 1}, (), False),
        ({"request_timeout_ms": 1500}, (), False),
        ({"request_timeout_ms": 250}, (), True),
        # Not even a commit on an idle disk is over in time.
        ({"request_timeout_ms": 1, "replica_timeout_ms": 1}, (), False),
        ({"client": "partition-aware"}, (), False),
        ({}, ("replace",), False),
        ({}, ("damage",), False),
    ],
)
def test_claims_that_any_n_nodes_take_writes(
    options: dict[str, Any], faults: tuple[str, ...], claimed: bool
) -> None:
    promised = promises(configure(options), FaultPlanSummary(frozenset(faults)))
    assert ("unavailable" in promised.claims) is claimed
    assert promised.bounds == ({"unavailable": options.get("n", 3)} if claimed else {})


def test_a_cluster_at_rest_has_no_unrest() -> None:
    drive = Drive()
    drive.put("n1", "k", "1")
    drive.wait(1000)
    assert drive.unrest() == []


def test_a_dead_node_a_left_out_peer_a_hint_and_a_difference_are_unrest() -> None:
    drive = Drive({"handoff_interval_ms": 10_000, "anti_entropy_interval_ms": 10_000})
    home, _ = drive.home("k")
    drive.cluster.nodes[home[2]].kill()
    drive.put(home[0], "k", "1")
    drive.wait(2000)
    reasons = " ".join(drive.unrest())
    assert f"{home[2]} did not answer" in reasons
    assert f"{home[0]} has left out {home[2]}" in reasons
    assert f"keeps 1 hints for {home[2]}" in reasons
    drive.cluster.nodes[home[2]].start()
    drive.wait(200)
    assert "hold different data" in " ".join(drive.unrest())


def test_open_requests_and_errors_are_unrest() -> None:
    status = {
        "nodes": ["n1"], "open_requests": 2, "hints": {}, "peers": {}, "digests": {},
        "view": {"view": 1, "phase": "stable", "leaving": []}, "transfer": {"relocating": False},
            "store": {"state": "whole", "reason": ""},
    }  # fmt: skip
    assert unrest({"n1": Reply(200, {}, msgspec.json.encode(status))}) == ["n1 has 2 open requests"]
    assert unrest({"n1": Reply(500)}) == ["n1 answers its status request with 500"]


def test_nodes_that_do_not_compare_digests_may_differ_at_rest() -> None:
    def of(digest: str, *, on: bool) -> Reply:
        status = {
            "nodes": ["n1", "n2"], "open_requests": 0, "hints": {}, "peers": {},
            "digests": {"7": digest}, "options": {"anti_entropy": on},
            "view": {"view": 1, "phase": "stable", "leaving": []},
            "transfer": {"relocating": False},
            "store": {"state": "whole", "reason": ""},
        }  # fmt: skip
        return Reply(200, {}, msgspec.json.encode(status))

    assert unrest({"n1": of("a", on=False), "n2": of("b", on=False)}) == []
    (reason,) = unrest({"n1": of("a", on=True), "n2": of("b", on=True)})
    assert reason == "n1 and n2 hold different data in 1 ranges (7)"
    assert unrest({"n1": of("a", on=True), "n2": of("a", on=True)}) == []
