"""Zones: groups of nodes that share a fate, as those in one rack or one data centre."""

from __future__ import annotations

from typing import Final

ZONES: Final = 3


def thirds(nodes: tuple[str, ...]) -> tuple[tuple[str, ...], ...]:
    """Nodes in three zones, in order: where neither the system nor the test says otherwise."""
    count = min(ZONES, len(nodes))
    bounds = [len(nodes) * i // count for i in range(count + 1)]
    return tuple(nodes[bounds[i] : bounds[i + 1]] for i in range(count))


def zones_of(text: str, nodes: tuple[str, ...]) -> tuple[tuple[str, ...], ...]:
    """Zones as `n1+n2/n3+n4/n5`; a node that is not named is a zone of its own.

    Raises ValueError for a node that there is not, or that stands in two zones.
    """
    zones = tuple(tuple(part.split("+")) for part in text.split("/"))
    named = [name for zone in zones for name in zone]
    strange = sorted(set(named) - set(nodes))
    if strange:
        raise ValueError(f"zones={text}: there is no node {', '.join(strange)}")
    if len(set(named)) < len(named):
        raise ValueError(f"zones={text}: a node stands in two zones")
    return (*zones, *((name,) for name in nodes if name not in named))
