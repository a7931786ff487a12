"""What each bundled system is asked in its benchmark."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from lineal.bench.load import Asked

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

VALUE_BYTES: Final = 100


@dataclass(frozen=True, kw_only=True, slots=True)
class Benchmark:
    """The kinds of load, in turn; the targets in requests per second on two quiet cores."""

    kinds: tuple[Asked, ...]
    targets: Mapping[str, int]
    nodes: int
    simulated_nodes: int
    asked_nodes: Callable[[Mapping[str, Any]], Sequence[str]]
    """Which nodes clients ask, by the status of one."""


def _leader(status: Mapping[str, Any]) -> list[str]:
    """A client that was told once where the leader is asks the leader."""
    return [status["leader"]]


BENCHMARKS: Final = {
    "paxos": Benchmark(
        kinds=(
            Asked(
                name="writes",
                method="PUT",
                target="/kv/k{key}",
                body='"' + "x" * (VALUE_BYTES - 2) + '"',
            ),
            Asked(name="strong reads", method="GET", target="/kv/k{key}"),
        ),
        targets={"writes": 800, "strong reads": 1_500, "simulated": 2_000},
        nodes=3,
        simulated_nodes=5,
        asked_nodes=_leader,
    ),
}
