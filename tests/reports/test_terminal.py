"""The end of a run in a few lines."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from checker.claims import Promises
from checker.judgement import Judgement
from checker.verdict import Finding, Verdict
from reports.terminal import LINES_MAX, headline, summary
from tests.reports.samples import META, invalid, recorded, valid

if TYPE_CHECKING:
    from checker.history.columns import History

RUN = Path("runs/dynamo-siblings/20261121T101500.123Z-4711")


@pytest.fixture(scope="module")
def history() -> History:
    return recorded(200).history()


def test_an_invalid_run_is_told_with_a_line_for_each_finding(history: History) -> None:
    lines = summary(invalid(history), META, RUN).splitlines()
    assert lines[0] == (
        "dynamo siblings, 5 local nodes, nemesis partition,kill,pause, bug drop-siblings, seed 4711"
    )
    assert lines[1] == (
        "promises judged: false-sibling, lost-update, no-convergence, read-your-writes"
    )
    assert lines[2].startswith("not promised here: monotonic-reads (reads do not write back")
    assert lines[3] == "warning: pause was injected 1 time and never took effect"
    assert lines[4] == "verdict: invalid"
    assert lines[5].startswith("  lost-update: Process ")
    assert lines[-2] == f"report: {RUN}/report.html"
    assert lines[-1] == f"again: {META['command']}"


def test_a_valid_run_has_no_finding_lines(history: History) -> None:
    lines = summary(valid(history), META, RUN).splitlines()
    assert lines[-3:] == [
        "verdict: valid", f"report: {RUN}/report.html", f"again: {META['command']}",
    ]  # fmt: skip


def test_an_unknown_run_says_why_and_an_inline_one_has_no_command() -> None:
    judgement = Judgement("unknown", "too little observed", (), Promises(frozenset()))
    text = summary(judgement, {}, RUN)
    assert "verdict: unknown: too little observed" in text
    assert "promises judged: none" in text
    assert "again:" not in text


def test_members_that_are_others_than_at_first_are_told() -> None:
    verdict = Verdict("valid", observed={"other_members": {"n2": ["n1", "n3"]}})
    judgement = Judgement("valid", None, (("recovery", verdict),), Promises(frozenset()))
    text = summary(judgement, {}, RUN)
    assert "warning: n2 says that the members are now n1, n3, other than at first" in text


def test_many_findings_have_some_lines_and_a_count_and_a_sentence_never_breaks_a_line() -> None:
    found = tuple(Finding("lost-update", f"first\nsecond {i}") for i in range(20))
    verdict = Verdict("invalid", findings=found, observed={"left_out": {"lost-update": 100}})
    judgement = Judgement("invalid", None, (("siblings", verdict),), Promises(frozenset()))
    lines = [line for line in summary(judgement, META, RUN).splitlines() if "lost-update:" in line]
    assert lines[0] == "  lost-update: first second 0"
    assert len(lines) == LINES_MAX + 1
    assert lines[-1] == f"  lost-update: {120 - LINES_MAX} more, see the report"


def test_a_run_of_one_node_without_faults_has_a_headline() -> None:
    meta = {"system": "atomic", "workload": "register", "environment": "local", "nodes": ["n1"]}
    assert headline(meta) == "atomic register, 1 local node, nemesis none"
