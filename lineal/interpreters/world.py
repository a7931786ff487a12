"""What the phases of a run need of an interpreter, whichever time it lives in."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping

    from lineal.interpreters.desk import Desk
    from systems_under_test.environments.cluster import Cluster
    from workloads.client import Failure, Reply, Request
    from workloads.generators.protocol import Generator


class World(Protocol):
    """A cluster with clients on it, in real or in virtual time."""

    @property
    def cluster(self) -> Cluster:
        """The nodes and the network."""
        ...

    @property
    def desk(self) -> Desk:
        """Where events are recorded."""
        ...

    def now(self) -> int:
        """Nanoseconds since the run began."""
        ...

    def run(self, generator: Generator) -> None:
        """Carry out a generator until it is exhausted and every operation has ended."""
        ...

    def ask(
        self, requests: Mapping[str, Request], timeout_ns: int
    ) -> Mapping[str, Reply | Failure]:
        """Send a request to each of these nodes, unrecorded, and await every reply."""
        ...

    def wait(self, duration_ns: int) -> None:
        """Let this much time pass."""
        ...
