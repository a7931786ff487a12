"""Which faults are open on a cluster, and what their injection left to be remembered.

Faults of one kind overlap: two partitions open at once cut the union of their links, and healing
one must leave the other. A nemesis is a plain value that may serve many runs, so what is open is
kept here, one ledger for each cluster, forgotten with it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

if TYPE_CHECKING:
    from collections.abc import Iterator

    from nemesis.plan import Fault
    from systems_under_test.environments.cluster import Cluster


@dataclass(frozen=True, slots=True)
class Entry:
    """An open fault, and its nemesis's note: what stood before the injection."""

    fault: Fault
    note: dict[str, Any]


@dataclass(slots=True)
class Ledger:
    """The open faults of one cluster, in the order in which they were injected."""

    entries: dict[int, Entry] = field(default_factory=dict)

    def enter(self, fault: Fault, **note: Any) -> None:
        """Open a fault. Done before a nemesis acts, so that what it half did is undone too."""
        self.entries[fault.fault] = Entry(fault, note)

    def leave(self, fault: Fault) -> dict[str, Any]:
        """Close a fault; its note, empty if it was not open (healing may be asked for twice)."""
        entry = self.entries.pop(fault.fault, None)
        return {} if entry is None else entry.note

    def open(self, *names: str) -> Iterator[Fault]:
        """The open faults of these names."""
        return (entry.fault for entry in self.entries.values() if entry.fault.f in names)

    def on(self, node: str, *names: str) -> list[Fault]:
        """The open faults of these names that strike this node."""
        return [fault for fault in self.open(*names) if node in targets_of(fault)]


_LEDGERS: WeakKeyDictionary[Cluster, Ledger] = WeakKeyDictionary()


def ledger(cluster: Cluster) -> Ledger:
    """The ledger of this cluster."""
    return _LEDGERS.setdefault(cluster, Ledger())


def targets_of(fault: Fault) -> tuple[str, ...]:
    """The nodes that a fault's input names."""
    return tuple(fault.input.get("targets", ()))
