"""The harness's end of a node's control: requests and answers over the node's standard streams."""

from __future__ import annotations

import asyncio
from typing import IO, TYPE_CHECKING, Any, Final

import msgspec

from systems_under_test.environments.cluster import EnvironmentFailed

if TYPE_CHECKING:
    import socket
    from collections.abc import Mapping

LINE_BYTES_MAX: Final = 2**20


class ControlChannel:
    """Speaks with one life of a node. Everything but the constructor runs in the loop's thread."""

    def __init__(self, node: str) -> None:
        self._node = node
        self._number = 0
        self._answers: dict[int, asyncio.Future[Mapping[str, Any]]] = {}
        self._writer: asyncio.WriteTransport | None = None
        self._reading: asyncio.Task[None] | None = None
        self._ended = asyncio.Event()
        self._ready = asyncio.Event()

    async def open(self, requests: IO[bytes], answers: IO[bytes]) -> None:
        """Take over the pipes and say `go`."""
        loop = asyncio.get_running_loop()
        reader = asyncio.StreamReader(limit=LINE_BYTES_MAX)
        transport, _ = await loop.connect_read_pipe(
            lambda: asyncio.StreamReaderProtocol(reader), answers
        )
        writer, _ = await loop.connect_write_pipe(asyncio.BaseProtocol, requests)
        self._go(reader, transport, writer)

    async def open_socket(self, connection: socket.socket) -> None:
        """The same over a connection that carries both directions."""
        loop = asyncio.get_running_loop()
        reader = asyncio.StreamReader(limit=LINE_BYTES_MAX)
        connection.setblocking(False)
        transport, _ = await loop.create_connection(
            lambda: asyncio.StreamReaderProtocol(reader), sock=connection
        )
        self._go(reader, transport, transport)

    def _go(
        self,
        reader: asyncio.StreamReader,
        transport: asyncio.BaseTransport,
        writer: asyncio.WriteTransport,
    ) -> None:
        self._writer = writer
        self._reading = asyncio.get_running_loop().create_task(self._read(reader, transport))
        writer.write(b"go\n")

    async def ready(self, timeout_s: float) -> bool:
        """Wait until the node serves; False if it ended first. Raises TimeoutError."""
        waits = [asyncio.create_task(event.wait()) for event in (self._ready, self._ended)]
        try:
            done, _ = await asyncio.wait(
                waits, timeout=timeout_s, return_when=asyncio.FIRST_COMPLETED
            )
        finally:
            for task in waits:
                task.cancel()
        if not done:
            raise TimeoutError
        return self._ready.is_set() and not self._ended.is_set()

    def post(self, do: str, **fields: Any) -> asyncio.Future[Mapping[str, Any]]:
        """Send a request; the answer comes when the node gives it. Raises EnvironmentFailed."""
        if self._ended.is_set() or self._writer is None or self._writer.is_closing():
            raise EnvironmentFailed(f"node {self._node} does not run: it cannot {do}")
        self._number += 1
        answer = asyncio.get_running_loop().create_future()
        self._answers[self._number] = answer
        self._writer.write(msgspec.json.encode({"id": self._number, "do": do, **fields}) + b"\n")
        return answer

    async def ask(self, do: str, *, timeout_s: float, **fields: Any) -> Mapping[str, Any]:
        """The answer to a request. Raises EnvironmentFailed if none comes in time."""
        try:
            async with asyncio.timeout(timeout_s):
                return await self.post(do, **fields)
        except TimeoutError:
            raise EnvironmentFailed(
                f"node {self._node} did not answer `{do}` within {timeout_s:g} s"
            ) from None

    async def close(self) -> None:
        """Let go of the pipes."""
        if self._writer is not None and not self._writer.is_closing():
            self._writer.abort()
        if self._reading is not None:
            self._reading.cancel()
            await asyncio.gather(self._reading, return_exceptions=True)

    async def _read(self, reader: asyncio.StreamReader, transport: asyncio.BaseTransport) -> None:
        try:
            while line := await _next_line(reader):
                self._take(msgspec.json.decode(line, type=dict[str, Any]))
        finally:
            transport.close()
            self._ended.set()
            for answer in self._answers.values():
                if not answer.done():
                    answer.set_exception(
                        EnvironmentFailed(f"node {self._node} ended before it answered")
                    )
                    answer.exception()  # Seen: whoever has stopped waiting shall not be warned.
            self._answers.clear()

    def _take(self, message: Mapping[str, Any]) -> None:
        if message.get("event") == "ready":
            self._ready.set()
            return
        answer = self._answers.pop(message.get("id", 0), None)
        if answer is None or answer.done():
            return
        if "error" in message:
            answer.set_exception(EnvironmentFailed(f"node {self._node}: {message['error']}"))
            answer.exception()
        else:
            answer.set_result(message)


async def _next_line(reader: asyncio.StreamReader) -> bytes:
    """The next line, nothing at the end: a connection that is reset has ended, as a pipe does."""
    try:
        return await reader.readline()
    except ConnectionError:
        return b""
