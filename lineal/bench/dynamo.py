"""The Dynamo store under closed-loop clients: operations a second, latency, where the time goes.

Five nodes on loopback, N,R,W = 3,2,2, SQLite with durable commits, 100-byte values, 1,000 keys, 50
clients in a process of their own. Links are direct; the same through the harness's proxies is
reported beside it, and so is a client that knows the ring (D19).
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import msgspec

from lineal.bench import recorded
from lineal.bench.dynamo_clients import Plan, Result
from lineal.bench.live import cpu_s_of
from systems_under_test.environments.cluster import ClusterSpec, EnvironmentFailed
from systems_under_test.environments.local.cluster import LocalCluster

if TYPE_CHECKING:
    from collections.abc import Iterator

NODES: Final = ("n1", "n2", "n3", "n4", "n5")
OPTIONS: Final[dict[str, Any]] = {"n": 3, "r": 2, "w": 2}
KEYS: Final = 1_000
VALUE_BYTES: Final = 100
CLIENTS: Final = 50
WARM_UP_S: Final = 2.0
GRACE_S: Final = 60.0
MODULE: Final = "lineal.bench.dynamo_clients"


@dataclass(frozen=True, slots=True)
class Way:
    """One row: how nodes reach each other, how clients ask, what else is set."""

    name: str
    direct: bool = True
    ask: str = "balanced"
    options: tuple[tuple[str, Any], ...] = ()


WAYS: Final = (
    Way("direct links, any node coordinates"),
    Way("direct links, the client knows the ring", ask="aware"),
    Way("through the proxies, any node coordinates", direct=False),
    Way("direct links, LMDB", options=(("engine", "lmdb"),)),
    Way("direct links, in memory", options=(("engine", "memory"),)),
    Way("direct links, write buffer of 1 s", options=(("write_buffer_ms", 1_000),)),
)
"""The first is what the target is about."""


@dataclass(frozen=True, slots=True)
class Measured:
    """What one run came to."""

    way: Way
    result: Result
    nodes_cpu_s: float
    commits: int
    seconds: float

    @property
    def operations(self) -> int:
        """Answered while it was measured."""
        return len(self.result.gets) + len(self.result.puts)

    @property
    def rate(self) -> float:
        """Operations a second."""
        return self.operations / self.result.seconds


HEAD: Final = (
    "clients",
    "per s",
    "target",
    "get p50 / p99 / p99.9",
    "put p50 / p99 / p99.9",
    "all p99.9",
    "failed",
    "busy: nodes / clients",
    "commits an operation",
)
TARGET: Final = 600
"""Operations a second of the first way, on two quiet cores; 99.9 % of them within 300 ms."""


def table(seconds: float) -> Iterator[str]:
    """The tables of the store and of its simulation, a row as soon as it is measured."""
    yield f"| {' | '.join(HEAD)} |"
    yield "|" + "---|" * len(HEAD)
    for way in WAYS:
        yield row(measure(way, seconds))
    yield ""
    yield from recorded.table()


def row(measured: Measured) -> str:
    """A line of the table."""
    result, busy = measured.result, measured.seconds
    cpu = f"{measured.nodes_cpu_s / busy:.2f} / {result.cpu_s / busy:.2f} cores"
    commits = measured.commits / max(measured.operations, 1)
    target = TARGET if measured.way == WAYS[0] else "-"
    return (
        f"| {measured.way.name} | {measured.rate:,.0f} | {target} | {shown(result.gets)} |"
        f" {shown(result.puts)} | {in_ms(quantile([*result.gets, *result.puts], 0.999))} |"
        f" {result.failed} | {cpu} | {commits:.2f} |"
    )


def measure(way: Way, seconds: float, *, clients: int = CLIENTS, seed: int = 1) -> Measured:
    """Bring up a cluster, let clients ask for so long, take it down."""
    options = {**OPTIONS, **dict(way.options)}
    with tempfile.TemporaryDirectory(prefix="lineal-bench-") as directory:
        spec = ClusterSpec(
            nodes=NODES,
            replica_path="systems_under_test.dynamo.replica:make_replica",
            options=options,
            bug=None,
            engine=options.get("engine", "sqlite"),
            seed=seed,
            directory=Path(directory),
        )
        with LocalCluster(spec, direct=way.direct) as cluster:
            plan = Plan(
                nodes={name: cluster.client_address(name) for name in NODES},
                ask=way.ask,
                clients=clients,
                keys=KEYS,
                value_bytes=VALUE_BYTES,
                warm_up_s=WARM_UP_S,
                measure_s=seconds,
                r=OPTIONS["r"],
                seed=seed,
            )
            before, commits_before = cpu_of(cluster), commits_of(cluster)
            result = drive(plan)
            return Measured(
                way,
                result,
                cpu_of(cluster) - before,
                commits_of(cluster) - commits_before,
                seconds + WARM_UP_S,
            )


def drive(plan: Plan) -> Result:
    """Run the clients in a process of their own. Raises EnvironmentFailed where it does not end."""
    limit_s = plan.warm_up_s + plan.measure_s + GRACE_S
    try:
        done = subprocess.run(
            [sys.executable, "-m", MODULE],
            input=msgspec.json.encode(plan),
            capture_output=True,
            timeout=limit_s,
            check=True,
        )
    except subprocess.TimeoutExpired:
        raise EnvironmentFailed(f"the clients did not end within {limit_s:g} s") from None
    except subprocess.CalledProcessError as error:
        raise EnvironmentFailed(f"the clients failed: {error.stderr.decode()[-2000:]}") from None
    return msgspec.json.decode(done.stdout, type=Result)


def cpu_of(cluster: LocalCluster) -> float:
    """Seconds of CPU that all nodes have used."""
    return sum(cpu_s_of(node.pid) for node in cluster.nodes.values())


def commits_of(cluster: LocalCluster) -> int:
    """Durable commits of all nodes."""
    lives = (node.counters()["life"] for node in cluster.nodes.values())
    return sum(int(life["storage_commits"]) for life in lives)


def quantile(durations: list[int], share: float) -> int | None:
    """The smallest duration that this share of them does not exceed."""
    if not durations:
        return None
    ordered = sorted(durations)
    return ordered[min(int(len(ordered) * share), len(ordered) - 1)]


def shown(durations: list[int]) -> str:
    """Three quantiles in milliseconds."""
    return " / ".join(in_ms(quantile(durations, share)) for share in (0.5, 0.99, 0.999))


def in_ms(duration: int | None) -> str:
    """A duration in milliseconds, to the tenth."""
    return "-" if duration is None else f"{duration / 1e6:.1f} ms"
