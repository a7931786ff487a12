"""Link faults: messages that are late, lost, doubled, overtaken, or held back."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Final

from nemesis.ledger import ledger
from nemesis.links import LINK, TRIES_MAX, Trial, alive, links_in, named, passing, tried
from nemesis.partition import PARTITION, cut_by
from nemesis.plan import Effect
from nemesis.processes import injected
from systems_under_test.environments.cluster import LinkQuality
from systems_under_test.rng import MILLION

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from nemesis.plan import Fault
    from systems_under_test.environments.cluster import Cluster, Link

MESSAGES: Final = 3
"""So many are sent over each link to see what becomes of them."""
COUNTERS: Final = ("passed", "dropped", "delayed", "duplicated")


@dataclass(frozen=True, slots=True)
class LinkFault:
    """Shapes what its links carry.

    Input: `{"links": [[sender, receiver], ...], "quality": {field of LinkQuality: value}}`;
    `variant` and `targets` are for the reader. Qualities of open faults on one link add up.

    Proved by reading the qualities back and by trying the links. A held link must pass nothing,
    and over a slow one no message may come sooner than it delays. How many messages of a few were
    lost and how long the others took stands in the evidence, and proves nothing of a chance. That
    messages were really late, lost or doubled shows only once there was traffic: if the counters
    say at the healing that none was, the healing is `ineffective`.
    """

    faults: ClassVar[frozenset[str]] = frozenset({LINK})
    needs: ClassVar[frozenset[str]] = frozenset({LINK})

    def inject(self, cluster: Cluster, fault: Fault) -> Effect:
        """Shape the fault's links besides those of the link faults that are open."""
        ours = links_in(fault)
        was = cluster.link_qualities()
        hold = quality_in(fault).hold
        before = passing(cluster, ours) if hold else frozenset(ours)
        quick = Trial({}) if hold else tried(cluster, ours, times=1)
        counters = _counters(cluster, ours)
        ledger(cluster).enter(fault, counters=counters, plain=_plain(cluster, ours))
        wanted = _shape_what_is_open(cluster)
        seen = cluster.link_qualities()
        proved = {link: seen[link] == wanted[link] != was[link] for link in ours}
        evidence: dict[str, Any] = {"shaped": sum(proved.values())}
        if not hold:
            now = tried(cluster, ours, times=1 if quality_in(fault).rate_bytes_s else MESSAGES)
            too_soon = [link for link in ours if _too_soon(now.quickest(link), wanted[link])]
            proved = {link: proved[link] and link not in too_soon for link in ours}
            evidence |= {
                "tried_before": quick.figures(),
                "tried": now.figures(),
                "too_soon": named(too_soon),
            }
        if hold:
            after = passing(cluster, ours)
            proved = {link: proved[link] and link not in after for link in ours}
            evidence |= {
                "blocked": len(before - after),
                "passing": named(link for link in ours if link in after),
            }
        shapes = {f"{sender}->{receiver}": took for (sender, receiver), took in proved.items()}
        return injected(shapes, cluster.method.get(LINK, LINK), evidence)

    def heal(self, cluster: Cluster, fault: Fault) -> Effect:
        """Give the links what other open faults leave of their qualities."""
        ours = links_in(fault)
        note = ledger(cluster).leave(fault)
        now = _counters(cluster, ours)
        then = note.get("counters", now)
        meanwhile = {name: now[name] - then[name] for name in COUNTERS}
        wanted = note.get("plain", {}) | _shape_what_is_open(cluster)
        seen = cluster.link_qualities()
        still = [link for link in ours if link in wanted and seen[link] != wanted[link]]
        blocked = _blocked(cluster, ours)
        free = _free(cluster, ours)
        method = cluster.method.get(LINK, LINK)
        evidence = {
            "meanwhile": meanwhile,
            "still_shaped": named(still),
            "still_blocked": named(blocked),
            "tried": tried(cluster, free, times=1).figures(),
        }
        if still or blocked:
            return Effect("leaked", method, evidence)
        silent = note and not any(meanwhile[name] for name in showing(quality_in(fault)))
        return Effect("ineffective" if silent else "healed", method, evidence)


def quality_in(fault: Fault) -> LinkQuality:
    """The quality in a fault's input. Raises TypeError for a field that links do not have."""
    return LinkQuality(**fault.input["quality"])


def together(a: LinkQuality, b: LinkQuality) -> LinkQuality:
    """Both on one link: delays add up, chances combine as of independent causes.

    The narrower of two rates counts.
    """

    def either(p: int, q: int) -> int:
        return p + q - p * q // MILLION

    return LinkQuality(
        delay_ns=a.delay_ns + b.delay_ns,
        jitter_ns=a.jitter_ns + b.jitter_ns,
        loss_ppm=either(a.loss_ppm, b.loss_ppm),
        duplicate_ppm=either(a.duplicate_ppm, b.duplicate_ppm),
        rate_bytes_s=min(filter(None, (a.rate_bytes_s, b.rate_bytes_s)), default=0),
        reorder_ppm=either(a.reorder_ppm, b.reorder_ppm),
        hold=a.hold or b.hold,
    )


def showing(quality: LinkQuality) -> list[str]:
    """The counters that move if a quality takes effect and there is traffic."""
    late = quality.delay_ns or quality.jitter_ns or quality.reorder_ppm or quality.hold
    late = late or quality.rate_bytes_s
    counters = {
        "delayed": bool(late),
        "dropped": bool(quality.loss_ppm),
        "duplicated": bool(quality.duplicate_ppm),
    }
    return [name for name, moves in counters.items() if moves]


def _plain(cluster: Cluster, links: list[Link]) -> dict[Link, LinkQuality]:
    """What the links were like before the first of the faults that are open on them."""
    plain = dict(cluster.link_qualities())
    for entry in reversed(ledger(cluster).entries.values()):
        if entry.fault.f == LINK:
            plain |= entry.note["plain"]
    return {link: plain[link] for link in links}


def _shape_what_is_open(cluster: Cluster) -> dict[Link, LinkQuality]:
    qualities: dict[Link, LinkQuality] = {}
    for fault in ledger(cluster).open(LINK):
        for link in links_in(fault):
            qualities[link] = together(qualities.get(link, LinkQuality()), quality_in(fault))
    cluster.shape({link: qualities[link] for link in sorted(qualities)})
    return qualities


def _counters(cluster: Cluster, links: Iterable[Link]) -> dict[str, int]:
    counters: Mapping[Link, Mapping[str, int]] = cluster.link_counters()
    return {name: sum(counters[link].get(name, 0) for link in links) for name in COUNTERS}


def _too_soon(quickest_ns: int | None, wanted: LinkQuality) -> bool:
    """Whether a message came sooner than the link delays; one that is to be overtaken may."""
    if quickest_ns is None or wanted.reorder_ppm:
        return False
    return quickest_ns * 10 < wanted.delay_ns * 9  # Kernels count time in ticks.


def _free(cluster: Cluster, links: list[Link]) -> list[Link]:
    """Those that no open fault cuts or shapes, and whose ends run."""
    shaped = {link for fault in ledger(cluster).open(LINK) for link in links_in(fault)}
    cut = {link for fault in ledger(cluster).open(PARTITION) for link in cut_by(fault)}
    return [link for link in links if link not in shaped | cut and alive(cluster, link)]


def _blocked(cluster: Cluster, links: list[Link]) -> list[Link]:
    """The links that pass nothing though no open fault cuts or shapes them, and both ends run."""
    free = _free(cluster, links)
    passes = passing(cluster, free, tries=TRIES_MAX)
    return [link for link in free if link not in passes and alive(cluster, link)]
