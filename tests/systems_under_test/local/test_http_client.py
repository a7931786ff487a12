from __future__ import annotations

import contextlib
import socket
import threading
import time
from typing import TYPE_CHECKING

import pytest

from systems_under_test.environments.http_client import HttpClient
from workloads.client import Failure, Reply, Request

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

pytestmark = pytest.mark.live

GET = Request("GET", "/x")
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi"


class Script:
    """A server that plays a part for each connection in turn, and notes what it heard."""

    def __init__(self, *parts: Callable[[socket.socket, Script], None]) -> None:
        self.heard: list[bytes] = []
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.address: tuple[str, int] = self._listening.getsockname()[:2]
        self._thread = threading.Thread(target=self._play, args=(parts,), daemon=True)
        self._thread.start()

    def hear(self, connection: socket.socket) -> None:
        data = b""
        while b"\r\n\r\n" not in data and (chunk := connection.recv(65_536)):
            data += chunk
        self.heard.append(data)

    def close(self) -> None:
        with contextlib.suppress(OSError):
            self._listening.shutdown(socket.SHUT_RDWR)  # Wakes the thread that accepts.
        self._listening.close()
        self._thread.join(5)

    def _play(self, parts: tuple[Callable[[socket.socket, Script], None], ...]) -> None:
        for part in parts:
            try:
                connection, _ = self._listening.accept()
            except OSError:
                return
            with connection, contextlib.suppress(OSError):
                part(connection, self)


def answer(*replies: bytes) -> Callable[[socket.socket, Script], None]:
    def part(connection: socket.socket, script: Script) -> None:
        for reply in replies:
            script.hear(connection)
            connection.sendall(reply)
        connection.recv(1)

    return part


@contextlib.contextmanager
def playing(
    *parts: Callable[[socket.socket, Script], None],
) -> Iterator[tuple[Script, HttpClient]]:
    script = Script(*parts)
    client = HttpClient(script.address)
    try:
        yield script, client
    finally:
        client.close()
        script.close()


def test_a_connection_is_used_again() -> None:
    with playing(answer(OK, OK, OK)) as (script, client):
        for _ in range(3):
            assert client.call(GET, 5) == Reply(200, {"content-length": "2"}, b"hi")
        assert len(script.heard) == 3


def test_method_target_headers_and_body_are_sent_as_given() -> None:
    with playing(answer(OK)) as (script, client):
        client.call(Request("PUT", "/a%20b?c", {"x-context": "t"}, b"body"), 5)
        head, _, body = script.heard[0].partition(b"\r\n\r\n")
        assert body == b"body"
        assert head.split(b"\r\n") == [
            b"PUT /a%20b?c HTTP/1.1",
            b"host: 127.0.0.1:%d" % script.address[1],
            b"x-context: t",
            b"content-length: 4",
        ]


def test_a_refused_connection_is_definite() -> None:
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        failure = HttpClient(held.getsockname()[:2]).call(GET, 5)
    assert isinstance(failure, Failure)
    assert failure.definite
    assert "connection refused" in failure.reason


def test_no_reply_within_the_time_is_not_definite_and_ends_the_connection() -> None:
    def silent(connection: socket.socket, script: Script) -> None:
        script.hear(connection)
        connection.recv(1)

    with playing(silent, answer(OK)) as (script, client):
        began = time.monotonic()
        failure = client.call(GET, 0.1)
        assert 0.1 <= time.monotonic() - began < 0.3
        assert isinstance(failure, Failure)
        assert (failure.definite, "timed out" in failure.reason) == (False, True)
        # The late reply must not be taken for this one's.
        assert isinstance(client.call(GET, 5), Reply)
        assert len(script.heard) == 2


def test_the_deadline_holds_against_a_reply_that_trickles() -> None:
    def trickle(connection: socket.socket, script: Script) -> None:
        script.hear(connection)
        for byte in b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n" + b"z" * 100:
            connection.sendall(bytes([byte]))
            time.sleep(0.02)

    with playing(trickle) as (_, client):
        began = time.monotonic()
        assert isinstance(client.call(GET, 0.15), Failure)
        assert time.monotonic() - began < 0.3


def test_a_reset_after_sending_is_not_definite_and_nothing_is_sent_twice() -> None:
    def drop(connection: socket.socket, script: Script) -> None:
        script.hear(connection)

    with playing(answer(OK), drop, answer(OK)) as (script, client):
        assert isinstance(client.call(GET, 5), Reply)
        client.close()
        failure = client.call(GET, 5)
        assert isinstance(failure, Failure)
        assert not failure.definite
        assert len(script.heard) == 2


def test_a_failure_on_a_kept_connection_is_not_definite() -> None:
    def once_then_drop(connection: socket.socket, script: Script) -> None:
        script.hear(connection)
        connection.sendall(OK)
        script.hear(connection)

    with playing(once_then_drop) as (script, client):
        assert isinstance(client.call(GET, 5), Reply)
        failure = client.call(GET, 5)
        assert isinstance(failure, Failure)
        assert not failure.definite
        assert len(script.heard) == 2


def test_a_kept_connection_that_has_ended_is_replaced_before_anything_is_sent() -> None:
    def once(connection: socket.socket, script: Script) -> None:
        script.hear(connection)
        connection.sendall(OK)

    with playing(once, once) as (script, client):
        assert isinstance(client.call(GET, 5), Reply)
        time.sleep(0.05)
        assert isinstance(client.call(GET, 5), Reply)
        assert len(script.heard) == 2


@pytest.mark.parametrize(
    "said",
    [
        b"SSH-2.0-OpenSSH\r\n\r\n",
        b"HTTP/1.1 abc\r\n\r\n",
        b"HTTP/1.1 200 OK\r\ncontent-length: x\r\n\r\n",
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nx: " + b"y" * 200_000,
    ],
)
def test_what_is_no_reply_is_a_failure_and_never_an_exception(said: bytes) -> None:
    with playing(answer(said)) as (_, client):
        failure = client.call(GET, 2)
        assert isinstance(failure, Failure)
        assert not failure.definite


def test_a_reply_cut_short_is_a_failure() -> None:
    def short(connection: socket.socket, script: Script) -> None:
        script.hear(connection)
        connection.sendall(b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhi")

    with playing(short) as (_, client):
        failure = client.call(GET, 5)
        assert isinstance(failure, Failure)
        assert not failure.definite


def test_a_reply_without_a_length_lasts_until_the_end_and_the_next_call_connects_anew() -> None:
    def unbounded(connection: socket.socket, script: Script) -> None:
        script.hear(connection)
        connection.sendall(b"HTTP/1.0 200 OK\r\n\r\nuntil the end")

    with playing(unbounded, answer(OK)) as (_, client):
        assert client.call(GET, 5) == Reply(200, {}, b"until the end")
        assert isinstance(client.call(GET, 5), Reply)


def test_a_reply_that_closes_is_honored() -> None:
    closing = b"HTTP/1.1 503 Busy\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
    with playing(answer(closing), answer(OK)) as (_, client):
        first = client.call(GET, 5)
        assert isinstance(first, Reply)
        assert first.status == 503
        assert isinstance(client.call(GET, 5), Reply)


def test_no_body_is_awaited_after_head() -> None:
    with playing(answer(b"HTTP/1.1 200 OK\r\ncontent-length: 99\r\n\r\n", OK)) as (_, client):
        assert client.call(Request("HEAD", "/"), 5) == Reply(200, {"content-length": "99"}, b"")
        assert isinstance(client.call(GET, 5), Reply)
