"""Damage to what a dead node has stored: torn records, flipped bits, files cut, lost disks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Final

from nemesis.administration import REPAIR, Order, administrator
from nemesis.processes import crash, injected, struck, uncrash

if TYPE_CHECKING:
    from nemesis.plan import Effect, Fault
    from systems_under_test.environments.cluster import Cluster, Node

DAMAGE: Final = "damage"
WIPE: Final = "wipe"
COUNTERS: Final = {"torn": "torn", "flip": "flipped", "truncate": "truncated", "lost": "wiped"}


@dataclass(frozen=True, slots=True)
class Damage:
    """Kills its targets and damages one record of each; healing starts them on what is left.

    Input: `{"variant": "torn" | "flip" | "truncate", "targets": [node, ...]}`. Proved by the
    disk's own count and the place that it names. What was damaged stays so: a node that refuses
    to run on it, or puts it aside and begins anew, is right.
    """

    faults: ClassVar[frozenset[str]] = frozenset({DAMAGE})
    needs: ClassVar[frozenset[str]] = frozenset({"kill", "disk"})

    def inject(self, cluster: Cluster, fault: Fault) -> Effect:
        """Kill the targets and damage what they stored."""
        kind = fault.input["variant"]
        records: dict[str, Any] = {}
        grown: dict[str, bool] = {}

        def strike(node: Node) -> None:
            node.kill()
            if node.state() != "dead":
                return
            count = node.disk_counters().get(COUNTERS[kind], 0)
            records[node.name] = dict(node.damage_disk(kind))
            grown[node.name] = node.disk_counters().get(COUNTERS[kind], 0) > count

        evidence = crash(cluster, fault, strike)
        for name, seen in evidence.items():
            seen["damaged"] = records.get(name) if grown.get(name) else None
        proved = {name: grown.get(name, False) for name in evidence}
        return injected(proved, cluster.method.get("disk", "disk"), evidence)

    def heal(self, cluster: Cluster, fault: Fault) -> Effect:
        """Start the targets, except those that another open fault wants dead.

        Where somebody gives orders to the system, the admin has them start over.
        """
        orders = administrator(cluster)
        if orders is not None:
            for node in struck(cluster, fault):
                orders.begin((REPAIR, node.name), Order(REPAIR, node.name))
        return uncrash(cluster, fault, cluster.method.get("disk", "disk"))


@dataclass(frozen=True, slots=True)
class Wipe(Damage):
    """Kills its targets and puts an empty disk in the place of each one's.

    Input: `{"variant": "lost", "targets": [node, ...]}`. A fault of its own name: systems that
    claim something of damaged records, which checksums find, may claim nothing of lost ones.
    """

    faults: ClassVar[frozenset[str]] = frozenset({WIPE})
