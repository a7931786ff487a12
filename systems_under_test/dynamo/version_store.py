"""What a home node holds: one set of versions for each key, and a Merkle tree for each range.

Keys are stored in the order of the ring, so a range is a scan, and so is the arc of each branch.
"""

from __future__ import annotations

from hashlib import md5
from typing import TYPE_CHECKING, Final

from systems_under_test.dynamo.merkle_tree import DIGEST_BYTES, MerkleTree
from systems_under_test.dynamo.ring import POSITION_BYTES, scans_of
from systems_under_test.dynamo.versions import decode, encode, merge_encoded

if TYPE_CHECKING:
    from collections.abc import Iterator

    from systems_under_test.dynamo.merkle_tree import Branch
    from systems_under_test.dynamo.ring import Key, Ring
    from systems_under_test.dynamo.step import Step
    from systems_under_test.dynamo.write_buffer import WriteBuffer

VERSIONS: Final = "versions"
NIL: Final = b"\xc0"
"""None in msgpack."""


def fingerprint(stored: bytes, blob: bytes) -> bytes:
    """Sixteen bytes that stand for a key and what is held of it."""
    return md5(b"%d:%b%b" % (len(stored), stored, blob), usedforsecurity=False).digest()


def shown_digest(branch: Branch) -> bytes:
    """The digest of a branch as it travels."""
    return branch.digest.to_bytes(DIGEST_BYTES, "big")


def _number(stored: bytes, blob: bytes) -> int:
    return int.from_bytes(fingerprint(stored, blob), "big")


def _position(stored: bytes) -> int:
    return int.from_bytes(stored[:POSITION_BYTES], "big")


class VersionStore:
    """The table of versions."""

    def __init__(
        self, ring: Ring, rows: WriteBuffer, *, drop_siblings: bool, durable: bool
    ) -> None:
        self._ring = ring
        self._rows = rows
        self._drop_siblings = drop_siblings
        self._durable = durable
        self._trees: dict[int, MerkleTree] = {}
        self._tombstones: dict[int, dict[bytes, None]] = {}
        """The keys with tombstones alone, of the ranges that have a tree."""

    def arrange(self, ring: Ring) -> None:
        """The ranges are other ones from now on."""
        self._ring = ring
        self._trees.clear()
        self._tombstones.clear()

    def clear(self, step: Step) -> int:
        """Forget everything; how many keys that were."""
        held = [stored for stored, _ in self._rows.scan(step)]
        for stored in held:
            self._rows.write(step, stored, None, durable=True, may_wait=False)
        self._trees.clear()
        self._tombstones.clear()
        return len(held)

    def read(self, step: Step, key: Key) -> bytes | None:
        """The encoded set of a key."""
        return self._rows.get(step, key.stored)

    def merge(
        self,
        step: Step,
        key: Key,
        blob: bytes,
        *,
        overwrite: bool = False,
        may_wait: bool = False,
    ) -> bool:
        """Merge an encoded set into the key's; whether that changed it. `overwrite` is a bug.

        Durable before any later effect leaves, unless it may wait in the write buffer.
        """
        held = self._rows.get(step, key.stored)
        merged = blob if overwrite else merge_encoded(held, blob)
        if self._drop_siblings:
            merged = _keep_one(merged)
        if merged is None or merged == held:
            if not may_wait:
                self._rows.settle(step, key.stored)
            return False
        self._rows.write(step, key.stored, merged, durable=self._durable, may_wait=may_wait)
        self._grow(key, held, merged)
        return True

    def _grow(self, key: Key, held: bytes | None, merged: bytes) -> None:
        tree = self._trees.get(key.range)
        if tree is not None:
            change = _number(key.stored, merged)
            if held is not None:
                change ^= _number(key.stored, held)
            tree.replace(_position(key.stored), change, keys=1 if held is None else 0)
            self._bury(key.range, key.stored, merged)

    def forget(self, step: Step, key: Key) -> None:
        """Delete a key. Not durable at once: a tombstone that comes back is collected again."""
        held = self._rows.get(step, key.stored)
        assert held is not None, f"{key.name!r} is not held"
        self._rows.write(step, key.stored, None, durable=False, may_wait=False)
        tree = self._trees.get(key.range)
        if tree is not None:
            tree.replace(_position(key.stored), _number(key.stored, held), keys=-1)
            self._tombstones[key.range].pop(key.stored, None)

    def tombstones(self, step: Step, range_index: int) -> tuple[bytes, ...]:
        """The keys of a range, as stored, of which nothing but tombstones is held."""
        self._tree(step, range_index)
        return tuple(self._tombstones[range_index])

    def _bury(self, range_index: int, stored: bytes, blob: bytes) -> None:
        """Keep account of whether a key holds tombstones alone."""
        # The last version's value ends the encoding: this byte is what a tombstone's has there.
        if blob[-1:] == NIL and all(version.value is None for version in decode(blob)):
            self._tombstones[range_index][stored] = None
        else:
            self._tombstones[range_index].pop(stored, None)

    def digest(self, step: Step, range_index: int) -> bytes:
        """The digest of a range, the root of its tree."""
        return shown_digest(self._tree(step, range_index).root)

    def branch(self, step: Step, range_index: int, path: bytes) -> Branch | None:
        """A branch of the range's tree, None where no path like this leads to one."""
        return self._tree(step, range_index).find(path, lambda b: self._entries(step, b))

    def children(self, step: Step, branch: Branch) -> tuple[Branch, ...]:
        """The branches that a branch divides into."""
        return branch.children or branch.divide(self._entries(step, branch))

    def scan_branch(self, step: Step, branch: Branch) -> Iterator[tuple[bytes, bytes]]:
        """(key as stored, encoded set) of a branch's arc, in the storage's order."""
        for start, stop in scans_of(branch.first, branch.length):
            yield from self._rows.scan(step, start, stop)

    def _tree(self, step: Step, range_index: int) -> MerkleTree:
        """The tree of a range; scanned once in a life, then kept up to date by `merge`."""
        tree = self._trees.get(range_index)
        if tree is None:
            tree = MerkleTree(*self._ring.arc(range_index))
            self._tombstones[range_index] = {}
            for stored, blob in self.scan_branch(step, tree.root):
                tree.replace(_position(stored), _number(stored, blob), keys=1)
                self._bury(range_index, stored, blob)
            self._trees[range_index] = tree
        return tree

    def _entries(self, step: Step, branch: Branch) -> Iterator[tuple[int, int]]:
        for stored, blob in self.scan_branch(step, branch):
            yield _position(stored), _number(stored, blob)

    def scan_all(self, step: Step, after: bytes = b"") -> Iterator[tuple[bytes, bytes]]:
        """Everything that is held after this key, in the order of the storage."""
        return self._rows.scan(step, after + b"\0" if after else b"")

    def scan_after(
        self, step: Step, range_index: int, after: bytes
    ) -> Iterator[tuple[bytes, bytes]]:
        """(key as stored, encoded set) of a range, after this key."""
        for start, stop in self._ring.scans(range_index):
            if stop is None or after < stop:
                yield from self._rows.scan(step, max(start, after + b"\0" if after else b""), stop)


def _keep_one(blob: bytes | None) -> bytes | None:
    """The bug `drop-siblings`: of concurrent versions the greatest dot wins."""
    versions = decode(blob)
    return blob if len(versions) < 2 else encode(versions[-1:])
