"""The verbs that every environment shares: a cluster gives nodes, a nemesis acts on them.

What an environment cannot do it says up front in `capabilities`; a planner asks, nobody tries and
catches. Every verb returns when it has been done, and raises `EnvironmentFailed` when it could
not be; none but `stop` waits for the system to react. In the simulation no other takes any time.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Literal, Protocol

if TYPE_CHECKING:
    from pathlib import Path

    from systems_under_test.foreign import Adopted, ForeignCluster

Link = tuple[str, str]
"""A directed link: (sender, receiver)."""

Grudge = Mapping[str, frozenset[str]]
"""Whom each node ignores: receiver -> senders whose messages do not reach it."""

NodeState = Literal["running", "paused", "dead"]

DamageKind = Literal["torn", "flip", "truncate", "lost"]
"""A last record cut short, a bit of one record flipped, the second half of a file gone, or an empty
disk in the place of this one."""

CAPABILITIES: Final[dict[str, str]] = {
    "partition": "cut any directed link between nodes",
    "link": "delay, lose, double, reorder and hold messages of a directed link",
    "kill": "kill a node's process and start it again on what it had stored",
    "stop": "ask a node's process to end in order, and start it again",
    "pause": "stop a node's process and let it go on",
    "power": "power loss: kill, and lose what was not made durable",
    "clock": "offset, drift and jump a node's wall clock, change the rate of its clocks",
    "disk": "damage, fill and slow a node's disk",
    "cpu": "limit a node's share of a processor, by the kernel",
    "memory": "let a node run out of memory, so that the kernel kills it",
}


@dataclass(frozen=True, kw_only=True, slots=True)
class ClusterSpec:
    """What an environment needs to know to bring up a cluster.

    `replica_path` is `module:function`; the function is called as `make(place, options, bug)`. Of a
    foreign system it is the module alone, and `foreign` the system itself.
    `directory` is where each node gets a folder `<name>/` for its log and its files (the run
    directory's `nodes/`); the simulation needs none and writes there only at the end.
    """

    nodes: tuple[str, ...]
    replica_path: str
    options: Mapping[str, Any]
    bug: str | None
    engine: Literal["memory", "sqlite", "lmdb"]
    seed: int
    directory: Path | None = None
    objects: Path | str | None = None
    """The object store of all nodes, a directory or `s3://BUCKET/PREFIX`; the simulation has its
    own."""
    foreign: Adopted | None = None


class EnvironmentFailed(Exception):
    """The harness could not do what it was asked: not the system's fault. Exit status 3.

    The message names the node and, where there is one, its log.
    """


@dataclass(frozen=True, kw_only=True, slots=True)
class LinkQuality:
    """What a directed link does to messages; times in nanoseconds, chances in parts per million."""

    delay_ns: int = 0
    """Added to every message."""
    jitter_ns: int = 0
    """At most this much more, drawn for each message. Reorders where reordering is possible."""
    loss_ppm: int = 0
    duplicate_ppm: int = 0
    rate_bytes_s: int = 0
    """So many bytes pass in a second, the others queue; 0: as many as come."""
    reorder_ppm: int = 0
    """So many messages are held back long enough to be overtaken."""
    hold: bool = False
    """Nothing passes until it is released; then everything does."""


@dataclass(frozen=True, kw_only=True, slots=True)
class DiskQuality:
    """What a node's disk does from now on."""

    full: bool = False
    """Every write fails for want of space."""
    slow_ns: int = 0
    """Added to every commit."""
    errors_ppm: int = 0
    """So many commits fail with an I/O error."""
    read_errors_ppm: int = 0
    """So many reads do."""


@dataclass(frozen=True, slots=True)
class ClockReading:
    """A node's clocks against the true ones, in nanoseconds."""

    wall_offset: int
    mono_rate_ppm: int
    """How much faster its clocks run than true time, in parts per million."""
    error_ns: int = 0
    """The wall clock may be off by so much more or less than was read."""
    age_ns: int = 0
    """How long before this the clocks were last set: so long a rate has had to move them."""


class Node(Protocol):
    """One place in a cluster."""

    @property
    def name(self) -> str:
        """Its name, as `n1`."""
        ...

    def state(self) -> NodeState:
        """What the operating system (or the simulator) says of its process, asked now."""
        ...

    def incarnation(self) -> int:
        """How often it has been started."""
        ...

    def start(self) -> None:
        """Start it on what it had stored; does not wait until it is ready. Running: no change."""
        ...

    def kill(self) -> None:
        """SIGKILL. What it wrote survives, also un-synced."""
        ...

    def stop(self) -> None:
        """SIGTERM, and wait until it has ended; EnvironmentFailed if it does not in time."""
        ...

    def pause(self) -> None:
        """SIGSTOP. Its clocks go on."""
        ...

    def resume(self) -> None:
        """SIGCONT."""
        ...

    def power_off(self) -> None:
        """Kill it and lose what was not durable. Needs capability `power`."""
        ...

    def set_clock(self, *, wall_offset_ns: int | None = None, rate_ppm: int | None = None) -> None:
        """Set the wall clock's offset, or how much faster both clocks run. Needs `clock`."""
        ...

    def read_clock(self) -> ClockReading:
        """The node's clocks as the node reads them, against the harness's. Needs `clock`."""
        ...

    def clock_setting(self) -> ClockReading:
        """What its clocks were set to and where a rate has brought them: known, not measured.

        Asked of a dead node too; what a clock is set back to. Needs `clock`.
        """
        ...

    def set_disk(self, quality: DiskQuality) -> None:
        """Change how its disk behaves. Needs `disk`."""
        ...

    def disk_quality(self) -> DiskQuality:
        """How its disk behaves now, asked of the disk: what a nemesis checks. Needs `disk`."""
        ...

    def disk_counters(self) -> Mapping[str, int]:
        """What it did, in all lives: see `docs/nemesis.md`. Asked of a dead node too."""
        ...

    def damage_disk(self, kind: DamageKind) -> Mapping[str, Any]:
        """Damage what a dead node has stored; says which file and record. Needs `disk`."""
        ...


class LimitedNode(Node, Protocol):
    """A node whose resources can be limited. Those of a cluster with `cpu` or `memory` are."""

    def limit_cpu(self, percent: int | None) -> None:
        """Let it have so many percent of one processor; None: all that there are."""
        ...

    def exhaust_memory(self) -> None:
        """Leave it no memory, so that the kernel kills its process, then give it back."""
        ...

    def usage(self) -> Mapping[str, int]:
        """As the kernel says: `cpu_percent` (the limit, 0 without one), how often its processor was
        withheld (`throttled`), `memory` in bytes, and `oom_kills`. Also of a dead one."""
        ...


class Cluster(Protocol):
    """Nodes, and the network between them."""

    @property
    def environment(self) -> str:
        """`simulated`, `local`, ..."""
        ...

    @property
    def capabilities(self) -> frozenset[str]:
        """Which of `CAPABILITIES` it carries."""
        ...

    @property
    def nodes(self) -> Mapping[str, Node]:
        """The nodes by name, in order."""
        ...

    @property
    def method(self) -> Mapping[str, str]:
        """How each capability is carried here, as {"partition": "proxy"}; written into evidence."""
        ...

    def set_cut(self, links: Iterable[Link]) -> None:
        """Cut exactly these directed links and mend all others. Needs `partition`."""
        ...

    def shape(self, qualities: Mapping[Link, LinkQuality]) -> None:
        """Give exactly these links these qualities, and all others none. Needs `link`."""
        ...

    def link_qualities(self) -> Mapping[Link, LinkQuality]:
        """The qualities of all links now, asked of what carries their messages. Needs `link`."""
        ...

    def probe(self, links: Iterable[Link]) -> Mapping[Link, bool]:
        """Whether a message passes each link now: tried, not looked up."""
        ...

    def latencies(self, links: Iterable[Link]) -> Mapping[Link, int | None]:
        """Nanoseconds that a message takes over each link now, tried; None where it does not pass.

        Where only an answer tells, its way back is in it. Needs `link`.
        """
        ...

    def link_counters(self) -> Mapping[Link, Mapping[str, int]]:
        """`passed`, `dropped`, `delayed`, `duplicated` of each link since the start of the run."""
        ...

    def unprovoked_deaths(self) -> list[str]:
        """Nodes that are dead though no verb of ours killed them, each reported once."""
        ...


class LiveCluster(Cluster, Protocol):
    """A cluster in real time, whose nodes have addresses."""

    def client_address(self, node: str) -> tuple[str, int]:
        """Where clients reach a node of a bundled system, in every life of it."""
        ...

    @property
    def foreign(self) -> ForeignCluster:
        """The cluster as a foreign system sees it; EnvironmentFailed where none has a place."""
        ...


def links_of(grudge: Grudge) -> frozenset[Link]:
    """The directed links that a grudge cuts."""
    return frozenset(
        (sender, receiver) for receiver, senders in grudge.items() for sender in senders
    )
