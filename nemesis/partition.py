"""Partitions: directed links cut by a grudge."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Final

from nemesis.grudges import from_json, union
from nemesis.ledger import ledger
from nemesis.links import alive, all_links, named, passed_and_dropped, shaped
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
    """

    faults: ClassVar[frozenset[str]] = frozenset({PARTITION})
    needs: ClassVar[frozenset[str]] = frozenset({PARTITION})

    def inject(self, cluster: Cluster, fault: Fault) -> Effect:
        """Cut the fault's links besides those of the partitions that are open."""
        ours = sorted(cut_by(fault))
        others = [link for link in all_links(cluster) if link not in set(ours)]
        passing = _passing(cluster, all_links(cluster))
        ledger(cluster).enter(fault, counters=passed_and_dropped(cluster, ours))
        _cut_what_is_open(cluster)
        after = _passing(cluster, all_links(cluster))
        cut = [link for link in ours if link in passing and link not in after]
        uncut = [link for link in ours if link in after]
        # A lossy or held link may fail a probe by itself: only the others show a cut too many.
        lost = [
            link
            for link in others
            if link in passing and link not in after and not shaped(cluster, link)
        ]
        evidence: dict[str, Any] = {
            "cut": len(cut),
            "uncut": named(uncut),
            "blocked_before": len(ours) - len(cut) - len(uncut),
            "spared": len(others) - len(lost),
            "cut_too_much": named(lost),
        }
        method = cluster.method.get(PARTITION, PARTITION)
        if not cut:
            return Effect("ineffective", method, evidence)
        return Effect("partly" if uncut or lost else "applied", method, evidence)

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
        after = _passing(cluster, mended)
        leaking = [link for link in mended if link not in after]
        evidence = {
            "mended": len(mended) - len(leaking),
            "still_blocked": named(leaking),
            "cut_by_others": len(still_cut & set(ours)),
            "dropped_meanwhile": dropped - dropped_then,
            "passed_meanwhile": passed - passed_then,
        }
        method = cluster.method.get(PARTITION, PARTITION)
        return Effect("leaked" if leaking else "healed", method, evidence)


def cut_by(fault: Fault) -> frozenset[Link]:
    """The links that a partition cuts."""
    return links_of(from_json(fault.input["grudge"]))


def _passing(cluster: Cluster, links: list[Link]) -> frozenset[Link]:
    return frozenset(link for link, passes in cluster.probe(links).items() if passes)


def _cut_what_is_open(cluster: Cluster) -> frozenset[Link]:
    grudges = [from_json(open.input["grudge"]) for open in ledger(cluster).open(PARTITION)]
    cut = links_of(union(grudges))
    cluster.set_cut(sorted(cut))
    return cut
