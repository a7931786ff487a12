"""The other end of links: connections that other nodes have opened to this one."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final, Protocol

from systems_under_test.host.frames import (
    PROTOCOL_VERSION,
    BadFrame,
    Frame,
    FrameSplitter,
    Kind,
    pack,
)
from systems_under_test.replica import PeerMessage, Place

if TYPE_CHECKING:
    from systems_under_test.host.log import NodeLog

CONNECTIONS_MAX: Final = 1_000
SWEEP_S: Final = 15.0
"""A connection on which nothing came between two sweeps is closed: its opener pings oftener."""


class Inbox(Protocol):
    """Where messages go."""

    def offer(self, event: PeerMessage) -> bool:
        """Take an input; False when there is no room."""
        ...


class PeerServer:
    """Receives the messages of other nodes for one life of this one."""

    def __init__(self, *, place: Place, incarnation: int, inbox: Inbox, log: NodeLog) -> None:
        self.place = place
        self.incarnation = incarnation
        self.log = log
        self._inbox = inbox
        self.connections: set[Incoming] = set()
        self.counters = {"received": 0, "dropped_not_ours": 0, "dropped_overflow": 0}

    def connection(self) -> Incoming:
        """The protocol of a new connection, for `loop.create_server`."""
        return Incoming(self)

    def deliver(self, sender: str, sender_incarnation: int, frame: Frame) -> None:
        """Hand a message to the replica, unless it was sent to an earlier life."""
        receiver_incarnation, body = frame.value()
        if receiver_incarnation != self.incarnation:
            self.counters["dropped_not_ours"] += 1
        elif self._inbox.offer(PeerMessage(sender, sender_incarnation, body)):
            self.counters["received"] += 1
        else:
            self.counters["dropped_overflow"] += 1

    async def sweep(self) -> None:
        """Close connections that have fallen silent; ends when it is cancelled."""
        while True:
            await asyncio.sleep(SWEEP_S)
            for connection in tuple(self.connections):
                connection.sweep()

    def close(self) -> None:
        """End every connection."""
        for connection in tuple(self.connections):
            connection.abort()


class Incoming(asyncio.Protocol):
    """One connection that another node opened."""

    def __init__(self, server: PeerServer) -> None:
        self._server = server
        self._splitter = FrameSplitter()
        self._transport: asyncio.Transport | None = None
        self._sender: tuple[str, int] | None = None
        self._silent = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Wait for the hello."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._server.connections.add(self)
        if len(self._server.connections) > CONNECTIONS_MAX:
            transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget it."""
        self._server.connections.discard(self)

    def data_received(self, data: bytes) -> None:
        """Take what has come; end the connection if it is not ours."""
        self._silent = False
        try:
            for frame in self._splitter.feed(data):
                self._take(frame)
        except (BadFrame, ValueError, TypeError) as error:
            self._refuse(f"this is no frame of ours: {error}")

    def sweep(self) -> None:
        """Close it if nothing has come since the last sweep."""
        if self._silent:
            self.abort()
        self._silent = True

    def abort(self) -> None:
        """End it at once."""
        if self._transport is not None:
            self._transport.abort()

    def _take(self, frame: Frame) -> None:
        if self._transport is None or self._transport.is_closing():
            return
        if self._sender is None:
            self._greet(frame)
        elif frame.kind == Kind.MESSAGE:
            self._server.deliver(*self._sender, frame)
        elif frame.kind == Kind.PING:
            self._transport.write(pack(Kind.PONG, []))
        elif frame.kind == Kind.PROBE:
            self._transport.write(pack(Kind.PROBED, frame.value()))

    def _greet(self, frame: Frame) -> None:
        if frame.kind != Kind.HELLO:
            raise BadFrame("it does not begin with a hello")
        version, sender, incarnation, receiver = frame.value()
        place = self._server.place
        if version != PROTOCOL_VERSION:
            self._refuse(f"we speak version {PROTOCOL_VERSION}, they {version!r}")
        elif receiver != place.node:
            self._refuse(f"this is {place.node}, they look for {receiver!r}")
        elif sender not in place.nodes:
            self._refuse(f"{sender!r} is none of the nodes {', '.join(place.nodes)}")
        elif self._transport is not None:
            self._sender = (sender, int(incarnation))
            self._transport.write(pack(Kind.WELCOME, [self._server.incarnation]))

    def _refuse(self, reason: str) -> None:
        self._server.log.say("connection refused", reason=reason)
        if self._transport is not None and not self._transport.is_closing():
            self._transport.write(pack(Kind.REFUSAL, [reason]))
            self._transport.close()
