"""The harness's way to a node that it started: lines of JSON on standard input and output.

A request is `{"id": 1, "do": "probe", ...}`, its answer has the same id, and `error` if it failed;
a line without an id is an event, as `{"event": "ready"}`. The end of the input is the end of the
node: whoever held the other end has gone.
"""

from __future__ import annotations

import asyncio
import os
import sys
from typing import TYPE_CHECKING, Any, Final

import msgspec

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    Act = Callable[[Mapping[str, Any]], Awaitable[Mapping[str, Any]]]

LINE_BYTES_MAX: Final = 2**20


class Control:
    """Answers requests, one task for each."""

    def __init__(self, *, requests: int, answers: int, acts: Mapping[str, Act]) -> None:
        """Read requests from one file descriptor, write answers to the other."""
        self._requests = requests
        self._answers = answers
        self._acts = acts
        self._tasks: set[asyncio.Task[None]] = set()

    async def serve(self) -> None:
        """Answer until the input ends."""
        loop = asyncio.get_running_loop()
        reader = asyncio.StreamReader(limit=LINE_BYTES_MAX)
        pipe = os.fdopen(self._requests, "rb", buffering=0)
        transport, _ = await loop.connect_read_pipe(
            lambda: asyncio.StreamReaderProtocol(reader), pipe
        )
        try:
            while line := await reader.readline():
                task = asyncio.create_task(self._answer(line))
                self._tasks.add(task)
                task.add_done_callback(self._tasks.discard)
        finally:
            transport.close()

    def tell(self, **message: Any) -> None:
        """Write a line. Nobody there to read it is no concern of the node's."""
        try:
            os.write(self._answers, msgspec.json.encode(message) + b"\n")
        except OSError:
            return

    async def _answer(self, line: bytes) -> None:
        number: Any = None
        try:
            request = msgspec.json.decode(line, type=dict[str, Any])
            number = request.get("id")
            answer = await self._acts[request["do"]](request)
        except (msgspec.MsgspecError, LookupError, TypeError, ValueError) as error:
            self.tell(id=number, error=f"{type(error).__name__}: {error}")
        else:
            self.tell(id=number, **answer)


def take_standard_streams() -> tuple[int, int]:
    """Keep standard input and output for the control; what the replica prints goes to the log."""
    requests, answers = os.dup(0), os.dup(1)
    null = os.open(os.devnull, os.O_RDONLY)
    os.dup2(null, 0)
    os.close(null)
    os.dup2(2, 1)
    sys.stdout = sys.stderr
    return requests, answers


def wait_for_go(requests: int) -> bool:
    """Read the line `go`, which says that somebody watches over this process; False at the end."""
    line = b""
    while not line.endswith(b"\n"):  # A byte at a time: what stands behind it is for `serve`.
        byte = os.read(requests, 1)
        if not byte or len(line) > 16:
            return False
        line += byte
    return line == b"go\n"
