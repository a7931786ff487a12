"""Relocation: what a node keeps no more becomes hints for those who do.

Once a change of members has ended, a node may hold keys of ranges that it has lost, and hints for
nodes that have lost them. It turns each into hints for the present home, and hinted handoff does
the rest: it delivers, and deletes only what its owner has acknowledged. The new home has fetched
all that was acknowledged by quorums already; what a stand-in kept, or one replica alone, comes this
way, so that also sloppy quorums lose nothing.

A node that leaves of its own accord stays in the view as `leaving` until nothing is left here, so
that no tombstone is collected before its last copy has arrived.
"""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING, Final

from systems_under_test.dynamo.admission import INTERVAL
from systems_under_test.dynamo.configuration import MS
from systems_under_test.dynamo.views import STABLE

if TYPE_CHECKING:
    from systems_under_test.dynamo.node import Node
    from systems_under_test.dynamo.ring import Key
    from systems_under_test.dynamo.step import Step

RELOCATE: Final = "relocate"
PAUSE: Final = 10 * MS
BATCH_KEYS: Final = 200
"""Keys that are looked at in one input."""


class Relocation:
    """Goes once through everything that the node holds, whenever a change has ended."""

    def __init__(self, node: Node) -> None:
        self._node = node
        self._rooms: list[str | None] = []
        """What is still to be looked at: the versions (None), and the hints of each owner."""
        self._after = b""

    @property
    def is_done(self) -> bool:
        """Whether everything has been looked at."""
        return not self._rooms

    @property
    def handed_over(self) -> bool:
        """Whether nothing is left here that belongs elsewhere."""
        return not self._rooms and not self._node.hints.total

    def begin(self, step: Step) -> None:
        """A view has come, or a life begins."""
        view = self._node.view
        self._rooms, self._after = [], b""
        if view.phase == STABLE and view.number > 1:
            self._rooms = [None, *self._node.hints.counts]
            step.set_timer(RELOCATE, 0)

    def on_timer(self, step: Step) -> None:
        """Look at a batch of keys."""
        if not self._rooms:
            return
        if not self._node.admission.admits(step):
            step.set_timer(RELOCATE, INTERVAL)
            return
        room = self._rooms[0]
        batch = self._batch(step, room)
        for stored, blob in batch:
            key = self._node.ring.placed(stored)
            keepers = self._node.lists.keepers(key.range)
            if (self._node.name if room is None else room) in keepers:
                continue
            self._move(step, room, key, blob)
        if len(batch) < BATCH_KEYS:
            self._rooms.pop(0)
            self._after = b""
        else:
            self._after = batch[-1][0]
        if self._rooms:
            step.set_timer(RELOCATE, PAUSE if batch else 0)

    def _batch(self, step: Step, room: str | None) -> list[tuple[bytes, bytes]]:
        node = self._node
        if room is None:
            return list(islice(node.versions.scan_all(step, self._after), BATCH_KEYS))
        return list(islice(node.hints.scan(step, room, self._after), BATCH_KEYS))

    def _move(self, step: Step, room: str | None, key: Key, blob: bytes) -> None:
        node = self._node
        for home in node.lists.home(key.range):
            if home == node.name:
                node.versions.merge(step, key, blob)
            else:
                node.hints.put(step, home, key.stored, blob)
        node.counters.keys_relocated += 1
        if room is None:
            node.versions.forget(step, key)
        else:
            node.hints.delete(step, room, key.stored, blob)
