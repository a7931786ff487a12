"""Link faults: messages that are late, lost, doubled, overtaken, or held back."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Final

from nemesis.ledger import ledger
from nemesis.links import LINK, alive, links_in, named
from nemesis.partition import PARTITION, cut_by
from nemesis.plan import Effect
from systems_under_test.environments.cluster import LinkQuality
from systems_under_test.rng import MILLION

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from nemesis.plan import Fault
    from systems_under_test.environments.cluster import Cluster, Link

COUNTERS: Final = ("passed", "dropped", "delayed", "duplicated")


@dataclass(frozen=True, slots=True)
class LinkFault:
    """Shapes what its links carry.

    Input: `{"links": [[sender, receiver], ...], "quality": {field of LinkQuality: value}}`;
    `variant` and `targets` are for the reader. Qualities of open faults on one link add up.

    A hold is proved by trying the links. What happens to some of the messages, or later, shows
    only in the links' counters once there was traffic: it is judged when the fault is healed,
    which then says `ineffective` if no message was delayed, dropped or doubled.
    """

    faults: ClassVar[frozenset[str]] = frozenset({LINK})
    needs: ClassVar[frozenset[str]] = frozenset({LINK})

    def inject(self, cluster: Cluster, fault: Fault) -> Effect:
        """Shape the fault's links besides those of the link faults that are open."""
        ours = links_in(fault)
        quality = quality_in(fault)
        method = cluster.method.get(LINK, LINK)
        before = cluster.probe(ours)
        ledger(cluster).enter(fault, counters=_counters(cluster, ours))
        _shape_what_is_open(cluster)
        evidence: dict[str, Any] = {"links": len(ours)}
        if not quality.hold:
            return Effect("applied", method, evidence | {"judged": "when healed, by counters"})
        after = cluster.probe(ours)
        held = [link for link in ours if before[link] and not after[link]]
        passing = [link for link in ours if after[link]]
        evidence |= {"held": len(held), "passing": named(passing)}
        if not held:
            return Effect("ineffective", method, evidence)
        return Effect("partly" if passing else "applied", method, evidence)

    def heal(self, cluster: Cluster, fault: Fault) -> Effect:
        """Give the links what other open faults leave of their qualities."""
        ours = links_in(fault)
        quality = quality_in(fault)
        note = ledger(cluster).leave(fault)
        seen = _counters(cluster, ours)
        _shape_what_is_open(cluster)
        meanwhile = {name: seen[name] - note.get("counters", seen)[name] for name in COUNTERS}
        silent = [name for name in showing(quality) if not meanwhile[name]]
        blocked = _blocked(cluster, ours)
        evidence = {"meanwhile": meanwhile, "still_blocked": named(blocked)}
        method = cluster.method.get(LINK, LINK)
        if blocked:
            return Effect("leaked", method, evidence)
        if note and silent and not quality.hold:
            return Effect("ineffective", method, evidence)
        return Effect("healed", method, evidence)


def quality_in(fault: Fault) -> LinkQuality:
    """The quality in a fault's input. Raises TypeError for a field that links do not have."""
    return LinkQuality(**fault.input["quality"])


def together(a: LinkQuality, b: LinkQuality) -> LinkQuality:
    """Both on one link: delays add up, chances combine as of independent causes."""

    def either(p: int, q: int) -> int:
        return p + q - p * q // MILLION

    return LinkQuality(
        delay_ns=a.delay_ns + b.delay_ns,
        jitter_ns=a.jitter_ns + b.jitter_ns,
        loss_ppm=either(a.loss_ppm, b.loss_ppm),
        duplicate_ppm=either(a.duplicate_ppm, b.duplicate_ppm),
        reorder_ppm=either(a.reorder_ppm, b.reorder_ppm),
        hold=a.hold or b.hold,
    )


def showing(quality: LinkQuality) -> list[str]:
    """The counters that must move if a quality takes effect and there is traffic."""
    late = quality.delay_ns or quality.jitter_ns or quality.reorder_ppm or quality.hold
    counters = {
        "delayed": bool(late),
        "dropped": bool(quality.loss_ppm),
        "duplicated": bool(quality.duplicate_ppm),
    }
    return [name for name, moves in counters.items() if moves]


def _shape_what_is_open(cluster: Cluster) -> None:
    qualities: dict[Link, LinkQuality] = {}
    for fault in ledger(cluster).open(LINK):
        for link in links_in(fault):
            qualities[link] = together(qualities.get(link, LinkQuality()), quality_in(fault))
    cluster.shape({link: qualities[link] for link in sorted(qualities)})


def _counters(cluster: Cluster, links: Iterable[Link]) -> dict[str, int]:
    counters: Mapping[Link, Mapping[str, int]] = cluster.link_counters()
    return {name: sum(counters.get(link, {}).get(name, 0) for link in links) for name in COUNTERS}


def _blocked(cluster: Cluster, links: list[Link]) -> list[Link]:
    """The links that pass nothing though no open fault cuts or shapes them, and both ends run."""
    shaped = {link for fault in ledger(cluster).open(LINK) for link in links_in(fault)}
    cut = {link for fault in ledger(cluster).open(PARTITION) for link in cut_by(fault)}
    free = [
        link for link in links if link not in shaped and link not in cut and alive(cluster, link)
    ]
    passes = cluster.probe(free)
    return [link for link in free if not passes[link]]
