"""A world without a system: a client that answers at once, and a cluster of nothing.

For tests of the live interpreter, and for measuring what it costs by itself.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, cast

from lineal.interpreters.desk import Desk
from lineal.interpreters.live import LiveWorld
from nemesis.plan import Effect
from systems_under_test.rng import Rng
from workloads.client import Completion, Failure

if TYPE_CHECKING:
    from collections.abc import Callable

    from lineal.recorder import Recorder
    from nemesis.plan import Fault
    from systems_under_test.environments.cluster import Cluster
    from workloads.client import Client, Reply, Request
    from workloads.invocations import Invocation


@dataclass(slots=True)
class EchoClient:
    """Answers every operation with its own input."""

    node: str
    closed: bool = False

    def invoke(self, invocation: Invocation, request_id: str, timeout_s: float) -> Completion:
        return Completion("ok", output=invocation.input)

    def close(self) -> None:
        self.closed = True


@dataclass(slots=True)
class RecordingNemesis:
    """Does nothing, and remembers what it was asked."""

    faults: frozenset[str] = frozenset({"nothing"})
    needs: frozenset[str] = frozenset()
    asked: list[tuple[str, int]] = field(default_factory=list)

    def inject(self, cluster: Cluster, fault: Fault) -> Effect:
        self.asked.append(("inject", fault.fault))
        return Effect("applied", "test")

    def heal(self, cluster: Cluster, fault: Fault) -> Effect:
        self.asked.append(("heal", fault.fault))
        return Effect("healed", "test")


def no_answer(node: str, request: Request, timeout_s: float) -> Reply | Failure:
    return Failure("nobody is there", definite=True)


def echo_world(
    recorder: Recorder,
    *,
    clients: int = 10,
    connect: Callable[[str], Client] = EchoClient,
    timeout_ns: int = 1_000_000_000,
    pure: frozenset[str] = frozenset(),
    nemesis: RecordingNemesis | None = None,
) -> LiveWorld:
    """A live world over clients that need no system."""
    desk = Desk(
        recorder=recorder,
        clients=clients,
        nodes=("n1", "n2", "n3"),
        rng=Rng("0/generator"),
        pure=pure,
    )
    return LiveWorld(
        cluster=cast("Cluster", None),  # Nothing here asks it.
        desk=desk,
        connect=connect,
        ask_node=no_answer,
        nemesis=nemesis or RecordingNemesis(),
        timeout_ns=timeout_ns,
    )
