"""What a node has called itself clean of, and which messages it takes no more: see the collection.

It is forgotten with the life of the node; why that is enough stands in `tombstone_collection.py`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from systems_under_test.dynamo.version_store import fingerprint

if TYPE_CHECKING:
    from collections.abc import Iterable

    from systems_under_test.dynamo.messages import Floor

WATCHED_MAX: Final = 10_000
"""Keys that are watched; beyond it the oldest watch is broken, and its round fails."""


class Watch:
    """The keys of which this node has called itself clean, and the messages it takes no more."""

    def __init__(self) -> None:
        self._clean: dict[bytes, bytes] = {}
        self._floors: dict[str, tuple[int, int]] = {}

    def begin(self, stored: bytes, tombstone: bytes) -> None:
        """Watch a key for anything but the tombstone of this fingerprint."""
        self._clean.pop(stored, None)
        self._clean[stored] = tombstone
        if len(self._clean) > WATCHED_MAX:
            del self._clean[next(iter(self._clean))]

    def met(self, stored: bytes, blob: bytes | None) -> None:
        """This node meets content of a key, wherever it comes from."""
        tombstone = self._clean.get(stored) if self._clean else None
        if tombstone is not None and blob and fingerprint(stored, blob) != tombstone:
            del self._clean[stored]

    def is_unbroken(self, stored: bytes, tombstone: bytes) -> bool:
        """Whether it has met nothing but this tombstone since."""
        return self._clean.get(stored) == tombstone

    def fence(self, floors: Iterable[Floor]) -> None:
        """Take no versions that were sent at or before these."""
        for sender, incarnation, sent_at in floors:
            floor = (incarnation, sent_at)
            self._floors[sender] = max(floor, self._floors.get(sender, floor))

    def is_late(self, sender: str, incarnation: int, sent_at: int) -> bool:
        """Whether a message was sent before the sender's fence."""
        floor = self._floors.get(sender) if self._floors else None
        return floor is not None and (incarnation, sent_at) <= floor
