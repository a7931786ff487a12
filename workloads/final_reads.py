"""What is read at the end: every key through every node."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from workloads.generators import invoke, retry

if TYPE_CHECKING:
    from collections.abc import Iterable

    from workloads.generators.protocol import Generator

ATTEMPTS_MAX: Final = 3
"""A key that could not be read at the end makes the verdict unknown: one time-out is no reason."""


def key_names(count: int) -> tuple[str, ...]:
    """The keys of a workload: `k0`, `k1`, ... Texts, since a dump has keys as texts."""
    return tuple(f"k{i}" for i in range(count))


def final_reads(
    f: str, keys: Iterable[str], nodes: tuple[str, ...], input: Any = None
) -> Generator:
    """Read each key through each node, again where the read did not succeed."""
    reads = [invoke(f, input, key=key, node=node) for key in keys for node in nodes]
    return retry(ATTEMPTS_MAX, reads)
