"""What clients may ask, what is refused and how, and what a request id is good for."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from systems_under_test.environments.simulated.disk import Disk
from systems_under_test.environments.simulated.options import SimulationOptions
from systems_under_test.paxos.api import REQUEST_HEADER
from systems_under_test.paxos.replica import make_replica
from systems_under_test.replica import Diagnostic, Now, PeerMessage, Place, Started, Turn
from systems_under_test.rng import Rng
from tests.systems_under_test.paxos.driving import THREE, Drive, put
from workloads.client import Reply, Request

BAD = [
    (Request("GET", "/nothing"), 404, "there is nothing"),
    (Request("POST", "/kv/k"), 405, "knows GET, PUT, DELETE"),
    (Request("PUT", "/kv/k", {}, b"{"), 400, "not JSON"),
    (Request("PUT", "/kv/", {}, b"1"), 400, "a key has 1 to"),
    (Request("PUT", "/kv/%ff", {}, b"1"), 400, "UTF-8"),
    (Request("PUT", "/kv/%zz", {}, b"1"), 400, "two hexadecimal digits"),
    (Request("GET", "/kv/a%4"), 400, "two hexadecimal digits"),
    (Request("PUT", "/kv/" + "k" * 1025, {}, b"1"), 400, "not 1025"),
    (Request("PUT", "/kv/k", {}, b'"' + b"x" * (1 << 20) + b'"'), 413, "at most"),
    (Request("GET", "/kv/k?read=some"), 400, "strong|eventual"),
    (Request("GET", "/kv/k?read=strong&read=eventual"), 400, "stands twice"),
    (Request("GET", "/kv/k?level=strong"), 400, "a read knows read, slot alone"),
    (Request("PUT", "/kv/k?ttl=3", {}, b"1"), 400, "no parameters"),
    (Request("DELETE", "/kv/k?slot="), 400, "no parameters"),
    (Request("POST", "/kv/k/cas?old=1", {}, b"[1,2]"), 400, "no parameters"),
    (Request("POST", "/txn?read=strong", {}, b'[["r","k",null]]'), 400, "no parameters"),
    (Request("GET", "/status?node=n1"), 400, "no parameters"),
    (Request("POST", "/admin/scrub?node=n1"), 400, "no parameters"),
    (Request("POST", "/admin/handover?node=n1"), 400, "knows to alone"),
    (Request("GET", "/kv/k?slot=3"), 400, "eventual ones"),
    (Request("GET", "/kv/k?read=eventual&slot=" + "1" * 5000), 400, "&slot=n"),
    (Request("GET", "/kv/k?read=eventual&slot=\u0663"), 400, "&slot=n"),
    (Request("PUT", "/kv/k", {}, b"[" * 101 + b"]" * 101), 400, "100 levels"),
    (Request("PUT", "/kv/k", {}, b'{"a":' * 101 + b"1" + b"}" * 101), 400, "100 levels"),
    (Request("POST", "/txn", {}, b'[["append","k",%b]]' % (b"[" * 976 + b"]" * 976)), 400, "100"),
    (Request("POST", "/kv/k/cas", {}, b"[1]"), 400, "[old, new]"),
    (Request("POST", "/txn", {}, b"[]"), 400, "not empty"),
    (Request("POST", "/txn", {}, b'[["x","k",1]]'), 400, "a step is"),
    (Request("POST", "/txn", {}, b'[["r",7,null]]'), 400, "a key is a string"),
    (Request("POST", "/txn", {}, b"[" + b'["r","k",null],' * 100 + b'["r","k",null]]'), 413, "100"),
    (Request("PUT", "/kv/k", {REQUEST_HEADER: "nonsense"}, b"1"), 400, "session/sequence"),
    (Request("PUT", "/kv/k", {REQUEST_HEADER: ""}, b"1"), 400, "session/sequence"),
    (Request("PUT", "/kv/k", {REQUEST_HEADER: "a/1, a/1"}, b"1"), 400, "one session/sequence"),
    (Request("PUT", "/kv/k", {REQUEST_HEADER: "s/" + "1" * 5000}, b"1"), 400, "session/sequence"),
    (Request("POST", "/admin/add"), 400, "?node=node"),
    (Request("POST", "/admin/remove?node=n9"), 409, "there is no node n9"),
    (Request("POST", "/admin/add?node=n1"), 409, "a member already"),
]


@pytest.fixture(scope="module")
def drive() -> Drive:
    return Drive()


@pytest.mark.parametrize(("request_", "status", "sentence"), BAD)
def test_bad_input_gets_a_clear_and_definite_refusal(
    drive: Drive, request_: Request, status: int, sentence: str
) -> None:
    got, content = drive.answer("n2", request_)
    assert got == status
    assert sentence in content["error"]
    assert content["definite"] is True


def test_what_is_nested_as_deeply_as_allowed_is_kept_and_shown(drive: Drive) -> None:
    deep: Any = 1
    for _ in range(100):
        deep = [deep]
    drive.put("n1", "deep", deep)
    assert drive.get("n3", "deep")["value"] == deep


@pytest.mark.parametrize("node", THREE)
def test_any_node_serves_reads_writes_swaps_and_deletes(drive: Drive, node: str) -> None:
    slot = drive.put(node, "k", {"a": 1})
    for other in THREE:
        assert drive.get(other, "k") == {"value": {"a": 1}, "slot": slot}
    cas = Request("POST", "/kv/k/cas", {}, b'[{"a":1},2]')
    assert drive.answer(node, cas)[1]["swapped"] is True
    assert drive.answer(node, cas)[1]["swapped"] is False
    assert drive.answer(node, Request("DELETE", "/kv/k"))[0] == 200
    assert drive.get(node, "k")["value"] is None


def test_a_transaction_is_carried_out_whole_or_not_at_all(drive: Drive) -> None:
    assert drive.txn("n1", [["w", "a", 1], ["append", "l", 7], ["concat", "s", "x"]])[0] == 200
    status, content = drive.txn("n3", [["r", "a", 1], ["w", "a", 2], ["append", "l", 8]])
    assert (status, content["txn"]) == (200, [["r", "a", 1], ["w", "a", 2], ["append", "l", 8]])
    status, content = drive.txn("n2", [["w", "b", 5], ["r", "a", 1]])
    assert (status, content["definite"]) == (409, True)
    status, content = drive.txn("n2", [["w", "b", 5], ["append", "s", 1]])
    assert (status, content["definite"]) == (409, True)
    assert drive.txn("n1", [["r", k, None] for k in "abls"])[1]["txn"] == [
        ["r", "a", 2],
        ["r", "b", None],
        ["r", "l", [7, 8]],
        ["r", "s", "x"],
    ]


def test_a_repeated_request_changes_nothing_and_gets_the_first_answer(drive: Drive) -> None:
    append = Request("POST", "/txn", {REQUEST_HEADER: "me/1"}, b'[["append","once",1]]')
    first = drive.answer("n1", append)
    assert drive.answer("n2", append) == first
    assert drive.answer("n3", append) == first
    assert drive.get("n1", "once")["value"] == [1]


def test_the_same_id_with_another_body_is_an_error(drive: Drive) -> None:
    assert drive.answer("n1", put("x", 1, "you/1"))[0] == 200
    status, content = drive.answer("n2", put("x", 2, "you/1"))
    assert status == 422
    assert "another body" in content["error"]
    assert drive.get("n3", "x")["value"] == 1


@pytest.mark.parametrize(
    "other",
    [
        Request("POST", "/txn", {}, b'[["w","same",null]]'),
        Request("DELETE", "/kv/same"),
        Request("PUT", "/kv/other", {}, b"null"),
        Request("POST", "/kv/same/cas", {}, b"[null,null]"),
    ],
    ids=lambda request: f"{request.method}-{request.target}",
)
def test_the_same_id_with_another_request_is_an_error_though_it_would_do_the_same(
    drive: Drive, other: Request
) -> None:
    headers = {REQUEST_HEADER: f"{other.method}{len(other.target)}/1"}
    first = Request("PUT", "/kv/same", headers, b"null")
    assert drive.answer("n1", first)[0] == 200
    again = Request(other.method, other.target, headers, other.body)
    assert drive.answer("n2", again)[0] == 422
    assert drive.answer("n2", first)[0] == 200


def test_a_method_that_is_not_known_is_told_which_are(drive: Drive) -> None:
    reply = drive.ask("n1", Request("POST", "/kv/k"))
    assert isinstance(reply, Reply)
    assert reply.headers["allow"] == "GET, PUT, DELETE"


def test_an_id_below_the_window_is_refused_and_never_executed(drive: Drive) -> None:
    for sequence in range(1, 20):
        assert drive.answer("n1", put("w", sequence, f"they/{sequence}"))[0] == 200
    status, content = drive.answer("n1", put("w", 1, "they/1"))
    assert (status, content["definite"]) == (410, False)
    assert "below the window" in content["error"]
    assert drive.get("n1", "w")["value"] == 19


def test_sessions_expire_by_the_logs_own_time() -> None:
    drive = Drive({"session_ttl_ms": 2_000})
    assert drive.answer("n1", put("x", 1, "old/1"))[0] == 200
    drive.wait(5_000)
    drive.put("n1", "y", 1)
    sessions = [drive.status(node)["counters"]["sessions_expired"] for node in THREE]
    assert max(sessions) == 1


@pytest.mark.parametrize("jump_s", [-3_600, -60, 60, 601, 3_600, 10**8])
def test_a_jump_of_the_leaders_wall_clock_ends_no_session(jump_s: int) -> None:
    """Sessions live for 600 s, by an age of the log that a jump moves by 37.5 s at most."""
    drive = Drive()
    leader = drive.await_leader()
    once = Request("POST", "/txn", {REQUEST_HEADER: "me/1"}, b'[["append", "k", 1]]')
    assert drive.answer(leader, once)[0] == 200
    drive.cluster.nodes[leader].set_clock(wall_offset_ns=jump_s * 1_000_000_000)
    assert drive.answer(leader, put("another", 1))[0] == 200
    drive.wait(500)
    assert drive.answer(leader, once)[0] == 200
    assert drive.get(leader, "k")["value"] == [1]
    drive.cluster.nodes[leader].set_clock(wall_offset_ns=0)
    drive.wait(500)
    assert drive.answer(leader, once)[0] == 200
    assert drive.get(leader, "k")["value"] == [1]


@pytest.mark.parametrize(("jumps", "times"), [(15, 1), (17, 2)])
def test_only_sixteen_jumps_each_farther_than_the_one_before_end_a_session(
    jumps: int, times: int
) -> None:
    """Clients that go on repeating for so long are not served: docs/systems/paxos.md says so."""
    drive = Drive()
    leader = drive.await_leader()
    once = Request("POST", "/txn", {REQUEST_HEADER: "me/1"}, b'[["append", "k", 1]]')
    assert drive.answer(leader, once)[0] == 200
    for jump in range(1, jumps + 1):
        for offset in (3_600 * jump, 0, 3_600 * jump):
            drive.cluster.nodes[leader].set_clock(wall_offset_ns=offset * 1_000_000_000)
            drive.put(leader, "another", offset)
    assert drive.answer(leader, once)[0] == 200
    assert drive.get(leader, "k")["value"] == [1] * times


def test_what_was_taken_in_long_ago_is_refused() -> None:
    """However often it was sent on: it carries the log's age as it was then."""
    drive = Drive({"session_ttl_ms": 2_000, "request_timeout_ms": 9_000})
    leader = drive.await_leader()
    other = next(node for node in THREE if node != leader)
    once = Request("POST", "/txn", {REQUEST_HEADER: "me/1"}, b'[["append", "k", 1]]')
    assert drive.answer(leader, once)[0] == 200
    drive.wait(300)  # The other one has applied it: only the leader can answer a repetition.
    drive.cut([(other, leader)])
    late = drive.begin(other, once, 20_000)
    drive.wait(4_000)
    drive.put(leader, "another", 1)
    assert drive.status(leader)["counters"]["sessions_expired"] == 1
    drive.cut([])
    drive.wait(6_000)
    (reply,) = late
    assert isinstance(reply, Reply)
    assert reply.status in (410, 504)
    assert drive.get(leader, "k")["value"] == [1]


def test_an_eventual_read_is_served_by_any_replica_and_waits_for_a_slot(drive: Drive) -> None:
    slot = drive.put("n1", "e", 1)
    for node in THREE:
        read = drive.get(node, "e", f"?read=eventual&slot={slot}")
        assert read["value"] == 1
        assert read["slot"] >= slot
    status, content = drive.answer("n2", Request("GET", f"/kv/e?read=eventual&slot={slot + 999}"))
    assert (status, content["definite"]) == (503, True)


def test_an_eventual_read_is_stale_behind_a_partition_and_a_strong_one_fails() -> None:
    drive = Drive()
    leader = drive.await_leader()
    other = next(node for node in THREE if node != leader)
    drive.put(leader, "k", 1)
    drive.wait(300)
    drive.isolate(other)
    drive.put(leader, "k", 2)
    assert drive.get(other, "k", "?read=eventual")["value"] == 1
    assert drive.answer(other, Request("GET", "/kv/k"))[0] in (503, 504)


def test_the_status_has_enough_counters_and_names_the_leader(drive: Drive) -> None:
    status = drive.status("n1")
    assert len(status["counters"]) >= 15
    assert status["leader"] in THREE
    assert status["group"]["members"] == [[node, i + 1, "storage"] for i, node in enumerate(THREE)]


def test_a_node_that_does_not_lead_sends_clients_to_the_leader_where_it_is_told_to() -> None:
    drive = Drive({"redirect": "on"})
    leader = drive.await_leader()
    other = next(node for node in THREE if node != leader)
    for request_ in (put("k", 1), Request("GET", "/kv/k"), Request("POST", "/admin/handover")):
        reply = drive.ask(other, request_)
        assert isinstance(reply, Reply)
        assert (reply.status, reply.headers["x-lineal-leader"]) == (421, leader)
    assert drive.get(leader, "k")["value"] is None
    assert drive.get(other, "k", "?read=eventual")["value"] is None
    drive.isolate(other)
    drive.wait(3_000)
    status, content = drive.answer(leader, put("k", 2))
    assert status == 200, content


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ([4, 0, b"from the future"], "protocol 4; this replica speaks 3"),
        ([3, 0, b"\xff"], "malformed"),
        ({"a": 1}, "not [protocol, configuration, bytes]"),
        ([3, b"of no configuration"], "not [protocol, configuration, bytes]"),
        ([3, 0, msgspec.msgpack.encode(["no-such-message", 1])], "malformed"),
    ],
)
def test_a_message_that_is_not_understood_is_dropped_and_logged(body: Any, reason: str) -> None:
    replica = make_replica(Place("n1", THREE), {}, None)
    turn = Turn(Now(0, 0), Rng("n1"), Disk(SimulationOptions(), Rng("disk")))
    replica.handle(Started(1), turn)
    (said,) = replica.handle(PeerMessage("n2", 1, body), turn)
    assert isinstance(said, Diagnostic)
    assert said.event == "not-understood"
    assert reason in str(said.fields["reason"])
    assert replica.node is not None
    assert replica.node.counters.messages_not_understood == 1
