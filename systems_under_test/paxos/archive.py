"""What lies in the archive: segments of the log and snapshots, as objects of a store.

A segment holds the chosen values of consecutive slots, a snapshot the state after a slot. Their
names say which slots and up to which time of the log, so that a list of names is enough to know
what can be rebuilt. The same slot holds the same value in every segment, whoever wrote it: leaders
may overlap, and write again what another one has written.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import msgspec

from systems_under_test.paxos.messages import Values
from systems_under_test.paxos.node import Head  # noqa: TC001 - read when the class is made.
from systems_under_test.paxos.state_machine import Rows  # noqa: TC001

if TYPE_CHECKING:
    from collections.abc import Iterable

SEGMENTS: Final = "segments/"
SNAPSHOTS: Final = "snapshots/"
DIGITS: Final = 20


class Picture(msgspec.Struct, frozen=True, array_like=True):
    """A snapshot as it is archived: the head, and rows of (table, key, value)."""

    head: Head
    rows: Rows


class NotArchived(Exception):
    """What was asked for cannot be rebuilt from what is there; the message says why."""


@dataclass(frozen=True, slots=True, order=True)
class Segment:
    """The chosen values of some slots; `time` is the log's after the last of them."""

    first: int
    last: int
    time: int

    @property
    def name(self) -> str:
        """The object's."""
        return f"{SEGMENTS}{_digits(self.first)}-{_digits(self.last)}-{_digits(self.time)}"


@dataclass(frozen=True, slots=True, order=True)
class Snapshot:
    """The state after a slot; `time` is the log's then."""

    slot: int
    time: int

    @property
    def name(self) -> str:
        """The object's."""
        return f"{SNAPSHOTS}{_digits(self.slot)}-{_digits(self.time)}"


NOTHING: Final = Snapshot(0, 0)
"""The state before the first slot, which needs no object."""

encode_values = msgspec.msgpack.Encoder().encode
decode_values = msgspec.msgpack.Decoder(Values).decode
encode = msgspec.msgpack.Encoder().encode
ARRAY_OF_TWO: Final = b"\x92"
ARRAY_32: Final = b"\xdd"
decode_picture = msgspec.msgpack.Decoder(Picture).decode


def encode_picture(head: Head, count: int, rows: Iterable[bytes]) -> bytes:
    """A picture with so many rows, of which each is encoded already: alone or with others."""
    return b"".join((ARRAY_OF_TWO, encode(head), ARRAY_32, count.to_bytes(4, "big"), *rows))


class Inventory:
    """What names of objects say is there. Names of another form are passed over."""

    def __init__(self, names: Iterable[str]) -> None:
        self.segments: list[Segment] = []
        self.snapshots: list[Snapshot] = [NOTHING]
        for name in names:
            prefix, _, rest = name.partition("/")
            numbers = [int(part) for part in rest.split("-") if part.isdecimal()]
            if f"{prefix}/" == SEGMENTS and len(numbers) == 3:
                self.segments.append(Segment(*numbers))
            elif f"{prefix}/" == SNAPSHOTS and len(numbers) == 2:
                self.snapshots.append(Snapshot(*numbers))
        self.segments.sort()
        self.snapshots.sort()

    def chain(self, after: Snapshot) -> list[Segment]:
        """Segments that continue a snapshot without a gap, as far as they go."""
        found, held = [], after.slot
        for segment in self.segments:
            if segment.first > held + 1:
                break
            if segment.last > held:
                found.append(segment)
                held = segment.last
        return found

    def reaches(self, held_from: int) -> tuple[int, int, int]:
        """(slot, time, slot of the newest snapshot): from where a log that holds every slot above
        `held_from` goes on, so that no gap is left that it can fill."""
        ends = []
        for start in self.snapshots:
            chain = self.chain(start)
            ends.append((chain[-1].last, chain[-1].time) if chain else (start.slot, start.time))
        able = [end for end in ends if end[0] >= held_from]
        slot, time = min(able) if able else max(ends)
        return slot, time, self.snapshots[-1].slot

    def at_slot(self, slot: int) -> tuple[Snapshot, list[Segment]]:
        """What the state after a slot is rebuilt from. Raises NotArchived."""
        for start in reversed(self.snapshots):
            if start.slot > slot:
                continue
            if start.slot == slot:
                return start, []
            chain = self.chain(start)
            if chain and chain[-1].last >= slot:
                return start, [segment for segment in chain if segment.first <= slot]
        raise NotArchived(f"the archive does not hold the log up to slot {slot}")

    def at_time(self, time: int) -> tuple[Snapshot, list[Segment]]:
        """What the state at a time is rebuilt from: all that is stamped at most so.

        The archive must go beyond that time, else more of it might still come. Raises NotArchived.
        """
        for start in reversed(self.snapshots):
            if start.time > time:
                continue
            chain = self.chain(start)
            within = [s for s in chain if s.time <= time]
            beyond = chain[len(within) : len(within) + 1]
            if beyond:
                return start, [*within, *beyond]
        ends = max((segment.time for segment in self.segments), default=0)
        raise NotArchived(
            f"the archive cannot show time {time}: it begins at {self.snapshots[0].time} and ends "
            f"at {ends}, or what lies between is missing"
        )

    def outdated(self, time: int) -> list[str]:
        """Objects that no time from this one on needs: everything before the newest snapshot that
        is not later."""
        start = max((s for s in self.snapshots if s.time <= time), default=NOTHING)
        old = [segment.name for segment in self.segments if segment.last <= start.slot]
        old += [snapshot.name for snapshot in self.snapshots if 0 < snapshot.slot < start.slot]
        return old


def _digits(number: int) -> str:
    return f"{number:0{DIGITS}d}"
