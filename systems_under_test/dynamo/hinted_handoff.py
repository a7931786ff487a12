"""Hinted handoff: copies kept for a home node that did not answer, delivered when it does.

Hints live in a table of their own, apart from what the node keeps as home, under the name of their
owner. They are scanned, delivered in batches, one batch in flight for each owner, and a hint is
deleted only after the owner has acknowledged that *this very* content is durable there: a newer
write may have been merged into the hint while it was under way, and would be lost with it.

The deletion itself need not be durable: a hint that comes back after power loss is delivered
again, and merging twice is merging once.

Source: DeCandia et al., SOSP 2007, 4.6.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from systems_under_test.dynamo.bugs import DELETE_HINT_EARLY
from systems_under_test.dynamo.configuration import MS
from systems_under_test.dynamo.messages import Entry, Handoff
from systems_under_test.dynamo.versions import merge_encoded

if TYPE_CHECKING:
    from collections.abc import Iterator

    from systems_under_test.dynamo.node import Node
    from systems_under_test.dynamo.ring import Key
    from systems_under_test.dynamo.step import Step

HINTS: Final = "hints"
SCAN: Final = "handoff-scan"
BATCH_ENTRIES_MAX: Final = 200
BATCH_BYTES_MAX: Final = 1 << 20


class HintStore:
    """The table of hints: (owner, key) to an encoded set of versions, with a count by owner."""

    def __init__(self, owners: tuple[str, ...], *, durable: bool) -> None:
        self._owners = owners
        self._durable = durable
        self.counts: dict[str, int] = dict.fromkeys(owners, 0)
        self.total = 0

    def count(self, step: Step) -> None:
        """Count what an earlier life has left."""
        for owner in self._owners:
            self._counted(owner, sum(1 for _ in self.scan(step, owner)))

    def put(self, step: Step, owner: str, stored: bytes, blob: bytes) -> None:
        """Merge a set of versions into the owner's hint for the key."""
        held = self._get(step, owner, stored)
        merged = merge_encoded(held, blob)
        if merged is None or merged == held:
            return
        self._counted(owner, held is None)
        self._set(step, owner, stored, merged, durable=self._durable)

    def delete(self, step: Step, owner: str, stored: bytes, delivered: bytes) -> bool:
        """Delete the hint if it still is what was delivered; whether it was."""
        if self._get(step, owner, stored) != delivered:
            return False
        self._counted(owner, -1)
        self._set(step, owner, stored, None, durable=False)
        return True

    def read(self, step: Step, key: Key) -> bytes | None:
        """What all hints hold of a key, whoever owns them."""
        merged: bytes | None = None
        for owner in self._owners:
            if self.counts[owner]:
                merged = merge_encoded(merged, self._get(step, owner, key.stored))
        return merged

    def scan(self, step: Step, owner: str, after: bytes = b"") -> Iterator[tuple[bytes, bytes]]:
        """The owner's hints after this key: (key as stored, encoded set)."""
        prefix = owner.encode() + b"\0"
        stop = owner.encode() + b"\1"
        start = prefix + after + b"\0" if after else prefix
        for row, blob in step.scan(HINTS, start, stop):
            yield row[len(prefix) :], blob

    def clear(self, step: Step) -> int:
        """Forget every hint; how many there were."""
        held = [(owner, list(self.scan(step, owner))) for owner in self._owners]
        for owner, rows in held:
            for stored, _ in rows:
                self._set(step, owner, stored, None, durable=True)
        self.counts = dict.fromkeys(self._owners, 0)
        total, self.total = self.total, 0
        return total

    def _counted(self, owner: str, more: int) -> None:
        self.counts[owner] += more
        self.total += more

    def _get(self, step: Step, owner: str, stored: bytes) -> bytes | None:
        return step.get(HINTS, owner.encode() + b"\0" + stored)

    def _set(
        self, step: Step, owner: str, stored: bytes, blob: bytes | None, *, durable: bool
    ) -> None:
        step.write(HINTS, owner.encode() + b"\0" + stored, blob, durable=durable)


class ForgetfulHintStore(HintStore):
    """The bug `forget-hints`: the same in memory, so that a crash forgets every hint."""

    def __init__(self, owners: tuple[str, ...]) -> None:
        super().__init__(owners, durable=False)
        self._rows: dict[str, dict[bytes, bytes]] = {owner: {} for owner in owners}

    def scan(self, step: Step, owner: str, after: bytes = b"") -> Iterator[tuple[bytes, bytes]]:
        """The owner's hints after this key."""
        return iter([row for row in sorted(self._rows[owner].items()) if row[0] > after])

    def _get(self, step: Step, owner: str, stored: bytes) -> bytes | None:
        return self._rows[owner].get(stored)

    def _set(
        self, step: Step, owner: str, stored: bytes, blob: bytes | None, *, durable: bool
    ) -> None:
        if blob is None:
            del self._rows[owner][stored]
        else:
            self._rows[owner][stored] = blob


class HintedHandoff:
    """Delivers hints."""

    def __init__(self, node: Node) -> None:
        self._node = node
        self._interval = node.configuration.handoff_interval_ms * MS
        self._in_flight: dict[str, tuple[int, int, tuple[Entry, ...]]] = {}
        """For each owner the request, the time of sending, and what was sent."""
        self._armed = False

    def start(self, step: Step) -> None:
        """Go on with what an earlier life has left."""
        self._node.hints.count(step)
        self.arm(step)

    def arm(self, step: Step) -> None:
        """See to it that a scan is due as long as there are hints: called after every input."""
        if not self._armed and self._node.hints.total:
            self._armed = True
            step.set_jittered(SCAN, self._interval)

    def scan_soon(self, step: Step, owner: str) -> None:
        """Do not wait for the next scan if there are hints for this owner.

        As an input of its own: the scan must see what the input in hand writes.
        """
        if self._node.hints.counts[owner]:
            self._armed = True
            step.set_timer(SCAN, 0)

    def on_scan(self, step: Step) -> None:
        """Deliver to every owner that seems to be up."""
        self._armed = False
        for owner, held in self._node.hints.counts.items():
            if held and self._node.detector.is_up(owner):
                self._deliver(step, owner)

    def _deliver(self, step: Step, owner: str) -> None:
        """Send the owner a batch, unless one is under way to it."""
        under_way = self._in_flight.get(owner)
        if under_way is not None:
            if step.mono - under_way[1] < self._node.configuration.replica_timeout:
                return
            del self._in_flight[owner]
            self._node.detector.missed(step, owner, under_way[1])
            if not self._node.detector.is_up(owner):
                return
        if not self._node.admission.admits(step):
            return
        entries = self._batch(step, owner)
        if not entries:
            return
        request = self._node.new_request()
        self._in_flight[owner] = (request, step.mono, entries)
        self._node.detector.asked(step, owner)
        step.send(owner, Handoff(request, entries))
        if self._node.bug == DELETE_HINT_EARLY:
            self._delete(step, owner, entries)

    def on_handed_off(self, step: Step, owner: str, request: int) -> None:
        """The owner holds a batch durably: delete it, and send the next."""
        under_way = self._in_flight.get(owner)
        if under_way is None or under_way[0] != request:
            return  # A late or doubled answer; what it is about will be delivered again.
        del self._in_flight[owner]
        self._delete(step, owner, under_way[2])
        self.scan_soon(step, owner)

    def _delete(self, step: Step, owner: str, entries: tuple[Entry, ...]) -> None:
        for stored, blob in entries:
            if self._node.hints.delete(step, owner, stored, blob):
                self._node.counters.hints_delivered += 1

    def _batch(self, step: Step, owner: str) -> tuple[Entry, ...]:
        entries: list[Entry] = []
        size = 0
        for stored, blob in self._node.hints.scan(step, owner):
            size += len(stored) + len(blob)
            if entries and size > BATCH_BYTES_MAX:
                break
            entries.append((stored, blob))
            if len(entries) == BATCH_ENTRIES_MAX:
                break
        return tuple(entries)
