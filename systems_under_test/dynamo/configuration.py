"""The options of a Dynamo store: one frozen value, each field with a sentence, a unit, a default.

An option of the command line is a field here and nowhere else.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field, fields
from typing import Any, Final

CHOICES: Final = {
    "quorum": ("sloppy", "strict"),
    "engine": ("memory", "sqlite", "lmdb"),
    "partitioning": ("random", "random-equal", "equal"),
    "versioning": ("dotted", "vector-clock"),
    "on_damage": ("wait", "set-aside", "stop"),
    "client": ("any-node", "partition-aware"),
    "reconciliation": ("application", "last-write-wins"),
}
SWITCHES: Final = (
    "read_repair",
    "write_back",
    "anti_entropy",
    "tombstone_collection",
    "fastest_reader",
)
MAYBE_ZERO: Final = (
    "extended",
    "spares",
    "write_buffer_ms",
    "durable_copies",
    "background_latency_ms",
)
CAPACITY_MAX: Final = 64
TOKENS_MAX: Final = 4096
MILLISECONDS_MAX: Final = 3_600_000
MS: Final = 1_000_000
"""Nanoseconds in a millisecond."""


def _option(default: Any, sentence: str, unit: str = "") -> Any:
    return field(default=default, metadata={"sentence": sentence, "unit": unit})


@dataclass(frozen=True, kw_only=True, slots=True)
class Configuration:
    """How a store is set up. Every node of a cluster is given the same."""

    n: int = _option(3, "How many nodes keep each key.", "nodes")
    r: int = _option(2, "How many of them must answer a read.", "nodes")
    w: int = _option(2, "How many copies must be durable before a write is acknowledged.", "nodes")
    quorum: str = _option(
        "sloppy", "Whether other nodes may stand in for home nodes that do not answer."
    )
    engine: str = _option("sqlite", "What the host keeps the data in.")
    versioning: str = _option("dotted", "How versions of a key are told apart.")
    reconciliation: str = _option(
        "application",
        "Who settles a conflict: the application, which is shown all versions, or the wall clock.",
    )
    clock_bound_ms: int = _option(
        100, "How far two wall clocks may be apart: `last-write-wins` relies on it.", "ms"
    )
    write_buffer_ms: int = _option(
        0, "How long a new version may wait in memory before it is stored; 0 is not at all.", "ms"
    )
    durable_copies: int = _option(
        1, "How many of the N copies do not wait, where others do.", "nodes"
    )
    extended: int = _option(
        0, "Length of the extended preference list; 0 is all nodes.", "nodes, at least n"
    )
    partitioning: str = _option("random", "How the ring is divided among the nodes.")
    partitions: int = _option(
        120, "Equal ranges of the ring, where `partitioning` divides it so.", "ranges"
    )
    spares: int = _option(
        0, "The last so many nodes run, but are no members until they are told to join.", "nodes"
    )
    seeds: str = _option(
        "",
        "Nodes that everyone gossips with, member or not; none: the first node.",
        "node names, as `n1,n2`",
    )
    zones: str = _option(
        "", "Zones of nodes, as `n1=a,n2=b`: copies are spread over them.", "names of zones"
    )
    vnodes: int = _option(16, "Virtual nodes of a node of capacity 1.", "tokens")
    capacities: str = _option(
        "", "Nodes of another capacity than 1, as `n1=2,n3=4`.", "multiples of `vnodes`"
    )
    read_repair: bool = _option(
        True, "Whether a read's coordinator sends stale home nodes what they lack."
    )
    write_back: bool = _option(
        False,
        "Whether a read is answered only once W copies of all that it shows are durable, so that "
        "no later read shows less.",
    )
    anti_entropy: bool = _option(True, "Whether nodes compare digests of the ranges they share.")
    tombstone_collection: bool = _option(
        True, "Whether tombstones are forgotten once every node has confirmed them."
    )
    on_damage: str = _option(
        "wait",
        "What a node does that finds its store damaged: it puts it aside and waits for the order "
        "to start over from its peers, does so at once, or stops.",
    )
    client: str = _option(
        "any-node", "Whom clients ask: some node, or by the ring the nodes that keep the key."
    )
    fastest_reader: bool = _option(
        False, "Whether a write goes to the node that answered its client's read first."
    )
    replica_timeout_ms: int = _option(
        250, "After this a node that has not answered is left out, and a stand-in asked.", "ms"
    )
    request_timeout_ms: int = _option(
        1000, "After this a request is answered with what is known, be it a failure.", "ms"
    )
    probe_interval_ms: int = _option(500, "How often a node that was left out is probed.", "ms")
    handoff_interval_ms: int = _option(500, "How often hints are scanned and handed off.", "ms")
    anti_entropy_interval_ms: int = _option(
        1000, "How often digests are compared with each node that shares ranges.", "ms"
    )
    background_latency_ms: int = _option(
        50,
        "Work in the background yields while requests take longer than this; 0: it never does.",
        "ms",
    )
    collection_interval_ms: int = _option(
        2000, "How often each node begins to collect tombstones.", "ms"
    )
    gossip_interval_ms: int = _option(1000, "How often views are exchanged with some peer.", "ms")
    value_bytes_max: int = _option(1 << 20, "The longest value that is accepted.", "bytes")
    key_bytes_max: int = _option(1024, "The longest key that is accepted.", "bytes")
    siblings_bytes_max: int = _option(
        3 << 20,
        "What the versions of a key may hold together; a write beyond it must merge them first.",
        "bytes",
    )
    requests_max: int = _option(
        10_000, "Open requests of a node, beyond which it refuses more.", "requests"
    )

    @property
    def sloppy(self) -> bool:
        """Whether stand-ins count."""
        return self.quorum == "sloppy"

    @property
    def replica_timeout(self) -> int:
        """`replica_timeout_ms` in nanoseconds."""
        return self.replica_timeout_ms * MS

    @property
    def request_timeout(self) -> int:
        """`request_timeout_ms` in nanoseconds."""
        return self.request_timeout_ms * MS

    def first_members(self, nodes: tuple[str, ...]) -> tuple[str, ...]:
        """The nodes that are members from the start: all but the spares."""
        return nodes[: len(nodes) - self.spares]

    def seeds_of(self, nodes: tuple[str, ...]) -> tuple[str, ...]:
        """The seeds."""
        return parse_seeds(self.seeds) or nodes[:1]

    def tokens(self, nodes: tuple[str, ...]) -> dict[str, int]:
        """How many tokens each node has: `vnodes` times its capacity."""
        capacities = parse_capacities(self.capacities)
        return {node: self.vnodes * capacities.get(node, 1) for node in nodes}


OPTIONS: Final = {option.name: option for option in fields(Configuration)}


def option_docs() -> dict[str, str]:
    """Each option with its sentence, its unit or its choices, and its default."""
    return {
        name: f"{option.metadata['sentence']} {_what(name)}; default {_shown(option.default)}."
        for name, option in OPTIONS.items()
    }


def _what(name: str) -> str:
    if name in CHOICES:
        return f"One of {', '.join(CHOICES[name])}"
    return "On or off" if name in SWITCHES else f"In {OPTIONS[name].metadata['unit']}"


def _shown(value: Any) -> str:
    if isinstance(value, bool):
        return "on" if value else "off"
    return str(value) if value != "" else "none"


def parse(options: Mapping[str, Any]) -> tuple[dict[str, Any], list[str]]:
    """The options as fields, and what is wrong with them in sentences.

    Values may be typed or text, as the command line gives them: `3` or `"3"`, `true` or `"on"`.
    """
    values: dict[str, Any] = {}
    problems: list[str] = []
    for given, value in options.items():
        name = given.replace("-", "_")
        if name not in OPTIONS:
            problems.append(f"dynamo has no option {given!r}; it has {', '.join(sorted(OPTIONS))}")
            continue
        try:
            values[name] = _typed(name, value)
        except ValueError as error:
            problems.append(str(error))
    return values, problems


def _typed(name: str, value: Any) -> Any:
    if name in CHOICES:
        if value not in CHOICES[name]:
            raise ValueError(f"{name} must be {' or '.join(CHOICES[name])}, not {value!r}")
        return value
    if name in SWITCHES:
        switch = {"on": True, "true": True, "off": False, "false": False}.get(str(value).lower())
        if switch is None:
            raise ValueError(f"{name} must be on or off, not {value!r}")
        return switch
    if name in PARSERS:
        return _assignments_text(name, value)
    try:
        if isinstance(value, bool | float):
            raise ValueError
        return int(value)
    except (TypeError, ValueError):
        raise ValueError(f"{name} must be a whole number, not {value!r}") from None


def _assignments_text(name: str, value: Any) -> str:
    if isinstance(value, Mapping):
        value = ",".join(f"{node}={assigned}" for node, assigned in value.items())
    PARSERS[name](str(value))
    return str(value)


def parse_capacities(text: str) -> dict[str, int]:
    """`n1=2,n3=4` as a dictionary. Raises ValueError in words."""
    capacities: dict[str, int] = {}
    for part in filter(None, text.split(",")):
        node, equals, number = part.partition("=")
        if not equals or not number.isdecimal() or not 1 <= int(number) <= CAPACITY_MAX:
            raise ValueError(
                f"capacities must be like n1=2,n3=4 with numbers from 1 to {CAPACITY_MAX}, "
                f"not {part!r}"
            )
        capacities[node] = int(number)
    return capacities


def parse_zones(text: str) -> dict[str, str]:
    """`n1=a,n3=b` as a dictionary. Raises ValueError in words."""
    zones: dict[str, str] = {}
    for part in filter(None, text.split(",")):
        node, equals, zone = part.partition("=")
        if not (node and equals and zone):
            raise ValueError(f"zones must be like n1=a,n2=b, not {part!r}")
        zones[node] = zone
    return zones


def parse_seeds(text: str) -> tuple[str, ...]:
    """`n1,n2` as names."""
    return tuple(filter(None, text.split(",")))


PARSERS: Final[dict[str, Callable[[str], Collection[str]]]] = {
    "capacities": parse_capacities,
    "zones": parse_zones,
    "seeds": parse_seeds,
}


def configure(options: Mapping[str, Any]) -> Configuration:
    """The configuration that these options give. Raises ValueError naming every problem."""
    values, problems = parse(options)
    if problems:
        raise ValueError("; ".join(problems))
    return Configuration(**values)


def problems_of(options: Mapping[str, Any], nodes: tuple[str, ...]) -> list[str]:
    """Everything that is wrong with these options on these nodes; empty if nothing is."""
    values, problems = parse(options)
    c = Configuration(**values)  # What could not be read counts as its default here.
    for name, option in OPTIONS.items():
        low = 0 if name in MAYBE_ZERO else 1
        if option.type == "int" and getattr(c, name) < low:
            problems.append(f"{name} must be at least {low}, not {getattr(c, name)}")
        if name.endswith("_ms") and getattr(c, name) > MILLISECONDS_MAX:
            problems.append(f"{name} must be at most {MILLISECONDS_MAX}, not {getattr(c, name)}")
    members = len(nodes) - c.spares
    if c.n > members:
        less = f" less {c.spares} spares" if c.spares else ""
        problems.append(
            f"n={c.n} copies need at least {c.n} nodes, and there are {len(nodes)}{less}"
        )
    problems += [
        f"{name}={getattr(c, name)} can never be reached with n={c.n} copies"
        for name in ("r", "w", "durable_copies")
        if getattr(c, name) > c.n
    ]
    if c.extended and not c.n <= c.extended <= len(nodes):
        problems.append(f"extended={c.extended} must be 0 or from n={c.n} to {len(nodes)} nodes")
    for name, named in PARSERS.items():
        strangers = sorted(set(named(getattr(c, name))) - set(nodes))
        if strangers:
            problems.append(f"{name} names {', '.join(strangers)}, which are not nodes")
    if not len(nodes) <= c.partitions <= TOKENS_MAX and c.partitioning != "random":
        problems.append(f"partitions must be from {len(nodes)}, the nodes, to {TOKENS_MAX}")
    if max(c.tokens(nodes).values(), default=0) > TOKENS_MAX:
        problems.append(f"a node has more than {TOKENS_MAX} tokens: lower vnodes or capacities")
    if c.reconciliation == "last-write-wins" and c.versioning != "dotted":
        problems.append("reconciliation=last-write-wins keeps no vector clocks: versioning=dotted")
    if c.request_timeout_ms < c.replica_timeout_ms:
        problems.append("request_timeout_ms must not be shorter than replica_timeout_ms")
    return problems
