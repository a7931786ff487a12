"""Threads that carry out operations in real time: one for each client, one for the nemesis."""

from __future__ import annotations

import threading
import traceback
from dataclasses import dataclass
from queue import SimpleQueue
from typing import TYPE_CHECKING

from workloads.client import Completion

if TYPE_CHECKING:
    from collections.abc import Callable

    from lineal.interpreters.desk import Begun
    from systems_under_test.environments.http_client import HttpClient
    from workloads.client import Client, Codec
    from workloads.invocations import Invocation


@dataclass(frozen=True, slots=True)
class Ended:
    """A worker's result: what it was asked, how it ended, and when (nanoseconds of the run)."""

    worker: Worker
    begun: Begun
    completion: Completion
    time: int
    crash: str | None = None


class Worker:
    """A thread that performs one operation at a time and puts the result into a queue.

    One that hangs is abandoned: its thread is a daemon and whatever it still answers is dropped,
    since nobody waits for that operation any more.
    """

    def __init__(
        self,
        perform: Callable[[Begun], Completion],
        close: Callable[[], None],
        results: SimpleQueue[Ended],
        clock: Callable[[], int],
    ) -> None:
        self._perform = perform
        self._close = close
        self._results = results
        self._clock = clock
        self._inbox: SimpleQueue[Begun | None] = SimpleQueue()
        self._thread = threading.Thread(target=self._work, daemon=True)
        self._thread.start()

    def ask(self, begun: Begun) -> None:
        """Perform this next."""
        self._inbox.put(begun)

    def stop(self) -> None:
        """End after what is in hand; does not wait."""
        self._inbox.put(None)

    def join(self, timeout_s: float) -> None:
        """Wait until it has ended, at most this long."""
        self._thread.join(timeout_s)

    def _work(self) -> None:
        while (begun := self._inbox.get()) is not None:
            crash = None
            try:
                completion = self._perform(begun)
            except Exception as error:
                # Whatever a client raises, the operation may have happened.
                completion = Completion("info", error=f"raised {error!r}")
                crash = traceback.format_exc()
            self._results.put(Ended(self, begun, completion, self._clock(), crash))
        self._close()


class CodecClient:
    """A client of a bundled system: its codec over HTTP."""

    def __init__(self, codec: Codec, http: HttpClient) -> None:
        self._codec = codec
        self._http = http

    def invoke(self, invocation: Invocation, request_id: str, timeout_s: float) -> Completion:
        """Encode, call, decode."""
        reply = self._http.call(self._codec.encode(invocation, request_id), timeout_s)
        return self._codec.decode(invocation, reply)

    def close(self) -> None:
        """Close the connection."""
        self._http.close()


class ClientPool:
    """The connections of one worker, one to each node it has had to do with."""

    def __init__(self, connect: Callable[[str], Client], timeout_s: float) -> None:
        self._connect = connect
        self._timeout_s = timeout_s
        self._clients: dict[str, Client] = {}

    def perform(self, begun: Begun) -> Completion:
        """Carry out a client operation against its node."""
        assert begun.node is not None
        client = self._clients.get(begun.node)
        if client is None:
            client = self._clients[begun.node] = self._connect(begun.node)
        return client.invoke(begun.invocation, begun.request, self._timeout_s)

    def close(self) -> None:
        """Close every connection."""
        for client in self._clients.values():
            client.close()
