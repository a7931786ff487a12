"""How many operations of clients the simulation carries in a second of wall time."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from systems_under_test.environments.cluster import ClusterSpec
from systems_under_test.environments.simulated.cluster import SimulatedCluster
from workloads.client import Reply, Request

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any

    from lineal.bench.load import Asked
    from systems_under_test.system import BundledSystem
    from workloads.client import Failure

SECOND: Final = 1_000_000_000
CLIENTS: Final = 50
KEYS: Final = 100
SETTLE_S: Final = 5
CALL_S: Final = 5


@dataclass(frozen=True, kw_only=True, slots=True)
class Simulated:
    """Operations answered 2xx, and the seconds of wall and processor time that they took."""

    acknowledged: int
    wall_s: float
    cpu_s: float


class _Clients:
    """Closed-loop clients of a simulated cluster, each bound to a node."""

    def __init__(self, cluster: SimulatedCluster, kinds: Sequence[Asked]) -> None:
        self._cluster = cluster
        self._nodes = list(cluster.nodes)
        self._kinds = kinds
        self._asked = 0
        self.acknowledged = 0

    def ask(self, client: int) -> None:
        """Ask; when that is answered, ask again."""
        kind = self._kinds[self._asked % len(self._kinds)]
        self._asked += 1
        method, path = kind.to(self._asked % KEYS)
        request = Request(method, path, kind.headers, kind.body.encode())

        def answered(reply: Reply | Failure) -> None:
            self.acknowledged += isinstance(reply, Reply) and reply.status < 300
            self.ask(client)

        node = self._nodes[client % len(self._nodes)]
        self._cluster.submit(node, request, self._cluster.now + CALL_S * SECOND, answered)


def measure(
    system: BundledSystem,
    options: Mapping[str, Any],
    kinds: Sequence[Asked],
    *,
    nodes: int,
    operations: int,
) -> Simulated:
    """Drive a simulated cluster with closed-loop clients until so many operations are answered."""
    spec = ClusterSpec(
        nodes=tuple(f"n{i + 1}" for i in range(nodes)),
        replica_path=system.replica_path,
        options=options,
        bug=None,
        engine=system.engine(options),
        seed=1,
    )
    cluster = SimulatedCluster(spec)
    cluster.up()
    cluster.run_until(SETTLE_S * SECOND)
    clients = _Clients(cluster, kinds)
    wall, cpu = time.perf_counter(), time.process_time()
    for client in range(CLIENTS):
        clients.ask(client)
    while clients.acknowledged < operations and cluster.step():
        pass
    return Simulated(
        acknowledged=clients.acknowledged,
        wall_s=time.perf_counter() - wall,
        cpu_s=time.process_time() - cpu,
    )
