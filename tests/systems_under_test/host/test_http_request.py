from __future__ import annotations

import contextlib
from http import HTTPStatus

import pytest
from hypothesis import given
from hypothesis import strategies as st

from systems_under_test.host.http_request import (
    BODY_BYTES_MAX,
    Refused,
    parse_head,
    render_reply,
)


def test_reads_a_request() -> None:
    head = parse_head(
        b"PUT /k/a%20b?x=1 HTTP/1.1\r\nHost: h:1\r\nX-A:  1 \r\nx-a: 2\r\nContent-Length: 12"
    )
    assert (head.method, head.target) == ("PUT", "/k/a%20b?x=1")
    assert dict(head.headers) == {"host": "h:1", "x-a": "1, 2", "content-length": "12"}
    assert head.body_bytes == 12
    assert head.keep_alive
    assert not head.expects_continue


def test_a_connection_ends_where_http_says_so() -> None:
    assert not parse_head(b"GET / HTTP/1.0").keep_alive
    assert not parse_head(b"GET / HTTP/1.1\r\nConnection: Close").keep_alive


@pytest.mark.parametrize(
    ("head", "status"),
    [
        (b"", HTTPStatus.BAD_REQUEST),
        (b"GET /", HTTPStatus.BAD_REQUEST),
        (b"GET  / HTTP/1.1", HTTPStatus.BAD_REQUEST),
        (b"GET /a b HTTP/1.1", HTTPStatus.BAD_REQUEST),
        (b"G\x00T / HTTP/1.1", HTTPStatus.BAD_REQUEST),
        (b"GET http://x/ HTTP/1.1", HTTPStatus.BAD_REQUEST),
        (b"GET / HTTP/2.0", HTTPStatus.HTTP_VERSION_NOT_SUPPORTED),
        (b"GET / FTP", HTTPStatus.HTTP_VERSION_NOT_SUPPORTED),
        (b"BREW / HTTP/1.1", HTTPStatus.NOT_IMPLEMENTED),
        (b"get / HTTP/1.1", HTTPStatus.NOT_IMPLEMENTED),
        (b"GET / HTTP/1.1\r\nno colon", HTTPStatus.BAD_REQUEST),
        (b"GET / HTTP/1.1\r\n folded: x", HTTPStatus.BAD_REQUEST),
        (b"GET / HTTP/1.1\r\nname : x", HTTPStatus.BAD_REQUEST),
        (b"GET / HTTP/1.1\r\na: x\ny: z", HTTPStatus.BAD_REQUEST),
        (b"PUT / HTTP/1.1\r\nTransfer-Encoding: chunked", HTTPStatus.NOT_IMPLEMENTED),
        (b"PUT / HTTP/1.1\r\nContent-Length: -1", HTTPStatus.BAD_REQUEST),
        (
            b"PUT / HTTP/1.1\r\nX-Lineal-Request: a/1\r\nx-lineal-request: a/1",
            HTTPStatus.BAD_REQUEST,
        ),
        (b"PUT / HTTP/1.1\r\nX-Lineal-Context: a\r\nx-lineal-context: a", HTTPStatus.BAD_REQUEST),
        (b"PUT / HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2", HTTPStatus.BAD_REQUEST),
        (b"PUT / HTTP/1.1\r\nContent-Length: \xb2", HTTPStatus.BAD_REQUEST),
        (
            b"PUT / HTTP/1.1\r\nContent-Length: %d" % (BODY_BYTES_MAX + 1),
            HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
        ),
    ],
)
def test_refuses_with_the_status_that_fits(head: bytes, status: HTTPStatus) -> None:
    with pytest.raises(Refused) as refused:
        parse_head(head)
    assert refused.value.status == status
    assert refused.value.reason.endswith(".")


@given(head=st.binary(max_size=200))
def test_whatever_comes_is_read_or_refused(head: bytes) -> None:
    with contextlib.suppress(Refused):
        parse_head(head)


def test_writes_a_reply() -> None:
    said = render_reply(200, {"x-a": "1"}, b"body", keep_alive=True, with_body=True)
    assert said == b"HTTP/1.1 200 OK\r\nx-a: 1\r\ncontent-length: 4\r\n\r\nbody"
    said = render_reply(299, {}, b"body", keep_alive=False, with_body=False)
    assert said == b"HTTP/1.1 299 Unknown\r\ncontent-length: 4\r\nconnection: close\r\n\r\n"
    said = render_reply(204, {}, b"ignored", keep_alive=True, with_body=True)
    assert said == b"HTTP/1.1 204 No Content\r\n\r\n"


@pytest.mark.parametrize(("status", "headers"), [(100, {}), (600, {}), (200, {"a": "b\r\nc: d"})])
def test_a_reply_that_http_cannot_carry_is_an_error(status: int, headers: dict[str, str]) -> None:
    with pytest.raises(ValueError, match="a reply with"):
        render_reply(status, headers, b"", keep_alive=True, with_body=True)
