"""A workload: what is asked during a run, what is read at its end, and who judges it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from checker.verdict import Checker
    from workloads.generators.protocol import Generator


@dataclass(frozen=True, kw_only=True)
class Workload:
    """What is asked, and who judges the answers.

    `generator` runs for the time limit at the run's rate (the run wraps it; a workload does not
    stagger or limit itself). `final_generator` makes a list of final reads once the cluster is
    quiescent: it is given the node names, and runs on clients without a time limit. `pure` names
    operations without effect: a time-out of one is `fail`, and its process lives on. `judges` are
    the checkers; `claims` the claims that they can judge.
    """

    name: str
    generator: Generator
    final_generator: Callable[[tuple[str, ...]], Generator | None]
    judges: tuple[Checker, ...]
    claims: frozenset[str]
    pure: frozenset[str] = frozenset()
    parameters: Mapping[str, Any] = field(default_factory=dict)


def claims_of(judges: tuple[Checker, ...]) -> frozenset[str]:
    """The claims that these checkers can judge: each tells by an attribute `claims`."""
    none: frozenset[str] = frozenset()
    return none.union(*(getattr(judge, "claims", none) for judge in judges))
