"""The scrubber: compares replicas with each other, and with a rebuild from the archive.

An order puts a mark into the log. Every storage replica that applies it takes a checksum of each
row of its state as of that slot, has its host look at everything at rest, and tells the leader; the
leader rebuilds the state at that slot from the archive, and reports which copy differs from most of
the others, by table and key, and which file and record a host has found damaged.
"""

from __future__ import annotations

import zlib
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from systems_under_test.paxos.commands import MARK
from systems_under_test.paxos.configuration import MS
from systems_under_test.paxos.messages import NO_BALLOT, Scrubbed
from systems_under_test.paxos.rebuild import Rebuilding, Replay
from systems_under_test.paxos.state_machine import TABLES
from systems_under_test.replica import StorageDamaged

if TYPE_CHECKING:
    from systems_under_test.paxos.node import Node
    from systems_under_test.paxos.step import Step

Sums = dict[tuple[str, bytes], int]
"""(table, key) -> checksum of key and value."""

LONGEST: Final = 10_000 * MS
"""Who has not told by then is left out of the report."""
DIFFERENCES_MAX: Final = 100
ARCHIVED: Final = "archive"


def sums_of(table: str, rows: Any) -> Sums:
    """The checksum of every row of a table."""
    return {(table, key): zlib.crc32(value, zlib.crc32(key)) for key, value in rows}


@dataclass(slots=True)
class Scrubbing:
    """A scrubbing that a leader has under way."""

    slot: int
    began: int
    awaited: set[str]
    copies: dict[str, Sums] = field(default_factory=dict)
    damage: dict[str, list[str]] = field(default_factory=dict)
    archive: str = "off"


def differences(copies: dict[str, Sums]) -> list[list[str]]:
    """[copy, table, key] wherever a copy differs from what most of them hold, the first of them
    where no value has most."""
    found = []
    rows = sorted({row for sums in copies.values() for row in sums})
    for row in rows:
        held = {name: sums.get(row) for name, sums in copies.items()}
        usual, _ = Counter(held.values()).most_common(1)[0]
        found += [
            [name, row[0], row[1].decode("utf-8", "backslashreplace")]
            for name, value in held.items()
            if value != usual
        ]
    return found


class Scrubber:
    """What one replica does about scrubbing."""

    def __init__(self, node: Node) -> None:
        self._node = node
        self._verifying: list[tuple[int, Sums]] = []
        """Marks that were applied and wait for the host: slot, checksums."""
        self.current: Scrubbing | None = None
        self.report: dict[str, Any] | None = None
        """The latest one of this life."""

    def begin(self, step: Step) -> None:
        """As leader, put a mark into the log."""
        node = self._node
        leadership = node.leadership
        assert leadership is not None
        slot = leadership.propose(step, MARK)
        awaited = {member.node for member in node.groups.newest.storing()}
        self.current = Scrubbing(slot, step.mono, awaited)
        if not node.archiver.on:
            return
        self.current.archive = "rebuilding"
        node.archiver.want(slot)

    def on_mark(self, step: Step, slot: int) -> None:
        """A mark is being applied: the state is what every replica has at this slot."""
        sums: Sums = {}
        for table in TABLES:
            try:
                sums |= sums_of(table, step.scan(self._node.state.table(table)))
            except StorageDamaged:
                continue  # The host is asked next, and names it.
        self._verifying.append((slot, sums))
        step.verify_storage()

    def on_verified(self, step: Step, damage: tuple[str, ...]) -> None:
        """The host has looked at what is at rest."""
        node = self._node
        node.counters.damage_found += len(damage)
        for line in damage:
            step.log("damage-found", where=line)
        marks, self._verifying = self._verifying, []
        for slot, sums in marks:
            rows = tuple((table, key, crc) for (table, key), crc in sums.items())
            told = Scrubbed(slot, rows, damage)
            if node.leadership is not None:
                self.on_scrubbed(step, node.name, told)
            elif node.leader != NO_BALLOT:
                step.send(node.leader.node, told)

    def on_scrubbed(self, step: Step, sender: str, message: Scrubbed) -> None:
        """As leader: one more has told."""
        current = self.current
        if current is None or current.slot != message.slot:
            return
        current.copies[sender] = {(table, key): crc for table, key, crc in message.rows}
        current.damage[sender] = list(message.damage)
        self._conclude(step, current)

    def on_timer(self, step: Step) -> None:
        """Rebuild once the archive reaches the mark; end what takes too long."""
        node, current = self._node, self.current
        if current is None:
            return
        if current.archive == "rebuilding" and node.archiver.slot >= current.slot:
            current.archive = "waiting"
            rebuilding = Rebuilding(
                step, node.configuration, slot=current.slot, finished=self._rebuilt
            )
            node.archiver.rebuildings.append(rebuilding)
        self._conclude(step, current)

    def _rebuilt(self, step: Step, result: Replay | str) -> None:
        current = self.current
        if current is None:
            return
        if isinstance(result, str):
            current.archive = result
        else:
            rows = result.rows()
            current.copies[ARCHIVED] = {
                row: crc
                for table in TABLES
                for row, crc in sums_of(table, rows[table].items()).items()
            }
            current.archive = "compared"
        self._conclude(step, current)

    def _conclude(self, step: Step, current: Scrubbing) -> None:
        late = step.mono - current.began > LONGEST
        waiting = current.archive in ("rebuilding", "waiting")
        if not late and (waiting or current.awaited - current.damage.keys()):
            return
        self.current = None
        found = differences(current.copies)
        self._node.counters.scrubs += 1
        self.report = {
            "slot": current.slot,
            "compared": sorted(current.copies),
            "silent": sorted(current.awaited - current.damage.keys()),
            "archive": "not in time" if waiting else current.archive,
            "damage": {name: lines for name, lines in sorted(current.damage.items()) if lines},
            "differs": found[:DIFFERENCES_MAX],
            "differences": len(found),
        }
        step.log("scrubbed", slot=current.slot, differences=len(found))
