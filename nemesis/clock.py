"""Clock faults: a wall clock that jumps, clocks that run too fast or too slow."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, ClassVar, Final

from nemesis.ledger import ledger
from nemesis.plan import Effect
from nemesis.processes import each, healed, injected, struck
from systems_under_test.environments.cluster import ClockReading, EnvironmentFailed
from systems_under_test.rng import MILLION

if TYPE_CHECKING:
    from collections.abc import Mapping

    from nemesis.plan import EffectKind, Fault
    from systems_under_test.environments.cluster import Cluster, Node

CLOCK: Final = "clock"
OFFSET: Final = "wall_offset_ns"
RATE: Final = "rate_ppm"
ERROR: Final = "error_ns"

OFFSET_ERROR_NS: Final = 100_000_000
"""A clock is where it should be if it is off by so much, and by what its reading may be off."""
RATE_ERROR_PPM: Final = 400
"""And its rate, measured over a few milliseconds, by so much."""


@dataclass(frozen=True, slots=True)
class Clock:
    """Offsets its targets' wall clocks, or changes the rate of both their clocks.

    Input: `{"targets": [...], "wall_offset_ns": n}` or `{"targets": [...], "rate_ppm": n}`, either
    relative to what the clock did before; `variant` is for the reader. Open faults of one node add
    up. Healing takes back the fault's own share; with the last fault of a node its clock is set to
    what it was before the first, drift included. All of that goes by what the clocks were set to,
    never by a reading of them.

    Proved by reading the clocks, each within its error; where that does not tell, the effect is
    `uncertain`. Those of a node that does not run cannot be read: it gets the setting when it is
    started or goes on, which proves nothing now.
    """

    faults: ClassVar[frozenset[str]] = frozenset({CLOCK})
    needs: ClassVar[frozenset[str]] = frozenset({CLOCK})

    def inject(self, cluster: Cluster, fault: Fault) -> Effect:
        """Move the targets' clocks."""
        nodes = struck(cluster, fault)
        before = {node.name: _read(node) for node in nodes}
        plain = {node.name: _plain(cluster, node) for node in nodes}
        rates = {node.name: _rate(cluster, node) + fault.input.get(RATE, 0) for node in nodes}
        ledger(cluster).enter(fault, plain=plain)
        wanted: dict[str, ClockReading] = {}

        def move(node: Node) -> None:
            # Asked for at the last moment: a clock that drifts has not stood still meanwhile.
            offset = node.clock_setting().wall_offset + fault.input.get(OFFSET, 0)
            wanted[node.name] = _set(node, ClockReading(offset, rates[node.name]))

        each(nodes, move)
        after = {node.name: _read(node) for node in nodes}
        proved = {
            name: None if now is None else _moved(before[name], now, wanted[name])
            for name, now in after.items()
        }
        took = {name: seen is True for name, seen in proved.items()}
        effect = injected(took, cluster.method.get(CLOCK, CLOCK), _evidence(before, after))
        return _told(effect, "ineffective", proved)

    def heal(self, cluster: Cluster, fault: Fault) -> Effect:
        """Take back the fault's share, and set clocks that no fault moves any longer."""
        targets = struck(cluster, fault)
        plain = ledger(cluster).leave(fault).get("plain", {})
        nodes = [node for node in targets if node.name in plain]
        before = {node.name: _read(node) for node in nodes}
        wanted: dict[str, ClockReading] = {}

        def move(node: Node) -> None:
            offset = plain[node.name]
            if ledger(cluster).on(node.name, CLOCK):
                offset = node.clock_setting().wall_offset - fault.input.get(OFFSET, 0)
            wanted[node.name] = _set(node, ClockReading(offset, _rate(cluster, node)))

        each(nodes, move)
        after = {node.name: _read(node) for node in nodes}
        cleared = {
            node.name: _cleared(node, before[node.name], after[node.name], wanted[node.name])
            for node in nodes
        }
        came_back = {name: seen is not False for name, seen in cleared.items()}
        effect = healed(came_back, cluster.method.get(CLOCK, CLOCK), _evidence(before, after))
        return _told(effect, "healed", cleared)


def _set(node: Node, want: ClockReading) -> ClockReading:
    node.set_clock(wall_offset_ns=want.wall_offset, rate_ppm=want.mono_rate_ppm)
    return want


def _read(node: Node) -> ClockReading | None:
    """The clocks of a node that runs and answers."""
    try:
        return node.read_clock() if node.state() == "running" else None
    except EnvironmentFailed:
        return None


def _moved(was: ClockReading | None, now: ClockReading, want: ClockReading) -> bool | None:
    """Whether a clock was seen to be moved to where it should be; None if that cannot be told."""
    if not _shows(now, want):
        return False
    if was is None:
        return None
    if not _shows(replace(was, age_ns=0, error_ns=was.error_ns + now.error_ns), want):
        return True
    return False if _shows(replace(was, age_ns=0, error_ns=0), want) else None


def _cleared(
    node: Node, was: ClockReading | None, now: ClockReading | None, want: ClockReading
) -> bool | None:
    """Whether a clock is back; None if that cannot be told. One that does not run is set so."""
    if now is None:
        return None if node.state() == "running" else True
    if not _shows(now, want):
        return False
    return True if now.error_ns <= OFFSET_ERROR_NS else _moved(was, now, want) or None


def _shows(seen: ClockReading, want: ClockReading) -> bool:
    """Whether a clock that was set to this may show what was read of it some time after."""
    drifted = seen.age_ns * want.mono_rate_ppm // MILLION
    return (
        abs(seen.wall_offset - want.wall_offset - drifted) <= OFFSET_ERROR_NS + seen.error_ns
        and abs(seen.mono_rate_ppm - want.mono_rate_ppm) <= RATE_ERROR_PPM
    )


def _told(effect: Effect, unless: EffectKind, seen: Mapping[str, bool | None]) -> Effect:
    """The effect, or `uncertain` where it rests on clocks of which nothing could be told."""
    unknown = sorted(name for name, told in seen.items() if told is None)
    if not unknown:
        return effect
    kind: EffectKind = "uncertain" if effect.effect == unless else effect.effect
    return Effect(kind, effect.method, {**effect.evidence, "uncertain": unknown})


def _rate(cluster: Cluster, node: Node) -> int:
    """How fast the open faults want a node's clocks to run; without one they run true."""
    return sum(fault.input.get(RATE, 0) for fault in ledger(cluster).on(node.name, CLOCK))


def _plain(cluster: Cluster, node: Node) -> int:
    """How far off the wall clock was before the first of the faults that are open on the node."""
    entries = ledger(cluster).entries
    for fault in ledger(cluster).on(node.name, CLOCK):
        plain: int = entries[fault.fault].note["plain"][node.name]
        return plain
    return node.clock_setting().wall_offset


def _evidence(
    before: Mapping[str, ClockReading | None], after: Mapping[str, ClockReading | None]
) -> dict[str, Any]:
    return {
        name: {
            OFFSET: [_of(before[name], "wall_offset"), _of(seen, "wall_offset")],
            RATE: [_of(before[name], "mono_rate_ppm"), _of(seen, "mono_rate_ppm")],
            ERROR: [_of(before[name], "error_ns"), _of(seen, "error_ns")],
        }
        for name, seen in after.items()
    }


def _of(reading: ClockReading | None, name: str) -> int | None:
    return None if reading is None else getattr(reading, name)
