"""Disk faults of living nodes: no space, slow commits, I/O errors."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Final

from nemesis.ledger import ledger
from nemesis.plan import Effect
from nemesis.processes import each, healed, injected, revive, struck
from systems_under_test.environments.cluster import DiskQuality
from systems_under_test.rng import MILLION

if TYPE_CHECKING:
    from collections.abc import Mapping

    from nemesis.plan import Fault
    from systems_under_test.environments.cluster import Cluster, Node

DISK: Final = "disk"


@dataclass(frozen=True, slots=True)
class DiskFault:
    """Changes how its targets' disks behave.

    Input: `{"targets": [...], "quality": {field of DiskQuality: value}}`; `variant` is for the
    reader. Qualities of open faults on one node add up. A node whose commit fails dies of it, as
    the replica port demands, so healing also starts the targets that are dead.

    Proved by reading the qualities back. What a disk does shows only when it is written to: if its
    counters say at the healing that it refused, failed or slowed nothing, that is `ineffective`.
    """

    faults: ClassVar[frozenset[str]] = frozenset({DISK})
    needs: ClassVar[frozenset[str]] = frozenset({DISK})

    def inject(self, cluster: Cluster, fault: Fault) -> Effect:
        """Give the targets' disks the fault's quality besides that of the open disk faults."""
        nodes = struck(cluster, fault)
        was = {node.name: node.disk_quality() for node in nodes}
        counters = {node.name: dict(node.disk_counters()) for node in nodes}
        ledger(cluster).enter(fault, counters=counters)
        each(nodes, lambda node: node.set_disk(_wanted(cluster, node)))
        proved = {
            node.name: node.disk_quality() == _wanted(cluster, node) != was[node.name]
            for node in nodes
        }
        evidence: dict[str, Any] = {
            node.name: {"set": proved[node.name], "counters": counters[node.name]} for node in nodes
        }
        return injected(proved, cluster.method.get(DISK, DISK), evidence)

    def heal(self, cluster: Cluster, fault: Fault) -> Effect:
        """Give the disks what other open faults leave, and start the nodes that died of this."""
        nodes = struck(cluster, fault)
        note = ledger(cluster).leave(fault)
        each(nodes, lambda node: node.set_disk(_wanted(cluster, node)))
        cleared = {node.name: node.disk_quality() == _wanted(cluster, node) for node in nodes}
        quality = quality_in(fault)
        if deadly(quality):
            revive(cluster, nodes)
        evidence: dict[str, Any] = {}
        for node in nodes:
            now = node.disk_counters()
            before = note["counters"][node.name] if note else now
            meanwhile = {name: now[name] - before.get(name, 0) for name in sorted(now)}
            evidence[node.name] = {"meanwhile": meanwhile, "after": node.state()}
        method = cluster.method.get(DISK, DISK)
        if note and all(cleared.values()) and not _took(fault, evidence):
            return Effect("ineffective", method, evidence)
        return healed(cleared, method, evidence)


def _took(fault: Fault, evidence: Mapping[str, Any]) -> bool:
    """Whether any disk refused, failed or slowed anything."""
    counters = showing(quality_in(fault))
    return any(seen["meanwhile"].get(name) for seen in evidence.values() for name in counters)


def quality_in(fault: Fault) -> DiskQuality:
    """The quality in a fault's input. Raises TypeError for a field that disks do not have."""
    return DiskQuality(**fault.input["quality"])


def together(a: DiskQuality, b: DiskQuality) -> DiskQuality:
    """Both on one disk: delays add up, chances combine as of independent causes."""
    return DiskQuality(
        full=a.full or b.full,
        slow_ns=a.slow_ns + b.slow_ns,
        errors_ppm=_either(a.errors_ppm, b.errors_ppm),
        read_errors_ppm=_either(a.read_errors_ppm, b.read_errors_ppm),
    )


def deadly(quality: DiskQuality) -> bool:
    """Whether nodes die of it: a slow disk kills nobody."""
    return quality.full or bool(quality.errors_ppm or quality.read_errors_ppm)


def _either(p: int, q: int) -> int:
    return p + q - p * q // MILLION


def showing(quality: DiskQuality) -> list[str]:
    """The counters that must move if a quality takes effect and the disk is written to."""
    counters = {
        "refused_full": quality.full,
        "slowed": bool(quality.slow_ns),
        "failed": bool(quality.errors_ppm),
        "failed_reads": bool(quality.read_errors_ppm),
    }
    return [name for name, moves in counters.items() if moves]


def _wanted(cluster: Cluster, node: Node) -> DiskQuality:
    """What the open faults want of a node's disk."""
    quality = DiskQuality()
    for fault in ledger(cluster).on(node.name, DISK):
        quality = together(quality, quality_in(fault))
    return quality
