"""Drives real nodes: real time, a thread for each client, hard deadlines."""

from __future__ import annotations

import logging
import time
from concurrent.futures import ThreadPoolExecutor
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Final

from checker.history.events import NEMESIS
from lineal.interpreters.breaking import act
from lineal.interpreters.workers import ClientPool, Ended, Worker
from nemesis.schedule import ROLES
from systems_under_test.environments.cluster import EnvironmentFailed
from workloads.client import Completion
from workloads.generators.protocol import Pending

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from lineal.interpreters.desk import Begun, Desk, Thread
    from nemesis.plan import Nemesis
    from systems_under_test.environments.cluster import Cluster
    from workloads.client import Client, Failure, Reply, Request
    from workloads.generators.protocol import Generator

POLL_NS: Final = 5_000_000
"""How long a generator that has nothing to do is left alone, unless an operation ends."""

GRACE_NS: Final = 1_000_000_000
"""How long after its deadline a worker may still answer before it is given up as hung."""

NEMESIS_TIMEOUT_NS: Final = 60_000_000_000
STOP_TIMEOUT_S: Final = 2.0

logger = logging.getLogger("lineal.interpreter")


class LiveWorld:
    """A `World` in real time; `close` ends its threads."""

    def __init__(
        self,
        *,
        cluster: Cluster,
        desk: Desk,
        connect: Callable[[str], Client],
        ask_node: Callable[[str, Request, float], Reply | Failure],
        nemesis: Nemesis,
        roles: Callable[[], Mapping[str, tuple[str, ...]]] = dict,
        timeout_ns: int,
        start_ns: int | None = None,
    ) -> None:
        self.cluster = cluster
        self.desk = desk
        self._connect = connect
        self._ask_node = ask_node
        self._nemesis = nemesis
        self._roles = roles
        self._timeout = timeout_ns
        self._start = time.monotonic_ns() if start_ns is None else start_ns
        self._results: SimpleQueue[Ended] = SimpleQueue()
        self._workers: dict[Thread, Worker] = {}
        self._deadlines: dict[Thread, int] = {}

    def now(self) -> int:
        """Nanoseconds since the run began, on this machine's monotonic clock."""
        return time.monotonic_ns() - self._start

    def run(self, generator: Generator) -> None:
        """Carry out a generator until it is exhausted and every operation has ended."""
        desk = self.desk
        desk.load(generator)
        while True:
            self._collect()
            now = self.now()
            proposal = desk.propose(now)
            if proposal is None:
                if not desk.busy:
                    return
                self._await(GRACE_NS)
            elif isinstance(proposal, Pending):
                self._await(POLL_NS if proposal.until is None else proposal.until - now)
            elif (proposal.time or 0) > now:
                self._await((proposal.time or 0) - now)
            else:
                self._perform(desk.begin(proposal, now))

    def ask(
        self, requests: Mapping[str, Request], timeout_ns: int
    ) -> Mapping[str, Reply | Failure]:
        """Send a request to each of these nodes, unrecorded, and await every reply."""
        timeout_s = timeout_ns / 1e9
        with ThreadPoolExecutor(max_workers=max(1, len(requests))) as pool:
            futures = {
                node: pool.submit(self._ask_node, node, request, timeout_s)
                for node, request in requests.items()
            }
            return {node: future.result() for node, future in futures.items()}

    def wait(self, duration_ns: int) -> None:
        """Let this much time pass."""
        time.sleep(duration_ns / 1e9)

    def close(self) -> None:
        """End every worker; one that hangs is left behind as a daemon."""
        for worker in self._workers.values():
            worker.stop()
        for worker in self._workers.values():
            worker.join(STOP_TIMEOUT_S)
        self._workers.clear()

    def _perform(self, begun: Begun) -> None:
        worker = self._workers.get(begun.thread)
        if worker is None:
            worker = self._workers[begun.thread] = self._hire(begun.thread)
        timeout = NEMESIS_TIMEOUT_NS if begun.thread == NEMESIS else self._timeout
        self._deadlines[begun.thread] = self.now() + timeout + GRACE_NS
        worker.ask(begun)

    def _hire(self, thread: Thread) -> Worker:
        if thread == NEMESIS:
            return Worker(self._break, lambda: None, self._results, self.now)
        pool = ClientPool(self._connect, self._timeout / 1e9)
        return Worker(pool.perform, pool.close, self._results, self.now)

    def _break(self, begun: Begun) -> Completion:
        if begun.invocation.f == ROLES:
            return Completion("info", output={ROLES: dict(self._roles())})
        return act(self._nemesis, self.cluster, self.desk, begun)

    def _await(self, longest_ns: int) -> None:
        """Sleep until a result is there, at most so long and not beyond a worker's deadline."""
        now = self.now()
        nearest = min(self._deadlines.values(), default=now + longest_ns)
        pause = max(0, min(longest_ns, nearest - now))
        try:
            self._accept(self._results.get(timeout=pause / 1e9))
        except Empty:
            self._abandon_hung()

    def _collect(self) -> None:
        while not self._results.empty():
            self._accept(self._results.get())

    def _accept(self, ended: Ended) -> None:
        thread = ended.begun.thread
        if self._workers.get(thread) is not ended.worker:
            return  # It had been given up; the operation is recorded as `info` already.
        if ended.crash is not None:
            logger.error("a worker raised in %s:\n%s", ended.begun.invocation, ended.crash)
        del self._deadlines[thread]
        self.desk.end(ended.begun, ended.completion, ended.time)
        if ended.crash is not None and thread == NEMESIS:
            raise EnvironmentFailed(f"the nemesis {ended.completion.error}; see the log")

    def _abandon_hung(self) -> None:
        now = self.now()
        for thread in [t for t, deadline in self._deadlines.items() if deadline <= now]:
            begun = self.desk.busy[thread]
            del self._deadlines[thread]
            if thread == NEMESIS:
                raise EnvironmentFailed(
                    f"the nemesis hung in {begun.invocation} for {NEMESIS_TIMEOUT_NS / 1e9:.0f} s"
                )
            logger.error("a client hung in %s; its worker is given up", begun.invocation)
            self._workers.pop(thread).stop()
            completion = Completion("info", error="the client hung beyond its deadline")
            self.desk.end(begun, completion, now)
