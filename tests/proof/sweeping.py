"""Runs a bundled system in the simulation for a seed, as `lineal sweep` does."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lineal import registry
from lineal.definition import standard
from lineal.running import run

if TYPE_CHECKING:
    from pathlib import Path

    from checker.judgement import Judgement


def simulate(
    system: str,
    seed: int,
    runs: Path,
    *,
    faults: str = "none",
    bug: str | None = None,
    **more: object,
) -> Judgement:
    """One simulated run of the default length; the judgement."""
    test = standard(
        system=system, environment="simulated", seed=seed, faults=faults, bug=bug, **more
    )
    return run(test, runs=runs, report=False).judgement


def rested(judgement: Judgement) -> bool:
    """Whether the cluster came to rest, be that claimed or not."""
    return "quiescent_after_ns" in dict(judgement.checks)["recovery"].observed


def kinds(judgement: Judgement) -> set[str]:
    """The kinds of everything that was found."""
    return {finding.kind for _, verdict in judgement.checks for finding in verdict.findings}


def first_seed_that_finds(system: str, bug: str, runs: Path, seeds: int) -> tuple[int, set[str]]:
    """The first seed for which a bug shows by its finding, with all that was found; -1 if none."""
    about = registry.system(system).bugs[bug]
    for seed in range(seeds):
        judgement = simulate(
            system, seed, runs, faults=about.faults, bug=bug, workload=about.workload
        )
        found = kinds(judgement)
        if about.finding is not None and about.finding in found:
            return seed, found
    return -1, set()
