"""Closed-loop clients in a process of their own: `python -m lineal.bench.clients`.

It reads a `Load` from standard input and writes what it found to standard output, both JSON. One
connection for each client, kept alive; HTTP/1.1 by hand, for a client that took more time than the
nodes would be what is measured.
"""

from __future__ import annotations

import asyncio
import sys
import time

import msgspec

from checker.quantiles import percentiles
from lineal.bench.load import Found, Load

GRACE_S = 10.0
"""So long it waits for the last answers."""


class Client(asyncio.Protocol):
    """One client: asks, waits for the whole answer, asks again until the end."""

    def __init__(self, load: Load, number: int, ends_at: float) -> None:
        self._load = load
        self._turn = number
        self._ends_at = ends_at
        self._measured_from = ends_at - load.measured_s
        self._buffer = b""
        self._asked_at = 0.0
        self.latencies: list[int] = []
        self.refused = 0
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._ask()

    def connection_lost(self, exc: Exception | None) -> None:
        """A benchmark in which connections break measures something else."""
        if not self.done.done():
            self.done.set_exception(exc or ConnectionError("a node closed the connection"))

    def data_received(self, data: bytes) -> None:
        """Count an answer once it is whole."""
        self._buffer += data
        head, mark, body = self._buffer.partition(b"\r\n\r\n")
        if not mark or len(body) < _length(head):
            return
        now = time.perf_counter()
        if self._measured_from <= now < self._ends_at:
            if head[9:10] == b"2":
                self.latencies.append(int((now - self._asked_at) * 1e9))
            else:
                self.refused += 1
        self._buffer = b""
        if now < self._ends_at:
            self._ask()
        elif not self.done.done():
            self.done.set_result(None)
            self._transport.close()

    def _ask(self) -> None:
        asked, self._turn = self._load.asked, self._turn + self._load.clients
        method, path = asked.to(self._turn % self._load.keys)
        headers = "".join(f"{name}: {value}\r\n" for name, value in asked.headers.items())
        body = asked.body.encode()
        head = f"{method} {path} HTTP/1.1\r\nhost: bench\r\n{headers}content-length: {len(body)}"
        self._asked_at = time.perf_counter()
        self._transport.write(head.encode() + b"\r\n\r\n" + body)


def _length(head: bytes) -> int:
    for line in head.split(b"\r\n"):
        name, _, value = line.partition(b":")
        if name.lower() == b"content-length":
            return int(value)
    return 0


async def drive(load: Load) -> Found:
    """Run the clients, and count."""
    loop = asyncio.get_running_loop()
    ends_at = time.perf_counter() + load.warm_up_s + load.measured_s
    clients = []
    for number in range(load.clients):
        address = load.addresses[number % len(load.addresses)]
        client = Client(load, number, ends_at)
        await loop.create_connection(lambda made=client: made, *address)  # type: ignore[misc]
        clients.append(client)
    limit_s = load.warm_up_s + load.measured_s + GRACE_S
    await asyncio.wait_for(asyncio.gather(*(client.done for client in clients)), limit_s)
    latencies = [latency for client in clients for latency in client.latencies]
    return Found(
        acknowledged=len(latencies),
        refused=sum(client.refused for client in clients),
        seconds=load.measured_s,
        latency_ns=percentiles(latencies),
        cpu_s=time.process_time(),
    )


def main() -> None:
    """Read, run, write."""
    load = msgspec.json.decode(sys.stdin.buffer.read(), type=Load)
    sys.stdout.buffer.write(msgspec.json.encode(asyncio.run(drive(load))))


if __name__ == "__main__":
    main()
