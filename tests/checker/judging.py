"""Judges a history in the notation, with all claims in force unless others are named."""

from __future__ import annotations

from typing import TYPE_CHECKING

from checker.claims import CLAIMS
from checker.history.notation import parse
from checker.verdict import CheckContext, Checker, Verdict

if TYPE_CHECKING:
    from collections.abc import Iterable


def context(claims: Iterable[str] = CLAIMS) -> CheckContext:
    return CheckContext(claims=frozenset(claims))


def judged(checker: Checker, text: str, *, claims: Iterable[str] = CLAIMS) -> Verdict:
    return checker.check(parse(text), context(claims))


def kinds(verdict: Verdict) -> list[str]:
    """The kinds of its findings; an unknown verdict has none and is told apart."""
    if verdict.status == "unknown":
        return ["unknown"]
    return sorted(finding.kind for finding in verdict.findings)


def sentence(verdict: Verdict) -> str:
    """The sentence of its only finding."""
    (finding,) = verdict.findings
    assert finding.sentence[0].isupper()
    assert finding.sentence.endswith(".")
    return finding.sentence
