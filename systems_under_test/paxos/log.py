"""The replicated log of one replica: what it has accepted in each slot, durable.

Kept in the table `log`, ordered by slot, and as a copy in memory. Slots up to `start` are gone:
they are chosen and lie in a snapshot. The slots held are consecutive; while a snapshot is arriving,
some of those that came with it stand above them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import msgspec

from systems_under_test.paxos import group as groups
from systems_under_test.paxos.commands import REGROUP
from systems_under_test.paxos.messages import Entry

if TYPE_CHECKING:
    from systems_under_test.paxos.group import Group, Groups
    from systems_under_test.paxos.messages import Opening
    from systems_under_test.paxos.step import Step

LOG_TABLE: Final = "log"
SLOT_BYTES: Final = 8
ENTRY_BYTES: Final = 64
"""About what an entry has besides its payload."""
TRUNCATED_AT_ONCE_MAX: Final = 1_000
TRUNCATED_BYTES_AT_ONCE: Final = 4 << 20
"""So many slots are deleted with one input, and no more than make so many bytes: an engine has to
free every page of what it deletes. 20 MB at once kept a leader busy for half a second, and 1,000
slots may hold a GB."""

_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(Entry).decode


def key_of(slot: int) -> bytes:
    """The key of a slot: in the order of slots."""
    return slot.to_bytes(SLOT_BYTES, "big")


def group_in(payload: bytes) -> Group | None:
    """The configuration in an entry, if it is one."""
    return groups.decode(payload[1:]) if payload[:1] == REGROUP else None


class Log:
    """Entries by slot."""

    def __init__(self, step: Step, start: int, configurations: Groups, *, durable: bool) -> None:
        self.start = start
        self.entries: dict[int, Entry] = {}
        self.last = start
        self._groups = configurations
        self._durable = durable
        for key, content in step.storage.scan(LOG_TABLE):
            slot = int.from_bytes(key, "big")
            if slot <= start:
                continue
            self.entries[slot] = entry = _decode(content)
            self.last = slot
            configurations.put(slot, group_in(entry.payload))

    def put(self, step: Step, slot: int, entry: Entry, *, durable: bool = True) -> None:
        """Accept an entry in a slot; before anything is said of it, unless told not."""
        self.entries[slot] = entry
        self.last = max(self.last, slot)
        self._groups.put(slot, group_in(entry.payload))
        durable = durable and self._durable
        step.write(LOG_TABLE, key_of(slot), _encode(entry), durable=durable)

    def accepted_from(self, slot: int) -> tuple[tuple[int, Entry], ...]:
        """The entries from a slot on, in order."""
        entries = self.entries
        return tuple((s, entries[s]) for s in range(slot, self.last + 1) if s in entries)

    def part_from(self, slot: int, size_max: int) -> tuple[tuple[tuple[int, Entry], ...], bool]:
        """The entries from a slot on until they have so many bytes; whether there are more."""
        found: list[tuple[int, Entry]] = []
        size = 0
        for at in range(slot, self.last + 1):
            entry = self.entries.get(at)
            if entry is None:
                continue
            if size >= size_max:
                return tuple(found), True
            found.append((at, entry))
            size += len(entry.payload) + ENTRY_BYTES
        return tuple(found), False

    def groups_after(self, slot: int) -> list[tuple[int, Group]]:
        """The configurations in slots above this one."""
        found = []
        for at, entry in self.accepted_from(slot + 1):
            group = group_in(entry.payload)
            if group is not None:
                found.append((at, group))
        return found

    def truncate(self, step: Step, upto: int) -> int:
        """Forget slots up to this one, as many as one input may; how many there were."""
        upto = min(upto, self.start + TRUNCATED_AT_ONCE_MAX)
        count = size = 0
        for slot in range(self.start + 1, upto + 1):
            entry = self.entries.pop(slot, None)
            self.start = slot
            if entry is None:
                continue
            step.write(LOG_TABLE, key_of(slot), None, durable=False)
            count += 1
            size += len(entry.payload)
            if size >= TRUNCATED_BYTES_AT_ONCE:
                break
        self.last = max(self.last, self.start)
        return count

    def cut(self, step: Step, opening: Opening, chosen: int) -> None:
        """Forget the values, at the end of the log, that can be chosen no more."""
        while self.last > chosen:
            entry = self.entries.get(self.last)
            if entry is not None and not opening.ends(self.last, entry.ballot):
                break
            self.entries.pop(self.last, None)
            self._groups.put(self.last, None)
            step.write(LOG_TABLE, key_of(self.last), None, durable=self._durable)
            self.last -= 1

    def begin_at(self, slot: int) -> None:
        """The log begins behind this slot: forget what is older, and the gap up to it if there is.

        Its rows are of no more use, and left for whoever sweeps: they may be many.
        """
        for old in [s for s in self.entries if s <= slot]:
            del self.entries[old]
        self.start = slot
        self.last = max(self.entries, default=slot)
