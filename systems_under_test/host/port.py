"""A port that is taken before a life is counted, and opened when the life can answer.

A start that finds its ports in use must leave everything as it was; and nobody is let in before
there is somebody to answer: until then a connection is refused, as by a node that is down.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable

    from systems_under_test.host.options import Address

BACKLOG: Final = 512


class PortTaken(Exception):
    """Nobody can be let in there; the message says where and why."""


class Port:
    """Made by `take`; `open` lets in."""

    def __init__(self, whom: str, address: Address) -> None:
        self._whom = f"{whom} on {address[0]}:{address[1]}"
        self._connection: Callable[[], asyncio.Protocol] = asyncio.Protocol
        self._server: asyncio.Server | None = None

    @classmethod
    async def take(cls, whom: str, address: Address, *, shared: bool) -> Port:
        """Bind it, for `whom` (clients, nodes); `shared`: it is held for us by others.

        Raises PortTaken.
        """
        port = cls(whom, address)
        loop = asyncio.get_running_loop()
        try:
            port._server = await loop.create_server(
                lambda: port._connection(),
                *address,
                backlog=BACKLOG,
                reuse_port=shared or None,
                start_serving=False,
            )
        except OSError as error:
            raise port._taken(error) from error
        return port

    async def open(self, connection: Callable[[], asyncio.Protocol]) -> Address:
        """Let in whoever comes, each to a protocol of its own; the address. Raises PortTaken."""
        assert self._server is not None
        self._connection = connection
        try:
            await self._server.start_serving()
        except OSError as error:
            raise self._taken(error) from error
        bound: Address = self._server.sockets[0].getsockname()[:2]
        return bound

    def close(self) -> None:
        """Let nobody in any more."""
        if self._server is not None:
            self._server.close()

    def _taken(self, error: OSError) -> PortTaken:
        return PortTaken(f"cannot listen for {self._whom}: {error.strerror}")
