"""Partitions: directed links cut by a grudge."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Final

from nemesis.grudges import from_json, union
from nemesis.ledger import ledger
from nemesis.links import (
    TRIES_MAX,
    alive,
    all_links,
    named,
    passed_and_dropped,
    passing,
    shaped,
)
from nemesis.plan import Effect
from systems_under_test.environments.cluster import links_of

if TYPE_CHECKING:
    from nemesis.plan import Fault
    from systems_under_test.environments.cluster import Cluster, Link

PARTITION: Final = "partition"


@dataclass(frozen=True, slots=True)
class Partition:
    """Cuts the links of a grudge.

    Input: `{"grudge": {receiver: [sender, ...]}, "targets": [...]}`; the targets are for the
    reader. Proved by trying every link before and after: a link counts as cut only if it passed a
    message before. Healing mends the links that no other open partition cuts.

    Around a node that is down, no link passed anything before: that is `partly`, for the cut may
    act when the node is up again. If no message was dropped until the healing, it never did, and
    the healing is `ineffective`.
    """

    faults: ClassVar[frozenset[str]] = frozenset({PARTITION})
    needs: ClassVar[frozenset[str]] = frozenset({PARTITION})

    def inject(self, cluster: Cluster, fault: Fault) -> Effect:
        """Cut the fault's links besides those of the partitions that are open."""
        ours = sorted(cut_by(fault))
        others = [link for link in all_links(cluster) if link not in set(ours)]
        before = passing(cluster, all_links(cluster))
        counters = passed_and_dropped(cluster, ours)
        ledger(cluster).enter(fault, counters=counters)
        _cut_what_is_open(cluster)
        after = passing(cluster, ours)
        cut = [link for link in ours if link in before and link not in after]
        uncut = [link for link in ours if link in after]
        # A lossy or held link may fail a probe by itself: only the others show a cut too many.
        spared = [link for link in others if link in before and not shaped(cluster, link)]
        still = passing(cluster, spared, tries=TRIES_MAX)
        too_many = [link for link in spared if link not in still]
        evidence: dict[str, Any] = {
            "cut": len(cut),
            "uncut": named(uncut),
            "blocked_before": len(ours) - len(cut) - len(uncut),
            "spared": len(spared) - len(too_many),
            "cut_too_much": named(too_many),
        }
        method = cluster.method.get(PARTITION, PARTITION)
        ledger(cluster).enter(fault, counters=counters, proved=bool(cut))
        if uncut and not cut:
            return Effect("ineffective", method, evidence)
        whole = cut and not uncut and not too_many
        return Effect("applied" if whole else "partly", method, evidence)

    def heal(self, cluster: Cluster, fault: Fault) -> Effect:
        """Mend the fault's links, except those that another open partition cuts."""
        ours = sorted(cut_by(fault))
        note = ledger(cluster).leave(fault)
        passed, dropped = passed_and_dropped(cluster, ours)
        passed_then, dropped_then = note.get("counters", (passed, dropped))
        still_cut = _cut_what_is_open(cluster)
        mended = [
            link
            for link in ours
            if link not in still_cut and alive(cluster, link) and not shaped(cluster, link)
        ]
        after = passing(cluster, mended, tries=TRIES_MAX)
        # A node may have died while we tried; its links say nothing.
        leaking = [link for link in mended if link not in after and alive(cluster, link)]
        evidence = {
            "mended": len(after),
            "still_blocked": named(leaking),
            "cut_by_others": len(still_cut & set(ours)),
            "dropped_meanwhile": dropped - dropped_then,
            "passed_meanwhile": passed - passed_then,
        }
        method = cluster.method.get(PARTITION, PARTITION)
        if leaking:
            return Effect("leaked", method, evidence)
        idle = not note.get("proved", True) and dropped == dropped_then
        return Effect("ineffective" if idle else "healed", method, evidence)


def cut_by(fault: Fault) -> frozenset[Link]:
    """The links that a partition cuts."""
    return links_of(from_json(fault.input["grudge"]))


def _cut_what_is_open(cluster: Cluster) -> frozenset[Link]:
    grudges = [from_json(fault.input["grudge"]) for fault in ledger(cluster).open(PARTITION)]
    cut = links_of(union(grudges))
    cluster.set_cut(sorted(cut))
    return cut
