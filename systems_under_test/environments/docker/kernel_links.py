"""Links that the kernel spoils, in the networks of their nodes, with what it counts as evidence."""

from __future__ import annotations

import threading
from dataclasses import replace
from typing import TYPE_CHECKING, Final, TypeVar

from systems_under_test.environments.cluster import EnvironmentFailed, LinkQuality
from systems_under_test.environments.docker.link_rules import (
    BILLION,
    DEVICE,
    OVERTAKEN_NS,
    TBF,
    NodeRules,
    Queue,
    Rule,
    kind_of_queue,
)
from systems_under_test.environments.docker.netem import NETEM, NETEM_TRIAL, beyond, refusal
from systems_under_test.environments.narrow import QUEUE_NS_MAX

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping

    from systems_under_test.environments.cluster import Link
    from systems_under_test.environments.docker.entrances import Entrance

T = TypeVar("T")

CLEAR: Final = LinkQuality()
RULES: Final = "nftables"
RATE_SLACK: Final = 50
"""A rate that is read back may differ from what was asked by a fiftieth: kernels round it."""

_SHOW: Final = (["tc", "-s", "-j", "qdisc", "show", "dev", DEVICE], "")
_LIST: Final = (["nft", "-j", "list", "ruleset", "ip"], "")


class KernelLinks:
    """Shapes links by queues and rules of the kernel. Its methods may be called from any thread."""

    def __init__(
        self,
        run: str,
        addresses: Mapping[str, str],
        entrance: Entrance,
        lives: Callable[[str], bool],
    ) -> None:
        """`lives` tells whether a node's container does; one that does not has no network."""
        self._rules = {
            node: NodeRules(run, {peer: addresses[peer] for peer in addresses if peer != node})
            for node in addresses
        }
        self._entrance = entrance
        self._lives = lives
        self._lock = threading.RLock()  # Nodes are started side by side.
        self._wanted: dict[Link, LinkQuality] = {}
        self._queues: dict[Link, Queue] = {}
        self._drops: dict[Link, Rule] = {}
        self._over: set[str] = set()
        # What was counted by queues and rules that are gone.
        self._gone: dict[Link, dict[str, int]] = {}
        self._used: frozenset[str] = frozenset()

    @property
    def method(self) -> str:
        """What carries the qualities that links have, or had last, as `kernel: tbf, nftables`."""
        return f"kernel: {', '.join(sorted(self._used))}" if self._used else "kernel"

    def check(self, node: str, fields: Collection[str]) -> None:
        """Try in the network of a node whether the kernel carries these fields of `LinkQuality`.

        Raises EnvironmentFailed with the reason.
        """
        if not beyond(fields):
            return
        try:
            self._entrance.run({node: (list(NETEM_TRIAL), "")})
        except EnvironmentFailed as error:
            raise EnvironmentFailed(refusal(fields, str(error))) from error
        self._entrance.run({node: (["tc", "qdisc", "del", "dev", "lo", "root"], "")})

    def shape(self, qualities: Mapping[Link, LinkQuality]) -> None:
        """Give exactly these links these qualities, and all others none.

        Raises EnvironmentFailed: of what the kernel cannot do, with its own words.
        """
        wanted = {link: quality for link, quality in qualities.items() if quality != CLEAR}

        def differ(link: Link, part: Callable[[LinkQuality], LinkQuality]) -> bool:
            return part(wanted.get(link, CLEAR)) != part(was.get(link, CLEAR))

        with self._lock:
            touched = wanted.keys() | self._wanted.keys()
            was, self._wanted = self._wanted, wanted

            self._apply(
                senders={link[0] for link in touched if differ(link, _queued)},
                receivers={link[1] for link in touched if differ(link, _dropped)},
            )
            if wanted:
                self._used = frozenset(kind for q in wanted.values() for kind in _kinds(q))

    def began_again(self, node: str) -> None:
        """A node's container has been started anew, with an empty network."""
        with self._lock:
            self._settle(senders={node}, receivers={node})
            self._over.discard(node)
            if any(node in link for link in self._wanted):
                self._apply(senders={node}, receivers={node})

    def qualities(self) -> dict[Link, LinkQuality]:
        """The qualities of all links now, as the kernel tells; of a dead container, as they
        will be when it starts."""
        with self._lock:
            self._look(self._rules)
            return {link: self._quality(link) for link in self._links()}

    def slowness_s(self, link: Link) -> float:
        """How much later than otherwise a packet of this link may come."""
        quality = self._wanted.get(link, CLEAR)
        queue_ns = QUEUE_NS_MAX if quality.rate_bytes_s else 0
        overtaken_ns = OVERTAKEN_NS if quality.reorder_ppm else 0
        return (quality.delay_ns + quality.jitter_ns + queue_ns + overtaken_ns) / BILLION

    def counters(self) -> dict[Link, dict[str, int]]:
        """`dropped`, `delayed` and `duplicated` packets of each link since the start of the run,
        and `arrived`: those dropped where they arrived.

        A container that is started anew takes with it what it counted after the last look.
        """
        self._look(self._rules)
        return {link: _sum(self._gone.get(link, {}), self._counted(link)) for link in self._links()}

    def _links(self) -> list[Link]:
        return [(a, b) for a, rules in self._rules.items() for b in rules.peers]

    def _apply(self, *, senders: Collection[str], receivers: Collection[str]) -> None:
        senders = sorted(filter(self._lives, senders))
        receivers = sorted(filter(self._lives, receivers))
        self._look({*senders, *receivers})
        batches = {node: self._batch(node) for node in senders}
        self._settle(senders=senders, receivers=receivers)
        self._run({n: (["tc", "-batch", "-"], text) for n, text in batches.items() if text})
        self._run(
            {
                node: (["nft", "-f", "-"], self._rules[node].drops(self._to(node)))
                for node in receivers
            }
        )

    def _batch(self, node: str) -> str:
        leaving = {b: q for (a, b), q in self._wanted.items() if a == node}
        return self._rules[node].queues(leaving, over=node in self._over)

    def _to(self, node: str) -> dict[str, LinkQuality]:
        return {a: q for (a, b), q in self._wanted.items() if b == node}

    def _look(self, nodes: Iterable[str]) -> None:
        """Ask the kernel for the queues and rules of these nodes, where they have a network."""
        living = sorted(filter(self._lives, nodes))
        for node, listed in self._run(dict.fromkeys(living, _SHOW)).items():
            ours, queues = self._rules[node].read_queues(listed)
            (self._over.add if ours else self._over.discard)(node)
            for peer in self._rules[node].peers:
                _set(self._queues, (node, peer), queues.get(peer))
        for node, listed in self._run(dict.fromkeys(living, _LIST)).items():
            rules = self._rules[node].read_drops(listed)
            for peer in self._rules[node].peers:
                _set(self._drops, (peer, node), rules.get(peer))

    def _run(self, programs: Mapping[str, tuple[list[str], str]]) -> Mapping[str, str]:
        return self._entrance.run(programs) if programs else {}

    def _settle(self, *, senders: Collection[str], receivers: Collection[str]) -> None:
        """Keep what was counted by queues and rules that go now."""
        for link in self._links():
            was = self._counted(link)
            if link[0] in senders:
                self._queues.pop(link, None)
            if link[1] in receivers:
                self._drops.pop(link, None)
            now = self._counted(link)
            gone = self._gone.get(link, {})
            self._gone[link] = {n: gone.get(n, 0) + was[n] - now[n] for n in was}

    def _counted(self, link: Link) -> dict[str, int]:
        queue, rule = self._queues.get(link), self._drops.get(link)
        counted = dict.fromkeys(("dropped", "delayed", "duplicated", "arrived"), 0)
        if queue is not None:
            counted["dropped"] += queue.dropped
            counted["delayed"] += queue.waits if queue.kind == TBF else queue.packets
            if self._wanted.get(link, CLEAR).duplicate_ppm:
                counted["duplicated"] += queue.packets
        if rule is not None:
            counted["arrived"] += rule.dropped
            counted["delayed" if rule.hold else "dropped"] += rule.dropped
        return counted

    def _quality(self, link: Link) -> LinkQuality:
        wanted = self._wanted.get(link, CLEAR)
        sender, receiver = link
        queue, rule = self._queues.get(link), self._drops.get(link)
        if not self._lives(sender):
            seen = _queued(wanted)
        elif queue is None:
            seen = CLEAR
        elif queue.kind == NETEM:
            asked = kind_of_queue(wanted) == NETEM
            seen = _queued(wanted) if asked else LinkQuality(delay_ns=1)
        else:
            near = abs(queue.rate_bytes_s - wanted.rate_bytes_s) * RATE_SLACK
            same = near <= wanted.rate_bytes_s
            seen = LinkQuality(rate_bytes_s=wanted.rate_bytes_s if same else queue.rate_bytes_s)
        if not self._lives(receiver):
            return replace(seen, loss_ppm=wanted.loss_ppm, hold=wanted.hold)
        if rule is None:
            return seen
        # Under a hold there is no chance to lose: the loss comes back with the release.
        loss_ppm = wanted.loss_ppm if rule.hold and wanted.hold else rule.loss_ppm
        return replace(seen, loss_ppm=loss_ppm, hold=rule.hold)


def together(
    cut: Mapping[Link, Mapping[str, int]], shaped: Mapping[Link, Mapping[str, int]]
) -> dict[Link, dict[str, int]]:
    """The counts of a cutter and of a shaper: what the one passed the other may have dropped."""
    found: dict[Link, dict[str, int]] = {}
    for link, counted in cut.items():
        all_of_it = _sum(counted, shaped.get(link, {}))
        arrived = all_of_it.pop("arrived", 0)
        found[link] = all_of_it | {"passed": max(0, all_of_it.get("passed", 0) - arrived)}
    return found


def _queued(quality: LinkQuality) -> LinkQuality:
    """What queues carry of it."""
    return replace(quality, loss_ppm=0, hold=False)


def _dropped(quality: LinkQuality) -> LinkQuality:
    """What rules carry of it."""
    return LinkQuality(loss_ppm=quality.loss_ppm, hold=quality.hold)


def _kinds(quality: LinkQuality) -> list[str]:
    queue = kind_of_queue(quality)
    rules = [RULES] if quality.loss_ppm or quality.hold else []
    return rules if queue is None else [queue, *rules]


def _sum(a: Mapping[str, int], b: Mapping[str, int]) -> dict[str, int]:
    return {name: a.get(name, 0) + b.get(name, 0) for name in a.keys() | b.keys()}


def _set(table: dict[Link, T], link: Link, value: T | None) -> None:
    if value is None:
        table.pop(link, None)
    else:
        table[link] = value
