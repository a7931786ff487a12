"""What a node measures of its own work: latencies, versions for each read, who carries the load."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from systems_under_test.dynamo.api import Put, Read
from systems_under_test.dynamo.latency import Latencies
from systems_under_test.dynamo.load import Load

if TYPE_CHECKING:
    from collections.abc import Mapping

    from systems_under_test.dynamo.step import Step

VERSIONS_MAX: Final = 16
"""Reads that returned so many versions or more are counted together."""


class Measurements:
    """Of one life. Latency is from a client's request to its reply, by this node's clock."""

    def __init__(self) -> None:
        self.reads = Latencies()
        self.writes = Latencies()
        self.load = Load()
        self._versions_per_read: dict[int, int] = {}
        self._open: dict[int, tuple[Latencies, int]] = {}
        """For each client's request where it counts, and when it came."""

    def asked(self, step: Step, client: int, request: object) -> None:
        """A client asks for something."""
        if isinstance(request, Read):
            self._open[client] = self.reads, step.mono
        elif isinstance(request, Put):
            self._open[client] = self.writes, step.mono

    def answered(self, step: Step, client: int) -> int | None:
        """It has its answer, whatever that is; after how many nanoseconds, where that counts."""
        latencies, asked_at = self._open.pop(client, (None, 0))
        if latencies is None:
            return None
        latencies.add(step.mono - asked_at)
        return step.mono - asked_at

    def read(self, versions: int) -> None:
        """A read returned so many versions."""
        count = min(versions, VERSIONS_MAX)
        self._versions_per_read[count] = self._versions_per_read.get(count, 0) + 1

    def shown(self, tokens: Mapping[str, int]) -> dict[str, Any]:
        """All of it; `tokens` says how many each member has."""
        return {
            "latency": {"reads": self.reads.shown(), "writes": self.writes.shown()},
            "versions_per_read": {
                str(n): self._versions_per_read[n] for n in sorted(self._versions_per_read)
            },
            "requests_asked_of": dict(sorted(self.load.asked.items())),
            "out_of_balance": self.load.out_of_balance(tokens),
        }
