from __future__ import annotations

from typing import Any

import pytest

from systems_under_test.atomic.codec import RegisterCodec
from workloads.client import Completion, Failure, Reply, Request
from workloads.invocations import invoke

CODEC = RegisterCodec()
READ = invoke("read", key="k")


@pytest.mark.parametrize(
    ("f", "input", "method", "target", "body"),
    [
        ("read", None, "GET", "/register/a%2Fb", b""),
        ("write", 5, "PUT", "/register/a%2Fb", b"5"),
        ("cas", [5, None], "POST", "/register/a%2Fb/cas", b"[5,null]"),
        ("delete", None, "DELETE", "/register/a%2Fb", b""),
    ],
)
def test_asks_over_http_and_names_the_request(
    f: str, input: Any, method: str, target: str, body: bytes
) -> None:
    request = CODEC.encode(invoke(f, input, key="a/b"), "r1")
    assert isinstance(request, Request)
    assert (request.method, request.target, request.body) == (method, target, body)
    assert request.headers["x-request-id"] == "r1"


def test_refuses_operations_that_the_store_does_not_have() -> None:
    with pytest.raises(ValueError, match="knows no 'append'"):
        CODEC.encode(invoke("append", 1, key="k"), "r1")


@pytest.mark.parametrize(
    ("f", "reply", "completion"),
    [
        ("read", Reply(200, {}, b"[1]"), Completion("ok", [1])),
        ("read", Reply(200, {}, b"null"), Completion("ok", None)),
        ("write", Reply(200, {}, b"null"), Completion("ok", None)),
        ("delete", Reply(200, {}, b"null"), Completion("ok", None)),
        ("cas", Reply(200, {}, b"false"), Completion("ok", False)),
        ("cas", Reply(200, {}, b"true"), Completion("ok", True)),
    ],
)
def test_what_happened_is_ok(f: str, reply: Reply, completion: Completion) -> None:
    assert CODEC.decode(invoke(f, key="k"), reply) == completion


@pytest.mark.parametrize(
    "reply",
    [
        Failure("connection refused", definite=True),
        Reply(400, {}, b'{"error":"the body is not JSON"}'),
        Reply(404, {}, b""),
    ],
)
def test_only_what_surely_did_not_happen_fails(reply: Reply | Failure) -> None:
    for f in ("read", "write", "cas", "delete"):
        assert CODEC.decode(invoke(f, key="k"), reply).type == "fail"


@pytest.mark.parametrize(
    "reply",
    [
        Failure("timed out", definite=False),
        Failure("connection reset", definite=False),
        Reply(500, {}, b"oops"),
        Reply(503, {}, b"[]"),
        Reply(302, {}, b""),
    ],
)
def test_everything_else_may_have_happened(reply: Reply | Failure) -> None:
    for f in ("read", "write", "cas", "delete"):
        assert CODEC.decode(invoke(f, key="k"), reply).type == "info"


def test_a_reply_that_is_not_json_may_have_happened() -> None:
    for f in ("read", "cas"):
        assert CODEC.decode(invoke(f, key="k"), Reply(200, {}, b"<html>")).type == "info"


def test_a_refusal_is_told_in_the_store_s_words() -> None:
    refused = CODEC.decode(READ, Reply(413, {}, b'{"error":"too long"}'))
    assert refused.error == "status 413: too long"
    assert CODEC.decode(READ, Reply(502, {}, b"<html>")).error == "status 502"
