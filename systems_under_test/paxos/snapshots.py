"""Checkpoints, truncation of the log, and snapshots for replicas that have fallen behind.

The state lies in the tables all the time; a checkpoint makes it durable up to a slot. The log is
truncated only up to the second-highest checkpoint of the storage replicas, so that two of them
hold what is gone from it (`truncates-too-early`), and never beyond a replica's own checkpoint. A
snapshot is put in place in one input, and only if it is newer than what is applied
(`snapshot-over-newer`).

A snapshot brings the log with it, as far as the sender keeps it. Else a replica that was installed
while the archive was out of reach could come to lead without the slots that the archive lacks, and
nobody would ever archive them.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import zip_longest
from typing import TYPE_CHECKING, Final, TypeVar

import msgspec

from systems_under_test.paxos import names
from systems_under_test.paxos.configuration import MS
from systems_under_test.paxos.group import LOG
from systems_under_test.paxos.lease import NEVER
from systems_under_test.paxos.messages import Entry, SnapshotPart, SnapshotTaken, Values
from systems_under_test.paxos.node import Head  # noqa: TC001 - msgspec reads the annotation
from systems_under_test.paxos.state_machine import TABLES, Rows

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from systems_under_test.paxos.group import Member
    from systems_under_test.paxos.leadership import Leadership, Peer
    from systems_under_test.paxos.messages import Ballot
    from systems_under_test.paxos.node import Node
    from systems_under_test.paxos.step import Step

T = TypeVar("T")

TRUNCATE_AT: Final = 64
"""The log is cut only when so many slots can go, or one checkpoint's worth."""
AGAIN: Final = 200 * MS
"""A part that was not acknowledged for so long is sent again."""


class Part(msgspec.Struct, frozen=True, array_like=True):
    """What a part carries: the head (in part 0 only), rows of (table, key, value), and of the log.

    The values of the log, (time, payload), are of consecutive slots over all parts in order, from
    the one behind the head's `start` up to the one that is applied.
    """

    head: Head | None
    rows: Rows = ()
    values: Values = ()


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(Part).decode


@dataclass(slots=True)
class Transfer:
    """A snapshot on its way to a peer."""

    slot: int
    parts: list[bytes]
    next: int
    sent_at: int


class Snapshots:
    """What one replica does about snapshots, sending and receiving."""

    def __init__(self, node: Node) -> None:
        self._node = node
        self.checkpoint = node.head.applied if node.stores else 0
        """What was read at the start is durable: a host settles its disk before a life begins."""
        self.floor = 0
        """Slots up to this one are in the snapshots of two storage replicas."""
        self._sending: dict[str, Transfer] = {}
        self._staged: dict[int, Part] = {}
        self._staged_of: tuple[Ballot, int] | None = None

    # --- checkpoints and truncation ---

    def after_applying(self, step: Step) -> None:
        """Make the state durable from time to time."""
        node = self._node
        if node.learner.applied - self.checkpoint >= node.configuration.checkpoint_slots:
            self.checkpoint = node.learner.applied
            node.counters.checkpoints += 1
            node.store_head(step, node.head, durable=True)

    def truncate(self, step: Step, floor: int) -> None:
        """Forget the slots that two snapshots hold, if this replica's own state holds them too."""
        node = self._node
        self.floor = max(self.floor, floor)
        upto = min(self.floor, self.checkpoint) if node.stores else self.floor
        if node.bug == names.TRUNCATES_TOO_EARLY:
            upto = node.log.last - 1
        upto = min(upto, node.learner.chosen) if node.bug is None else upto
        least = min(TRUNCATE_AT, node.configuration.checkpoint_slots)
        if upto - node.log.start < least and node.bug != names.TRUNCATES_TOO_EARLY:
            return
        if upto <= node.log.start:
            return
        node.counters.slots_truncated += node.log.truncate(step, upto)
        node.store_head(step, msgspec.structs.replace(node.head, start=node.log.start))

    def on_heartbeat(self, step: Step, leadership: Leadership) -> None:
        """As leader: find the floor, truncate, and bring up whoever the log no longer serves."""
        node = self._node
        checkpoints = sorted(
            (
                self.checkpoint if member.node == node.name else _checkpoint(leadership, member)
                for member in node.groups.newest.storing()
            ),
            reverse=True,
        )
        if len(checkpoints) > 1:
            self.truncate(step, node.archiver.limit(checkpoints[1]))
        for name, peer in leadership.peers.items():
            if peer.next <= node.log.start or name in self._sending:
                self._send(step, leadership, name, peer)

    # --- sending ---

    def _send(self, step: Step, leadership: Leadership, name: str, peer: Peer) -> None:
        """Begin a transfer, or send its part again if it was lost."""
        transfer = self._sending.get(name)
        node = self._node
        if peer.next > node.log.start:
            self._sending.pop(name, None)
            return
        if step.mono - peer.heard_at > node.configuration.suspect_ms * MS:
            self._sending.pop(name, None)
            return
        if transfer is None or transfer.slot < node.log.start:
            if any(step.wrote(node.state.table(table)) for table in TABLES):
                return
            transfer = self._sending[name] = self._begin(step, name)
            node.counters.snapshots_sent += 1
        if transfer.sent_at == NEVER or step.mono - transfer.sent_at > AGAIN:
            self._send_part(step, name, transfer)

    def _send_part(self, step: Step, name: str, transfer: Transfer) -> None:
        leadership = self._node.leadership
        assert leadership is not None
        transfer.sent_at = step.mono
        number = transfer.next
        parts, content = len(transfer.parts), transfer.parts[number]
        message = SnapshotPart(leadership.ballot, transfer.slot, number, parts, content)
        step.send(name, message)

    def _begin(self, step: Step, name: str) -> Transfer:
        """A transfer of the state as it is now; to a log replica of the head alone.

        A log replica is to hold whatever is still in the log. If it began where this replica has
        applied, slots that another storage replica misses would lie on this one's disk alone.
        """
        node = self._node
        if node.role_of(name) == LOG:
            return Transfer(node.log.start, [_encode(Part(node.head))], 0, NEVER)
        return Transfer(node.learner.applied, self._parts(step), 0, NEVER)

    def _parts(self, step: Step) -> list[bytes]:
        """The state and the log up to it, cut into parts: half of each is for either."""
        node = self._node
        size_max = node.configuration.batch_bytes // 2
        rows = [
            (table, key, value)
            for table in TABLES
            for key, value in step.scan(node.state.table(table))
        ]
        values = [
            (entry.time, entry.payload)
            for slot, entry in node.log.accepted_from(node.log.start + 1)
            if slot <= node.learner.applied
        ]
        chunks = zip_longest(
            _cut(rows, _size_of_row, size_max),
            _cut(values, _size_of_value, size_max),
            fillvalue=(),
        )
        parts = [Part(None, *both) for both in chunks] or [Part(None)]
        parts[0] = msgspec.structs.replace(parts[0], head=node.head)
        return [_encode(part) for part in parts]

    def on_taken(self, step: Step, sender: str, message: SnapshotTaken) -> None:
        """A part has arrived: send the next one."""
        transfer = self._sending.get(sender)
        leadership = self._node.leadership
        if transfer is None or leadership is None or transfer.slot != message.slot:
            return
        if message.part != transfer.next:
            return
        transfer.next += 1
        if transfer.next < len(transfer.parts):
            self._send_part(step, sender, transfer)
            return
        del self._sending[sender]
        peer = leadership.peers[sender]
        peer.next = max(peer.next, transfer.slot + 1)
        peer.flying_since = NEVER

    # --- receiving ---

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
            step.send(sender, SnapshotTaken(message.slot, message.parts - 1))
            return
        name = (message.ballot, message.slot)
        if self._staged_of != name:
            self._staged_of, self._staged = name, {}
        self._staged[message.part] = _decode(message.content)
        if len(self._staged) == message.parts:
            self._install(step, message)
            self._staged_of, self._staged = None, {}
        step.send(sender, SnapshotTaken(message.slot, message.part))

    def _install(self, step: Step, message: SnapshotPart) -> None:
        """Write the other generation of the tables, the log, then the head: all in this input."""
        node, slot = self._node, message.slot
        parts = [part for _, part in sorted(self._staged.items())]
        head = parts[0].head
        assert head is not None
        generation = 1 - node.head.generation
        node.state.generation = generation
        for table in TABLES:
            full = node.state.table(table)
            for key, _ in step.scan(full):
                step.write(full, key, None, durable=False)
        node.state.sessions = {}
        for part in parts:
            for table, key, value in part.rows:
                step.write(node.state.table(table), key, value, durable=False)
        applied = max(slot, node.learner.applied)
        digest = head.digest if node.stores else b""
        time = max(head.time, node.learner.time)
        node.learner.put_in_place(applied, time, head.age, digest)
        self._install_log(step, message.ballot, head, [v for part in parts for v in part.values])
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
        node.state.take_sessions(part.rows for part in parts)
        node.acceptor.adopt(step, slot)
        self.checkpoint = applied if node.stores else 0
        node.counters.snapshots_installed += 1
        step.log("snapshot-installed", slot=slot)

    def _install_log(
        self, step: Step, ballot: Ballot, head: Head, values: list[tuple[int, bytes]]
    ) -> None:
        """The log begins where the sender's did; what came with the snapshot is chosen, so it is
        what this ballot has in these slots."""
        log = self._node.log
        log.begin_at(step, max(head.start, log.start))
        for slot, (time, payload) in enumerate(values, head.start + 1):
            if slot > log.start:
                log.put(step, slot, Entry(ballot, time, payload))


def _cut(items: Iterable[T], size_of: Callable[[T], int], size_max: int) -> Iterator[tuple[T, ...]]:
    """The items in order, in groups that are cut off once they have so many bytes."""
    group: list[T] = []
    size = 0
    for item in items:
        group.append(item)
        size += size_of(item)
        if size >= size_max:
            yield tuple(group)
            group, size = [], 0
    if group:
        yield tuple(group)


def _size_of_row(row: tuple[str, bytes, bytes]) -> int:
    return len(row[1]) + len(row[2])


def _size_of_value(value: tuple[int, bytes]) -> int:
    return len(value[1])


def _checkpoint(leadership: Leadership, member: Member) -> int:
    peer = leadership.peers[member.node]
    return peer.checkpoint if peer.replica == member.replica else 0
