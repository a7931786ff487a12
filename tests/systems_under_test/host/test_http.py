from __future__ import annotations

import asyncio
import contextlib
import json
import socket
import threading
import time
from typing import TYPE_CHECKING, Any

import pytest

from systems_under_test.environments.http_client import HttpClient
from systems_under_test.host import http
from systems_under_test.host.http_request import HEAD_BYTES_MAX, parse_head
from tests.systems_under_test.host.process import Address, controlled, host
from workloads.client import Reply, Request

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.live


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Address]:
    with host(tmp_path_factory.mktemp("host") / "n1") as running:
        yield running.wait_ready()


def talk(address: Address, said: bytes, *, then_close: bool = False) -> bytes:
    """What the node answers until it closes the connection."""
    with socket.create_connection(address, timeout=5) as connection:
        connection.sendall(said)
        if then_close:
            connection.shutdown(socket.SHUT_WR)
        heard = b""
        while chunk := connection.recv(65_536):
            heard += chunk
        return heard


def ask(address: Address, method: str, target: str, body: bytes = b"") -> Any:
    with contextlib.closing(HttpClient(address)) as client:
        reply = client.call(Request(method, target, {}, body), 5)
    assert isinstance(reply, Reply)
    assert reply.status == 200
    return json.loads(reply.body)


def test_many_requests_on_one_connection_are_answered_in_order(address: Address) -> None:
    said = b"".join(
        b"GET /echo?%d HTTP/1.1\r\ncontent-length: 2\r\n\r\n%02d" % (n, n) for n in range(40)
    )
    heard = talk(address, said + b"GET /echo?end HTTP/1.1\r\nconnection: close\r\n\r\n")
    bodies = [part.split(b"\r\n\r\n")[1] for part in heard.split(b"HTTP/1.1 200 OK")[1:]]
    echoes = [json.loads(body) for body in bodies]
    assert [echo["target"] for echo in echoes[:40]] == [f"/echo?{n}" for n in range(40)]
    assert [echo["body"] for echo in echoes[:40]] == [f"{n:02}" for n in range(40)]
    assert len(echoes) == 41


def test_a_request_may_come_byte_by_byte(address: Address) -> None:
    said = b"GET /echo HTTP/1.1\r\nConnection: close\r\nContent-Length: 3\r\n\r\nabc"
    with socket.create_connection(address, timeout=5) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for byte in said:
            connection.sendall(bytes([byte]))
        heard = b""
        while chunk := connection.recv(65_536):
            heard += chunk
    assert heard.startswith(b"HTTP/1.1 200 OK\r\n")
    assert json.loads(heard.split(b"\r\n\r\n")[1])["body"] == "abc"


def test_a_client_that_closes_its_half_gets_its_reply(address: Address) -> None:
    heard = talk(address, b"GET /clock HTTP/1.1\r\n\r\n", then_close=True)
    assert heard.startswith(b"HTTP/1.1 200 OK\r\n")


def test_head_has_no_body(address: Address) -> None:
    heard = talk(address, b"HEAD /x HTTP/1.1\r\nconnection: close\r\n\r\n")
    assert heard.startswith(b"HTTP/1.1 404 ")
    assert heard.endswith(b"\r\n\r\n")
    assert b"content-length: 14\r\n" in heard


def test_a_body_is_invited_where_the_client_asks_first(address: Address) -> None:
    with socket.create_connection(address, timeout=5) as connection:
        connection.sendall(
            b"GET /echo HTTP/1.1\r\nexpect: 100-continue\r\ncontent-length: 2\r\n\r\n"
        )
        assert connection.recv(1000) == b"HTTP/1.1 100 Continue\r\n\r\n"
        connection.sendall(b"hi")
        assert connection.recv(1000).startswith(b"HTTP/1.1 200 OK")


@pytest.mark.parametrize(
    ("said", "status"),
    [
        (b"BREW /coffee HTTP/1.1\r\n\r\n", b"501"),
        (b"GARBAGE\r\n\r\n", b"400"),
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n", b"400"),
        (b"GET / HTTP/1.1\r\nx: " + b"y" * HEAD_BYTES_MAX, b"431"),
        (b"PUT / HTTP/1.1\r\ncontent-length: 9999999999\r\n\r\n" + b"z" * 300_000, b"413"),
        (b"PUT / HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\n1\r\na\r\n0\r\n\r\n", b"501"),
    ],
)
def test_nonsense_is_answered_by_a_status_and_the_node_goes_on(
    address: Address, said: bytes, status: bytes
) -> None:
    heard = talk(address, said)
    assert heard.startswith(b"HTTP/1.1 " + status)
    assert b"connection: close\r\n" in heard
    assert b"content-type: application/json\r\n" in heard
    told = json.loads(heard.split(b"\r\n\r\n", 1)[1])
    assert told["error"].endswith(".")
    assert told["definite"] is True
    assert ask(address, "GET", "/echo")["target"] == "/echo"


def test_a_body_sent_by_half_concerns_nobody_else(address: Address) -> None:
    before = ask(address, "POST", "/add")
    with socket.create_connection(address, timeout=5) as connection:
        connection.sendall(b"POST /add HTTP/1.1\r\ncontent-length: 10\r\n\r\nhalf")
    assert ask(address, "POST", "/add") == before + 1


def test_a_client_that_leaves_before_its_reply_concerns_nobody_else(address: Address) -> None:
    for _ in range(20):
        with socket.create_connection(address, timeout=5) as connection:
            connection.sendall(b"POST /add HTTP/1.1\r\n\r\n" * 2)
    assert ask(address, "GET", "/echo")["target"] == "/echo"


def test_a_request_that_never_becomes_whole_is_timed_out(monkeypatch: pytest.MonkeyPatch) -> None:
    async def scene() -> bytes:
        monkeypatch.setattr(http, "HALF_SENT_S_MAX", 0.05)
        loop = asyncio.get_running_loop()
        server = http.HttpServer(_Nobody())
        listening = await loop.create_server(server.connection, "127.0.0.1", 0)
        port = listening.sockets[0].getsockname()[1]
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"PUT /x HTTP/1.1\r\ncontent-length: 5\r\n\r\nab")
        heard = await reader.read()
        writer.close()
        listening.close()
        server.close()
        return heard

    assert asyncio.run(scene()).startswith(b"HTTP/1.1 408 ")


class _Nobody:
    def offer(self, event: Any) -> bool:
        raise AssertionError("a request that was not whole was handed on")


def test_requests_beyond_the_bound_are_refused_and_not_queued(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(http, "OPEN_REQUESTS_MAX", 2)

    class Silent:
        def offer(self, event: Any) -> bool:
            return True

    class Client:
        pass

    server = http.HttpServer(Silent())
    head = parse_head(b"GET / HTTP/1.1")
    numbers = [server.request(Client(), head, b"") for _ in range(3)]  # type: ignore[arg-type]
    assert numbers == [1, 2, None]


@pytest.mark.parametrize("target", ["/raise", "/twice", "/foreign"])
def test_a_replica_that_breaks_its_contract_ends_the_node_with_a_word(
    tmp_path: Path, target: str
) -> None:
    with host(tmp_path / "n1") as running:
        address = running.wait_ready()
        talk_and_be_dropped = contextlib.suppress(ConnectionError)
        with talk_and_be_dropped:
            talk(address, b"POST %s HTTP/1.1\r\n\r\n" % target.encode())
        assert running.wait_end() == 70
        assert "the replica raised reason=" in running.said().splitlines()[-1]


def _hammer(address: Address, method: str, target: str, until: float, count: list[int]) -> None:
    with contextlib.closing(HttpClient(address)) as client:
        done = 0
        while time.monotonic() < until:
            assert isinstance(client.call(Request(method, target), 5), Reply)
            done += 1
        count.append(done)


def _answered(address: Address, method: str, target: str, clients: int) -> int:
    """How many requests so many clients get answered in a second."""
    counts: list[int] = []
    arguments = (address, method, target, time.monotonic() + 1.0, counts)
    threads = [threading.Thread(target=_hammer, args=arguments) for _ in range(clients)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return sum(counts)


def test_concurrent_writes_share_commits(tmp_path: Path) -> None:
    with controlled(tmp_path / "n1") as (address, ask_control):
        answered = _answered(address, "POST", "/add", clients=30)
        life = ask_control("counters")["life"]
    assert life["storage_changes"] == answered
    assert life["storage_commits"] <= life["batches"]
    assert life["storage_commits"] < 0.7 * answered


def test_a_host_answers_1500_requests_a_second(address: Address) -> None:
    assert any(_answered(address, "GET", "/clock", clients=10) > 1_500 for _ in range(3))
