"""Clock faults: a wall clock that jumps, clocks that run too fast or too slow."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Final

from nemesis.ledger import ledger
from nemesis.processes import each, healed, injected, struck
from systems_under_test.environments.cluster import ClockReading

if TYPE_CHECKING:
    from nemesis.plan import Effect, Fault
    from systems_under_test.environments.cluster import Cluster, Node

CLOCK: Final = "clock"
READING_ERROR_NS: Final = 50_000_000
"""A reading of a live node's clock takes a round trip; the faults move clocks by more than this."""


@dataclass(frozen=True, slots=True)
class Clock:
    """Offsets its targets' wall clocks, or changes the rate of both their clocks.

    Input: `{"targets": [...], "wall_offset_ns": n}` or `{"targets": [...], "rate_ppm": n}`, either
    relative to what the clock did before; `variant` is for the reader. Proved by reading the
    clocks. Open faults of one node add up. Healing takes back the fault's own share; with the last
    fault of a node its clock is set to what it was before the first, drift included.
    """

    faults: ClassVar[frozenset[str]] = frozenset({CLOCK})
    needs: ClassVar[frozenset[str]] = frozenset({CLOCK})

    def inject(self, cluster: Cluster, fault: Fault) -> Effect:
        """Move the targets' clocks."""
        nodes = struck(cluster, fault)
        before = {node.name: node.read_clock() for node in nodes}
        plain = {node.name: _plain(cluster, node, before[node.name]) for node in nodes}
        ledger(cluster).enter(fault, plain=plain)
        offset, rate = fault.input.get("wall_offset_ns", 0), fault.input.get("rate_ppm", 0)

        def move(node: Node) -> None:
            seen = before[node.name]
            if offset:
                node.set_clock(wall_offset_ns=seen.wall_offset + offset)
            if rate:
                node.set_clock(rate_ppm=seen.mono_rate_ppm + rate)

        each(nodes, move)
        after = {node.name: node.read_clock() for node in nodes}
        moved = {node.name: _moved(before[node.name], after[node.name]) for node in nodes}
        proved = {
            name: bool(offset or rate) and _near(by, offset, rate) for name, by in moved.items()
        }
        method = cluster.method.get(CLOCK, CLOCK)
        return injected(proved, method, _evidence(before, after))

    def heal(self, cluster: Cluster, fault: Fault) -> Effect:
        """Take back the fault's share, and set clocks that no fault moves any longer."""
        nodes = struck(cluster, fault)
        note = ledger(cluster).leave(fault)
        before = {node.name: node.read_clock() for node in nodes}
        offset = fault.input.get("wall_offset_ns", 0) if note else 0
        rate = fault.input.get("rate_ppm", 0) if note else 0
        wanted: dict[str, ClockReading] = {}
        for node in nodes:
            seen = before[node.name]
            wanted[node.name] = ClockReading(seen.wall_offset - offset, seen.mono_rate_ppm - rate)
            if note and not ledger(cluster).on(node.name, CLOCK):
                wanted[node.name] = note["plain"][node.name]

        def set_back(node: Node) -> None:
            want = wanted[node.name]
            node.set_clock(wall_offset_ns=want.wall_offset, rate_ppm=want.mono_rate_ppm)

        each(nodes, set_back)
        after = {node.name: node.read_clock() for node in nodes}
        cleared = {
            name: _near(_moved(wanted[name], after[name]), 0, 0, slack_ppm=abs(rate) // 2)
            for name in wanted
        }
        return healed(cleared, cluster.method.get(CLOCK, CLOCK), _evidence(before, after))


def _plain(cluster: Cluster, node: Node, reading: ClockReading) -> ClockReading:
    """What the node's clocks did before the first of the faults that are open on it."""
    entries = ledger(cluster).entries
    for open_fault in ledger(cluster).on(node.name, CLOCK):
        plain: ClockReading = entries[open_fault.fault].note["plain"][node.name]
        return plain
    return reading


def _moved(before: ClockReading, after: ClockReading) -> ClockReading:
    return ClockReading(
        after.wall_offset - before.wall_offset, after.mono_rate_ppm - before.mono_rate_ppm
    )


def _near(by: ClockReading, offset: int, rate: int, *, slack_ppm: int = 0) -> bool:
    """Whether clocks moved by about so much; readings of a live node are not exact."""
    return (
        abs(by.wall_offset - offset) <= READING_ERROR_NS
        and abs(by.mono_rate_ppm - rate) <= abs(rate) // 2 + slack_ppm
    )


def _evidence(before: dict[str, ClockReading], after: dict[str, ClockReading]) -> dict[str, Any]:
    return {
        name: {
            "wall_offset_ns": [before[name].wall_offset, after[name].wall_offset],
            "rate_ppm": [before[name].mono_rate_ppm, after[name].mono_rate_ppm],
        }
        for name in before
    }
