"""Receiving a snapshot: its parts are staged as they arrive, and one small input has them count.

The rows of a part are written into the generation of the tables that does not count, and its slots
into the log, where they stand for what they are, whether or not the rest ever comes: this ballot's
leader has these values in these slots, and they are chosen. Below them slots may be missing until
then, as if messages had been lost; no slot is held or applied for it. With the last part the head
is written, which has the other generation count and the log begin where the sender's did, and only
if the snapshot is newer than what is applied (`snapshot-over-newer`). What is outdated by that is
swept away, a slice with each input, before another snapshot is staged.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

import msgspec

from systems_under_test.paxos import names
from systems_under_test.paxos.configuration import MS
from systems_under_test.paxos.log import LOG_TABLE, key_of
from systems_under_test.paxos.messages import Entry, SnapshotTaken, Values
from systems_under_test.paxos.node import Head  # noqa: TC001 - msgspec reads the annotation
from systems_under_test.paxos.request_table import Gathered
from systems_under_test.paxos.state_machine import TABLES, Rows

if TYPE_CHECKING:
    from systems_under_test.paxos.messages import Ballot, SnapshotPart
    from systems_under_test.paxos.node import Node
    from systems_under_test.paxos.step import Step

NEWER: Final = -1
LOST: Final = -2
"""Answers to a part that was not taken."""
SWEEP: Final = "sweep"
SWEEP_EVERY: Final = 2 * MS


class Part(msgspec.Struct, frozen=True, array_like=True):
    """What a part carries: the head (in part 0 only), rows of (table, key, value), and of the log.

    The values of the log, (time, payload), are of consecutive slots over all parts in order, from
    the one behind the head's `start` up to the one that is applied.
    """

    head: Head | None
    rows: Rows = ()
    values: Values = ()


_decode = msgspec.msgpack.Decoder(Part).decode


@dataclass(slots=True)
class Staging:
    """A snapshot that is arriving, in the generation of the tables that does not count.

    Its name is of one transfer: if another of the same slot went on with it, of which the log
    begins later, the values of the first would stand in wrong slots.
    """

    name: tuple[Ballot, int, int]
    head: Head | None = None
    next: int = 0
    slot: int = 0
    """Up to this one the log has arrived."""
    requests: Gathered = field(default_factory=Gathered)


class Installation:
    """What one replica does about snapshots that arrive."""

    def __init__(self, step: Step, node: Node) -> None:
        self._node = node
        self._staging: Staging | None = None
        self._clean = True
        """Whether the generation that does not count is empty, and the log before its start."""
        if self._outdated(step, 1):
            self._begin_sweep(step)

    def on_part(self, step: Step, sender: str, message: SnapshotPart) -> None:
        """Stage a part; with the last one put the snapshot in place."""
        node = self._node
        careless = node.bug == names.SNAPSHOT_OVER_NEWER
        if not careless:
            if message.ballot < node.acceptor.promised:
                return
            node.acceptor.obey(step, message.ballot)
        if message.slot <= node.learner.chosen and not careless:
            node.counters.snapshots_refused += 1
            part = message.parts - 1 if message.parts else NEWER
            step.send(sender, SnapshotTaken(message.slot, message.transfer, part))
            return
        staging = self._staging
        name = (message.ballot, message.slot, message.transfer)
        if staging is None or staging.name != name:
            if message.part:
                step.send(sender, SnapshotTaken(message.slot, message.transfer, LOST))
                return
            staging = self._staging = self._begin_staging(step, message)
        if staging is None or message.part > staging.next:
            return  # It is sent again.
        if message.part == staging.next:
            self._stage(step, staging, message)
        step.send(sender, SnapshotTaken(message.slot, message.transfer, message.part))

    def _begin_staging(self, step: Step, message: SnapshotPart) -> Staging | None:
        """A place for another snapshot, once what an earlier one has left is swept away."""
        if self._clean:
            return Staging((message.ballot, message.slot, message.transfer))
        self._begin_sweep(step)
        return None

    def _stage(self, step: Step, staging: Staging, message: SnapshotPart) -> None:
        part = _decode(message.content)
        if part.head is not None:
            staging.head, staging.slot = part.head, part.head.start
        staging.next += 1
        self._stage_log(step, staging, part.values)
        staging.requests.add(part.rows)
        if part.rows:
            self._clean = False
        for table, key, value in part.rows:
            step.write(self._other(table), key, value, durable=False)
        if message.parts:
            self._install(step, staging)
            self._staging = None

    def _stage_log(self, step: Step, staging: Staging, values: Values) -> None:
        """Nothing was said of these slots that a crash must not take back, so this can wait."""
        log, (ballot, _, _) = self._node.log, staging.name
        for time, payload in values:
            staging.slot += 1
            if staging.slot > log.start:
                log.put(step, staging.slot, Entry(ballot, time, payload), durable=False)

    def _other(self, table: str) -> str:
        return f"{table}-{1 - self._node.head.generation}"

    def _install(self, step: Step, staging: Staging) -> None:
        """Write the head that has the other generation count, and all that was staged with it."""
        node, (_, slot, _), head = self._node, staging.name, staging.head
        assert head is not None
        for view in list(node.views):
            view.close()
        generation = 1 - node.head.generation
        node.state.generation = generation
        applied = max(slot, node.learner.applied)
        digest = head.digest if node.stores else b""
        time = max(head.time, node.learner.time)
        node.learner.put_in_place(applied, time, head.age, digest)
        node.log.begin_at(max(head.start, node.log.start))
        node.groups.rebase(head.group_slot, head.group, node.log.groups_after(slot))
        head = msgspec.structs.replace(
            head,
            generation=generation,
            applied=applied,
            start=node.log.start,
            time=node.learner.time,
            age=node.learner.age,
            digest=digest,
        )
        node.store_head(step, head, durable=True)
        node.state.requests.load(staging.requests)
        node.acceptor.adopt(step, slot)
        node.snapshots.checkpoint = applied if node.stores else 0
        node.counters.snapshots_installed += 1
        step.log("snapshot-installed", slot=slot)
        self._begin_sweep(step)

    # --- what is outdated ---

    def _begin_sweep(self, step: Step) -> None:
        self._clean = False
        step.set_timer(SWEEP, SWEEP_EVERY)

    def sweep(self, step: Step) -> None:
        """Delete some of it, unless a snapshot is arriving."""
        if self._staging is not None or self._clean:
            return
        outdated = self._outdated(step, self._node.configuration.batch_bytes)
        for table, key in outdated:
            step.write(table, key, None, durable=False)
        if outdated:
            step.set_timer(SWEEP, SWEEP_EVERY)
        self._clean = not outdated

    def _outdated(self, step: Step, size_max: int) -> list[tuple[str, bytes]]:
        """Some rows (table, key) of the generation that does not count, or of the log before its
        start; of so many bytes."""
        for table in map(self._other, TABLES):
            rows = step.storage.scan(table, size_max=size_max)
            if found := [(table, key) for key, _ in rows]:
                return found
        stop = key_of(self._node.log.start + 1)
        rows = step.storage.scan(LOG_TABLE, stop=stop, size_max=size_max)
        return [(LOG_TABLE, key) for key, _ in rows]
