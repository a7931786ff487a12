"""Read-your-writes by luck: the share of reads that find the client's own last write.

Simulated, so that the table is the same on every machine: R=1, W=1, where nothing guarantees it,
on links of which some are slow; with and without the fastest reader coordinating the next write.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Final

from lineal.definition import standard
from lineal.running import run

if TYPE_CHECKING:
    from collections.abc import Iterator

SEEDS: Final = range(10)
PLANS: Final = ("none", "link:slow", "partition")
KINDS: Final = ("sticky", "roaming")


def table(seeds: range = SEEDS) -> Iterator[str]:
    """A row for each plan and each way, as soon as it is counted."""
    yield "| faults | `fastest-reader` | sticky clients | roaming clients |"
    yield "|---|---|---|---|"
    for plan in PLANS:
        for choice in ("off", "on"):
            shares = hits(plan, choice, seeds)
            cells = [f"{100 * found / asked:.2f} % of {asked:,}" for found, asked in shares]
            yield f"| `{plan}` | {choice} | {' | '.join(cells)} |"


def hits(plan: str, choice: str, seeds: range) -> list[tuple[int, int]]:
    """(reads that found it, reads after an own write) of sticky and of roaming clients."""
    found, asked = dict.fromkeys(KINDS, 0), dict.fromkeys(KINDS, 0)
    for seed in seeds:
        test = standard(
            system="dynamo",
            environment="simulated",
            workload="sessions",
            faults=plan,
            options={"r": 1, "w": 1, "fastest_reader": choice},
            seed=seed,
        )
        with tempfile.TemporaryDirectory(prefix="lineal-bench-") as directory:
            checks = dict(run(test, runs=Path(directory), report=False).judgement.checks)
        for kind in KINDS:
            observed = checks[f"own-writes-{kind}"].observed
            found[kind] += observed["hits"]
            asked[kind] += observed["reads_after_own_write"]
    return [(found[kind], asked[kind]) for kind in KINDS]
