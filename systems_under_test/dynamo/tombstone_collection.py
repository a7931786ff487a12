"""Tombstones are collected: every home node forgets them, once nothing can undo the deletion.

A deleted version may still be somewhere: at a home node that was cut off, in a hint, in a request
that is open, in a message that is late or will come twice. If one home node forgot the tombstone
before all of these are gone, an old copy would arrive there as news. So the first home node of a
key asks *every* node of the cluster, in two waves, and only then tells the homes to forget:

1. `Confirm`: a node answers with the keys of which it is *clean*: as home it holds exactly this
   tombstone; it keeps no hint of the key; none of its open requests carries any other content of
   it. It begins to watch these keys (`watch.py`), and reports its clock, which stamps all messages.
2. `Fence`, with the clocks that all nodes have reported: from now on the node takes no versions
   from messages stamped at or before them, of whatever key (to drop a message is always allowed).
   It answers with the keys of which it is clean still, *and whose watch is unbroken*: since it
   confirmed it has met no other content of the key. A new life has no watch.
3. `Collect`: a home node that still holds exactly this tombstone forgets it.

Why that is enough. Call any content of the key but this tombstone old if the tombstone covers it.
If all answered both waves, each node was clean from its confirmation to its fence, and all of these
times have a moment in common, between the waves. At that moment no node held old content, so it was
in messages alone; and as nobody clean sends any, these were stamped at or before their senders'
confirmations. A node that took one before its fence had its watch broken and said no; after its
fence it takes none. So none is taken ever again, and nobody can make old content anew, as no dot is
used twice. That argument takes no time-out for granted, and holds for messages however late.

What is left to chance harms nobody:

* A new put meets the collection. It is not covered, so it is not old; it stays wherever it goes.
* `Collect` is lost, or late: some home nodes keep the tombstone, anti-entropy gives it back to the
  others, and a later round begins anew. The deletion is not durable for the same reason.
* A fence outlives its round: it goes on dropping messages that are older than it, nothing else.
* The sender of a late message has begun a new life: stamps are compared with their incarnations.
  The receiver has: a host delivers to a new life nothing that was sent to an earlier one.
* Power is lost: hints are deleted lazily, and could come back after their node has called itself
  clean. So a node makes a durable write before it confirms, and everything before is durable.

So a node that is down stops collection, wherever it stands; that is its price. "Every node" are the
members of the view and those that have left it and still hand over what they hold. While a change
of members is under way, or a node hands over ranges that it has lost, it calls itself clean of
nothing. Nodes in another view neither confirm nor count: a node that was removed has no say, and
what it sends in its old view nobody takes.

Source of the moment between two waves: Mattern, "Algorithms for distributed termination detection",
1987. Fences take the place of counting the messages in channels.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from systems_under_test.dynamo.bugs import EARLY_TOMBSTONE_COLLECTION
from systems_under_test.dynamo.configuration import MS
from systems_under_test.dynamo.dots import META
from systems_under_test.dynamo.messages import Collect, Confirm, Confirmed, Fence
from systems_under_test.dynamo.version_store import VERSIONS, fingerprint
from systems_under_test.dynamo.views import STABLE

if TYPE_CHECKING:
    from collections.abc import Iterable

    from systems_under_test.dynamo.messages import Graves
    from systems_under_test.dynamo.node import Node
    from systems_under_test.dynamo.read_coordination import ReadCoordination
    from systems_under_test.dynamo.relocation import Relocation
    from systems_under_test.dynamo.step import Step
    from systems_under_test.dynamo.write_coordination import WriteCoordination

COLLECT: Final = "collect-tombstones"
FENCED: Final = b"fenced"
GRAVES_MAX: Final = 64
"""Tombstones of a round."""


@dataclass(slots=True)
class Round:
    """A collection under way: what is asked of whom, and who has confirmed."""

    request: int
    graves: dict[bytes, bytes]
    floors: dict[str, tuple[int, int]] = field(default_factory=dict)
    fenced: dict[str, None] = field(default_factory=dict)


class TombstoneCollection:
    """Leads rounds for the keys whose first home this node is, and answers those of others."""

    def __init__(
        self,
        node: Node,
        reads: ReadCoordination,
        writes: WriteCoordination,
        relocation: Relocation,
    ) -> None:
        self._node = node
        self._relocation = relocation
        self._reads = reads
        self._writes = writes
        self._interval = node.configuration.collection_interval_ms * MS
        self._peers: tuple[str, ...] = ()
        self._leads: tuple[int, ...] = ()
        self._round: Round | None = None
        self.arrange()

    def arrange(self) -> None:
        """The view is another one: whom to ask, and which ranges this node leads in."""
        node = self._node
        self._round = None
        self._peers = tuple(peer for peer in node.view.involved if peer != node.name)
        self._leads = tuple(
            i for i in node.lists.held_by(node.name) if node.lists.home(i)[0] == node.name
        )

    def start(self, step: Step) -> None:
        """Begin to look for tombstones."""
        if self._node.configuration.tombstone_collection:
            step.set_jittered(COLLECT, self._interval)

    def on_timer(self, step: Step) -> None:
        """Give the last round up, if it is still open, and begin another."""
        step.set_jittered(COLLECT, self._interval)
        if self._node.bug == EARLY_TOMBSTONE_COLLECTION:
            self._forget(step, self._graves(step, self._node.lists.held_by(self._node.name)))
            return
        self._round = None
        if self._is_at_rest() and all(map(self._node.detector.is_up, self._peers)):
            self._begin(step)

    def on_confirm(self, step: Step, sender: str, message: Confirm) -> None:
        """First wave: which of these keys is this node clean of?"""
        clean = self._clean(step, message.graves)
        for stored, tombstone in clean:
            self._node.watch.begin(stored, tombstone)
        self._settle(step)
        self._confirm(step, sender, message.request, 1, clean)

    def on_fence(self, step: Step, sender: str, message: Fence) -> None:
        """Second wave: take nothing from before the first, and say what is clean still."""
        self._node.watch.fence(message.floors)
        clean = self._still_clean(step, message.graves)
        self._confirm(step, sender, message.request, 2, clean)

    def on_confirmed(self, step: Step, sender: str, message: Confirmed) -> None:
        """A node's answer in either wave; when it is the last, go on."""
        current = self._round
        if current is None or message.request != current.request or sender not in self._peers:
            return
        if message.wave == 1 and sender not in current.floors:
            _keep_only(current, message.keys)
            current.floors[sender] = (message.incarnation, message.sent_at)
            if len(current.floors) == len(self._peers):
                self._fence(step, current)
        elif message.wave == 2 and len(current.floors) > len(self._peers):
            _keep_only(current, message.keys)
            current.fenced[sender] = None
            if len(current.fenced) == len(self._peers):
                self._end(step, current)

    def on_collect(self, step: Step, message: Collect) -> None:
        """Every node has confirmed: forget what still is this tombstone."""
        self._forget(step, message.graves)

    def _begin(self, step: Step) -> None:
        graves = self._clean(step, self._graves(step, self._leads))
        if not graves:
            return
        if not self._peers:
            self._forget(step, graves)
            return
        self._round = Round(self._node.new_request(), dict(graves))
        for peer in self._peers:
            self._node.detector.asked(step, peer)
            step.send(peer, Confirm(self._round.request, graves))

    def _fence(self, step: Step, current: Round) -> None:
        """The first wave is over, this node confirms last of all; begin the second."""
        name = self._node.name
        graves = self._clean(step, tuple(current.graves.items()))
        _keep_only(current, tuple(stored for stored, _ in graves))
        if not graves:
            self._round = None
            return
        for stored, tombstone in graves:
            self._node.watch.begin(stored, tombstone)
        self._settle(step)
        current.floors[name] = (self._node.incarnation, step.mono)
        floors = tuple((peer, *floor) for peer, floor in current.floors.items())
        self._node.watch.fence(floors)
        for peer in self._peers:
            step.send(peer, Fence(current.request, floors, graves))

    def _end(self, step: Step, current: Round) -> None:
        """The second wave is over: tell the homes of each key to forget it."""
        self._round = None
        graves = self._still_clean(step, tuple(current.graves.items()))
        for peer in self._peers:
            if homed := tuple(grave for grave in graves if self._is_home(peer, grave[0])):
                step.send(peer, Collect(homed))
        self._forget(step, graves)

    def _confirm(self, step: Step, to: str, request: int, wave: int, clean: Graves) -> None:
        keys = tuple(stored for stored, _ in clean)
        step.send(to, Confirmed(request, wave, self._node.incarnation, step.mono, keys))

    def _settle(self, step: Step) -> None:
        """Make durable what earlier inputs have written lazily: deletions of hints above all."""
        step.write(META, FENCED, step.mono.to_bytes(16, "big"))

    def _graves(self, step: Step, ranges: Iterable[int]) -> Graves:
        """Keys of these ranges that hold tombstones alone: `GRAVES_MAX` drawn of them."""
        versions = self._node.versions
        keys = [stored for i in ranges for stored in versions.tombstones(step, i)]
        if len(keys) > GRAVES_MAX:
            keys = step.rng.shuffled(keys)[:GRAVES_MAX]
        held = [(stored, step.get(VERSIONS, stored)) for stored in keys]
        return tuple((stored, fingerprint(stored, blob)) for stored, blob in held if blob)

    def _still_clean(self, step: Step, graves: Graves) -> Graves:
        watch = self._node.watch
        return tuple(grave for grave in self._clean(step, graves) if watch.is_unbroken(*grave))

    def _clean(self, step: Step, graves: Graves) -> Graves:
        """Those of which this node holds nothing but the tombstone, anywhere.

        None while a range is moving from or to this node.
        """
        if not self._is_at_rest():
            return ()
        carried = self._carried()
        return tuple(grave for grave in graves if self._is_clean(step, *grave, carried))

    def _is_clean(
        self, step: Step, stored: bytes, tombstone: bytes, carried: dict[bytes, list[bytes]]
    ) -> bool:
        node = self._node
        key = node.ring.placed(stored)
        if node.is_home(key):
            held = node.versions.read(step, key)
            if held is None or fingerprint(stored, held) != tombstone:
                return False
        elif node.versions.read(step, key) is not None:
            return False
        others = carried.get(stored, ())
        return node.hints.read(step, key) is None and all(
            fingerprint(stored, blob) == tombstone for blob in others
        )

    def _is_at_rest(self) -> bool:
        node = self._node
        return node.view.phase == STABLE and self._relocation.is_done and not node.store.is_filling

    def _carried(self) -> dict[bytes, list[bytes]]:
        """What the open requests of this node carry, by key."""
        carried: dict[bytes, list[bytes]] = {}
        for reading in self._reads.open.values():
            blobs = [blob for blob in reading.answers.values() if blob is not None]
            carried.setdefault(reading.read.key.stored, []).extend(blobs)
        for writing in self._writes.open.values():
            carried.setdefault(writing.put.key.stored, []).append(writing.blob)
        return carried

    def _is_home(self, peer: str, stored: bytes) -> bool:
        return peer in self._node.lists.home(self._node.ring.placed(stored).range)

    def _forget(self, step: Step, graves: Graves) -> None:
        node = self._node
        for stored, tombstone in graves:
            key = node.ring.placed(stored)
            held = node.versions.read(step, key)
            if held is not None and fingerprint(stored, held) == tombstone:
                node.versions.forget(step, key)
                node.dots.forget(step, key)
                node.counters.tombstones_collected += 1


def _keep_only(current: Round, keys: tuple[bytes, ...]) -> None:
    """Go on with the keys of which everybody so far is clean."""
    current.graves = {s: tombstone for s, tombstone in current.graves.items() if s in keys}
