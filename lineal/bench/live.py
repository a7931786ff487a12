"""Figures of a bundled system as local processes: links direct, engine durable, no history."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

import msgspec

from lineal.bench.load import Found, Load
from systems_under_test.environments.cluster import ClusterSpec, EnvironmentFailed
from systems_under_test.environments.http_client import HttpClient
from systems_under_test.environments.local.cluster import LocalCluster
from workloads.client import Reply

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from typing import Any

    from lineal.bench.load import Asked
    from systems_under_test.system import BundledSystem

CLIENTS: Final = 50
KEYS: Final = 1_000
WARM_UP_S: Final = 1.0
READY_S_MAX: Final = 15.0
CALL_S: Final = 2.0
TICKS: Final = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, kw_only=True, slots=True)
class Measured:
    """One kind of request under load, and the processor seconds that each node took meanwhile."""

    name: str
    found: Found
    node_cpu_s: Mapping[str, float]


def measure(
    system: BundledSystem,
    options: Mapping[str, Any],
    kinds: Sequence[Asked],
    *,
    nodes: int,
    seconds: float,
    asked_nodes: Callable[[Mapping[str, Any]], Sequence[str]],
) -> list[Measured]:
    """Bring up a cluster, put each kind of load on it in turn, and take it down.

    `asked_nodes` is given the status of a node that is ready, and names those that are asked.
    """
    names = tuple(f"n{i + 1}" for i in range(nodes))
    with tempfile.TemporaryDirectory(prefix="lineal-bench-") as folder:
        spec = ClusterSpec(
            nodes=names,
            replica_path=system.replica_path,
            options=options,
            bug=None,
            engine=system.engine(options),
            seed=1,
            directory=Path(folder),
        )
        with LocalCluster(spec, direct=True) as cluster:
            statuses = [_ready(system, cluster, name) for name in names]
            asked = [cluster.client_address(name) for name in asked_nodes(statuses[0])]
            return [_under_load(cluster, kind, asked, seconds) for kind in kinds]


def _ready(system: BundledSystem, cluster: LocalCluster, node: str) -> Mapping[str, Any]:
    deadline = time.monotonic() + READY_S_MAX
    client = HttpClient(cluster.client_address(node))
    try:
        while time.monotonic() < deadline:
            reply = client.call(system.status_request, CALL_S)
            if isinstance(reply, Reply) and reply.status == 200:
                status: Mapping[str, Any] = msgspec.json.decode(reply.body)
                return status
            time.sleep(0.05)
    finally:
        client.close()
    raise EnvironmentFailed(f"{node} was not ready within {READY_S_MAX:g} s")


def _under_load(
    cluster: LocalCluster, kind: Asked, addresses: list[tuple[str, int]], seconds: float
) -> Measured:
    load = Load(
        asked=kind,
        addresses=addresses,
        clients=CLIENTS,
        keys=KEYS,
        warm_up_s=WARM_UP_S,
        measured_s=seconds,
    )
    pids = {name: node.pid for name, node in cluster.nodes.items()}
    before = {name: cpu_s_of(pid) for name, pid in pids.items()}
    done = subprocess.run(
        [sys.executable, "-P", "-m", "lineal.bench.clients"],
        input=msgspec.json.encode(load),
        stdout=subprocess.PIPE,
        timeout=seconds + 60,
        check=False,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)},
    )
    if done.returncode:
        raise EnvironmentFailed(f"the clients of {kind.name} failed, see above")
    found = msgspec.json.decode(done.stdout, type=Found)
    used = {name: cpu_s_of(pid) - before[name] for name, pid in pids.items()}
    return Measured(name=kind.name, found=found, node_cpu_s=used)


def cpu_s_of(pid: int | None) -> float:
    """Processor seconds that a process has taken, its own and the kernel's for it (proc(5))."""
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS
