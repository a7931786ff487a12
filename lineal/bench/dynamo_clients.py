"""Closed-loop clients in a process of their own: each asks, waits for the answer, asks again.

The plan comes as JSON on standard input, the result goes out as JSON. Half of the operations are
gets; a put passes the last causal context that any client here was given for its key, so that
versions replace one another. Nothing is recorded but how long each operation took.
"""

from __future__ import annotations

import asyncio
import random
import resource
import sys
import time
from dataclasses import dataclass, field
from typing import Any, Final

import msgspec

from lineal.bench.connection import Connection
from systems_under_test.dynamo.partition_aware import RING_S, KnownRing, reconciled

CONTEXT: Final = "x-lineal-context"


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """What the clients are to do. `ask` is `balanced` (any node, which coordinates) or `aware`."""

    nodes: dict[str, tuple[str, int]]
    ask: str
    clients: int
    keys: int
    value_bytes: int
    warm_up_s: float
    measure_s: float
    r: int
    seed: int


class Result(msgspec.Struct, frozen=True, kw_only=True):
    """What came of it. Latencies in nanoseconds, of answered operations, in no order."""

    gets: list[int]
    puts: list[int]
    failed: int
    seconds: float
    cpu_s: float
    versions_read: int
    first_failures: list[str]


@dataclass
class Shared:
    """What all clients of the process know together."""

    plan: Plan
    contexts: dict[str, str] = field(default_factory=dict)
    gets: list[int] = field(default_factory=list)
    puts: list[int] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)
    versions_read: int = 0
    ring: KnownRing | None = None
    ring_read_at: float = -RING_S
    counts_from: float = 0.0
    ends_at: float = 0.0


class Client:
    """One client, with a connection to each node that it has had to do with."""

    def __init__(self, number: int, shared: Shared) -> None:
        self._shared = shared
        self._names = list(shared.plan.nodes)
        self._home = self._names[number % len(self._names)]
        self._rng = random.Random(f"{shared.plan.seed}/{number}")
        self._connections: dict[str, Connection] = {}
        self._value = b"v" * shared.plan.value_bytes

    async def run(self) -> None:
        """Ask until the time is up."""
        shared = self._shared
        while (began := time.perf_counter()) < shared.ends_at:
            key = f"key{self._rng.randrange(shared.plan.keys)}"
            is_get = self._rng.random() < 0.5
            try:
                await (self._get(key) if is_get else self._put(key))
            except (OSError, EOFError, ValueError) as error:
                shared.failures.append(f"{'get' if is_get else 'put'} {key}: {error}")
                continue
            ended = time.perf_counter()
            if began >= shared.counts_from:
                taken = int((ended - began) * 1e9)
                (shared.gets if is_get else shared.puts).append(taken)
        for connection in self._connections.values():
            connection.close()

    async def _get(self, key: str) -> None:
        if self._shared.plan.ask == "balanced":
            content = await self._ask(self._home, "GET", f"/kv/{key}")
            versions, context = content["versions"], content["context"]
        else:
            versions, context = await self._get_from_replicas(key)
        self._shared.versions_read += len(versions)
        if context is not None:
            self._shared.contexts[key] = context

    async def _get_from_replicas(self, key: str) -> tuple[list[dict[str, Any]], str | None]:
        """Read the first N nodes at once, and go on with the first R answers."""
        ring = await self._ring()
        homes, needed = ring.homes(key.encode()), self._shared.plan.r
        asked = [
            asyncio.ensure_future(self._ask(node, "GET", f"/kv/{key}?r=own")) for node in homes
        ]
        answers: list[dict[str, Any]] = []
        for next_one in asyncio.as_completed(asked):
            answers.append(await next_one)
            if len(answers) == needed:
                break
        return reconciled(ring.place(key.encode()), answers)

    async def _put(self, key: str) -> None:
        node = self._home
        if self._shared.plan.ask == "aware":
            node = (await self._ring()).homes(key.encode())[0]
        headers = {}
        if (context := self._shared.contexts.get(key)) is not None:
            headers[CONTEXT] = context
        content = await self._ask(node, "PUT", f"/kv/{key}", headers, self._value)
        self._shared.contexts[key] = content["context"]

    async def _ring(self) -> KnownRing:
        shared, now = self._shared, time.perf_counter()
        if shared.ring is None or now - shared.ring_read_at >= RING_S:
            shared.ring_read_at = now
            shared.ring = KnownRing(await self._ask(self._home, "GET", "/ring"))
        return shared.ring

    async def _ask(
        self,
        node: str,
        method: str,
        target: str,
        headers: dict[str, str] | None = None,
        body: bytes = b"",
    ) -> dict[str, Any]:
        connection = self._connections.get(node)
        if connection is None:
            connection = await Connection.to(self._shared.plan.nodes[node])
            self._connections[node] = connection
        status, content = await connection.ask(method, target, headers or {}, body)
        found: dict[str, Any] = msgspec.json.decode(content)
        if status != 200:
            raise ValueError(f"status {status}: {found.get('error')}")
        return found


async def drive(plan: Plan) -> Result:
    """Let all clients run."""
    began = time.perf_counter()
    shared = Shared(plan)
    shared.counts_from = began + plan.warm_up_s
    shared.ends_at = shared.counts_from + plan.measure_s
    await asyncio.gather(*(Client(number, shared).run() for number in range(plan.clients)))
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return Result(
        gets=shared.gets,
        puts=shared.puts,
        failed=len(shared.failures),
        seconds=time.perf_counter() - shared.counts_from,
        cpu_s=usage.ru_utime + usage.ru_stime,
        versions_read=shared.versions_read,
        first_failures=shared.failures[:5],
    )


def main() -> None:
    """Read the plan, carry it out, write the result."""
    plan = msgspec.json.decode(sys.stdin.buffer.read(), type=Plan)
    result = asyncio.run(drive(plan))
    sys.stdout.buffer.write(msgspec.json.encode(result))


if __name__ == "__main__":
    main()
