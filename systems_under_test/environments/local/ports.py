"""Loopback ports that stay ours from the first start of a node to the end of the cluster."""

from __future__ import annotations

import contextlib
import socket
from typing import Final

from systems_under_test.environments.cluster import EnvironmentFailed

LOOPBACK: Final = "127.0.0.1"


class HeldPort:
    """A port that is bound here without listening, so that nobody else is given it.

    The node listens on it beside us (SO_REUSEPORT). While the node is dead the port refuses
    connections, as that of a dead node should, and cannot be taken by a stranger.
    """

    def __init__(self) -> None:
        """Take a free port. Raises EnvironmentFailed."""
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        try:
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
            self._socket.bind((LOOPBACK, 0))
        except OSError as error:
            self._socket.close()
            raise EnvironmentFailed(f"no port can be had on {LOOPBACK}: {error}") from error
        self.address: tuple[str, int] = (LOOPBACK, self._socket.getsockname()[1])

    def release(self) -> None:
        """Give it back."""
        with contextlib.suppress(OSError):
            self._socket.close()
