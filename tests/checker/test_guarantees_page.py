"""Every history of `docs/guarantees.md` is judged as the page says."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Final

import pytest

from checker.claims import CLAIMS
from checker.convergence.last_write import LastWrite
from checker.convergence.siblings import Siblings
from checker.findings import KINDS
from checker.invariants.available import Available
from checker.invariants.bank import Bank
from checker.invariants.recovery import Recovery
from checker.invariants.set_full import SetFull
from checker.invariants.slots import Slots
from checker.invariants.statistics import Statistics
from checker.sessions.checker import Sessions
from tests.checker.judging import judged, kinds

if TYPE_CHECKING:
    from checker.verdict import Checker

PAGE: Final = Path(__file__).parents[2] / "docs" / "guarantees.md"
FENCE: Final = re.compile(r"^```history\n(.*?)^```", re.MULTILINE | re.DOTALL)
HEAD: Final = re.compile(r"# (?P<checker>[a-z-]+): (?P<answer>[a-z-]+)(?: \((?P<claims>.*)\))?")
CHECKERS: Final[dict[str, Checker]] = {
    checker.name: checker
    for checker in (
        Siblings(),
        LastWrite(),
        Sessions(),
        SetFull(),
        Bank(("a", "b"), 10),
        Slots(),
        Available(frozenset({"put"})),
        Recovery(),
        Statistics(),
    )
}
EXAMPLES: Final = FENCE.findall(PAGE.read_text(encoding="utf-8"))


def head(text: str) -> re.Match[str]:
    match = HEAD.match(text)
    assert match is not None, text
    return match


def claims_of(text: str) -> frozenset[str]:
    """Those named in brackets; else the one that has to be broken; else all but linearizability."""
    named, answer = head(text)["claims"], head(text)["answer"]
    if named is not None:
        return frozenset(named.split(", "))
    return frozenset({answer} if answer in CLAIMS else CLAIMS.keys() - {"linearizable"})


@pytest.mark.parametrize("text", EXAMPLES, ids=lambda text: text.splitlines()[0])
def test_an_example_is_judged_as_the_page_says(text: str) -> None:
    answer = head(text)["answer"]
    verdict = judged(CHECKERS[head(text)["checker"]], text, claims=claims_of(text))
    expected = {"valid": [], "unknown": ["unknown"]}.get(answer, [answer])
    assert kinds(verdict) == expected, verdict.explain()


def test_the_page_shows_every_kind_of_finding_and_every_checker() -> None:
    claims = frozenset().union(*(getattr(one, "claims", ()) for one in CHECKERS.values()))
    answers = {head(text)["answer"] for text in EXAMPLES}
    assert answers == {*(claims & KINDS.keys()), "valid", "unknown"}
    assert {head(text)["checker"] for text in EXAMPLES} == CHECKERS.keys()
