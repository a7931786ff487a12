"""Links to other nodes: one TCP connection for each direction.

A message from this node to another travels only on a connection that this node opened, so that
what stands between two nodes can fail in one direction and not in the other. Backwards the
connection carries nothing but its own talk: the greeting and the answers to pings and probes.
"""

from __future__ import annotations

import asyncio
from collections import deque
from typing import TYPE_CHECKING, Final

from systems_under_test.host.frames import (
    PROTOCOL_VERSION,
    BadFrame,
    Frame,
    FrameSplitter,
    Kind,
    pack,
)

if TYPE_CHECKING:
    from systems_under_test.host.log import NodeLog
    from systems_under_test.replica import Wire

Address = tuple[str, int]

BACKOFF_S_MIN: Final = 0.01
BACKOFF_S_MAX: Final = 0.1
GREETING_S_MAX: Final = 1.0
HEARTBEAT_S: Final = 0.5
UNANSWERED_MAX: Final = 4
"""So many pings without an answer, and the connection is taken for dead."""
QUEUE_MESSAGES_MAX: Final = 4_096
QUEUE_BYTES_MAX: Final = 4 * 2**20
_WRITE_BUFFER_BYTES: Final = 2**20


class Link:
    """The way to one other node, connected whenever that is possible."""

    def __init__(
        self, *, node: str, incarnation: int, to: str, address: Address, log: NodeLog
    ) -> None:
        self.to = to
        self._hello = pack(Kind.HELLO, [PROTOCOL_VERSION, node, incarnation, to])
        self._address = address
        self._log = log
        self._receiver = 0
        self._connection: Outgoing | None = None
        self._queue: deque[tuple[int, bytes]] = deque()
        self._queued_bytes = 0
        self._hurry = asyncio.Event()
        self._up = asyncio.Event()
        self._probes = 0
        self._refusal = ""
        self.tried = asyncio.Event()
        self.counters = {
            "sent": 0,
            "dropped_unmet": 0,
            "dropped_overflow": 0,
            "dropped_outlived": 0,
            "dropped_too_long": 0,
            "connections": 0,
        }

    def send(self, body: Wire) -> None:
        """Send a message to the life that is known; keep it for a while if that cannot be now.

        Before the first greeting no life is known, and the message is lost: kept for whoever
        answers, it could reach a later life than the one it was sent to.
        """
        if not self._receiver:
            self.counters["dropped_unmet"] += 1
            return
        try:
            frame = pack(Kind.MESSAGE, [self._receiver, body])
        except ValueError as error:
            # Lost like any message that the network loses: of that no node dies.
            self.counters["dropped_too_long"] += 1
            self._log.say("message dropped", to=self.to, reason=str(error))
            return
        if not self._queue and self._connection is not None and self._connection.writable:
            self._connection.write(frame)
            self.counters["sent"] += 1
            return
        self._queue.append((self._receiver, frame))
        self._queued_bytes += len(frame)
        while len(self._queue) > QUEUE_MESSAGES_MAX or self._queued_bytes > QUEUE_BYTES_MAX:
            self._forget_oldest("dropped_overflow")

    async def keep_connected(self) -> None:
        """Connect, and again whenever the connection is lost; ends when it is cancelled."""
        loop = asyncio.get_running_loop()
        pause_s = 0.0
        while True:
            if pause_s:
                await self._rest(pause_s)
            greeted = loop.time()
            connection = await self._greet()
            self.tried.set()
            if connection is None:
                pause_s = min(max(2 * pause_s, BACKOFF_S_MIN), BACKOFF_S_MAX)
                continue
            self._welcomed(connection)
            await connection.watch()
            self._connection = None
            self._up.clear()
            # At once the first time; but not in circles if the other side keeps hanging up.
            pause_s = 0.0 if loop.time() - greeted > BACKOFF_S_MAX else BACKOFF_S_MIN

    async def probe(self, timeout_s: float) -> float | None:
        """How many seconds a message took to the other node and back, tried on the real path.

        None if none reached it within that time. To connect first is not counted.
        """
        loop = asyncio.get_running_loop()
        deadline = loop.time() + timeout_s
        try:
            async with asyncio.timeout_at(deadline):
                while True:  # Ends with the time-out; each turn waits for a connection's end.
                    self._hurry.set()
                    await self._up.wait()
                    connection = self._connection
                    self._probes += 1
                    began = loop.time()
                    if connection is not None and await connection.probe(self._probes):
                        return loop.time() - began
                    await asyncio.sleep(0)
        except TimeoutError:
            return None

    def flush(self) -> None:
        """Send what was kept for the life that is connected now, and forget the rest."""
        connection = self._connection
        while self._queue and connection is not None and connection.writable:
            receiver, frame = self._queue[0]
            if receiver != self._receiver:
                self._forget_oldest("dropped_outlived")
                continue
            self._queue.popleft()
            self._queued_bytes -= len(frame)
            connection.write(frame)
            self.counters["sent"] += 1

    def refused(self, reason: str) -> None:
        """The other side will not talk to us; said once, tried further."""
        if reason != self._refusal:
            self._refusal = reason
            self._log.say("link refused", to=self.to, reason=reason)

    def _welcomed(self, connection: Outgoing) -> None:
        """From now on messages go to the life that has answered."""
        self._receiver = connection.greeted.result()
        self._connection = connection
        self._refusal = ""
        self._up.set()
        self.counters["connections"] += 1
        self._log.say("link up", to=self.to, incarnation=self._receiver)
        self.flush()

    def _forget_oldest(self, counter: str) -> None:
        _, frame = self._queue.popleft()
        self._queued_bytes -= len(frame)
        self.counters[counter] += 1

    async def _rest(self, pause_s: float) -> None:
        self._hurry.clear()
        try:
            async with asyncio.timeout(pause_s):
                await self._hurry.wait()
        except TimeoutError:
            pass

    async def _greet(self) -> Outgoing | None:
        loop = asyncio.get_running_loop()
        connection: Outgoing | None = None
        try:
            async with asyncio.timeout(GREETING_S_MAX):
                _, connection = await loop.create_connection(
                    lambda: Outgoing(self, self._hello), *self._address
                )
                if await connection.greeted:
                    return connection
        except (OSError, TimeoutError):
            pass
        if connection is not None:
            connection.close()
        return None


class Outgoing(asyncio.Protocol):
    """One connection that this node opened."""

    def __init__(self, link: Link, hello: bytes) -> None:
        loop = asyncio.get_running_loop()
        self._link = link
        self._hello = hello
        self._transport: asyncio.Transport | None = None
        self._splitter = FrameSplitter()
        self._probes: dict[int, asyncio.Future[bool]] = {}
        self._unanswered = 0
        self._paused = False
        self._lost: asyncio.Future[None] = loop.create_future()
        self.greeted: asyncio.Future[int] = loop.create_future()
        """The receiver's incarnation; 0 if the connection was lost before it answered."""

    @property
    def writable(self) -> bool:
        """Whether a frame can go out now."""
        transport = self._transport
        return transport is not None and not self._paused and not transport.is_closing()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Say hello."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        transport.set_write_buffer_limits(high=_WRITE_BUFFER_BYTES)
        transport.write(self._hello)

    def connection_lost(self, exc: Exception | None) -> None:
        """Tell whoever waits."""
        self._transport = None
        if not self.greeted.done():
            self.greeted.set_result(0)
        if not self._lost.done():
            self._lost.set_result(None)
        for probe in self._probes.values():
            if not probe.done():
                probe.set_result(False)

    def data_received(self, data: bytes) -> None:
        """Take the answers."""
        try:
            for frame in self._splitter.feed(data):
                self._take(frame)
        except (BadFrame, ValueError, TypeError) as error:
            self._link.refused(f"it does not speak our protocol: {error}")
            self.close()

    def pause_writing(self) -> None:
        """The way is full: let the link keep its messages."""
        self._paused = True

    def resume_writing(self) -> None:
        """The way is free again."""
        self._paused = False
        self._link.flush()

    def write(self, frame: bytes) -> None:
        """Send a frame."""
        if self._transport is not None:
            self._transport.write(frame)

    def close(self) -> None:
        """Let go of it. What was sent may still arrive, which a reset could prevent."""
        transport = self._transport
        if transport is not None:
            transport.close()
            asyncio.get_running_loop().call_later(GREETING_S_MAX, transport.abort)

    async def watch(self) -> None:
        """Wait until the connection is lost, or answers no ping any more."""
        while not self._lost.done():
            # Pings are counted, not seconds: after a pause of this process no time has passed
            # for a connection on which nothing was asked.
            await asyncio.wait((self._lost,), timeout=HEARTBEAT_S)
            if self._unanswered >= UNANSWERED_MAX:
                self.close()
                return
            self._unanswered += 1
            self.write(pack(Kind.PING, []))

    async def probe(self, number: int) -> bool:
        """Send a probe; whether it was answered before the connection was lost."""
        answer: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        self._probes[number] = answer
        try:
            if self._lost.done():
                return False
            self.write(pack(Kind.PROBE, [number]))
            return await answer
        finally:
            del self._probes[number]

    def _take(self, frame: Frame) -> None:
        self._unanswered = 0
        if frame.kind == Kind.WELCOME:
            (receiver,) = frame.value()
            if not self.greeted.done():
                self.greeted.set_result(int(receiver))
        elif frame.kind == Kind.PROBED:
            (number,) = frame.value()
            answer = self._probes.get(number)
            if answer is not None and not answer.done():
                answer.set_result(True)
        elif frame.kind == Kind.REFUSAL:
            (reason,) = frame.value()
            self._link.refused(str(reason))
            self.close()
