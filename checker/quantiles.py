"""Percentiles of integers by nearest rank: always one that was measured, never a mean of two."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable

PER_MILLE: Final = {"p50": 500, "p90": 900, "p99": 990, "p999": 999}


def percentiles(measured: Iterable[int]) -> dict[str, int]:
    """`p50`, `p90`, `p99`, `p999`, `min` and `max`; empty for nothing measured.

    The nearest rank of p per mille among n values is the ceiling of p n / 1000, counted from 1.
    """
    ordered = sorted(measured)
    if not ordered:
        return {}
    count = len(ordered)
    ranks = {name: -(-share * count // 1000) for name, share in PER_MILLE.items()}
    found = {name: ordered[rank - 1] for name, rank in ranks.items()}
    return {"min": ordered[0], **found, "max": ordered[-1]}
