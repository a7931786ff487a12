"""HTTP for clients: requests become inputs of the replica, its replies go back.

One request at a time on a connection, in the order in which they came; the next waits in a
bounded buffer. Whatever a client sends or fails to send, the node goes on.
"""

from __future__ import annotations

import asyncio
from http import HTTPStatus
from typing import TYPE_CHECKING, Final, Protocol

from systems_under_test.host.http_request import (
    BODY_BYTES_MAX,
    HEAD_BYTES_MAX,
    Head,
    Refused,
    parse_head,
    render_reply,
)
from systems_under_test.replica import ClientRequest, Respond

if TYPE_CHECKING:
    from collections.abc import Mapping

CONNECTIONS_MAX: Final = 1_000
OPEN_REQUESTS_MAX: Final = 10_000
HALF_SENT_S_MAX: Final = 10.0
"""So long may a request take from its first byte to its last."""

_LINGER_S: Final = 1.0
_BUFFER_MAX: Final = HEAD_BYTES_MAX + BODY_BYTES_MAX
_CONTINUE: Final = b"HTTP/1.1 100 Continue\r\n\r\n"


class Inbox(Protocol):
    """Where requests go."""

    def offer(self, event: ClientRequest) -> bool:
        """Take an input; False when there is no room."""
        ...


class HttpServer:
    """The clients' side of one life."""

    def __init__(self, inbox: Inbox) -> None:
        self._inbox = inbox
        self._last_id = 0
        # Requests without a reply yet; None where the client has gone. Kept also then: a second
        # reply to one request must be seen as the error that it is.
        self._open: dict[int, ClientConnection | None] = {}
        self.connections: set[ClientConnection] = set()
        self.counters = {"requests": 0, "refused": 0, "replies": 0, "replies_unwanted": 0}

    def connection(self) -> ClientConnection:
        """The protocol of a new connection, for `loop.create_server`."""
        return ClientConnection(self)

    def request(self, client: ClientConnection, head: Head, body: bytes) -> int | None:
        """Hand a request to the replica; its number, or None when there is no room."""
        self._last_id += 1
        request = ClientRequest(self._last_id, head.method, head.target, head.headers, body)
        if len(self._open) >= OPEN_REQUESTS_MAX or not self._inbox.offer(request):
            self.counters["refused"] += 1
            return None
        self._open[request.id] = client
        self.counters["requests"] += 1
        return request.id

    def respond(self, reply: Respond) -> None:
        """Send a reply. Raises ValueError for a second one, and for one that HTTP cannot carry."""
        if reply.request not in self._open:
            raise ValueError(f"a second reply, or one to no request: {reply.request}")
        client = self._open.pop(reply.request)
        if client is None:
            self.counters["replies_unwanted"] += 1
            return
        self.counters["replies"] += 1
        client.reply(reply.status, reply.headers, reply.body)

    def abandon(self, request: int) -> None:
        """The client of that request has gone."""
        if request in self._open:
            self._open[request] = None

    def close(self) -> None:
        """End every connection."""
        for client in tuple(self.connections):
            client.abort()


class ClientConnection(asyncio.Protocol):
    """One connection of one client."""

    def __init__(self, server: HttpServer) -> None:
        self._server = server
        self._transport: asyncio.Transport | None = None
        self._buffer = bytearray()
        self._head: Head | None = None
        self._waiting_for: int | None = None
        self._closing = False
        self._half_closed = False
        self._reading = True
        self._half_sent: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin, or turn away when there are too many."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._server.connections.add(self)
        if len(self._server.connections) > CONNECTIONS_MAX:
            self._refuse(Refused(HTTPStatus.SERVICE_UNAVAILABLE, "Too many connections."))

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the connection; a request in hand runs to its end without a listener."""
        self._closing = True
        self._server.connections.discard(self)
        self._stop_watch()
        if self._waiting_for is not None:
            self._server.abandon(self._waiting_for)

    def data_received(self, data: bytes) -> None:
        """Gather, and handle what has become whole."""
        if self._closing:
            return
        self._buffer += data
        if len(self._buffer) > _BUFFER_MAX and self._transport is not None:
            self._reading = False
            self._transport.pause_reading()
        self._advance()

    def eof_received(self) -> bool:
        """A client that has said all it will say still gets the reply that it waits for."""
        self._half_closed = True
        return self._waiting_for is not None

    def reply(self, status: int, headers: Mapping[str, str], body: bytes) -> None:
        """Send the reply to the request in hand and go on with the next."""
        head, self._head, self._waiting_for = self._head, None, None
        if self._transport is None or self._transport.is_closing() or head is None:
            return
        keep_alive = head.keep_alive and not self._half_closed
        with_body = head.method != "HEAD"
        self._transport.write(
            render_reply(status, headers, body, keep_alive=keep_alive, with_body=with_body)
        )
        if not keep_alive:
            self._closing = True
            self._transport.close()
            return
        if not self._reading:
            self._reading = True
            self._transport.resume_reading()
        if self._buffer:
            self._advance()

    def abort(self) -> None:
        """End it at once."""
        self._closing = True
        if self._transport is not None:
            self._transport.abort()

    def _advance(self) -> None:
        if self._waiting_for is not None or self._closing:
            return
        try:
            if self._head is None:
                self._head = self._take_head()
                if self._head is None:
                    return
            head = self._head
            if len(self._buffer) < head.body_bytes:
                return
            self._stop_watch()
            body = bytes(self._buffer[: head.body_bytes])
            del self._buffer[: head.body_bytes]
            self._waiting_for = self._server.request(self, head, body)
            if self._waiting_for is None:
                raise Refused(HTTPStatus.SERVICE_UNAVAILABLE, "The node has too much to do.")
        except Refused as refused:
            self._refuse(refused)

    def _take_head(self) -> Head | None:
        while self._buffer.startswith(b"\r\n"):
            del self._buffer[:2]  # RFC 9112, 2.2: empty lines before a request are passed over.
        end = self._buffer.find(b"\r\n\r\n", 0, HEAD_BYTES_MAX)
        if end < 0:
            if len(self._buffer) >= HEAD_BYTES_MAX:
                raise Refused(
                    HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE,
                    f"The head of the request is longer than {HEAD_BYTES_MAX} bytes.",
                )
            if self._buffer:
                self._watch()
            return None
        head = parse_head(bytes(self._buffer[:end]))
        del self._buffer[: end + 4]
        if len(self._buffer) < head.body_bytes:
            self._watch()
            if head.expects_continue and self._transport is not None:
                self._transport.write(_CONTINUE)
        return head

    def _watch(self) -> None:
        if self._half_sent is None:
            loop = asyncio.get_running_loop()
            self._half_sent = loop.call_later(HALF_SENT_S_MAX, self._too_slow)

    def _stop_watch(self) -> None:
        if self._half_sent is not None:
            self._half_sent.cancel()
            self._half_sent = None

    def _too_slow(self) -> None:
        self._half_sent = None
        self._refuse(
            Refused(
                HTTPStatus.REQUEST_TIMEOUT,
                f"The request was not complete after {HALF_SENT_S_MAX:g} s.",
            )
        )

    def _refuse(self, refused: Refused) -> None:
        self._server.counters["refused"] += 1
        self._closing = True
        self._stop_watch()
        transport = self._transport
        if transport is None or transport.is_closing():
            return
        transport.write(
            render_reply(refused.status, refused.headers, refused.body(), keep_alive=False)
        )
        # Closed at once, what the client is still sending would reset the connection, and the
        # client would see the reset and not the reason.
        transport.write_eof()
        asyncio.get_running_loop().call_later(_LINGER_S, transport.abort)
