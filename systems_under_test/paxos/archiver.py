"""The archiver: a leader brings what is chosen into the archive, and asks it for what was.

It writes one object at a time, a segment as soon as there are enough slots or bytes or the oldest
waits long enough, and a snapshot from time to time. A segment is made with one input, so it is cut
by bytes too. The log is truncated only up to where the archive reaches, and a snapshot for another
replica brings the log with it: so no replica's log begins behind what is archived, and whoever
leads next goes on without a gap. Unless the archive has been out of reach for so many slots or
bytes that the log would grow without bound: then a snapshot begins it anew, and the times between
cannot be restored. Writes never wait for the archive.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from systems_under_test.paxos import api
from systems_under_test.paxos.archive import (
    Inventory,
    Segment,
    Snapshot,
    encode,
    encode_picture,
    encode_values,
)
from systems_under_test.paxos.configuration import MS
from systems_under_test.paxos.lease import NEVER
from systems_under_test.paxos.log import ENTRY_BYTES
from systems_under_test.paxos.rebuild import Rebuilding, Replay, keys_of
from systems_under_test.paxos.view import View

if TYPE_CHECKING:
    from systems_under_test.paxos.log import Log
    from systems_under_test.paxos.messages import Entry
    from systems_under_test.paxos.node import Head, Node
    from systems_under_test.paxos.step import Step
    from systems_under_test.replica import ObjectAnswer

ARCHIVE: Final = "archive"
LOOK_EVERY: Final = 200 * MS
AGAIN: Final = 5_000 * MS
"""What the store did not answer for so long is asked again."""
PICTURE: Final = "picture"
PICTURE_EVERY: Final = 2 * MS
REBUILDINGS_MAX: Final = 4
SEGMENT_SLOTS_MAX: Final = 4_096


@dataclass(slots=True)
class Picturing:
    """A snapshot for the archive that is being made, a slice of it with each input."""

    name: Snapshot
    head: Head
    view: View
    count: int = 0
    rows: list[bytes] = field(default_factory=list)
    """Encoded already, many of them together."""


class Lag:
    """The slots that are chosen and not archived: how many bytes their commands have.

    Each slot is counted once, when it is chosen, and once more when it leaves.
    """

    def __init__(self) -> None:
        self.bytes = 0
        self._sizes: deque[tuple[int, int]] = deque()
        self._base = self._upto = 0

    def follow(self, log: Log, base: int, chosen: int) -> None:
        """The archive, or what the log lacks, reaches up to `base`; slots up to `chosen` are."""
        sizes = self._sizes
        if base < self._base:  # Another leader's archive reaches less far: count anew.
            sizes.clear()
            self.bytes, self._upto = 0, base
        self._base = base
        while sizes and sizes[0][0] <= base:
            self.bytes -= sizes.popleft()[1]
        for slot in range(max(base, self._upto) + 1, chosen + 1):
            entry = log.entries.get(slot)
            size = ENTRY_BYTES + (0 if entry is None else len(entry.payload))
            sizes.append((slot, size))
            self.bytes += size
        self._upto = max(self._upto, chosen)


class Archiver:
    """What one replica does about the archive."""

    def __init__(self, node: Node) -> None:
        self._node = node
        self.slot = 0
        """How far the archive reaches without a gap, as far as this leader knows."""
        self.time = 0
        self.snapshot = 0
        self.trouble = ""
        """Why the store could not be used lately."""
        self.rebuildings: list[Rebuilding] = []
        self._lag = Lag()
        self._leads = False
        self._known = False
        self._wanted = 0
        """Whatever is chosen up to this slot is to be archived at once."""
        self._waits_since = NEVER
        self._asked: tuple[str, str] | None = None
        self._asked_at = NEVER
        self._putting: Segment | Snapshot | None = None
        self._picturing: Picturing | None = None

    @property
    def on(self) -> bool:
        """Whether there is an archive."""
        return self._node.configuration.archive

    def arm(self, step: Step) -> None:
        """Look again after a while."""
        if self.on:
            step.set_timer(ARCHIVE, LOOK_EVERY)

    def want(self, slot: int) -> None:
        """Archive everything up to this slot as soon as it is chosen."""
        self._wanted = max(self._wanted, slot)

    def limit(self, floor: int) -> int:
        """Up to where the log may be truncated, if two snapshots hold it up to a slot."""
        node = self._node
        if not self.on:
            return floor
        kept = node.learner.chosen - max(self.slot, node.log.start)
        sure = self._known or self.trouble != ""
        configuration = node.configuration
        too_long = self._lag_bytes() > configuration.archive_lag_bytes
        if sure and (too_long or kept > configuration.archive_lag_slots):
            return floor
        return min(max(floor, self.snapshot), self.slot)

    def _lag_bytes(self) -> int:
        """What is chosen and not archived, as far as the log has it."""
        node = self._node
        self._lag.follow(node.log, max(self.slot, node.log.start), node.learner.chosen)
        return self._lag.bytes

    def on_timer(self, step: Step) -> None:
        """Go on: as leader with archiving, and with whatever takes too long."""
        self.arm(step)
        for rebuilding in self.rebuildings:
            rebuilding.on_timer(step)
        self._sweep()
        leads = self._node.leadership is not None and self._node.leadership.ready
        if leads and not self._leads:
            self._known, self._asked, self._putting, self.trouble = False, None, None, ""
        self._leads = leads
        if not leads:
            self._drop_picture()
            return
        if self._asked is not None and step.mono - self._asked_at > AGAIN:
            self._asked = self._putting = None
            self.trouble = f"the object store has not answered for {AGAIN // MS} ms"
        if self._asked is None:
            self._next(step)

    def on_answer(self, step: Step, answer: ObjectAnswer) -> None:
        """The store has answered."""
        for rebuilding in list(self.rebuildings):
            rebuilding.on_answer(step, answer)
        self._sweep()
        if self._asked != (answer.verb, answer.name):
            return
        self._asked, putting, self._putting = None, self._putting, None
        self.trouble = answer.reason if answer.status == "failed" else ""
        if answer.status != "done":
            self._node.counters.objects_failed += 1
            return
        if answer.verb == "list":
            self._learn(step, Inventory(answer.names))
        elif isinstance(putting, Segment):
            self.slot, self.time = putting.last, putting.time
        elif putting is not None:
            self.snapshot = putting.slot
            if self.slot < self._node.log.start:  # A gap that no log can fill any more.
                self.slot, self.time = putting.slot, putting.time
            self._known = False  # Look at what is there, for what is too old.
        if self._leads and answer.verb == "put":
            self._node.counters.objects_written += 1
            self._next(step)

    def _learn(self, step: Step, there: Inventory) -> None:
        self._known = True
        self.slot, self.time, self.snapshot = there.reaches(self._node.log.start)
        configuration = self._node.configuration
        limit = self._node.learner.time - configuration.archive_keep_ms * MS
        for name in there.outdated(limit):
            step.ask_objects("delete", name)

    def _next(self, step: Step) -> None:
        """Ask what is there, or write what is due."""
        node = self._node
        configuration, applied = node.configuration, node.learner.applied
        if not self._known:
            self._ask(step, "list", "")
            return
        picturing = self._picturing
        if picturing is not None and picturing.view.whole:
            self._put_snapshot(step, picturing)
            return
        gap = self.slot < node.log.start
        due = gap or self.slot - self.snapshot >= configuration.archive_snapshot_slots
        if due and picturing is None:
            self._begin_picture(step)
        if gap:
            return
        waiting = applied - self.slot
        if waiting <= 0:
            self._waits_since = NEVER
            return
        if self._waits_since == NEVER:
            self._waits_since = step.mono
        late = step.mono - self._waits_since >= configuration.archive_every_ms * MS
        many = waiting >= configuration.archive_segment_slots
        long = self._lag_bytes() >= configuration.archive_segment_bytes
        if late or self._wanted > self.slot or many or long:
            self._waits_since = NEVER
            self._put_segment(step, min(applied, self.slot + SEGMENT_SLOTS_MAX))

    def _put_segment(self, step: Step, last: int) -> None:
        """Archive what follows, up to a slot, as much as makes one segment."""
        entries = self._node.log.entries
        left = self._node.configuration.archive_segment_bytes
        found: list[Entry] = []
        for slot in range(self.slot + 1, last + 1):
            if left <= 0:
                last = slot - 1
                break
            found.append(entries[slot])
            left -= len(entries[slot].payload) + ENTRY_BYTES
        time = max(self.time, *(entry.time for entry in found))
        self._putting = Segment(self.slot + 1, last, time)
        values = tuple((entry.time, entry.payload) for entry in found)
        self._ask(step, "put", self._putting.name, encode_values(values))

    def _begin_picture(self, step: Step) -> None:
        node = self._node
        name = Snapshot(node.learner.applied, node.learner.time)
        self._picturing = Picturing(name, node.head, View(step, node.state))
        step.set_timer(PICTURE, PICTURE_EVERY)

    def go_on_picturing(self, step: Step) -> None:
        """The timer: one more slice, and the last one is followed by the writing of it all."""
        picturing = self._picturing
        if picturing is None:
            return
        if picturing.view.done:  # Another state was put in place.
            self._drop_picture()
            return
        rows = picturing.view.next(step, self._node.configuration.batch_bytes)
        picturing.count += len(rows)
        picturing.rows.append(b"".join(map(encode, rows)))
        if not picturing.view.whole:
            step.set_timer(PICTURE, PICTURE_EVERY)
        elif self._asked is None and self._leads:
            self._next(step)

    def _put_snapshot(self, step: Step, made: Picturing) -> None:
        self._picturing, self._putting = None, made.name
        content = encode_picture(made.head, made.count, made.rows)
        self._ask(step, "put", made.name.name, content)

    def _drop_picture(self) -> None:
        if self._picturing is not None:
            self._picturing.view.close()
        self._picturing = None

    def _ask(self, step: Step, verb: Any, name: str, content: bytes = b"") -> None:
        self._asked, self._asked_at = (verb, name), step.mono
        step.ask_objects(verb, name, content)

    def _sweep(self) -> None:
        self.rebuildings = [one for one in self.rebuildings if not one.over]

    # --- restore ---

    def restore(self, step: Step, client: int, time: int) -> None:
        """Answer a client with the state as it was at a time of the log, in nanoseconds."""
        if not self.on or len(self.rebuildings) >= REBUILDINGS_MAX:
            why = "too much is being rebuilt here: try later"
            told = why if self.on else "there is no archive: set the option `archive`"
            step.respond(client, 503, api.JSON_TYPE, api.error(told, definite=True))
            return

        def finished(step: Step, result: Replay | str) -> None:
            if isinstance(result, str):
                step.respond(client, 409, api.JSON_TYPE, api.error(result, definite=True))
                return
            self._node.counters.restores += 1
            keys = keys_of(result.rows())
            body = api.restored(result.slot, result.time, keys)
            step.respond(client, 200, api.JSON_TYPE, body)

        rebuilding = Rebuilding(step, self._node.configuration, time=time, finished=finished)
        self.rebuildings.append(rebuilding)

    def status(self) -> dict[str, Any]:
        """How it is."""
        return {
            "on": self.on,
            "slot": self.slot,
            "time": self.time,
            "snapshot": self.snapshot,
            "trouble": self.trouble,
        }
