"""What a home node holds: one set of versions for each key, and a digest for each range.

Keys are stored in the order of the ring, so a range is a scan. The digest of a range is the
exclusive or of the fingerprints of its keys: it does not depend on the order in which they were
written, and a write changes it by two fingerprints instead of a scan.
"""

from __future__ import annotations

from hashlib import md5
from typing import TYPE_CHECKING, Final

from systems_under_test.dynamo.versions import decode, encode, merge_encoded

if TYPE_CHECKING:
    from collections.abc import Iterator

    from systems_under_test.dynamo.ring import Key, Ring
    from systems_under_test.dynamo.step import Step

VERSIONS: Final = "versions"


def fingerprint(stored: bytes, blob: bytes) -> bytes:
    """Sixteen bytes that stand for a key and what is held of it."""
    return md5(b"%d:%b%b" % (len(stored), stored, blob), usedforsecurity=False).digest()


class VersionStore:
    """The table of versions. Tombstones stay: to collect them needs word from every home node."""

    def __init__(self, ring: Ring, *, drop_siblings: bool, durable: bool) -> None:
        self._ring = ring
        self._drop_siblings = drop_siblings
        self._durable = durable
        self._digests: dict[int, int] = {}

    def read(self, step: Step, key: Key) -> bytes | None:
        """The encoded set of a key."""
        return step.get(VERSIONS, key.stored)

    def merge(self, step: Step, key: Key, blob: bytes) -> bool:
        """Merge an encoded set into the key's; whether that changed it."""
        held = step.get(VERSIONS, key.stored)
        merged = merge_encoded(held, blob)
        if self._drop_siblings:
            merged = _keep_one(merged)
        if merged is None or merged == held:
            return False
        step.write(VERSIONS, key.stored, merged, durable=self._durable)
        digest = self._digests.get(key.range)
        if digest is not None:
            if held is not None:
                digest ^= int.from_bytes(fingerprint(key.stored, held), "big")
            digest ^= int.from_bytes(fingerprint(key.stored, merged), "big")
            self._digests[key.range] = digest
        return True

    def digest(self, step: Step, range_index: int) -> bytes:
        """The digest of a range; scanned once in a life, then kept up to date by `merge`."""
        digest = self._digests.get(range_index)
        if digest is None:
            digest = 0
            for stored, blob in self.scan_range(step, range_index):
                digest ^= int.from_bytes(fingerprint(stored, blob), "big")
            self._digests[range_index] = digest
        return digest.to_bytes(16, "big")

    def scan_range(
        self, step: Step, range_index: int, start: bytes = b"", stop: bytes | None = None
    ) -> Iterator[tuple[bytes, bytes]]:
        """(key as stored, encoded set) of a range, start <= key < stop, in the storage's order."""
        for low, high in sorted(self._ring.scans(range_index), key=lambda scan: scan[0]):
            last = high if stop is None or (high is not None and high < stop) else stop
            if last is None or max(low, start) < last:
                yield from step.scan(VERSIONS, max(low, start), last)

    def scan_all(self, step: Step) -> Iterator[tuple[bytes, bytes]]:
        """Everything that is held, in the order of the storage."""
        return step.scan(VERSIONS)


def _keep_one(blob: bytes | None) -> bytes | None:
    """The bug `drop-siblings`: of concurrent versions the greatest dot wins."""
    versions = decode(blob)
    return blob if len(versions) < 2 else encode(versions[-1:])
