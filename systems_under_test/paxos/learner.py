"""The learner: which slots are known to be chosen, and the state after them.

A slot is known to be chosen when a leader says so of a slot that this replica holds in the
leader's ballot (or, for the leader, when a quorum holds it). Slots are applied in order, without
holes; a log replica applies nothing.
"""

from __future__ import annotations

from hashlib import blake2b
from typing import TYPE_CHECKING, Final

import msgspec

from systems_under_test.paxos import commands
from systems_under_test.paxos.commands import COMMAND, MARK, REGROUP
from systems_under_test.paxos.log import group_in
from systems_under_test.paxos.state_machine import aged

if TYPE_CHECKING:
    from systems_under_test.paxos.messages import Entry
    from systems_under_test.paxos.node import Node
    from systems_under_test.paxos.step import Step

DIGEST_BYTES: Final = 8
TIME_BYTES: Final = 16


class Learner:
    """What one replica knows to be chosen."""

    def __init__(self, node: Node) -> None:
        self._node = node
        self.applied = node.head.applied
        self.time = node.head.time
        """The log's own time: the greatest stamp so far."""
        self.age = node.head.age
        """By what sessions expire: the time that has passed, without what a clock has jumped."""
        self.digest = node.head.digest
        self.chosen = max(node.head.applied, node.log.start)
        node.groups.settle(self.chosen)

    def learn(self, step: Step, upto: int) -> None:
        """Slots up to this one are chosen, and held here."""
        if upto <= self.chosen:
            return
        self.chosen = upto
        node = self._node
        if not node.stores:
            before = node.groups.base_slot
            node.groups.settle(upto)
            if node.groups.base_slot != before:
                self._store_head(step)
            return
        while self.applied < upto:
            self._apply(step, self.applied + 1)
        self._store_head(step)
        node.snapshots.after_applying(step)

    def put_in_place(self, applied: int, time: int, age: int, digest: bytes) -> None:
        """A snapshot is the state now."""
        self.applied, self.time, self.age, self.digest = applied, time, age, digest
        self.chosen = max(self.chosen, applied)

    def _apply(self, step: Step, slot: int) -> None:
        """Apply one slot and answer whoever waits for it."""
        node = self._node
        entry = node.log.entries.get(slot)
        self.applied = slot
        if entry is None:
            assert node.bug is not None, f"slot {slot} is chosen and not held"
            return
        node.counters.slots_applied += 1
        self.age = aged(self.age, entry.time - self.time, node.configuration)
        self.time = max(self.time, entry.time)
        self.digest = digest_after(self.digest, entry)
        if slot % node.configuration.checkpoint_slots == 0:
            step.log("applied", slot=slot, digest=self.digest.hex())
        kind = entry.payload[:1]
        if kind == COMMAND:
            command = commands.decode(entry.payload)
            result = node.state.apply(step, command, slot, self.age)
            node.clients.applied(step, command, result)
            if node.leadership is not None:
                node.leadership.applied(step, slot, result)
        elif kind == REGROUP:
            node.groups.settle(slot)
            group = group_in(entry.payload)
            assert group is not None
            step.log("group-chosen", id=group.id, members=[m.node for m in group.members])
        elif kind == MARK:
            node.scrubber.on_mark(step, slot)

    def _store_head(self, step: Step) -> None:
        """The head goes with the state that this input wrote."""
        node = self._node
        head = msgspec.structs.replace(
            node.head,
            applied=self.applied,
            time=self.time,
            age=self.age,
            group_slot=node.groups.base_slot,
            group=node.groups.base,
            digest=self.digest,
        )
        node.store_head(step, head)


def digest_after(digest: bytes, entry: Entry) -> bytes:
    """The digest of a log with one more value."""
    told = blake2b(digest, digest_size=DIGEST_BYTES)
    told.update(entry.time.to_bytes(TIME_BYTES, "big", signed=True))
    told.update(entry.payload)
    return told.digest()
