"""The HTTP interface, asked of a running cluster as curl would."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from tests.systems_under_test.dynamo.alone import Alone, responses, sent, writes
from tests.systems_under_test.dynamo.driving import CONTEXT, Drive, put
from workloads.client import Reply, Request


@pytest.fixture(scope="module")
def drive() -> Drive:
    return Drive()


def refusal(reply: Reply, status: int) -> str:
    content: dict[str, Any] = msgspec.json.decode(reply.body)
    assert reply.status == status, reply
    assert content["definite"] is True
    return str(content["error"])


def test_a_value_comes_back_with_its_id_and_a_context(drive: Drive) -> None:
    written = drive.put("n1", "a", "text")
    read = drive.get("n4", "a")
    assert read["versions"] == [{"id": written["id"], "value": "text"}]
    assert read["context"] == written["context"]
    reply = drive.ask("n2", Request("GET", "/kv/a"))
    assert reply.headers[CONTEXT] == read["context"]


def test_an_absent_key_has_no_versions_and_no_context(drive: Drive) -> None:
    assert drive.get("n3", "absent") == {"versions": [], "context": None}


def test_a_put_without_context_is_blind_and_both_versions_stay(drive: Drive) -> None:
    drive.put("n1", "b", "1")
    drive.put("n2", "b", "2")
    read = drive.get("n3", "b")
    assert [v["value"] for v in read["versions"]] == ["1", "2"]
    assert [v["id"] for v in read["versions"]] == sorted(v["id"] for v in read["versions"])


def test_a_put_with_the_context_of_a_read_replaces_all_that_was_read(drive: Drive) -> None:
    drive.put("n1", "c", "1")
    drive.put("n2", "c", "2")
    drive.put("n3", "c", "merged", drive.get("n4", "c")["context"])
    assert drive.values("n5", "c", "?r=all") == ["merged"]


def test_the_context_of_a_put_covers_what_it_had_seen_and_itself_alone(drive: Drive) -> None:
    mine = drive.put("n1", "d", "mine")
    drive.put("n1", "d", "unseen")
    drive.put("n1", "d", "mine too", mine["context"])
    assert drive.values("n2", "d", "?r=all") == ["mine too", "unseen"]


def test_a_delete_is_a_tombstone_with_an_id_and_a_context(drive: Drive) -> None:
    written = drive.put("n1", "e", "1")
    deleted = drive.delete("n2", "e", written["context"])
    read = drive.get("n3", "e", "?r=all")
    assert read["versions"] == [{"id": deleted["id"], "tombstone": True}]
    drive.put("n4", "e", "again", read["context"])
    assert drive.values("n5", "e", "?r=all") == ["again"]


def test_a_delete_spares_what_its_context_does_not_cover(drive: Drive) -> None:
    seen = drive.put("n1", "f", "seen")
    drive.put("n2", "f", "unseen")
    drive.delete("n3", "f", seen["context"])
    assert drive.values("n4", "f", "?r=all") == ["tombstone", "unseen"]


def test_values_that_are_no_text_come_back_in_base64(drive: Drive) -> None:
    drive.ask("n1", Request("PUT", "/kv/g", {}, b"\xff\x00"))
    assert drive.get("n2", "g")["versions"][0]["value_base64"] == "/wA="


def test_keys_are_bytes_percent_encoded_slashes_too(drive: Drive) -> None:
    drive.put("n1", "a%2Fb%FF", "1")
    assert drive.values("n2", "a/b%ff") == ["1"]
    assert "a%2Fb%FF" in {key for node in drive.cluster.nodes
                          for key in drive.page(node, "dump")["keys"]}  # fmt: skip


@pytest.mark.parametrize(
    ("request_", "status", "said"),
    [
        (Request("DELETE", "/kv/a"), 428, "x-lineal-context"),
        (Request("PUT", "/kv/a", {}, b"x" * ((1 << 20) + 1)), 413, "at most 1048576"),
        (Request("PUT", "/kv/a", {CONTEXT: "nonsense"}, b"x"), 400, "malformed"),
        (Request("DELETE", "/kv/a", {CONTEXT: "nonsense"}), 400, "malformed"),
        (Request("PUT", "/kv/", {}, b"x"), 400, "empty"),
        (Request("GET", "/kv/" + "k" * 1025), 400, "at most 1024"),
        (Request("GET", "/kv/a?r=2"), 400, "?r=all"),
        (Request("PUT", "/kv/a?r=all", {}, b"x"), 400, "no query"),
        (Request("PATCH", "/kv/a", {}, b"x"), 405, "GET, PUT and DELETE"),
        (Request("POST", "/status"), 405, "use GET"),
        (Request("GET", "/status?x=1"), 400, "no query"),
        (Request("GET", "/dump?after=a"), 400, "no query"),
        (Request("POST", "/admin/join?node=n5&node=n5"), 400, "join takes ?node="),
        (Request("POST", "/admin/abort?node=n5"), 400, "abort takes no query"),
        (Request("GET", "/kv/%zz"), 400, "percent-encoded"),
        (Request("PUT", "/kv/a%2", {}, b"x"), 400, "percent-encoded"),
        (Request("GET", "/nothing"), 404, "/kv/{key}"),
        (Request("GET", "/nothing"), 404, "/status"),
    ],
)
def test_refuses_what_it_cannot_do_in_words(
    drive: Drive, request_: Request, status: int, said: str
) -> None:
    assert said in refusal(drive.ask("n1", request_), status)


def test_a_percent_sign_is_a_key_of_its_own(drive: Drive) -> None:
    drive.put("n1", "%25zz", "1")
    assert drive.values("n2", "%25zz") == ["1"]


@pytest.mark.parametrize(
    ("method", "target", "allowed"),
    [
        ("PATCH", "/kv/a", "GET, PUT, DELETE"),
        ("PUT", "/ring", "GET"),
        ("GET", "/admin/leave?node=n1", "POST"),
    ],
)
def test_another_method_is_told_which_are_allowed(
    drive: Drive, method: str, target: str, allowed: str
) -> None:
    reply = drive.ask("n1", Request(method, target))
    assert (reply.status, reply.headers["allow"]) == (405, allowed)


def test_refuses_a_context_of_another_key_and_stores_nothing(drive: Drive) -> None:
    context = drive.put("n1", "h", "1")["context"]
    assert "another key" in refusal(drive.ask("n1", put("i", "2", context)), 400)
    assert drive.get("n1", "i", "?r=all")["versions"] == []


def test_a_value_of_the_greatest_length_is_taken(drive: Drive) -> None:
    drive.put("n1", "j", "x" * (1 << 20))
    assert drive.values("n2", "j") == ["x" * (1 << 20)]


def test_more_siblings_than_a_key_may_hold_are_refused_until_they_are_merged() -> None:
    drive = Drive({"siblings_bytes_max": 1000})
    for i in range(3):
        drive.put(f"n{i + 1}", "k", "x" * 300)
    assert "too many siblings" in refusal(drive.ask("n1", put("k", "y" * 300)), 409)
    drive.put("n2", "k", "merged", drive.get("n3", "k", "?r=all")["context"])
    drive.put("n1", "k", "y" * 300)
    assert drive.values("n4", "k", "?r=all") == ["merged", "y" * 300]


def test_a_refused_request_writes_and_sends_nothing() -> None:
    node = Alone()
    for effects in (
        node.request("DELETE", "/kv/a"),
        node.request("PUT", "/kv/a", b"x", x_lineal_context="nonsense"),
        node.request("BREW", "/kv/a"),
    ):
        assert len(responses(effects)) == 1
        assert not writes(effects)
        assert not sent(effects)


def test_more_open_requests_than_allowed_are_refused_for_certain() -> None:
    node = Alone(options={"requests_max": 3})
    for _ in range(3):
        assert not responses(node.request("PUT", "/kv/a", b"x"))
    (reply,) = responses(node.request("PUT", "/kv/a", b"x"))
    assert refusal(Reply(reply.status, reply.headers, reply.body), 503)


def test_the_pages_show_the_node_the_ring_and_what_is_held(drive: Drive) -> None:
    status = drive.page("n1", "status")
    assert status["node"] == "n1"
    assert set(status["peers"]) == {"n2", "n3", "n4", "n5"}
    assert len(status["counters"]) >= 15
    ring = drive.page("n1", "ring")
    assert len(ring["ranges"]) == 80
    assert ring == drive.page("n5", "ring")
    drive.put("n1", "shown", "1")
    drive.wait(1000)
    homes = {n for n in drive.cluster.nodes if "shown" in drive.page(n, "dump")["keys"]}
    assert homes == set(drive.home("shown")[0])
