"""Random crashes of every kind against a replica that is right, and against two that are not."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from systems_under_test.environments.cluster import ClusterSpec, DiskQuality
from systems_under_test.environments.simulated.cluster import SimulatedCluster
from systems_under_test.replica import (
    Append,
    AppendLater,
    ClientRequest,
    Effect,
    Input,
    Place,
    Respond,
    Started,
    Turn,
)
from systems_under_test.rng import Rng
from workloads.client import Failure, Reply, Request

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

MS = 1_000_000


class Ledger:
    """Keeps every number that it is told, and says how many it has."""

    def __init__(self, way: str) -> None:
        self.way = way
        self.count = 0

    def handle(self, event: Input, turn: Turn) -> Sequence[Effect]:
        if isinstance(event, Started):
            self.count = len(list(turn.storage.records("ledger")))
        if not isinstance(event, ClientRequest):
            return []
        if event.method == "PUT":
            self.count += 1
        reply = Respond(event.id, 200, {}, str(self.count).encode())
        if event.method == "GET":
            return [reply]
        match self.way:
            case "lazily":
                return [AppendLater("ledger", event.body), reply]
            case "afterwards":
                return [reply, Append("ledger", event.body)]
        return [Append("ledger", event.body), reply]


def make(place: Place, options: Mapping[str, Any], bug: str | None) -> Ledger:
    return Ledger(options["way"])


def broken_promises(way: str, seed: int, crashes: Sequence[str]) -> int:
    """How often a reply told of fewer entries than an earlier reply had."""
    spec = ClusterSpec(
        nodes=("n1",), replica_path=f"{__name__}:make", options={"way": way}, bug=None,
        engine="sqlite", seed=seed,
    )  # fmt: skip
    cluster = SimulatedCluster(spec)
    cluster.up()
    node = cluster.nodes["n1"]
    rng = Rng(f"{seed}/crashes")
    most, broken, replies = 0, 0, 0

    def heard(asked_after: int) -> Callable[[Reply | Failure], None]:
        def note(reply: Reply | Failure) -> None:
            nonlocal most, broken, replies
            if isinstance(reply, Reply):
                replies += 1
                broken += int(reply.body) < asked_after
                most = max(most, int(reply.body))

        return note

    for n in range(300):
        method = rng.choice(("PUT", "GET"))
        request = Request(method, "/", {}, str(n).encode())
        cluster.submit("n1", request, cluster.now + 100 * MS, heard(most))
        cluster.run_until(cluster.now + rng.below(2 * MS))
        if rng.below(10) == 0:
            match rng.choice(crashes):
                case "kill":
                    node.kill()
                case "power":
                    node.power_off()
                case "disk":
                    node.set_disk(DiskQuality(full=bool(rng.below(2)), errors_ppm=500_000))
                    cluster.run_until(cluster.now + 5 * MS)
                    node.set_disk(DiskQuality())
            node.start()
    assert replies > 100
    assert cluster.unprovoked_deaths() == []
    return broken


ALL = ("kill", "power", "disk")


def test_a_replica_that_commits_first_never_breaks_what_it_said() -> None:
    assert sum(broken_promises("durably", seed, ALL) for seed in range(20)) == 0


def test_a_lazy_replica_breaks_its_word_at_power_loss_and_never_at_a_kill() -> None:
    assert sum(broken_promises("lazily", seed, ("kill",)) for seed in range(10)) == 0
    assert sum(broken_promises("lazily", seed, ("power",)) for seed in range(10)) > 0


@pytest.mark.parametrize("crash", ["kill", "power"])
def test_a_replica_that_replies_before_it_writes_is_caught(crash: str) -> None:
    assert sum(broken_promises("afterwards", seed, (crash,)) for seed in range(10)) > 0
