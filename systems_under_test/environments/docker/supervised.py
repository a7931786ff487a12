"""The harness's end of a supervisor's port."""

from __future__ import annotations

import json
import socket
import time
from typing import TYPE_CHECKING, Any, Final

from systems_under_test.environments.cluster import EnvironmentFailed
from systems_under_test.environments.docker.supervisor import RUN_S_MAX, read_line

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

Address = tuple[str, int]

ANSWER_S_MAX: Final = 6.0
HELLO_S: Final = 0.02


class Unreachable(EnvironmentFailed):
    """No supervisor answers there: its container is paused, dead, or not up yet."""


class Supervised:
    """A container's supervisor. May be used by several threads: each request connects anew."""

    def __init__(self, name: str, address: Address, token: str) -> None:
        self.name = name
        self._address = address
        self._token = token

    def await_hello(self, within_s: float) -> None:
        """Wait until it answers. Raises Unreachable."""
        deadline = time.monotonic() + within_s
        while True:
            try:
                self.ask("hello", timeout_s=1.0)
            except Unreachable:
                if time.monotonic() > deadline:
                    raise
                time.sleep(HELLO_S)
            else:
                return

    def ask(self, do: str, *, timeout_s: float = ANSWER_S_MAX, **fields: Any) -> Mapping[str, Any]:
        """The answer to a request. Raises Unreachable, EnvironmentFailed if it was refused."""
        connection, answer = self._exchange(do, timeout_s, fields)
        connection.close()
        return answer

    def start(self, command: Sequence[str], *, log: str) -> tuple[int, socket.socket]:
        """Start the node's process: its pid in the container, and its control connection."""
        connection, answer = self._exchange(
            "start", ANSWER_S_MAX, {"command": list(command), "log": log}
        )
        connection.settimeout(None)
        return int(answer["pid"]), connection

    def run(self, programs: Sequence[tuple[Sequence[str], str]]) -> list[str]:
        """What these programs print, run there side by side. Raises EnvironmentFailed."""
        listed = [[list(command), fed] for command, fed in programs]
        answer = self.ask("run", timeout_s=RUN_S_MAX + ANSWER_S_MAX, programs=listed)
        outputs = []
        for (command, _), (status, out, error) in zip(programs, answer["results"], strict=True):
            if status:
                raise EnvironmentFailed(f"{self.name}: {' '.join(command)}: {error.strip()}")
            outputs.append(out)
        return outputs

    def _exchange(
        self, do: str, timeout_s: float, fields: Mapping[str, Any]
    ) -> tuple[socket.socket, Mapping[str, Any]]:
        request = {"token": self._token, "do": do, **fields}
        try:
            connection = socket.create_connection(self._address, timeout_s)
        except OSError as error:
            raise Unreachable(f"the supervisor of {self.name} cannot be reached: {error}") from None
        try:
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            connection.sendall(json.dumps(request).encode() + b"\n")
            answer = json.loads(read_line(connection))
        except (OSError, ValueError) as error:
            connection.close()
            raise Unreachable(
                f"the supervisor of {self.name} did not answer `{do}`: {error}"
            ) from None
        if "error" in answer:
            connection.close()
            raise EnvironmentFailed(f"{self.name}: {do}: {answer['error']}")
        return connection, answer
