"""How long containers take: until five nodes serve, until they are gone, to cut and mend links.

And what the proxy of a link adds to a round trip. The targets are for a machine with nothing else
to do.
"""

from __future__ import annotations

import asyncio
import statistics
import tempfile
import time
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final

from lineal import registry
from systems_under_test.environments.cluster import ClusterSpec
from systems_under_test.environments.docker.cluster import DockerCluster
from systems_under_test.environments.docker.options import (
    HOST_BRIDGE,
    METHODS,
    PROXY,
    SIDECAR,
    DockerOptions,
)
from systems_under_test.environments.docker.partitions import host_can
from systems_under_test.environments.local.ports import LOOPBACK
from systems_under_test.environments.local.proxy import LinkProxy
from systems_under_test.host.frames import Kind, pack
from systems_under_test.rng import Rng

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

SYSTEM: Final = "dynamo"
NODES: Final = ("n1", "n2", "n3", "n4", "n5")
MINORITY: Final = frozenset({"n1", "n2"})
HALVES: Final = [(a, b) for a in NODES for b in NODES if (a in MINORITY) != (b in MINORITY)]
CLUSTERS: Final = 3
"""So many are brought up and taken down for each method."""
CUTS: Final = 7
"""So often each of them is cut and mended."""
UP_S: Final = 5.0
DOWN_S: Final = 3.0
CUT_S: Final = {HOST_BRIDGE: 0.02, SIDECAR: 0.15}
PROXY_S: Final = 0.000_5
TURNS: Final = 20
PINGS: Final = 50
"""So many in each turn, direct and through the proxy."""
READ_BYTES: Final = 1_000


@dataclass(frozen=True, slots=True)
class Times:
    """Of one method, in seconds."""

    up: list[float] = field(default_factory=list)
    down: list[float] = field(default_factory=list)
    cut: list[float] = field(default_factory=list)
    mend: list[float] = field(default_factory=list)


def table() -> Iterator[str]:
    """The figures, line by line."""
    yield f"| {SYSTEM}, {len(NODES)} nodes in containers | median | worst | target |"
    yield "|---|---|---|---|"
    for method in (*METHODS, PROXY):
        reason = host_can() if method == HOST_BRIDGE else None
        if reason:
            yield f"| {method} | not measured: {reason} | | |"
            continue
        times = measure(method)
        yield _row(f"ready, {method}", times.up, UP_S)
        yield _row(f"gone, {method}", times.down, DOWN_S)
        yield _row(f"cut in halves, {method}", times.cut, CUT_S.get(method))
        yield _row(f"mended, {method}", times.mend, None)
    direct, proxied = asyncio.run(round_trips())
    yield _row("round trip of a message, direct", direct, None)
    yield _row("round trip of a message, by proxy", proxied, None)
    added = statistics.median(proxied) - statistics.median(direct)
    yield f"| added by the proxy | {_ms(added)} | | {_ms(PROXY_S)} |"


def measure(method: str, *, clusters: int = CLUSTERS, cuts: int = CUTS) -> Times:
    """Bring clusters up and down, and cut and mend each. Raises EnvironmentFailed."""
    options = DockerOptions(links=PROXY) if method == PROXY else DockerOptions(partition=method)
    times = Times()
    for number in range(-1, clusters):  # The first one may have an image to make.
        with tempfile.TemporaryDirectory(prefix="lineal-bench-") as folder:
            cluster = DockerCluster(_spec(Path(folder)), options)
            up = _timed(cluster.up)
            try:
                for _ in range(cuts if number >= 0 else 0):
                    times.cut.append(_timed(partial(cluster.set_cut, HALVES)))
                    times.mend.append(_timed(partial(cluster.set_cut, [])))
            finally:
                down = _timed(cluster.down)
            if number >= 0:
                times.up.append(up)
                times.down.append(down)
    return times


async def round_trips() -> tuple[list[float], list[float]]:
    """Seconds that a ping takes to a receiver on this machine and back: direct, and by a proxy."""

    answering: set[asyncio.Task[None] | None] = set()

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        answering.add(asyncio.current_task())
        while await reader.read(READ_BYTES):
            writer.write(pack(Kind.PONG, []))
        writer.close()
        await writer.wait_closed()

    server = await asyncio.start_server(answer, LOOPBACK, 0)
    receiver = server.sockets[0].getsockname()[:2]
    proxy = LinkProxy(receiver=receiver, rng=Rng("bench"))
    ways = [receiver, await proxy.listen(LOOPBACK)]
    connections = [await asyncio.open_connection(*way) for way in ways]
    took: tuple[list[float], list[float]] = ([], [])
    for _ in range(TURNS):
        for (reader, writer), times in zip(connections, took, strict=True):
            for _ in range(PINGS):
                began = time.perf_counter()
                writer.write(pack(Kind.PING, []))
                await reader.read(READ_BYTES)
                times.append(time.perf_counter() - began)
    for _, writer in connections:
        writer.close()
        await writer.wait_closed()
    proxy.close()
    server.close()
    await asyncio.gather(*filter(None, answering), return_exceptions=True)
    return took


def _spec(folder: Path) -> ClusterSpec:
    system = registry.system(SYSTEM)
    return ClusterSpec(
        nodes=NODES,
        replica_path=system.replica_path,
        options={},
        bug=None,
        engine=system.engine({}),
        seed=1,
        directory=folder,
    )


def _timed(act: Callable[[], object]) -> float:
    began = time.monotonic()
    act()
    return time.monotonic() - began


def _row(what: str, times: Sequence[float], target: float | None) -> str:
    wanted = "-" if target is None else _ms(target)
    return f"| {what} | {_ms(statistics.median(times))} | {_ms(max(times))} | {wanted} |"


def _ms(seconds: float) -> str:
    return f"{seconds * 1e3:,.0f} ms" if seconds >= 0.01 else f"{seconds * 1e3:.2f} ms"
