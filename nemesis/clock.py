"""Clock faults: a wall clock that jumps, clocks that run too fast or too slow."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Final

from nemesis.ledger import ledger
from nemesis.processes import each, healed, injected, struck
from systems_under_test.environments.cluster import ClockReading

if TYPE_CHECKING:
    from collections.abc import Mapping

    from nemesis.plan import Effect, Fault
    from systems_under_test.environments.cluster import Cluster, Node

CLOCK: Final = "clock"
OFFSET: Final = "wall_offset_ns"
RATE: Final = "rate_ppm"

OFFSET_ERROR_NS: Final = 100_000_000
"""A reading of a live node's clock may be off by so much, for it takes a round trip."""
RATE_ERROR_PPM: Final = 400
"""And its rate, measured over a few milliseconds, by so much."""
READINGS_MAX: Final = 3
"""So often a reading that is off is taken again: a busy machine may have been slow to answer."""


@dataclass(frozen=True, slots=True)
class Clock:
    """Offsets its targets' wall clocks, or changes the rate of both their clocks.

    Input: `{"targets": [...], "wall_offset_ns": n}` or `{"targets": [...], "rate_ppm": n}`, either
    relative to what the clock did before; `variant` is for the reader. Open faults of one node add
    up. Healing takes back the fault's own share; with the last fault of a node its clock is set to
    what it was before the first, drift included.

    Proved by reading the clocks. Those of a node that does not run cannot be read: it gets the
    setting when it is started or goes on, which proves nothing now.
    """

    faults: ClassVar[frozenset[str]] = frozenset({CLOCK})
    needs: ClassVar[frozenset[str]] = frozenset({CLOCK})

    def inject(self, cluster: Cluster, fault: Fault) -> Effect:
        """Move the targets' clocks."""
        nodes = struck(cluster, fault)
        before = {node.name: _read(node) for node in nodes}
        plain = {node.name: _plain(cluster, node, before[node.name]) for node in nodes}
        wanted: dict[str, ClockReading] = {}
        for node in nodes:
            offset = _offset(cluster, node, before[node.name], plain[node.name])
            wanted[node.name] = ClockReading(
                offset + fault.input.get(OFFSET, 0), _rate(cluster, node) + fault.input.get(RATE, 0)
            )
        ledger(cluster).enter(fault, plain=plain)
        each(nodes, lambda node: _set(node, wanted[node.name]))
        after = {node.name: _read_near(node, wanted[node.name]) for node in nodes}
        proved: dict[str, bool] = {}
        for name, want in wanted.items():
            was, now = before[name], after[name]
            proved[name] = was is not None and _near(now, want) and not _near(was, want)
        method = cluster.method.get(CLOCK, CLOCK)
        return injected(proved, method, _evidence(before, after))

    def heal(self, cluster: Cluster, fault: Fault) -> Effect:
        """Take back the fault's share, and set clocks that no fault moves any longer."""
        nodes = struck(cluster, fault)
        plain = ledger(cluster).leave(fault).get("plain", {})
        before = {node.name: _read(node) for node in nodes}
        wanted: dict[str, ClockReading] = {}
        for node in nodes:
            if node.name in plain:
                offset = plain[node.name] + _jumps(cluster, node)
                seen = before[node.name]
                if seen is not None and ledger(cluster).on(node.name, CLOCK):
                    offset = seen.wall_offset - fault.input.get(OFFSET, 0)
                wanted[node.name] = ClockReading(offset, _rate(cluster, node))
        each((n for n in nodes if n.name in wanted), lambda node: _set(node, wanted[node.name]))
        after = {n.name: _read_near(n, wanted[n.name]) for n in nodes if n.name in wanted}
        cleared = {name: after[name] is None or _near(after[name], wanted[name]) for name in wanted}
        return healed(cleared, cluster.method.get(CLOCK, CLOCK), _evidence(before, after))


def _set(node: Node, want: ClockReading) -> None:
    node.set_clock(wall_offset_ns=want.wall_offset, rate_ppm=want.mono_rate_ppm)


def _read(node: Node) -> ClockReading | None:
    return node.read_clock() if node.state() == "running" else None


def _read_near(node: Node, want: ClockReading) -> ClockReading | None:
    reading = _read(node)
    for _ in range(READINGS_MAX - 1):
        if reading is None or _near(reading, want):
            break
        reading = _read(node)
    return reading


def _near(seen: ClockReading | None, want: ClockReading) -> bool:
    """Whether a clock shows what it should, as far as readings go."""
    return (
        seen is not None
        and abs(seen.wall_offset - want.wall_offset) <= OFFSET_ERROR_NS
        and abs(seen.mono_rate_ppm - want.mono_rate_ppm) <= RATE_ERROR_PPM
    )


def _rate(cluster: Cluster, node: Node) -> int:
    """How fast the open faults want a node's clocks to run; without one they run true."""
    return sum(fault.input.get(RATE, 0) for fault in ledger(cluster).on(node.name, CLOCK))


def _jumps(cluster: Cluster, node: Node) -> int:
    """How far the open faults have moved a node's wall clock, drift left out."""
    return sum(fault.input.get(OFFSET, 0) for fault in ledger(cluster).on(node.name, CLOCK))


def _offset(cluster: Cluster, node: Node, seen: ClockReading | None, plain: int) -> int:
    """How far off a wall clock is now, as read or, where it cannot be, as it was set."""
    return plain + _jumps(cluster, node) if seen is None else seen.wall_offset


def _plain(cluster: Cluster, node: Node, seen: ClockReading | None) -> int:
    """How far off the wall clock was before the first of the faults that are open on the node."""
    entries = ledger(cluster).entries
    for fault in ledger(cluster).on(node.name, CLOCK):
        plain: int = entries[fault.fault].note["plain"][node.name]
        return plain
    return 0 if seen is None else seen.wall_offset


def _evidence(
    before: Mapping[str, ClockReading | None], after: Mapping[str, ClockReading | None]
) -> dict[str, Any]:
    return {
        name: {
            OFFSET: [_of(before[name], "wall_offset"), _of(seen, "wall_offset")],
            RATE: [_of(before[name], "mono_rate_ppm"), _of(seen, "mono_rate_ppm")],
        }
        for name, seen in after.items()
    }


def _of(reading: ClockReading | None, name: str) -> int | None:
    return None if reading is None else getattr(reading, name)
