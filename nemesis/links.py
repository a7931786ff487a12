"""What partitions and link faults both ask of the directed links of a cluster."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from nemesis.ledger import ledger

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from nemesis.plan import Fault
    from systems_under_test.environments.cluster import Cluster, Link

LINK: Final = "link"
TRIES_MAX: Final = 10
"""A link that is to pass is tried so often: a node has to make its connections anew after a cut,
and on a busy machine an honest message is late. A failing try takes the cluster's own time-out."""


def all_links(cluster: Cluster) -> list[Link]:
    """Every directed link between two nodes, in order."""
    nodes = tuple(cluster.nodes)
    return [(sender, receiver) for sender in nodes for receiver in nodes if sender != receiver]


def links_at(nodes: tuple[str, ...], targets: Iterable[str]) -> list[Link]:
    """The links from and to the targets, in order."""
    struck = frozenset(targets)
    return [
        (sender, receiver)
        for sender in nodes
        for receiver in nodes
        if sender != receiver and (sender in struck or receiver in struck)
    ]


def links_from(nodes: tuple[str, ...], targets: Iterable[str]) -> list[Link]:
    """The links from the targets to all others, in order."""
    struck = frozenset(targets)
    return [link for link in links_at(nodes, struck) if link[0] in struck]


def links_to(nodes: tuple[str, ...], targets: Iterable[str]) -> list[Link]:
    """The links to the targets from all others, in order."""
    struck = frozenset(targets)
    return [link for link in links_at(nodes, struck) if link[1] in struck]


def links_in(fault: Fault) -> list[Link]:
    """The links of a link fault's input, recorded as [[sender, receiver], ...]."""
    return [(str(sender), str(receiver)) for sender, receiver in fault.input["links"]]


def passing(cluster: Cluster, links: Iterable[Link], *, tries: int = 1) -> frozenset[Link]:
    """The links that pass a message, tried again if they do not and have tries left."""
    passed: set[Link] = set()
    left = list(links)
    for _ in range(tries):
        if not left:
            break
        answers = cluster.probe(left)
        passed.update(link for link in left if answers[link])
        left = [link for link in left if not answers[link]]
    return frozenset(passed)


@dataclass(frozen=True, slots=True)
class Trial:
    """How long messages took over links that were tried: nanoseconds for each, None for lost."""

    took: Mapping[Link, tuple[int | None, ...]]

    def quickest(self, link: Link) -> int | None:
        """Of the messages that passed a link."""
        return min((ns for ns in self.took.get(link, ()) if ns is not None), default=None)

    def figures(self) -> dict[str, Any]:
        """What a history says of it: how many were sent and passed, and their times in ms."""
        sent = [ns for took in self.took.values() for ns in took]
        passed = sorted(ns for ns in sent if ns is not None)
        figures: dict[str, Any] = {"sent": len(sent), "passed": len(passed)}
        if passed:
            times = {"least": passed[0], "median": passed[len(passed) // 2], "most": passed[-1]}
            figures["ms"] = {name: round(ns / 1e6, 2) for name, ns in times.items()}
        return figures


def tried(cluster: Cluster, links: Iterable[Link], *, times: int) -> Trial:
    """Send so many messages over each link, one after the other."""
    wanted = sorted(links)
    rounds = [cluster.latencies(wanted) for _ in range(times if wanted else 0)]
    return Trial({link: tuple(seen.get(link) for seen in rounds) for link in wanted})


def shaped(cluster: Cluster, link: Link) -> bool:
    """Whether an open link fault slows, loses or holds what this link carries."""
    return any(link in links_in(fault) for fault in ledger(cluster).open(LINK))


def alive(cluster: Cluster, link: Link) -> bool:
    """Whether both ends run, so that a message that does not pass was lost between them."""
    return all(cluster.nodes[end].state() == "running" for end in link)


def named(links: Iterable[Link]) -> list[str]:
    """Links as a reader of a history sees them."""
    return [f"{sender}->{receiver}" for sender, receiver in links]


def passed_and_dropped(cluster: Cluster, links: Iterable[Link]) -> tuple[int, int]:
    """How many messages these links have passed and dropped since the start of the run."""
    counters = cluster.link_counters()
    seen = [counters.get(link, {}) for link in links]
    return sum(c.get("passed", 0) for c in seen), sum(c.get("dropped", 0) for c in seen)
