"""A cluster in memory that does honestly what it is told, except for the verbs that are broken."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from systems_under_test.environments.cluster import (
    CAPABILITIES,
    ClockReading,
    DamageKind,
    DiskQuality,
    EnvironmentFailed,
    Link,
    LinkQuality,
    NodeState,
)
from systems_under_test.rng import MILLION

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

COUNTERS = ("passed", "dropped", "delayed", "duplicated")
SKEW_NS = 7_000
"""Every wall clock is off by so much from the start, as real ones are."""


@dataclass(eq=False)
class MemoryNode:
    name: str
    broken: set[str]
    failing: set[str]
    life: NodeState = "running"
    lives: int = 1
    offset: int = SKEW_NS
    rate: int = 0
    misread: int = 0
    clock_error: int = 0
    answers_after_ns: int = 0
    age_ns: int = 0
    quality: DiskQuality = field(default_factory=DiskQuality)
    disk: dict[str, int] = field(
        default_factory=lambda: dict.fromkeys(
            (
                "commits",
                "refused_full",
                "failed",
                "failed_reads",
                "slowed",
                "lost",
                "torn",
                "flipped",
                "truncated",
                "wiped",
            ),
            0,
        )
    )
    percent: int = 0
    throttled: int = 0
    oom_kills: int = 0
    unsynced: int = 2
    records: int = 5
    refuses_to_live: bool = False

    def _does(self, verb: str) -> bool:
        if verb in self.failing:
            raise EnvironmentFailed(f"{self.name} could not {verb}")
        return verb not in self.broken

    def state(self) -> NodeState:
        return self.life

    def incarnation(self) -> int:
        return self.lives

    def start(self) -> None:
        if self._does("start") and self.life == "dead":
            self.lives += 1
            self.life = "dead" if self.refuses_to_live else "running"

    def kill(self) -> None:
        if self._does("kill"):
            self.life = "dead"

    def stop(self) -> None:
        if self._does("stop"):
            self.life = "dead"

    def pause(self) -> None:
        if self._does("pause") and self.life == "running":
            self.life = "paused"

    def resume(self) -> None:
        if self._does("resume") and self.life == "paused":
            self.life = "running"

    def power_off(self) -> None:
        if self._does("power_off"):
            self.life = "dead"
            self.disk["lost"] += self.unsynced

    def set_clock(self, *, wall_offset_ns: int | None = None, rate_ppm: int | None = None) -> None:
        if self._does("set_clock"):
            self.offset = self.offset if wall_offset_ns is None else wall_offset_ns
            self.rate = self.rate if rate_ppm is None else rate_ppm
            self.age_ns = 0

    def read_clock(self) -> ClockReading:
        self._does("read_clock")
        self.offset += self.answers_after_ns * self.rate // MILLION
        self.age_ns += self.answers_after_ns
        return ClockReading(self.offset + self.misread, self.rate, self.clock_error, self.age_ns)

    def clock_setting(self) -> ClockReading:
        return ClockReading(self.offset, self.rate)

    def set_disk(self, quality: DiskQuality) -> None:
        if self._does("set_disk"):
            self.quality = quality

    def disk_quality(self) -> DiskQuality:
        return self.quality

    def disk_counters(self) -> Mapping[str, int]:
        return dict(self.disk)

    def damage_disk(self, kind: DamageKind) -> Mapping[str, Any]:
        assert self.life == "dead", "a running node is not damaged"
        if not self._does("damage_disk") or not self.records:
            return {"file": None, "record": None}
        self.disk[
            {"torn": "torn", "flip": "flipped", "truncate": "truncated", "lost": "wiped"}[kind]
        ] += 1
        return {"file": "log", "record": self.records - 1}

    def limit_cpu(self, percent: int | None) -> None:
        if self._does("limit_cpu"):
            self.percent = percent or 0

    def exhaust_memory(self) -> None:
        if self._does("exhaust_memory") and self.life != "dead":
            self.life = "dead"
            self.oom_kills += 1

    def usage(self) -> Mapping[str, int]:
        return {
            "cpu_percent": self.percent,
            "throttled": self.throttled,
            "memory": 1,
            "oom_kills": self.oom_kills,
        }

    def commit(self) -> None:
        """Write once, if it lives; a failed commit ends the process."""
        if self.life != "running":
            return
        q = self.quality
        if q.full or q.errors_ppm or q.read_errors_ppm:
            counter = "failed" if q.errors_ppm else "failed_reads"
            self.disk["refused_full" if q.full else counter] += 1
            self.life = "dead"
            return
        self.disk["commits"] += 1
        self.disk["slowed"] += bool(self.quality.slow_ns)


class MemoryCluster:
    """Nodes n1, n2, ... on a full mesh. `broken` verbs do nothing, `failing` ones raise."""

    environment = "memory"
    capabilities = frozenset(CAPABILITIES)
    method: Mapping[str, str] = {"partition": "a set of links"}

    def __init__(self, size: int = 5) -> None:
        self.broken: set[str] = set()
        self.failing: set[str] = set()
        names = [f"n{i + 1}" for i in range(size)]
        self.nodes = {name: MemoryNode(name, self.broken, self.failing) for name in names}
        self.links = [(a, b) for a in names for b in names if a != b]
        self.cut: frozenset[Link] = frozenset()
        self.qualities: dict[Link, LinkQuality] = {}
        self.counters = {link: dict.fromkeys(COUNTERS, 0) for link in self.links}

    def set_cut(self, links: Iterable[Link]) -> None:
        if "set_cut" not in self.broken:
            self.cut = frozenset(links)

    def shape(self, qualities: Mapping[Link, LinkQuality]) -> None:
        if "shape" not in self.broken:
            self.qualities = dict(qualities)

    def link_qualities(self) -> Mapping[Link, LinkQuality]:
        return {link: self.qualities.get(link, LinkQuality()) for link in self.links}

    def probe(self, links: Iterable[Link]) -> Mapping[Link, bool]:
        return {link: self._passes(link) for link in links}

    def latencies(self, links: Iterable[Link]) -> Mapping[Link, int | None]:
        quick = 1_000
        return {
            link: quick + self.qualities.get(link, LinkQuality()).delay_ns
            if self._passes(link)
            else None
            for link in links
        }

    def link_counters(self) -> Mapping[Link, Mapping[str, int]]:
        return {link: dict(counters) for link, counters in self.counters.items()}

    def unprovoked_deaths(self) -> list[str]:
        return []

    def _passes(self, link: Link) -> bool:
        quality = self.qualities.get(link, LinkQuality())
        alive = all(self.nodes[end].life == "running" for end in link)
        return alive and link not in self.cut and not quality.hold and quality.loss_ppm < MILLION

    def traffic(self) -> None:
        """A message on every link whose sender lives, and a commit on every node."""
        for link in self.links:
            counters, quality = self.counters[link], self.qualities.get(link, LinkQuality())
            if self.nodes[link[0]].life != "running":
                continue
            q = quality
            if q.hold or q.delay_ns or q.jitter_ns or q.reorder_ppm or q.rate_bytes_s:
                counters["delayed"] += 1
            counters["duplicated"] += bool(quality.duplicate_ppm)
            lost = bool(quality.loss_ppm) or link in self.cut
            counters["dropped" if lost else "passed"] += 1
        for node in self.nodes.values():
            node.throttled += bool(node.percent)
            node.commit()

    def pass_time(self, ns: int) -> None:
        """Let clocks drift."""
        for node in self.nodes.values():
            node.offset += ns * node.rate // MILLION
