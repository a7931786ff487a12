"""Anti-entropy: nodes that share ranges compare digests, and exchange the keys that differ.

One of each pair sends the digests of all ranges that both keep. Where one differs the other lists
what it holds there, a page of keys with their fingerprints; the first sends what it has otherwise
and asks for what it lacks. Merging both ways leaves both with the same. A round moves a bounded
number of ranges, keys and bytes; the next goes on where it stopped.

The digest is one for a whole range. (A Merkle tree for each range, walked where branches differ,
takes its place later, and tombstones are collected then.)

Source: DeCandia et al., SOSP 2007, 4.7.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from systems_under_test.dynamo.api import shown_key
from systems_under_test.dynamo.configuration import MS
from systems_under_test.dynamo.messages import Digests, Entry, Exchange, Inventory, Same
from systems_under_test.dynamo.version_store import fingerprint

if TYPE_CHECKING:
    from systems_under_test.dynamo.node import Node
    from systems_under_test.dynamo.step import Step

COMPARE: Final = "anti-entropy"
RANGES_MAX: Final = 16
PAGE_KEYS_MAX: Final = 500
EXCHANGE_BYTES_MAX: Final = 2 << 20


class AntiEntropy:
    """Compares and exchanges."""

    def __init__(self, node: Node) -> None:
        self._node = node
        self._interval = node.configuration.anti_entropy_interval_ms * MS
        self._shared: dict[str, tuple[int, ...]] = {
            peer: node.lists.held_by_both(node.name, peer)
            for peer in node.nodes
            if peer != node.name
        }
        self._asks = tuple(
            peer for peer in self._shared if self._shared[peer] and self._is_asker(peer)
        )
        self._pages: dict[tuple[str, int], bytes] = {}
        """Where the next page for a peer begins in a range; absent: at the beginning."""

    def start(self, step: Step) -> None:
        """Begin to compare."""
        if self._asks and self._node.configuration.anti_entropy:
            step.set_jittered(COMPARE, self._interval)

    def on_timer(self, step: Step) -> None:
        """Compare with every peer that this node asks and that seems to be up."""
        node = self._node
        for peer in self._asks:
            if node.detector.is_up(peer):
                node.detector.asked(step, peer)
                digests = tuple((i, node.versions.digest(step, i)) for i in self._shared[peer])
                step.send(peer, Digests(digests))
        step.set_jittered(COMPARE, self._interval)

    def on_digests(self, step: Step, sender: str, message: Digests) -> None:
        """Say that all is the same, or list what is held in the ranges that differ."""
        shared = frozenset(self._shared.get(sender, ()))
        different = [
            i
            for i, digest in message.digests
            if i in shared and self._node.versions.digest(step, i) != digest
        ]
        if not different:
            step.send(sender, Same())
            return
        for range_index in different[:RANGES_MAX]:
            step.send(sender, self._page(step, sender, range_index))

    def _page(self, step: Step, peer: str, range_index: int) -> Inventory:
        start = self._pages.pop((peer, range_index), b"")
        entries: list[tuple[bytes, bytes]] = []
        stop: bytes | None = None
        for stored, blob in self._node.versions.scan_range(step, range_index, start):
            if len(entries) == PAGE_KEYS_MAX:
                stop = self._pages[peer, range_index] = stored
                break
            entries.append((stored, fingerprint(stored, blob)))
        return Inventory(range_index, start, stop, tuple(entries))

    def on_same(self) -> None:
        """Nothing differs."""
        self._node.counters.digest_rounds_equal += 1

    def on_inventory(self, step: Step, sender: str, message: Inventory) -> None:
        """Send what is held otherwise here, ask for what is not held here."""
        self._node.counters.digest_rounds_different += 1
        if message.range not in self._shared.get(sender, ()):
            return
        theirs = dict(message.entries)
        entries: list[Entry] = []
        size = 0
        scan = self._node.versions.scan_range(step, message.range, message.start, message.stop)
        for stored, blob in scan:
            if theirs.pop(stored, None) == fingerprint(stored, blob):
                continue
            size += len(blob)
            if entries and size > EXCHANGE_BYTES_MAX:
                theirs.clear()  # Which of these are not held here is not known yet.
                break
            entries.append((stored, blob))
        if entries or theirs:
            step.send(sender, Exchange(tuple(entries), tuple(theirs), answer=True))

    def on_exchange(self, step: Step, sender: str, message: Exchange) -> None:
        """Merge, then send back what the sender lacks, if it asks for that."""
        back: list[Entry] = []
        size = 0
        for stored, blob in (*message.entries, *((stored, None) for stored in message.wanted)):
            key = self._node.ring.placed(stored)
            if not self._node.is_home(key):
                step.log("misplaced", key=shown_key(key.name), sender=sender)
                continue
            if blob is not None:
                self._node.counters.keys_exchanged += self._node.versions.merge(step, key, blob)
            held = self._node.versions.read(step, key)
            if held is None or held == blob:
                continue
            size += len(held)
            if not back or size <= EXCHANGE_BYTES_MAX:
                back.append((stored, held))
        if message.answer and back:
            step.send(sender, Exchange(tuple(back), (), answer=False))

    def _is_asker(self, peer: str) -> bool:
        """Which of two nodes asks: each asks the half of the others that follows it in a circle."""
        nodes = self._node.nodes
        ahead = (nodes.index(peer) - nodes.index(self._node.name)) % len(nodes)
        return ahead * 2 < len(nodes) or (ahead * 2 == len(nodes) and self._node.name < peer)
