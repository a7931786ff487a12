"""The scrubber: compares replicas with each other, and with a rebuild from the archive.

An order puts a mark into the log. Every storage replica that applies it has its host look at
everything at rest, and tells the leader a checksum of each row of its state as of that slot, in
parts, each of which is made of a view of the state when the leader asks for it. The leader
rebuilds the state at that slot from the archive, compares all copies as their parts arrive, and
reports which copy differs from most of the others, by table and key, and which file and record a
host has found damaged.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass, field
from itertools import islice
from typing import TYPE_CHECKING, Any, Final

from systems_under_test.paxos.commands import MARK
from systems_under_test.paxos.comparison import Comparison
from systems_under_test.paxos.configuration import MS
from systems_under_test.paxos.messages import NO_BALLOT, Scrubbed, ScrubNext
from systems_under_test.paxos.rebuild import Rebuilding, Replay
from systems_under_test.paxos.state_machine import TABLES
from systems_under_test.paxos.view import View
from systems_under_test.replica import StorageDamaged

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from systems_under_test.paxos.comparison import Sum
    from systems_under_test.paxos.node import Node
    from systems_under_test.paxos.step import Step

SCRUB: Final = "scrub"
PART_BYTES: Final = 32 << 10
"""Of keys and values, whose checksums make a part. Rows of two bytes are 16 times as long there."""
PART_ROWS: Final = 300
"""Of a part of what was rebuilt from the archive."""
DAMAGE_MAX: Final = 100
"""So many lines about damage are told of a node; the others are counted."""
AT_ONCE: Final = 1 * MS
AGAIN: Final = 500 * MS
"""A part that was not answered is sent again."""
LONGEST: Final = 10_000 * MS
"""Who has said nothing for so long is left out."""
OVER: Final = -1
"""Instead of the number of a part: no more of them is needed."""
ARCHIVED: Final = "archive"


def sums_of(rows: Iterable[tuple[str, bytes, bytes]]) -> Iterator[Sum]:
    """The checksum of each row."""
    return ((table, key, zlib.crc32(value, zlib.crc32(key))) for table, key, value in rows)


@dataclass(slots=True)
class Telling:
    """What a replica tells of its state after a mark."""

    slot: int
    view: View
    heard_at: int
    part: Scrubbed | None = None
    """The latest one; the first has no rows but what is damaged."""
    sent_at: int = 0


@dataclass(slots=True)
class Source:
    """What a leader knows of a replica that tells: the next part that it takes, or asks for."""

    heard_at: int
    next: int = 0
    asked: int = 0
    damage: tuple[str, ...] = ()


@dataclass(slots=True)
class Scrubbing:
    """A scrubbing that a leader has under way."""

    slot: int
    began: int
    sources: dict[str, Source]
    comparison: Comparison
    archive: str = "off"
    rebuilt: Iterator[Sum] = field(default_factory=lambda: iter(()))
    silent: list[str] = field(default_factory=list)


class Scrubber:
    """What one replica does about scrubbing."""

    def __init__(self, node: Node) -> None:
        self._node = node
        self._verifying = 0
        """Marks that were applied and wait for the host."""
        self._telling: Telling | None = None
        self._wanted: ScrubNext | None = None
        """What this node as leader asks of itself."""
        self.current: Scrubbing | None = None
        self.report: dict[str, Any] | None = None
        """The latest one of this life."""

    def begin(self, step: Step) -> None:
        """As leader, put a mark into the log."""
        node = self._node
        leadership = node.leadership
        assert leadership is not None
        slot = leadership.propose(step, MARK)
        names = sorted(member.node for member in node.groups.newest.storing())
        sources = {name: Source(step.mono) for name in names}
        copies = [*names, ARCHIVED] if node.archiver.on else names
        self.current = Scrubbing(slot, step.mono, sources, Comparison(copies))
        if node.archiver.on:
            self.current.archive = "rebuilding"
            node.archiver.want(slot)

    # --- telling ---

    def on_mark(self, step: Step, slot: int) -> None:
        """A mark is being applied: the state is what every replica has at this slot."""
        self._tell_no_more()
        self._telling = Telling(slot, View(step, self._node.state), step.mono)
        self._verifying += 1
        step.verify_storage()

    def on_verified(self, step: Step, damage: tuple[str, ...]) -> None:
        """The host has looked at what is at rest."""
        self._node.counters.damage_found += len(damage)
        for line in damage[:DAMAGE_MAX]:
            step.log("damage-found", where=line)
        self._verifying -= 1
        telling = self._telling
        if telling is None or self._verifying:
            return
        more = len(damage) - DAMAGE_MAX
        told = (*damage[:DAMAGE_MAX], f"and {more} more") if more > 0 else damage
        telling.heard_at = step.mono
        telling.part = Scrubbed(telling.slot, 0, (), told)
        self._send(step, telling)

    def on_next(self, step: Step, message: ScrubNext) -> None:
        """The leader asks for the next part, or says that it is still there."""
        telling = self._telling
        if telling is None or telling.slot != message.slot or telling.part is None:
            return
        telling.heard_at = step.mono
        if message.part == OVER:
            self._tell_no_more()
        elif message.part == telling.part.part + 1 and not telling.part.last:
            self._make_part(step, telling, message.part)

    def go_on(self, step: Step) -> None:
        """The timer: what this node asks of itself, or a part that was lost is sent again."""
        wanted, self._wanted = self._wanted, None
        if wanted is not None:
            self.on_next(step, wanted)
        telling = self._telling
        if telling is None or telling.part is None:
            return
        if step.mono - telling.heard_at > LONGEST:
            self._tell_no_more()
        elif step.mono - telling.sent_at >= AGAIN:
            self._send(step, telling)
        elif self._wanted is None:
            step.set_timer(SCRUB, AGAIN)

    def _make_part(self, step: Step, telling: Telling, number: int) -> None:
        view = telling.view
        if view.done and not view.whole:
            self._tell_no_more()  # Another state was put in place.
            return
        rows: list[Sum] = []
        try:
            rows += sums_of(view.next(step, PART_BYTES))
        except StorageDamaged:
            view.skip_table()  # The host was asked, and has named it.
        last = view.done
        telling.part = Scrubbed(telling.slot, number, tuple(rows), (), last)
        self._send(step, telling)

    def _send(self, step: Step, telling: Telling) -> None:
        node = self._node
        assert telling.part is not None
        telling.sent_at = step.mono
        step.set_timer(SCRUB, AGAIN)
        if node.leadership is not None:
            self.on_scrubbed(step, node.name, telling.part)
        elif node.leader != NO_BALLOT:
            step.send(node.leader.node, telling.part)

    def _tell_no_more(self) -> None:
        if self._telling is not None:
            self._telling.view.close()
        self._telling = None

    # --- comparing ---

    def on_scrubbed(self, step: Step, sender: str, message: Scrubbed) -> None:
        """As leader: a part has arrived."""
        if self._node.leadership is None:
            return
        current = self.current
        if current is None or current.slot != message.slot or sender not in current.sources:
            self._ask(step, sender, ScrubNext(message.slot, OVER))
            return
        source = current.sources[sender]
        source.heard_at = step.mono
        if message.part == source.next:
            source.next += 1
            if message.part == 0:
                source.damage = message.damage
            current.comparison.add(sender, message.rows, ends=message.last)
        self._compare(step, current)
        if self.current is current:
            self._ask(step, sender, ScrubNext(current.slot, source.asked))

    def on_timer(self, step: Step) -> None:
        """Rebuild once the archive reaches the mark; leave out what takes too long."""
        node, current = self._node, self.current
        if current is None:
            return
        if current.archive == "rebuilding" and node.archiver.slot >= current.slot:
            current.archive = "waiting"
            rebuilding = Rebuilding(
                step, node.configuration, slot=current.slot, finished=self._rebuilt
            )
            node.archiver.rebuildings.append(rebuilding)
        elif current.archive == "rebuilding" and step.mono - current.began > LONGEST:
            current.archive = "not in time"
            current.comparison.leave_out(ARCHIVED)
        for name in current.comparison.awaited:
            source = current.sources.get(name)
            if source is not None and step.mono - source.heard_at > LONGEST:
                current.silent.append(name)
                current.comparison.leave_out(name)
        self._compare(step, current)

    def _rebuilt(self, step: Step, result: Replay | str) -> None:
        current = self.current
        if current is None or current.archive != "waiting":
            return
        if isinstance(result, str):
            current.archive = result
            current.comparison.leave_out(ARCHIVED)
        else:
            rows = result.rows()
            current.rebuilt = sums_of(
                (table, key, value) for table in TABLES for key, value in rows[table].items()
            )
            current.archive = "compared"
        self._compare(step, current)

    def _compare(self, step: Step, current: Scrubbing) -> None:
        """Go on with what is there, and ask for what is missing."""
        comparison = current.comparison
        while current.archive == "compared" and ARCHIVED in comparison.awaited:
            part = list(islice(current.rebuilt, PART_ROWS))
            comparison.add(ARCHIVED, part, ends=not part)
        if comparison.done:
            self._conclude(step, current)
            return
        for name in comparison.awaited:
            source = current.sources.get(name)
            if source is not None and source.asked < source.next:
                source.asked = source.next
                self._ask(step, name, ScrubNext(current.slot, source.asked))

    def _ask(self, step: Step, name: str, wanted: ScrubNext) -> None:
        """Of itself a node asks with a timer: one input makes one part."""
        if name != self._node.name:
            step.send(name, wanted)
            return
        self._wanted = wanted
        step.set_timer(SCRUB, AT_ONCE)

    def _conclude(self, step: Step, current: Scrubbing) -> None:
        self.current = None
        for name in current.sources:
            self._ask(step, name, ScrubNext(current.slot, OVER))
        self._node.counters.scrubs += 1
        found = current.comparison
        self.report = {
            "slot": current.slot,
            "compared": found.names,
            "silent": sorted(current.silent),
            "archive": current.archive,
            "damage": {
                name: list(source.damage)
                for name, source in sorted(current.sources.items())
                if source.damage
            },
            "differs": found.differs,
            "differences": found.differences,
        }
        step.log("scrubbed", slot=current.slot, differences=found.differences)
