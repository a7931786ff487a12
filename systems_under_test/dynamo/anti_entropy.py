"""Anti-entropy: nodes that share ranges compare Merkle trees, and exchange the keys that differ.

One of each pair sends the roots of all ranges that both keep. Where one differs the other answers
with the digests of the branches below it, the first with those below the ones that differ, and so
on, each time a sixteenth of the keys, until a branch is a leaf at the one whose turn it is. That
one lists what it holds there, keys with their fingerprints; the other sends what it has otherwise
and asks for what it lacks. Merging both ways leaves both with the same. One key that differs among
K costs about log16(K / 64) messages on the way down, and three.

A message goes on with a bounded number of branches, drawn at random of those that differ, so that
no busy branch keeps the others waiting; keys and bytes are bounded as well. The next round finds
what was left out.

Source: DeCandia et al., SOSP 2007, 4.7.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from systems_under_test.dynamo.api import shown_key
from systems_under_test.dynamo.bugs import STALE_ANTI_ENTROPY
from systems_under_test.dynamo.configuration import MS
from systems_under_test.dynamo.messages import Branches, Digests, Entry, Exchange, Inventory, Same
from systems_under_test.dynamo.version_store import fingerprint, shown_digest

if TYPE_CHECKING:
    from systems_under_test.dynamo.node import Node
    from systems_under_test.dynamo.step import Step

COMPARE: Final = "anti-entropy"
BRANCHES_MAX: Final = 32
"""So many branches a message goes on with."""
EXCHANGE_BYTES_MAX: Final = 1 << 20
"""What is sent of one leaf, or one version set more than fits."""

Place = tuple[int, bytes]
"""A branch: (range, path from its root)."""


class AntiEntropy:
    """Compares and exchanges."""

    def __init__(self, node: Node) -> None:
        self._node = node
        self._interval = node.configuration.anti_entropy_interval_ms * MS
        self._shared: dict[str, tuple[int, ...]] = {}
        self._asks: tuple[str, ...] = ()
        self.arrange()

    def start(self, step: Step) -> None:
        """Begin to compare."""
        if self._node.configuration.anti_entropy:
            step.set_jittered(COMPARE, self._interval)

    def arrange(self) -> None:
        """See with whom this node shares what in the present view."""
        node = self._node
        self._shared = {
            peer: node.lists.held_by_both(node.name, peer)
            for peer in node.nodes
            if peer != node.name
        }
        self._asks = tuple(
            peer for peer in self._shared if self._shared[peer] and self._is_asker(peer)
        )

    def on_timer(self, step: Step) -> None:
        """Compare with every peer that this node asks and that seems to be up."""
        node = self._node
        for peer in step.rng.shuffled(self._asks):
            if node.detector.is_up(peer) and node.admission.admits(step):
                node.detector.asked(step, peer)
                digests = tuple((i, node.versions.digest(step, i)) for i in self._shared[peer])
                step.send(peer, Digests(digests))
        step.set_jittered(COMPARE, self._interval)

    def on_digests(self, step: Step, sender: str, message: Digests) -> None:
        """Say that all is the same, or go on below the roots that differ."""
        shared = frozenset(self._shared.get(sender, ()))
        different = [
            (i, b"")
            for i, digest in message.digests
            if i in shared and self._node.versions.digest(step, i) != digest
        ]
        if different:
            self._go_on(step, sender, different)
        else:
            step.send(sender, Same())

    def on_branches(self, step: Step, sender: str, message: Branches) -> None:
        """Go on below the children that differ. None may: a write has come between."""
        versions, shared = self._node.versions, frozenset(self._shared.get(sender, ()))
        different: list[Place] = []
        for range_index, path, digests in message.branches[:BRANCHES_MAX]:
            branch = versions.branch(step, range_index, path) if range_index in shared else None
            if branch is None:
                continue
            self._node.counters.branches_walked += 1
            if branch.is_leaf:
                different.append((range_index, path))
                continue
            different += [
                (range_index, path + bytes((number,)))
                for number, (child, digest) in enumerate(
                    zip(versions.children(step, branch), digests, strict=False)
                )
                if shown_digest(child) != digest
            ]
        self._go_on(step, sender, different)

    def _go_on(self, step: Step, peer: str, different: list[Place]) -> None:
        """Answer with the keys of the leaves, and the children of the other branches."""
        if len(different) > BRANCHES_MAX:
            different = sorted(step.rng.shuffled(different)[:BRANCHES_MAX])
        versions = self._node.versions
        branches: list[tuple[int, bytes, tuple[bytes, ...]]] = []
        for range_index, path in different:
            branch = versions.branch(step, range_index, path)
            if branch is None:
                continue
            if branch.is_leaf:
                scan = versions.scan_branch(step, branch)
                entries = tuple((stored, fingerprint(stored, blob)) for stored, blob in scan)
                step.send(peer, Inventory(range_index, path, entries))
            else:
                children = versions.children(step, branch)
                branches.append((range_index, path, tuple(map(shown_digest, children))))
        if branches:
            step.send(peer, Branches(tuple(branches)))

    def on_same(self) -> None:
        """Nothing differs."""
        self._node.counters.digest_rounds_equal += 1

    def on_inventory(self, step: Step, sender: str, message: Inventory) -> None:
        """Send what is held otherwise here, ask for what is not held here."""
        self._node.counters.digest_rounds_different += 1
        if message.range not in self._shared.get(sender, ()):
            return
        branch = self._node.versions.branch(step, message.range, message.path)
        if branch is None:
            return
        theirs = dict(message.entries)
        entries: list[Entry] = []
        size = 0
        for stored, blob in self._node.versions.scan_branch(step, branch):
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
                self._node.watch.met(stored, blob)
                overwrite = self._node.bug == STALE_ANTI_ENTROPY
                self._node.counters.keys_exchanged += self._node.versions.merge(
                    step, key, blob, overwrite=overwrite
                )
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
