"""The harness's way to a node that it started: lines of JSON on standard input and output.

A request is `{"id": 1, "do": "probe", ...}`, its answer has the same id, and `error` if it failed;
a line without an id is an event, as `{"event": "ready"}`. The end of the input is the end of the
node: whoever held the other end has gone.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
import threading
from typing import TYPE_CHECKING, Any, Final

import msgspec

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    Act = Callable[[Mapping[str, Any]], Awaitable[Mapping[str, Any]]]
    PromptAct = Callable[[Mapping[str, Any]], Mapping[str, Any]]
    """Called in the control's thread: it touches nothing that is the loop's."""

LINE_BYTES_MAX: Final = 2**20


class Control:
    """Answers requests: those of `prompt_acts` at once, of `acts` by a task of the loop for each.

    A thread of its own reads them. The loop waits for the disk, and a slow one would keep the
    harness waiting for several turns of it to move a clock; that needs nothing of the loop's.
    """

    def __init__(
        self,
        *,
        requests: int,
        answers: int,
        acts: Mapping[str, Act],
        prompt_acts: Mapping[str, PromptAct],
    ) -> None:
        """Read requests from one file descriptor, write answers to the other."""
        self._requests = requests
        self._answers = answers
        self._acts = acts
        self._prompt_acts = prompt_acts
        self._writing = threading.Lock()
        self._tasks: set[asyncio.Task[None]] = set()

    async def serve(self) -> None:
        """Answer until the input ends."""
        loop = asyncio.get_running_loop()
        ended = asyncio.Event()
        reading = threading.Thread(target=self._read, args=(loop, ended), daemon=True)
        reading.start()
        await ended.wait()

    def tell(self, **message: Any) -> None:
        """Write a line. Nobody there to read it is no concern of the node's."""
        with self._writing:
            try:
                os.write(self._answers, msgspec.json.encode(message) + b"\n")
            except OSError:
                return

    def _read(self, loop: asyncio.AbstractEventLoop, ended: asyncio.Event) -> None:
        """In the thread: take line after line, until the input ends or a line does not."""
        begun = b""
        with contextlib.suppress(RuntimeError):  # The loop is closed: the node ends.
            while len(begun) <= LINE_BYTES_MAX and (data := os.read(self._requests, 65_536)):
                *lines, begun = (begun + data).split(b"\n")
                for line in lines:
                    self._take(line, loop)
            loop.call_soon_threadsafe(ended.set)

    def _take(self, line: bytes, loop: asyncio.AbstractEventLoop) -> None:
        try:
            request = msgspec.json.decode(line, type=dict[str, Any])
        except msgspec.MsgspecError as error:
            self.tell(id=None, error=f"{type(error).__name__}: {error}")
            return
        act = self._prompt_acts.get(request.get("do", ""))
        if act is None:
            loop.call_soon_threadsafe(self._begin, request)
            return
        try:
            answer = act(request)
        except (LookupError, TypeError, ValueError) as error:
            self.tell(id=request.get("id"), error=f"{type(error).__name__}: {error}")
        else:
            self.tell(id=request.get("id"), **answer)

    def _begin(self, request: Mapping[str, Any]) -> None:
        task = asyncio.get_running_loop().create_task(self._answer(request))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _answer(self, request: Mapping[str, Any]) -> None:
        number = request.get("id")
        try:
            answer = await self._acts[request["do"]](request)
        except (LookupError, TypeError, ValueError) as error:
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
