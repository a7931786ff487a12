"""Many checkers, one judgement: what `verdict.json` holds."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final, NoReturn

import msgspec

from checker.claims import Promises
from checker.findings import FINDINGS_MAX
from checker.history.events import Operation
from checker.verdict import CheckContext, Finding, Verdict

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from checker.findings import FindingKind
    from checker.history.columns import History
    from checker.verdict import Budget, Checker, Status

FORMAT: Final = 1
"""The format of `verdict.json`."""

NOTHING_PROMISED: Final = "nothing is promised here that this workload can judge"
CAUSE_CHARACTERS_MAX: Final = 300


@dataclass(frozen=True, slots=True)
class Judgement:
    """The verdicts of all checkers on one history, and what they come to.

    `checks` pairs each checker's name with its verdict. `status` is invalid if one of them is, else
    unknown if one of them is, else valid; `cause` says why it is unknown.
    """

    status: Status
    cause: str | None
    checks: tuple[tuple[str, Verdict], ...]
    promises: Promises

    def __bool__(self) -> NoReturn:
        """Refuse, as `Verdict` does: `assert outcome.verdict` would pass on an invalid run."""
        raise TypeError("a judgement has three values: compare its status with 'valid'")

    def explain(self) -> str:
        """The judgement in words, one line for each finding."""
        head = self.status if self.cause is None else f"{self.status}: {self.cause}"
        findings = (found for _, verdict in self.checks for found in verdict.findings)
        return "\n".join([head, *(f"{found.kind}: {found.sentence}" for found in findings)])

    def to_json(self) -> dict[str, Any]:
        """The value of `verdict.json`: the same judgement gives the same value."""
        return {
            "format": FORMAT,
            "verdict": self.status,
            "cause": self.cause,
            "promises": sorted(self.promises.claims),
            "withdrawn": dict(sorted(self.promises.withdrawn.items())),
            "bounds": dict(sorted(self.promises.bounds.items())),
            "checkers": [
                {
                    "name": name,
                    "verdict": verdict.status,
                    "cause": verdict.cause,
                    "findings": [_finding_to_json(finding) for finding in verdict.findings],
                    "observed": _plain(verdict.observed),
                }
                for name, verdict in self.checks
            ],
        }

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Judgement:
        """The judgement that gave this value. Raises ValueError for one of a newer format."""
        if value["format"] > FORMAT:
            raise ValueError(
                f"this verdict has format {value['format']}, this version reads up to {FORMAT}"
            )
        checks = tuple((check["name"], _verdict_of_json(check)) for check in value["checkers"])
        bounds = value.get("bounds", {})
        promises = Promises(frozenset(value["promises"]), value["withdrawn"], bounds)
        return cls(value["verdict"], value["cause"], checks, promises)


def judge(
    history: History,
    judges: Iterable[Checker],
    promises: Promises,
    *,
    budget: Budget,
    on_crash: Callable[[str, BaseException], None],
) -> Judgement:
    """Let every checker judge the history by what is promised.

    A checker that raises does not stop the others: its verdict is unknown, and `on_crash` is given
    its name and what it raised. A checker tells by an attribute `claims` what it can judge. If none
    of that is promised, its doubts do not count, because it only measured; one without the
    attribute judges on its own account. If nobody could judge anything, the judgement is unknown.
    """
    context = CheckContext(claims=promises.claims, bounds=promises.bounds, budget=budget)
    checks: list[tuple[str, Verdict]] = []
    counting: list[tuple[str, Verdict]] = []
    judged = False
    for checker in judges:
        claims: frozenset[str] | None = getattr(checker, "claims", None)
        in_force = claims is None or not claims.isdisjoint(promises.claims)
        verdict, crashed = _checked(checker, history, context, on_crash)
        checks.append((checker.name, verdict))
        judged = judged or in_force
        if in_force or crashed or not claims or verdict.status == "invalid":
            counting.append((checker.name, verdict))
    status, cause = _merged(counting)
    if status == "valid" and not judged:
        status, cause = "unknown", NOTHING_PROMISED
    return Judgement(status, cause, tuple(checks), promises)


def _checked(
    checker: Checker,
    history: History,
    context: CheckContext,
    on_crash: Callable[[str, BaseException], None],
) -> tuple[Verdict, bool]:
    try:
        return _bounded(checker.check(history, context)), False
    except (KeyboardInterrupt, SystemExit):
        raise
    except BaseException as error:
        # Also what is no Exception: a panic of the native core derives from BaseException alone.
        on_crash(checker.name, error)
        return Verdict.unknown(f"the checker {checker.name} raised {_one_line(error)}"), True


def _merged(checks: list[tuple[str, Verdict]]) -> tuple[Status, str | None]:
    if any(verdict.status == "invalid" for _, verdict in checks):
        return "invalid", None
    causes = [f"{name}: {verdict.cause}" for name, verdict in checks if verdict.cause is not None]
    return ("unknown", "; ".join(causes)) if causes else ("valid", None)


def _bounded(verdict: Verdict) -> Verdict:
    """The verdict with at most `FINDINGS_MAX` findings of each kind, and a count of the others."""
    seen: Counter[FindingKind] = Counter()
    kept: list[Finding] = []
    for finding in verdict.findings:
        seen[finding.kind] += 1
        if seen[finding.kind] <= FINDINGS_MAX:
            kept.append(finding)
    if len(kept) == len(verdict.findings):
        return verdict
    left_out: Counter[str] = Counter(verdict.observed.get("left_out", {}))
    left_out.update({kind: n - FINDINGS_MAX for kind, n in seen.items() if n > FINDINGS_MAX})
    observed = {**verdict.observed, "left_out": dict(left_out)}
    return replace(verdict, findings=tuple(kept), observed=observed)


def _one_line(error: BaseException) -> str:
    text = str(error).strip()
    line = f"{type(error).__name__}: {text.splitlines()[0]}" if text else type(error).__name__
    return line if len(line) <= CAUSE_CHARACTERS_MAX else f"{line[: CAUSE_CHARACTERS_MAX - 1]}…"


def _plain(value: Any) -> Any:
    """As JSON has it: names are strings, sets are sorted lists, what is no JSON is its text."""
    return msgspec.to_builtins(value, str_keys=True, order="deterministic", enc_hook=str)


def _finding_to_json(finding: Finding) -> dict[str, Any]:
    return {
        "kind": finding.kind,
        "sentence": finding.sentence,
        "operations": [msgspec.to_builtins(op) for op in finding.operations],
        "sub_history": [msgspec.to_builtins(op) for op in finding.sub_history],
        "faults": list(finding.faults),
        "details": list(finding.details),
    }


def _verdict_of_json(check: Mapping[str, Any]) -> Verdict:
    findings = tuple(
        Finding(
            found["kind"],
            found["sentence"],
            msgspec.convert(found["operations"], tuple[Operation, ...]),
            tuple(found["faults"]),
            msgspec.convert(found["sub_history"], tuple[Operation, ...]),
            tuple(found.get("details", ())),
        )
        for found in check["findings"]
    )
    return Verdict(check["verdict"], check["cause"], findings, check["observed"])
