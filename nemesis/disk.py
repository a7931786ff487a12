"""Disk faults of living nodes: no space, slow commits, I/O errors."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Final

from nemesis.ledger import ledger
from nemesis.plan import Effect
from nemesis.processes import each, revive, struck
from systems_under_test.environments.cluster import DiskQuality
from systems_under_test.rng import MILLION

if TYPE_CHECKING:
    from nemesis.plan import Fault
    from systems_under_test.environments.cluster import Cluster, Node

DISK: Final = "disk"


@dataclass(frozen=True, slots=True)
class DiskFault:
    """Changes how its targets' disks behave.

    Input: `{"targets": [...], "quality": {field of DiskQuality: value}}`; `variant` is for the
    reader. Qualities of open faults on one node add up. A node whose commit fails dies of it, as
    the replica port demands, so healing also starts the targets that are dead.

    What a disk does shows only when it is written to: the fault is judged by the disk's counters
    when it is healed, which says `ineffective` if they show nothing.
    """

    faults: ClassVar[frozenset[str]] = frozenset({DISK})
    needs: ClassVar[frozenset[str]] = frozenset({DISK})

    def inject(self, cluster: Cluster, fault: Fault) -> Effect:
        """Give the targets' disks the fault's quality besides that of the open disk faults."""
        nodes = struck(cluster, fault)
        counters = {node.name: dict(node.disk_counters()) for node in nodes}
        ledger(cluster).enter(fault, counters=counters)
        each(nodes, lambda node: _set_what_is_open(cluster, node))
        evidence = {"counters": counters, "judged": "when healed, by counters"}
        return Effect("applied", cluster.method.get(DISK, DISK), evidence)

    def heal(self, cluster: Cluster, fault: Fault) -> Effect:
        """Give the disks what other open faults leave, and start the nodes that died of this."""
        nodes = struck(cluster, fault)
        note = ledger(cluster).leave(fault)
        each(nodes, lambda node: _set_what_is_open(cluster, node))
        revive(cluster, nodes)
        evidence: dict[str, Any] = {}
        took = False
        for node in nodes:
            now = node.disk_counters()
            before = note.get("counters", {}).get(node.name, now)
            meanwhile = {name: now[name] - before.get(name, 0) for name in sorted(now)}
            took = took or any(meanwhile.get(name) for name in showing(quality_in(fault)))
            evidence[node.name] = {"meanwhile": meanwhile, "after": node.state()}
        method = cluster.method.get(DISK, DISK)
        return Effect("healed" if took or not note else "ineffective", method, evidence)


def quality_in(fault: Fault) -> DiskQuality:
    """The quality in a fault's input. Raises TypeError for a field that disks do not have."""
    return DiskQuality(**fault.input["quality"])


def together(a: DiskQuality, b: DiskQuality) -> DiskQuality:
    """Both on one disk: delays add up, chances combine as of independent causes."""
    return DiskQuality(
        full=a.full or b.full,
        slow_ns=a.slow_ns + b.slow_ns,
        errors_ppm=a.errors_ppm + b.errors_ppm - a.errors_ppm * b.errors_ppm // MILLION,
    )


def showing(quality: DiskQuality) -> list[str]:
    """The counters that must move if a quality takes effect and the disk is written to."""
    counters = {
        "refused_full": quality.full,
        "slowed": bool(quality.slow_ns),
        "failed": bool(quality.errors_ppm),
    }
    return [name for name, moves in counters.items() if moves]


def _set_what_is_open(cluster: Cluster, node: Node) -> None:
    quality = DiskQuality()
    for fault in ledger(cluster).on(node.name, DISK):
        quality = together(quality, quality_in(fault))
    node.set_disk(quality)
