"""Bad input over real sockets: a clear status and message, nothing stored, and the node goes on."""

from __future__ import annotations

import contextlib
import json
import socket
from typing import TYPE_CHECKING, Any

import pytest

from systems_under_test.dynamo.causal_context import to_token
from systems_under_test.dynamo.ring import Ring, random_tokens
from systems_under_test.environments.cluster import ClusterSpec
from systems_under_test.environments.http_client import HttpClient
from systems_under_test.environments.local.cluster import LocalCluster
from systems_under_test.host.frames import PROTOCOL_VERSION, Frame, FrameSplitter, Kind, pack
from systems_under_test.host.http_request import BODY_BYTES_MAX
from workloads.client import Reply, Request

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = [pytest.mark.live, pytest.mark.xdist_group("bad-input")]

NODES = ("n1", "n2", "n3")
CONTEXT = "x-lineal-context"


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalCluster]:
    spec = ClusterSpec(
        nodes=NODES,
        replica_path="systems_under_test.dynamo.replica:make_replica",
        options={},
        bug=None,
        engine="sqlite",
        seed=1,
        directory=tmp_path_factory.mktemp("nodes"),
    )
    with LocalCluster(spec) as cluster:
        yield cluster


@pytest.fixture(autouse=True)
def nothing_is_stored_and_every_node_goes_on(cluster: LocalCluster) -> Iterator[None]:
    lives = {node: cluster.nodes[node].incarnation() for node in NODES}
    before = {node: page(cluster, node, "dump") for node in NODES}
    yield
    assert {node: page(cluster, node, "dump") for node in NODES} == before
    assert {node: cluster.nodes[node].incarnation() for node in NODES} == lives
    assert all(cluster.nodes[node].state() == "running" for node in NODES)


def ask(cluster: LocalCluster, request: Request, node: str = "n1") -> Reply:
    with contextlib.closing(HttpClient(cluster.client_address(node))) as client:
        reply = client.call(request, 5)
    assert isinstance(reply, Reply), reply
    return reply


def page(cluster: LocalCluster, node: str, name: str) -> dict[str, Any]:
    content: dict[str, Any] = json.loads(ask(cluster, Request("GET", f"/{name}"), node).body)
    return content


def refusal(reply: Reply) -> str:
    content = json.loads(reply.body)
    assert content["definite"] is True
    error: str = content["error"]
    return error


def raw(cluster: LocalCluster, sent: bytes, *, node: str = "n1", shut: bool = False) -> bytes:
    """What a node answers to these bytes until it closes or falls silent."""
    with socket.create_connection(cluster.client_address(node), timeout=5) as connection:
        connection.sendall(sent)
        if shut:
            connection.shutdown(socket.SHUT_WR)
        answer = b""
        with contextlib.suppress(TimeoutError, ConnectionError):
            while more := connection.recv(65536):
                answer += more
        return answer


def test_a_value_that_is_too_long_is_refused(cluster: LocalCluster) -> None:
    reply = ask(cluster, Request("PUT", "/kv/long", {}, b"v" * ((1 << 20) + 1)))
    assert reply.status == 413
    assert refusal(reply) == "the value has 1048577 bytes; at most 1048576 fit"


def test_a_body_that_no_request_may_have_is_refused_before_it_is_read(
    cluster: LocalCluster,
) -> None:
    head = f"PUT /kv/long HTTP/1.1\r\nhost: x\r\ncontent-length: {BODY_BYTES_MAX + 1}\r\n\r\n"
    answer = raw(cluster, head.encode())
    assert answer.startswith(b"HTTP/1.1 413 ")
    assert f"longer than {BODY_BYTES_MAX} bytes".encode() in answer


@pytest.mark.parametrize("context", ["nonsense", "AAAA", "*", "=" * 8, "x" * 10_000])
@pytest.mark.parametrize("method", ["PUT", "DELETE"])
def test_a_malformed_context_is_refused(cluster: LocalCluster, context: str, method: str) -> None:
    reply = ask(cluster, Request(method, "/kv/k", {CONTEXT: context}, b"v"))
    assert reply.status == 400
    assert refusal(reply).startswith(f"{CONTEXT}: the context is malformed")


def test_a_context_of_another_key_is_refused(cluster: LocalCluster) -> None:
    token = token_of_an_absent_key()
    reply = ask(cluster, Request("PUT", "/kv/k", {CONTEXT: token}, b"v"))
    assert reply.status == 400
    assert refusal(reply) == f"{CONTEXT}: the context belongs to another key"


def token_of_an_absent_key() -> str:
    """As a node makes it, without anything being stored."""
    return to_token(Ring(random_tokens({"n1": 1})).place(b"other"), (("n1", 1, (0, 1)),))


@pytest.mark.parametrize(
    ("method", "status", "said"),
    [
        ("POST", 405, "a key knows GET, PUT and DELETE, not POST"),
        ("BREW", 501, "The method is none of"),
    ],
)
def test_an_unknown_method_is_refused(
    cluster: LocalCluster, method: str, status: int, said: str
) -> None:
    answer = raw(
        cluster, f"{method} /kv/k HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n".encode()
    )
    assert answer.startswith(f"HTTP/1.1 {status} ".encode())
    assert said.encode() in answer


def test_a_body_that_is_only_half_sent_stores_nothing(cluster: LocalCluster) -> None:
    head = b"PUT /kv/half HTTP/1.1\r\nhost: x\r\ncontent-length: 100\r\n\r\n"
    assert b"200" not in raw(cluster, head + b"only a part", shut=True)


def test_bytes_that_are_no_request_are_refused(cluster: LocalCluster) -> None:
    assert raw(cluster, b"\x16\x03\x01 hello\r\n\r\n").startswith(b"HTTP/1.1 400 ")


class Stranger:
    """A connection to the port where a node listens for other nodes."""

    def __init__(self, cluster: LocalCluster, node: str = "n1") -> None:
        address = cluster.nodes[node]._site.listen
        self._socket = socket.create_connection(address, timeout=5)
        self._splitter = FrameSplitter()
        self._frames: list[Frame] = []

    def __enter__(self) -> Stranger:
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()

    def send(self, kind: Kind, value: Any) -> None:
        self._socket.sendall(pack(kind, value))

    def next(self) -> Frame:
        while not self._frames:
            received = self._socket.recv(65536)
            assert received, "the node closed the connection without a word"
            self._frames += self._splitter.feed(received)
        return self._frames.pop(0)


def test_a_node_that_speaks_another_version_of_the_protocol_is_told_so(
    cluster: LocalCluster,
) -> None:
    with Stranger(cluster) as stranger:
        stranger.send(Kind.HELLO, [PROTOCOL_VERSION + 1, "n2", 1, "n1"])
        frame = stranger.next()
    assert frame.kind == Kind.REFUSAL
    (said,) = frame.value()
    assert said == f"we speak version {PROTOCOL_VERSION}, they {PROTOCOL_VERSION + 1}"
    assert said in cluster.nodes["n1"].log.read_text(encoding="utf-8")


def test_a_message_of_another_version_of_the_store_is_dropped_and_logged(
    cluster: LocalCluster,
) -> None:
    before = page(cluster, "n1", "status")["counters"]["messages_not_understood"]
    with Stranger(cluster) as stranger:
        stranger.send(Kind.HELLO, [PROTOCOL_VERSION, "n2", 1, "n1"])
        (life,) = stranger.next().value()
        for body in ([99, b"", 0], "nonsense", [], [2, b"\xc1", 0], [2, b"\x91\xa5store", 0]):
            stranger.send(Kind.MESSAGE, [life, body])
        stranger.send(Kind.PROBE, [7])
        assert stranger.next().kind == Kind.PROBED
    after = page(cluster, "n1", "status")["counters"]["messages_not_understood"]
    assert after - before == 5
    assert "protocol 99; this node speaks" in cluster.nodes["n1"].log.read_text(encoding="utf-8")
