"""Checkpoints, truncation of the log, and snapshots for replicas that have fallen behind.

The state lies in the tables all the time; a checkpoint makes it durable up to a slot. The log is
truncated only up to the second-highest checkpoint of the storage replicas, so that two of them
hold what is gone from it (`truncates-too-early`), and never beyond a replica's own checkpoint.

It goes out in parts, each made of a slice of a view of the state when it is sent: so no input takes
the longer the more there is. Until its receiver has caught up, its sender keeps the log behind it.

A snapshot brings the log with it, as far as the sender keeps it. Else a replica that was installed
while the archive was out of reach could come to lead without the slots that the archive lacks, and
nobody would ever archive them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import msgspec

from systems_under_test.paxos import names
from systems_under_test.paxos.configuration import MS
from systems_under_test.paxos.group import LOG
from systems_under_test.paxos.installation import LOST, NEWER, Part
from systems_under_test.paxos.lease import NEVER
from systems_under_test.paxos.messages import SnapshotPart
from systems_under_test.paxos.view import View

if TYPE_CHECKING:
    from systems_under_test.paxos.group import Group, Member
    from systems_under_test.paxos.leadership import Leadership, Peer
    from systems_under_test.paxos.messages import SnapshotTaken
    from systems_under_test.paxos.node import Head, Node
    from systems_under_test.paxos.state_machine import Rows
    from systems_under_test.paxos.step import Step

TRUNCATE_AT: Final = 64
"""The log is cut only when so many slots can go, or one checkpoint's worth."""
AGAIN: Final = 200 * MS
"""A part that was not acknowledged for so long is sent again."""
PATIENCE: Final = 10_000 * MS
"""A receiver that is silent for so long is given up; on a busy machine half a second is nothing,
and what was sent already would be lost. One that was started again says so at once."""

_encode = msgspec.msgpack.Encoder().encode


@dataclass(slots=True)
class Transfer:
    """A snapshot on its way to a peer, made while it is sent."""

    name: int
    """No other transfer of this leader has it."""
    slot: int
    head: Head
    view: View | None
    """What is left of the state; None where the head is all."""
    values: list[tuple[int, bytes]]
    """The log, from which parts have taken `taken` values."""
    taken: int = 0
    number: int = -1
    parts: int = 0
    content: bytes = b""
    """The part that is under way."""
    sent_at: int = NEVER


class Snapshots:
    """What one replica does about checkpoints, truncation, and sending snapshots."""

    def __init__(self, node: Node) -> None:
        self._node = node
        self.checkpoint = node.head.applied if node.stores else 0
        """What was read at the start is durable: a host settles its disk before a life begins."""
        self.floor = 0
        """Slots up to this one are in as many snapshots as are needed."""
        self._sending: dict[str, Transfer] = {}
        self._begun = 0
        self._following: set[str] = set()
        """Who got a snapshot, and has not got what the log holds behind it."""

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
        upto = self._kept_for_others(upto)
        if upto - node.log.start < least and node.bug != names.TRUNCATES_TOO_EARLY:
            return
        if upto <= node.log.start:
            return
        node.counters.slots_truncated += node.log.truncate(step, upto)
        node.store_head(step, msgspec.structs.replace(node.head, start=node.log.start))

    def _kept_for_others(self, upto: int) -> int:
        """As leader keep the log behind a snapshot until its receiver has it, or it would need
        another one. Not without bound."""
        node, leadership = self._node, self._node.leadership
        needed = [transfer.slot for transfer in self._sending.values()]
        if leadership is not None:
            needed += [leadership.peers[name].held for name in self._following]
        for slot in needed:
            if upto - slot < node.configuration.archive_lag_slots:
                upto = min(upto, max(slot, node.log.start))
        return upto

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
        for name in list(self._following):
            peer = leadership.peers[name]
            if self._is_silent(step, peer, PATIENCE) or peer.held >= max(
                checkpoints[1:2], default=0
            ):
                self._following.discard(name)
        needed = copies_needed(node.groups.newest)
        if len(checkpoints) >= needed:
            self.truncate(step, node.archiver.limit(checkpoints[needed - 1]))
        for name, peer in leadership.peers.items():
            if peer.next <= node.log.start or name in self._sending:
                self._send(step, leadership, name, peer)

    # --- sending ---

    def _send(self, step: Step, leadership: Leadership, name: str, peer: Peer) -> None:
        """Begin a transfer, or send its part again if it was lost."""
        transfer = self._sending.get(name)
        node = self._node
        if peer.next > node.log.start or self._is_silent(step, peer, PATIENCE):
            self._drop(name)
            return
        if transfer is not None and transfer.slot < node.log.start:
            self._drop(name)
            transfer = None
        if transfer is None:
            if self._is_silent(step, peer, node.configuration.suspect_ms * MS):
                return
            transfer = self._sending[name] = self._begin(step, name)
            self._make_part(step, transfer)
            node.counters.snapshots_sent += 1
        if step.mono - transfer.sent_at > AGAIN or transfer.sent_at == NEVER:
            self._send_part(step, name, transfer)

    def _is_silent(self, step: Step, peer: Peer, limit: int) -> bool:
        return step.mono - peer.heard_at > limit

    def _send_part(self, step: Step, name: str, transfer: Transfer) -> None:
        leadership = self._node.leadership
        assert leadership is not None
        transfer.sent_at = step.mono
        number, parts, content = transfer.number, transfer.parts, transfer.content
        part = (transfer.slot, transfer.name, number, parts, content)
        step.send(name, SnapshotPart(leadership.ballot, *part))

    def _begin(self, step: Step, name: str) -> Transfer:
        """A transfer of the state as it is now; to a log replica of the head alone.

        A log replica is to hold whatever is still in the log. If it began where this replica has
        applied, slots that another storage replica misses would lie on this one's disk alone.
        """
        node = self._node
        self._begun += 1
        if node.role_of(name) == LOG:
            return Transfer(self._begun, node.log.start, node.head, None, [])
        applied = node.learner.applied
        values = [
            (entry.time, entry.payload)
            for slot, entry in node.log.accepted_from(node.log.start + 1)
            if slot <= applied
        ]
        return Transfer(self._begun, applied, node.head, View(step, node.state), values)

    def _make_part(self, step: Step, transfer: Transfer) -> None:
        """The next part: half of it is for rows, half for the log."""
        size_max = self._node.configuration.batch_bytes // 2
        rows: Rows = ()
        if transfer.view is not None:
            rows = transfer.view.next(step, size_max)
        upto, size = transfer.taken, 0
        while upto < len(transfer.values) and size < size_max:
            size += len(transfer.values[upto][1])
            upto += 1
        values, transfer.taken = tuple(transfer.values[transfer.taken : upto]), upto
        transfer.number += 1
        head = transfer.head if transfer.number == 0 else None
        transfer.content = _encode(Part(head, rows, values))
        if upto == len(transfer.values) and (transfer.view is None or transfer.view.done):
            transfer.parts = transfer.number + 1

    def on_taken(self, step: Step, sender: str, message: SnapshotTaken) -> None:
        """A part has arrived: send the next one."""
        transfer = self._sending.get(sender)
        leadership = self._node.leadership
        if transfer is None or leadership is None or transfer.name != message.transfer:
            return
        if message.part == LOST:
            self._drop(sender)
            return
        if message.part not in (transfer.number, NEWER):
            return
        if message.part != NEWER and not transfer.parts:
            self._make_part(step, transfer)
            self._send_part(step, sender, transfer)
            return
        self._drop(sender)
        self._following.add(sender)
        peer = leadership.peers[sender]
        peer.next = max(peer.next, transfer.slot + 1)
        peer.flying_since = NEVER

    def _drop(self, name: str) -> None:
        transfer = self._sending.pop(name, None)
        if transfer is not None and transfer.view is not None:
            transfer.view.close()

    def stop_sending(self) -> None:
        """This node leads no longer."""
        self._following.clear()
        for name in list(self._sending):
            self._drop(name)


def copies_needed(group: Group) -> int:
    """In how many snapshots a slot has to be before it leaves the log.

    Two, where all members keep state: who forgets a slot holds it in its own. A log replica holds
    it nowhere then, and has counted for it: so many as a minority, and one more.
    """
    if len(group.storing()) == len(group.members):
        return 2
    return len(group.members) - group.majority + 1


def _checkpoint(leadership: Leadership, member: Member) -> int:
    peer = leadership.peers[member.node]
    return peer.checkpoint if peer.replica == member.replica else 0
