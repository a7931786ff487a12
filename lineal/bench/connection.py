"""A keep-alive HTTP connection for many clients in one process; requests on it are queued."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from collections.abc import Mapping


class Connection:
    """One connection; what is asked while an answer is awaited waits its turn."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        self._turn = asyncio.Lock()

    @classmethod
    async def to(cls, address: tuple[str, int]) -> Self:
        """Connect. Raises OSError."""
        return cls(*await asyncio.open_connection(*address))

    async def ask(
        self, method: str, target: str, headers: Mapping[str, str], body: bytes
    ) -> tuple[int, bytes]:
        """Status and body of the answer. Raises OSError, or EOFError where none comes."""
        lines = [f"{method} {target} HTTP/1.1", "host: bench", f"content-length: {len(body)}"]
        lines += [f"{name}: {value}" for name, value in headers.items()]
        async with self._turn:
            self._writer.write("\r\n".join(lines).encode() + b"\r\n\r\n" + body)
            head = (await self._reader.readuntil(b"\r\n\r\n")).decode("latin-1").lower()
            status = int(head[9:12])
            _, _, rest = head.partition("\r\ncontent-length:")
            length = int(rest.partition("\r\n")[0])
            return status, await self._reader.readexactly(length)

    def close(self) -> None:
        """Let go of it."""
        self._writer.close()
