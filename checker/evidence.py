"""What a checker gathers on its way to a verdict.

Only claims in force make findings: everything else is counted. Explanations are made for the first
findings of a kind alone, because a badly broken run breaks a rule a hundred thousand times.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from checker.findings import FINDINGS_MAX
from checker.verdict import Finding, Verdict
from checker.wording import listed, sentence

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping

    from checker.findings import FindingKind
    from checker.history.columns import History
    from checker.history.events import Operation


class Explanation(NamedTuple):
    """A finding in words: the sentence, the operations that it names, and its sub-history.

    `Evidence` gives the sentence its capital and its full stop where they are missing. `faults` are
    those that the operations touch, unless they are given. `details` explain further, a line each.
    """

    sentence: str
    operations: tuple[Operation, ...] = ()
    sub_history: tuple[Operation, ...] = ()
    faults: tuple[int, ...] | None = None
    details: tuple[str, ...] = ()


class Evidence:
    """Findings, counts and doubts of one checker about one history."""

    def __init__(self, history: History, claims: frozenset[str]) -> None:
        self._history: Final = history
        self._claims: Final = claims
        self._findings: Final[dict[FindingKind, list[Finding]]] = {}
        self._found: Final[Counter[FindingKind]] = Counter()
        self._counted: Final[Counter[str]] = Counter()
        self._examples: Final[dict[str, str]] = {}
        self._doubts: Final[dict[str, None]] = {}
        self._not_exercised: Final[dict[str, None]] = {}

    def claimed(self, *claims: str) -> bool:
        """Whether at least one of these is claimed."""
        return not self._claims.isdisjoint(claims)

    def add(
        self, kind: FindingKind, explain: Callable[[], Explanation], *, claim: str | None = None
    ) -> None:
        """A violation: a finding if `claim` (by default the kind's own) is in force, else counted.

        `explain` is called for the first ones only.
        """
        claim = claim or kind
        if claim not in self._claims:
            self._counted[claim] += 1
            if claim not in self._examples:
                self._examples[claim] = sentence(explain().sentence)
            return
        self._found[kind] += 1
        findings = self._findings.setdefault(kind, [])
        if len(findings) < FINDINGS_MAX:
            findings.append(self._finding(kind, explain()))

    def doubt(self, cause: str, *claims: str) -> None:
        """Something could not be judged; it matters if one of these claims is in force."""
        if self.claimed(*claims):
            self._doubts[cause] = None

    def unexercised(
        self, why: Mapping[str, str], *, of: Collection[str], rare: Collection[str] = ()
    ) -> None:
        """Claims among `of`, the claims judged, that nothing put to the test, each with the reason.

        That is doubt, except about the `rare` ones where another claim in force was exercised: then
        they are only named.
        """
        missing = sorted(self._claims & why.keys())
        others = self._claims.intersection(of).difference(missing)
        self._not_exercised.update(dict.fromkeys(missing))
        causes = dict.fromkeys(why[claim] for claim in missing if not others or claim not in rare)
        if causes:
            self._doubts[f"too little observed: {_joined(list(causes))}"] = None

    def verdict(self, observed: Mapping[str, Any]) -> Verdict:
        """Invalid by findings, else unknown by doubts, else valid.

        `observed` is joined by `counted` (violations of what is not claimed, with an example),
        `left_out` (findings beyond the bound, by kind), `not_judged` (doubts beside findings), and
        `not_exercised` (claims that nothing put to the test).
        """
        seen = dict(observed)
        if self._counted:
            seen["counted"] = {
                claim: {"count": count, "example": self._examples[claim]}
                for claim, count in sorted(self._counted.items())
            }
        left_out = {k: n - FINDINGS_MAX for k, n in self._found.items() if n > FINDINGS_MAX}
        if left_out:
            seen["left_out"] = left_out
        if self._not_exercised:
            seen["not_exercised"] = list(self._not_exercised)
        doubts = list(self._doubts)
        if not self._found:
            return Verdict.unknown(_joined(doubts), observed=seen) if doubts else _valid(seen)
        if doubts:
            seen["not_judged"] = _joined(doubts)
        findings = (finding for kind in sorted(self._findings) for finding in self._findings[kind])
        return Verdict.of(findings, observed=seen)

    def _finding(self, kind: FindingKind, explanation: Explanation) -> Finding:
        words, operations, sub_history, faults, details = explanation
        if faults is None:
            faults = faults_touched(self._history, operations)
        return Finding(kind, sentence(words), operations, faults, sub_history, details)


def faults_touched(history: History, operations: Iterable[Operation]) -> tuple[int, ...]:
    """The numbers of the faults whose windows these operations touch, in order of injection."""
    named = list(operations)
    return tuple(
        window.fault
        for window in history.faults
        if window.effect != "ineffective" and any(window.touches(op) for op in named)
    )


def in_order(operations: Iterable[Operation]) -> tuple[Operation, ...]:
    """Each of these operations once, in order of invocation."""
    by_index = {operation.index: operation for operation in operations}
    return tuple(by_index[index] for index in sorted(by_index))


def _valid(observed: Mapping[str, Any]) -> Verdict:
    return Verdict.of((), observed=observed)


def _joined(doubts: list[str]) -> str:
    return doubts[0] if len(doubts) == 1 else listed(doubts)
