"""The proxy of one directed link: whatever one node sends to another passes here, or does not.

It knows the frames of `systems_under_test.host.frames`. A cut takes everything, in silence: nodes
see neither a refusal nor an end. Any other quality concerns messages and probes only; what a
connection needs to live (greeting, pings) passes, so that a slow link is slow and not broken.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from typing import TYPE_CHECKING, Final

from systems_under_test.environments.cluster import LinkQuality
from systems_under_test.environments.local.fate import copies
from systems_under_test.environments.narrow import Narrow
from systems_under_test.host.frames import BadFrame, Frame, FrameSplitter, Kind

if TYPE_CHECKING:
    from systems_under_test.rng import Rng

Address = tuple[str, int]

CLEAR: Final = LinkQuality()
CONNECT_S_MAX: Final = 5.0
PENDING_MAX: Final = 20_000
"""So many messages of a connection may be held back; then its sender has to wait."""
BILLION: Final = 1_000_000_000


class LinkProxy:
    """One directed link. Everything but the constructor is called in the loop's thread."""

    def __init__(self, *, receiver: Address, rng: Rng) -> None:
        self.receiver = receiver
        self.cut = False
        self.quality = CLEAR
        self.counters = {"passed": 0, "dropped": 0, "delayed": 0, "duplicated": 0}
        self._rng = rng
        self._narrow = Narrow()
        self._held: deque[tuple[Passage, Frame]] = deque()
        self._passages: set[Passage] = set()
        self._server: asyncio.Server | None = None

    async def listen(self, host: str) -> Address:
        """Accept connections of the sender; where."""
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(lambda: Passage(self), host, 0, backlog=512)
        address: Address = self._server.sockets[0].getsockname()[:2]
        return address

    def set_cut(self, cut: bool) -> None:
        """Cut or mend. Mending resets the connections that lost something, to be made anew."""
        mended = self.cut and not cut
        self.cut = cut
        for passage in tuple(self._passages):
            if mended and passage.silenced:
                passage.abort()

    def set_quality(self, quality: LinkQuality) -> None:
        """Do this to messages from now on; what is held is released if it is not held any more."""
        self.quality = quality
        while self._held and not quality.hold:
            passage, frame = self._held.popleft()
            self._after(0, 0, passage, frame)
            passage.settle(-1)

    def close(self) -> None:
        """End the link."""
        if self._server is not None:
            self._server.close()
        for passage in tuple(self._passages):
            passage.abort()

    def opened(self, passage: Passage) -> None:
        """A connection has been made."""
        self._passages.add(passage)

    def closed(self, passage: Passage) -> None:
        """A connection is over."""
        self._passages.discard(passage)

    def carry(self, passage: Passage, frame: Frame) -> None:
        """Decide what becomes of a frame of the sender."""
        message = frame.kind == Kind.MESSAGE
        if self.cut:
            passage.silenced = True
            self.counters["dropped"] += message
        elif not message and frame.kind != Kind.PROBE:
            passage.forward(frame)
        elif self.quality.hold:
            self.counters["delayed"] += message
            self._held.append((passage, frame))
            passage.settle(1)
        else:
            # One reading for all: who is interrupted between two would let the next message by.
            now = time.monotonic_ns()
            delays = self._through(frame, copies(self.quality, self._rng), now)
            self.counters["dropped"] += message and not delays
            self.counters["duplicated"] += message and len(delays) == 2
            self.counters["delayed"] += message and any(delays)
            for delay_ns in delays:
                self._after(now, delay_ns, passage, frame)

    def _through(self, frame: Frame, delays: tuple[int, ...], now: int) -> tuple[int, ...]:
        """The delays of the copies that find room in a narrow link, each in its turn."""
        rate = self.quality.rate_bytes_s
        if not rate:
            return delays
        late = []
        for delay_ns in delays:
            turn_ns = self._narrow.delay_ns(len(frame.raw()), rate, now)
            if turn_ns is not None:
                late.append(delay_ns + turn_ns)
        return tuple(late)

    def _after(self, now: int, delay_ns: int, passage: Passage, frame: Frame) -> None:
        """Deliver it so long after `now`, in nanoseconds of the loop's clock."""
        if not delay_ns:
            self._deliver(passage, frame)
            return
        passage.settle(1)
        loop = asyncio.get_running_loop()
        loop.call_at((now + delay_ns) / BILLION, self._deliver_late, passage, frame)

    def _deliver_late(self, passage: Passage, frame: Frame) -> None:
        self._deliver(passage, frame)
        passage.settle(-1)

    def _deliver(self, passage: Passage, frame: Frame) -> None:
        message = frame.kind == Kind.MESSAGE
        if self.cut:  # It was on its way when the link was cut.
            passage.silenced = True
            self.counters["dropped"] += message
        elif passage.forward(frame):
            self.counters["passed"] += message
        else:
            self.counters["dropped"] += message


class Passage(asyncio.Protocol):
    """One connection of the sender, and the one made for it to the receiver."""

    def __init__(self, link: LinkProxy) -> None:
        self._link = link
        self._splitter = FrameSplitter()
        self._near: asyncio.Transport | None = None
        self._far: asyncio.Transport | None = None
        self._connecting: asyncio.Task[None] | None = None
        self._unsettled = 0
        self._near_ended = False
        self._far_full = False
        self._reading = True
        self.silenced = False
        """The cut has swallowed something of it: it cannot go on as if nothing had been."""

    # The sender's side.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Reach for the receiver; during a cut nobody answers."""
        assert isinstance(transport, asyncio.Transport)
        self._near = transport
        self._link.opened(self)
        if self._link.cut:
            self.silenced = True
            return
        transport.pause_reading()
        self._connecting = asyncio.get_running_loop().create_task(self._reach())

    def data_received(self, data: bytes) -> None:
        """Carry what is whole."""
        try:
            for frame in self._splitter.feed(data):
                self._link.carry(self, frame)
        except BadFrame:
            self.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        """The sender has closed: so shall the receiver see, after what is still on its way."""
        self._near = None
        self._near_ended = True
        if self._link.cut and self._far is not None:
            self.silenced = True  # The receiver learns of it when the link is mended.
        else:
            self._end_if_settled()

    def pause_writing(self) -> None:
        """The sender does not read its answers; there are few, let them wait."""

    def resume_writing(self) -> None:
        """The sender reads again."""

    # The receiver's side.

    async def _reach(self) -> None:
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(CONNECT_S_MAX):
                await loop.create_connection(lambda: _Far(self), *self._link.receiver)
        except (OSError, TimeoutError):
            if self._link.cut:
                self.silenced = True
            else:
                self.abort()

    def far_made(self, transport: asyncio.Transport) -> None:
        """The receiver has been reached; let the sender speak."""
        self._far = transport
        if self._near is None:
            self._end_if_settled()
        else:
            self._near.resume_reading()

    def far_received(self, data: bytes) -> None:
        """An answer for the sender."""
        if self._link.cut:
            self.silenced = True
        elif self._near is not None:
            self._near.write(data)

    def far_lost(self) -> None:
        """The receiver has closed, or died."""
        self._far = None
        if self._link.cut:
            self.silenced = True  # The sender learns of it when the link is mended.
        else:
            self.abort()

    def far_full(self, full: bool) -> None:
        """The receiver cannot take more for now, or can again."""
        self._far_full = full
        self._pace()

    # What the link asks of it.

    def forward(self, frame: Frame) -> bool:
        """Pass a frame on to the receiver; False if it is gone."""
        if self._far is None or self._far.is_closing():
            return False
        self._far.write(frame.raw())
        return True

    def settle(self, change: int) -> None:
        """So many more frames of this connection are on their way."""
        self._unsettled += change
        self._pace()
        if self._near_ended and not self._link.cut:
            self._end_if_settled()

    def abort(self) -> None:
        """Reset both sides at once."""
        self._link.closed(self)
        if self._connecting is not None:
            self._connecting.cancel()
        for transport in (self._near, self._far):
            if transport is not None:
                transport.abort()

    def _end_if_settled(self) -> None:
        if self._unsettled and self._far is not None:
            return
        self._link.closed(self)
        if self._far is not None:
            self._far.close()
        elif self._connecting is not None:
            self._connecting.cancel()

    def _pace(self) -> None:
        reading = not self._far_full and self._unsettled < PENDING_MAX
        if self._near is None or self._far is None or reading == self._reading:
            return
        self._reading = reading
        if reading:
            self._near.resume_reading()
        else:
            self._near.pause_reading()


class _Far(asyncio.Protocol):
    """The connection to the receiver."""

    def __init__(self, passage: Passage) -> None:
        self._passage = passage

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._passage.far_made(transport)

    def data_received(self, data: bytes) -> None:
        self._passage.far_received(data)

    def connection_lost(self, exc: Exception | None) -> None:
        self._passage.far_lost()

    def pause_writing(self) -> None:
        self._passage.far_full(True)

    def resume_writing(self) -> None:
        self._passage.far_full(False)
