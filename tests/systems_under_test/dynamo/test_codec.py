"""Operations become requests and replies completions; only what is certain is `fail`."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from systems_under_test.dynamo.codec import RegisterCodec, SetCodec, SiblingsCodec, decode_dump
from tests.systems_under_test.dynamo.driving import CONTEXT, Drive
from workloads.client import Completion, Failure, Reply
from workloads.invocations import Invocation, invoke

SIBLINGS, REGISTER, SET = SiblingsCodec(), RegisterCodec(), SetCodec()


def carried(drive: Drive, codec: Any, node: str, invocation: Invocation) -> Completion:
    completion: Completion = codec.decode(
        invocation, drive.ask(node, codec.encode(invocation, "r1"))
    )
    assert completion.type == "ok", completion
    return completion


@pytest.fixture(scope="module")
def drive() -> Drive:
    return Drive()


def test_siblings_are_put_read_and_deleted(drive: Drive) -> None:
    put = carried(drive, SIBLINGS, "n1", invoke("put", {"value": 7, "context": None}, key="s"))
    other = carried(drive, SIBLINGS, "n2", invoke("put", {"value": 8, "context": None}, key="s"))
    read = carried(drive, SIBLINGS, "n3", invoke("get", key="s"))
    expected = [{"id": put.output["id"], "value": 7}, {"id": other.output["id"], "value": 8}]
    assert read.output["versions"] == sorted(expected, key=lambda v: str(v["id"]))
    context = {"context": read.output["context"]}
    deleted = carried(drive, SIBLINGS, "n4", invoke("delete", context, key="s"))
    final = carried(drive, SIBLINGS, "n5", invoke("get", {"r": "all"}, key="s"))
    assert final.output == {
        "versions": [{"id": deleted.output["id"], "tombstone": True}],
        "context": deleted.output["context"],
    }


def test_a_register_write_replaces_what_its_context_covers(drive: Drive) -> None:
    first = carried(drive, REGISTER, "n1", invoke("write", 1, key="r"))
    assert carried(drive, REGISTER, "n2", invoke("read", key="r")).output == 1
    second = Invocation("write", 2, "r", extra={"context": first.extra["context"]})
    carried(drive, REGISTER, "n3", second)
    read = carried(drive, REGISTER, "n4", invoke("read", key="r"))
    assert (read.output, read.extra["siblings"]) == (2, 1)


def test_a_register_with_siblings_reads_one_of_them_and_says_how_many() -> None:
    versions = [{"id": "n1.1.9", "value": "5"}, {"id": "n1.1.10", "value": "6"}]
    body = msgspec.json.encode({"versions": versions, "context": "t"})
    completion = REGISTER.decode(invoke("read", key="r"), Reply(200, {}, body))
    assert completion == Completion("ok", 6, extra={"context": "t", "siblings": 2})


def test_an_absent_register_reads_null(drive: Drive) -> None:
    read = carried(drive, REGISTER, "n1", invoke("read", key="absent"))
    assert (read.output, read.extra) == (None, {"siblings": 0})


def test_a_set_reads_every_element_that_was_added(drive: Drive) -> None:
    for i in range(12):
        carried(drive, SET, f"n{i % 5 + 1}", invoke("add", i, key=3))
    read = carried(drive, SET, "n1", invoke("read", {"r": "all"}, key=3))
    assert sorted(read.output) == list(range(12))


def test_a_dump_shows_what_a_node_holds_by_key(drive: Drive) -> None:
    carried(drive, SIBLINGS, "n1", invoke("put", {"value": 3, "context": None}, key="a/b é"))
    drive.wait(500)
    home, _ = drive.home("a/b é")
    for node in home:
        from workloads.client import Request

        held = decode_dump(drive.ask(node, Request("GET", "/dump")).body)
        assert [version["value"] for version in held["a/b é"]["versions"]] == [3]
        assert held["a/b é"]["homes"] == list(home)


def test_the_request_carries_its_id_and_the_context() -> None:
    request = SIBLINGS.encode(invoke("put", {"value": 1, "context": "t"}, key="k"), "r9")
    assert request.headers == {"x-request-id": "r9", CONTEXT: "t"}
    assert request.body == b"1"


@pytest.mark.parametrize("codec", [SIBLINGS, REGISTER, SET])
def test_refuses_operations_that_the_workload_does_not_have(codec: Any) -> None:
    with pytest.raises(ValueError, match="cas"):
        codec.encode(invoke("cas", [1, 2], key="k"), "r1")


DEFINITE = b'{"error":"x","definite":true}'
OPEN = b'{"error":"x","definite":false}'


@pytest.mark.parametrize(
    ("reply", "kind"),
    [
        (Failure("connection refused", definite=True), "fail"),
        (Failure("timed out", definite=False), "info"),
        (Reply(503, {}, DEFINITE), "fail"),
        (Reply(503, {}, OPEN), "info"),
        (Reply(500, {}, b"oops"), "info"),
        (Reply(503, {}, b'["definite"]'), "info"),
        (Reply(400, {}, DEFINITE), "fail"),
        (Reply(200, {}, b"cut of"), "info"),
    ],
)
def test_a_write_fails_only_where_that_is_certain(reply: Reply | Failure, kind: str) -> None:
    put = invoke("put", {"value": 1, "context": None}, key="k")
    assert SIBLINGS.decode(put, reply).type == kind
    assert REGISTER.decode(invoke("write", 1, key="k"), reply).type == kind
    assert SET.decode(invoke("add", 1, key="k"), reply).type == kind


@pytest.mark.parametrize("reply", [Failure("timed out", definite=False), Reply(503, {}, OPEN)])
def test_a_read_that_failed_changed_nothing(reply: Reply | Failure) -> None:
    assert SIBLINGS.decode(invoke("get", key="k"), reply).type == "fail"
    assert REGISTER.decode(invoke("read", key="k"), reply).type == "fail"
    assert SET.decode(invoke("read", key="k"), reply).type == "fail"
