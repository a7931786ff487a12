"""What the kernel is told of one node's links, and what it says of them: `tc` and `nft`.

What a node sends to a peer goes through a queue of its own: netem where a message is to be late,
doubled or overtaken, else tbf where the link is narrow. What it receives from a peer is dropped by
a rule: some packets of a lossy link, by chance, and all of one that is held. Dropped where they
arrive, for a sender is told of what its own machine drops. Both know a peer by its address, so
clients are spared. Queues hang under the handle `4c69:` of `eth0`, rules in a table of the run's
name; both are in the network of the container and go with it.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from systems_under_test.environments.docker.netem import BY_NETEM, NETEM
from systems_under_test.environments.narrow import QUEUE_NS_MAX
from systems_under_test.rng import MILLION

if TYPE_CHECKING:
    from collections.abc import Mapping

    from systems_under_test.environments.cluster import LinkQuality

DEVICE: Final = "eth0"
ROOT: Final = "4c69:"
TBF: Final = "tbf"
OVERTAKEN_NS: Final = 50_000_000
"""A packet that is to be overtaken is held back for so long."""
BURST_BYTES: Final = 2_000
"""A little more than one packet on the wire."""
NETEM_PACKETS: Final = 10_000
"""What netem holds at most; its own default of 1,000 would lose packets of a busy link."""
BILLION: Final = 1_000_000_000
THOUSAND: Final = 1_000


@dataclass(frozen=True, slots=True)
class Queue:
    """A queue as the kernel tells of it."""

    kind: str
    rate_bytes_s: int
    packets: int
    dropped: int
    waits: int
    """How often it was not yet a packet's turn."""


@dataclass(frozen=True, slots=True)
class Rule:
    """A dropping rule as the kernel tells of it; of a held link `loss_ppm` is 0."""

    hold: bool
    loss_ppm: int
    dropped: int


def kind_of_queue(quality: LinkQuality) -> str | None:
    """Which queue carries a quality; None where it needs none."""
    if any(getattr(quality, name) for name in BY_NETEM):
        return NETEM
    return TBF if quality.rate_bytes_s else None


def netem_words(quality: LinkQuality) -> str:
    """The arguments of netem: its jitter lies on both sides of the delay, ours above it.

    What netem reorders it sends at once, so all others are those that it delays.
    """
    late_us = (quality.delay_ns + quality.jitter_ns // 2) // THOUSAND
    words = [f"limit {NETEM_PACKETS}"]
    if quality.reorder_ppm:
        late_us += OVERTAKEN_NS // THOUSAND
    if late_us:
        words.append(f"delay {late_us}us {quality.jitter_ns // 2 // THOUSAND}us")
    if quality.reorder_ppm:
        words.append(f"reorder {_percent(MILLION - quality.reorder_ppm)}")
    if quality.duplicate_ppm:
        words.append(f"duplicate {_percent(quality.duplicate_ppm)}")
    if quality.rate_bytes_s:
        words.append(f"rate {quality.rate_bytes_s}bps")
    return f"{NETEM} {' '.join(words)}"


def tbf_words(rate_bytes_s: int) -> str:
    """The arguments of tbf; what would wait for longer than two seconds is dropped."""
    room = max(2 * BURST_BYTES, rate_bytes_s * QUEUE_NS_MAX // BILLION)
    return f"{TBF} rate {rate_bytes_s}bps burst {BURST_BYTES} limit {room}"


@dataclass(frozen=True, slots=True)
class NodeRules:
    """The rules of one node. `peers` are the addresses of the others, by name."""

    run: str
    peers: Mapping[str, str]

    @property
    def table(self) -> str:
        """The name of its nftables table."""
        return f"lineal_{self.run}_links"

    def queues(self, to: Mapping[str, LinkQuality], *, over: bool) -> str:
        """A batch of `tc` that makes exactly these queues; `over`: there are some of ours now."""
        lines = [f"qdisc del dev {DEVICE} root handle {ROOT}"] if over else []
        shaped = {peer: quality for peer, quality in to.items() if kind_of_queue(quality)}
        if shaped:
            lines.append(f"qdisc add dev {DEVICE} root handle {ROOT} htb default 0")
        for peer in sorted(shaped):
            quality = shaped[peer]
            place = f"{ROOT}{self._number(peer):x}"
            words = (
                netem_words(quality)
                if kind_of_queue(quality) == NETEM
                else tbf_words(quality.rate_bytes_s)
            )
            bands = f"parent {ROOT} classid {place} htb rate 10gbit quantum 60000"
            peers = f"u32 match ip dst {self.peers[peer]}/32 flowid {place}"
            lines += [
                f"class add dev {DEVICE} {bands}",
                f"qdisc add dev {DEVICE} parent {place} {words}",
                f"filter add dev {DEVICE} parent {ROOT} protocol ip prio 1 {peers}",
            ]
        return "".join(f"{line}\n" for line in lines)

    def drops(self, of: Mapping[str, LinkQuality]) -> str:
        """A program of `nft` that makes exactly these rules, in one transaction."""
        counters, rules = [], []
        for peer in sorted(of):
            quality, number = of[peer], self._number(peer)
            source = f"    ip saddr {self.peers[peer]}"
            if quality.hold:
                counters.append(f"  counter held_{number} {{ }}")
                rules.append(f'{source} counter name "held_{number}" drop')
            elif quality.loss_ppm:
                counters.append(f"  counter lost_{number} {{ }}")
                chance = f"numgen random mod {MILLION} < {quality.loss_ppm}"
                rules.append(f'{source} {chance} counter name "lost_{number}" drop')
        fresh = f"table ip {self.table}\ndelete table ip {self.table}\n"
        if not rules:
            return fresh
        hook = "    type filter hook input priority -5; policy accept;"
        body = [*counters, "  chain links {", hook, *rules, "  }"]
        return f"{fresh}table ip {self.table} {{\n" + "\n".join(body) + "\n}\n"

    def read_queues(self, listed: str) -> tuple[bool, dict[str, Queue]]:
        """Whether there are queues of ours, and those to each peer: of `tc -s -j qdisc show`."""
        ours = False
        found: dict[str, Queue] = {}
        by_place = {f"{ROOT}{self._number(peer):x}": peer for peer in self.peers}
        for item in json.loads(listed or "[]"):
            ours = ours or item.get("handle") == ROOT
            peer = by_place.get(item.get("parent", ""))
            if peer is not None and item["kind"] in (NETEM, TBF):
                found[peer] = Queue(
                    kind=item["kind"],
                    rate_bytes_s=int(item["options"].get("rate", 0)) if item["kind"] == TBF else 0,
                    packets=item["packets"],
                    dropped=item["drops"],
                    waits=item["overlimits"],
                )
        return ours, found

    def read_drops(self, listed: str) -> dict[str, Rule]:
        """The rule for each peer: of `nft -j list ruleset ip`."""
        items = [item for item in json.loads(listed)["nftables"] if self._is_ours(item)]
        counted = {c["name"]: int(c["packets"]) for item in items if (c := item.get("counter"))}
        names = {address: peer for peer, address in self.peers.items()}
        found: dict[str, Rule] = {}
        for item in items:
            peer, ppm, counter = "", 0, ""
            for part in item.get("rule", {}).get("expr", ()):
                counter = part.get("counter", counter)
                match = part.get("match", {})
                if "payload" in match.get("left", {}):
                    peer = names.get(match["right"], "")
                elif "numgen" in match.get("left", {}):
                    ppm = int(match["right"])
            if peer:
                found[peer] = Rule(hold=ppm == 0, loss_ppm=ppm, dropped=counted.get(counter, 0))
        return found

    def _is_ours(self, item: Mapping[str, Any]) -> bool:
        return any(about.get("table") == self.table for about in item.values())

    def _number(self, peer: str) -> int:
        return list(self.peers).index(peer) + 1


def _percent(ppm: int) -> str:
    return f"{ppm / 10_000:.4f}%"
