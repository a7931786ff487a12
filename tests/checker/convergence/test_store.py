"""A store that is right is never accused, and each of its bugs is found for what it is."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from checker.claims import CLAIMS
from checker.convergence.siblings import Siblings
from checker.sessions.checker import Sessions
from tests.checker.convergence.store import BUGS, Drive
from tests.checker.judging import context

if TYPE_CHECKING:
    from checker.verdict import Verdict

SEEDS = range(150)
PROMISED = frozenset(CLAIMS) - {"monotonic-writes", "writes-follow-reads"}
"""A quorum of reads that writes back promises these; the other two need more than a quorum."""


def verdicts(drive: Drive, *, operations: int) -> list[Verdict]:
    history = drive.all(operations)
    return [judge.check(history, context(PROMISED)) for judge in (Siblings(), Sessions())]


def test_a_correct_store_is_never_accused() -> None:
    info_writes = tombstones = 0
    for seed in SEEDS:
        for verdict in verdicts(Drive(seed), operations=30 + seed):
            assert verdict.status == "valid", f"seed {seed}: {verdict.explain()}"
            info_writes += verdict.observed.get("info_writes_seen", 0)
            tombstones += verdict.observed.get("tombstones_read", 0)
    assert info_writes > 100, "the runs hold too few unanswered writes to mean much"
    assert tombstones > 100


@pytest.mark.parametrize("bug", BUGS)
def test_each_bug_is_found_for_what_it_is(bug: str) -> None:
    for seed in range(200):
        found = verdicts(Drive(seed, bug), operations=100)
        if BUGS[bug] in {finding.kind for verdict in found for finding in verdict.findings}:
            return
    pytest.fail(f"{bug} was not found as {BUGS[bug]}")


@pytest.mark.parametrize(
    ("bug", "claim"),
    [
        ("keeps-one-of-siblings", "lost-update"),
        ("acknowledges-before-storing", "lost-update"),
        ("keeps-what-was-replaced", "false-sibling"),
        ("collects-tombstones-early", "resurrection"),
    ],
)
def test_the_sub_history_of_a_finding_shows_it_again(bug: str, claim: str) -> None:
    shown = 0
    for seed in range(200):
        if shown > 10:
            break
        history = Drive(seed, bug).all(100)
        for finding in Siblings().check(history, context([claim])).findings:
            if finding.sub_history:
                part = history.sub(finding.sub_history)
                again = Siblings().check(part, context([claim]))
                assert finding.kind in {found.kind for found in again.findings}, f"seed {seed}"
                shown += 1
    assert shown


def test_without_write_back_monotonic_reads_are_broken_and_nothing_else_that_is_promised() -> None:
    kinds = {
        finding.kind
        for seed in SEEDS
        for verdict in verdicts(Drive(seed, write_back=False), operations=100)
        for finding in verdict.findings
    }
    assert kinds == {"monotonic-reads"}


def test_the_guarantees_that_a_quorum_does_not_give_are_counted() -> None:
    counted: set[str] = set()
    for seed in SEEDS:
        for verdict in verdicts(Drive(seed, write_back=False), operations=100):
            counted |= verdict.observed.get("counted", {}).keys()
    assert "writes-follow-reads" in counted


def test_a_key_with_thousands_of_writes_takes_seconds() -> None:
    """The bound is on the work that a bitset does, far above what it takes."""
    history = Drive(1).all(3000)
    assert Siblings().check(history, context(PROMISED)).status == "valid"
    assert Sessions().check(history, context(PROMISED)).status == "valid"
