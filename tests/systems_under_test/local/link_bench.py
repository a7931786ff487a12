"""A link's proxy between a sender and a receiver that are bare sockets."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING, Any

from systems_under_test.environments.local.proxy import LinkProxy
from systems_under_test.host.frames import Frame, FrameSplitter, Kind, pack
from systems_under_test.rng import Rng

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

PATIENCE_S = 30
"""For what will come: a busy machine may take long."""


class Bench:
    """A proxy, a receiver that answers every ping, and one connection of a sender."""

    def __init__(self, proxy: LinkProxy) -> None:
        self.proxy = proxy
        self.got: list[Frame] = []
        self.connections = 0
        self._came = asyncio.Event()
        self._splitter = FrameSplitter()
        self.reader: asyncio.StreamReader
        self.writer: asyncio.StreamWriter

    async def receive(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        splitter = FrameSplitter()
        with contextlib.suppress(ConnectionError):
            while data := await reader.read(65_536):
                for frame in splitter.feed(data):
                    self.got.append(frame)
                    self._came.set()
                    if frame.kind == Kind.PING:
                        writer.write(pack(Kind.PONG, []))
        writer.close()

    def send(self, kind: Kind, value: Any) -> None:
        self.writer.write(pack(kind, value))

    async def messages(self, count: int) -> list[Any]:
        def seen() -> list[Any]:
            return [frame.value() for frame in self.got if frame.kind == Kind.MESSAGE]

        async with asyncio.timeout(PATIENCE_S):
            while len(seen()) < count:
                self._came.clear()
                await self._came.wait()
        return seen()

    async def answer(self) -> int:
        async with asyncio.timeout(PATIENCE_S):
            (frame,) = self._splitter.feed(await self.reader.read(1000))
        return frame.kind

    async def silence(self, for_s: float = 0.05) -> bool:
        """Whether the sender hears nothing, not even an end, for so long."""
        try:
            async with asyncio.timeout(for_s):
                await self.reader.read(1000)
        except TimeoutError:
            return True
        return False


@contextlib.asynccontextmanager
async def bench() -> AsyncIterator[Bench]:
    made = Bench(LinkProxy(receiver=("127.0.0.1", 0), rng=Rng("test")))
    server = await asyncio.start_server(made.receive, "127.0.0.1", 0)
    made.proxy.receiver = server.sockets[0].getsockname()[:2]
    entrance = await made.proxy.listen("127.0.0.1")
    made.reader, made.writer = await asyncio.open_connection(*entrance)
    try:
        yield made
    finally:
        made.writer.close()
        made.proxy.close()
        server.close()
        await asyncio.sleep(0.02)


def run(scene: Callable[[Bench], Awaitable[None]]) -> None:
    async def played() -> None:
        async with bench() as made:
            await scene(made)

    asyncio.run(played())
