from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from checker.claims import CLAIMS, Promises
from checker.convergence.siblings import Siblings
from checker.findings import FINDINGS_MAX, KINDS
from checker.history.notation import parse
from checker.invariants.recovery import Recovery
from checker.invariants.set_full import SetFull
from checker.invariants.statistics import Statistics
from checker.judgement import FORMAT, NOTHING_PROMISED, Judgement, judge
from checker.sessions.checker import Sessions
from checker.verdict import Budget, CheckContext, Checker, Finding, Verdict

if TYPE_CHECKING:
    from collections.abc import Mapping

    from checker.history.columns import History

HISTORY = parse("""
    nemesis: partition {} fault=1 -> applied
    p1: put x {"value": 1} node=n1 -> {"id": "a", "context": "c1"}
    nemesis: heal fault=1 -> healed
    p2: put x {"value": 2} -> {"id": "b", "context": "c2"}
    nemesis: quiescent
    p9: dump node=n1 -> {"x": [{"id": "b", "value": 2}]}
    p9: get x {"r": "all"} node=n1 -> {"versions": [{"id": "b", "value": 2}]}
""")


@dataclass(frozen=True)
class Fixed:
    """A checker that always answers the same; without `claims`, as a user's may be."""

    verdict: Verdict
    name: str = "fixed"

    def check(self, history: History, context: CheckContext) -> Verdict:
        return self.verdict


@dataclass(frozen=True)
class Claiming(Fixed):
    claims: frozenset[str] = frozenset({"linearizable"})


@dataclass(frozen=True)
class Raising:
    error: BaseException
    name: str = "raising"
    claims: frozenset[str] = frozenset({"linearizable"})

    def check(self, history: History, context: CheckContext) -> Verdict:
        raise self.error


VALID, UNKNOWN = Verdict.of([]), Verdict.unknown("no time left")
INVALID = Verdict.of([Finding("not-linearizable", "It is not.")])


@dataclass
class Crashes:
    seen: list[tuple[str, BaseException]] = field(default_factory=list)

    def __call__(self, name: str, error: BaseException) -> None:
        self.seen.append((name, error))


def judged(
    *judges: Checker, claims: set[str] | None = None, crashes: Crashes | None = None
) -> Judgement:
    promises = Promises(frozenset({"linearizable"} if claims is None else claims))
    on_crash = Crashes() if crashes is None else crashes
    return judge(HISTORY, judges, promises, budget=Budget(), on_crash=on_crash)


@pytest.mark.parametrize(
    ("verdicts", "status"),
    [
        ([VALID, VALID], "valid"),
        ([VALID, UNKNOWN], "unknown"),
        ([UNKNOWN, INVALID, VALID], "invalid"),
    ],
)
def test_the_worst_verdict_counts(verdicts: list[Verdict], status: str) -> None:
    judgement = judged(*map(Fixed, verdicts))
    assert judgement.status == status
    assert [verdict for _, verdict in judgement.checks] == verdicts


def test_an_unknown_judgement_names_the_checker_and_its_cause() -> None:
    assert judged(Fixed(VALID), Fixed(UNKNOWN, "slow")).cause == "slow: no time left"
    assert judged(Fixed(UNKNOWN), Fixed(INVALID)).cause is None


def test_a_checker_that_raises_is_unknown_and_does_not_stop_the_others() -> None:
    crashes, error = Crashes(), ZeroDivisionError("by zero\nof all things")
    judgement = judged(Raising(error), Fixed(INVALID), crashes=crashes)
    assert judgement.status == "invalid"
    assert judgement.checks[0][1].cause == ("the checker raising raised ZeroDivisionError: by zero")
    assert crashes.seen == [("raising", error)]
    assert judged(Raising(ValueError())).status == "unknown"
    long = judged(Raising(ValueError("x" * 1000))).cause
    assert long is not None
    assert len(long) < 400


def test_a_crash_counts_also_where_nothing_was_claimed() -> None:
    assert judged(Fixed(VALID), Raising(ValueError()), claims=set()).status == "unknown"


def test_a_panic_of_the_core_is_a_crash_and_ctrl_c_is_none() -> None:
    class PanicError(BaseException):
        pass

    assert judged(Raising(PanicError("at the core"))).status == "unknown"
    with pytest.raises(KeyboardInterrupt):
        judged(Raising(KeyboardInterrupt()))


def test_nothing_promised_that_these_checkers_can_judge_is_unknown_with_what_was_seen() -> None:
    seen = Verdict.of([], observed={"reads": 7})
    judgement = judged(Claiming(seen), Statistics(), claims={"lost-element"})
    assert (judgement.status, judgement.cause) == ("unknown", NOTHING_PROMISED)
    assert judgement.checks[0][1].observed == {"reads": 7}
    assert judged().cause == NOTHING_PROMISED
    assert judged(Claiming(VALID), claims={"linearizable"}).status == "valid"


def test_a_checker_without_claims_judges_on_its_own_account() -> None:
    assert judged(Fixed(VALID), claims=set()).status == "valid"


def test_a_checker_that_only_measured_leaves_no_doubt() -> None:
    assert judged(Claiming(UNKNOWN), Fixed(VALID), claims={"lost-element"}).status == "valid"
    assert judged(Claiming(UNKNOWN), Fixed(VALID), claims={"linearizable"}).status == "unknown"


def test_too_little_observed_leaves_a_doubt_whatever_is_claimed() -> None:
    history = parse("p0: read -> fail\nnemesis: quiescent")
    promises = Promises(frozenset({"did-not-recover"}))
    judges: list[Checker] = [Recovery(), Statistics()]
    judgement = judge(history, judges, promises, budget=Budget(), on_crash=Crashes())
    assert judgement.cause == "statistics: too little observed: no read ever succeeded (1 asked)"


def test_only_claims_make_findings() -> None:
    accused = judged(Siblings(), claims={"lost-update"})
    assert accused.status == "invalid"
    tolerated = judged(Siblings(), claims={"false-sibling"})
    assert tolerated.status == "valid"
    assert tolerated.checks[0][1].observed["counted"]["lost-update"]["count"] == 1


def test_a_finding_names_the_faults_that_its_operations_touched() -> None:
    ((_, verdict),) = judged(Siblings(), claims={"lost-update"}).checks
    assert verdict.findings[0].faults == (1,)


def test_a_fault_without_effect_is_not_named() -> None:
    text = """
        nemesis: partition {} fault=1 -> ineffective
        nemesis: kill {} fault=2 -> partly
        p1: add 1 -> ok
        p1: read -> [2]
    """
    (finding,) = SetFull().check(parse(text), CheckContext(claims=SetFull().claims)).findings[:1]
    assert finding.faults == (2,)


def test_findings_of_a_kind_are_bounded_and_the_rest_is_counted() -> None:
    many = [Finding("duplicate", f"number {n}") for n in range(FINDINGS_MAX + 5)]
    verdict = Verdict.of([*many, Finding("node-died", "n1")], observed={"reads": 1})
    ((_, kept),) = judged(Fixed(verdict)).checks
    assert len(kept.findings) == FINDINGS_MAX + 1
    assert kept.observed == {"reads": 1, "left_out": {"duplicate": 5}}


def test_a_checker_of_ours_explains_no_more_than_the_bound() -> None:
    lines = [f'p1: put k{n} {{"value": {n}}} -> {{"id": "a{n}"}}' for n in range(FINDINGS_MAX + 3)]
    lines.append("nemesis: quiescent")
    lines += [f'p2: get k{n} {{"r": "all"}} -> {{"versions": []}}' for n in range(FINDINGS_MAX + 3)]
    context = CheckContext(claims=frozenset({"lost-update"}))
    verdict = Siblings().check(parse("\n".join(lines)), context)
    assert len(verdict.findings) == FINDINGS_MAX
    assert verdict.observed["left_out"] == {"lost-update": 3}


def test_verdict_json_is_the_same_for_the_same_history_and_reads_back() -> None:
    promises = Promises(frozenset({"lost-update", "resurrection"}), {"linearizable": "siblings"})
    judges: list[Checker] = [Siblings(), Statistics()]

    def once() -> Judgement:
        return judge(HISTORY, judges, promises, budget=Budget(), on_crash=Crashes())

    value = once().to_json()
    data = msgspec.json.encode(value)
    assert data == msgspec.json.encode(once().to_json())
    assert value["format"] == FORMAT
    assert value["promises"] == ["lost-update", "resurrection"]
    assert value["withdrawn"] == {"linearizable": "siblings"}
    finding = value["checkers"][0]["findings"][0]
    assert (finding["kind"], finding["faults"]) == ("lost-update", [1])
    assert finding["operations"][0]["input"] == {"value": 1}
    again = Judgement.from_json(msgspec.json.decode(data))
    assert again.to_json() == value
    assert again.checks[0][1].findings == once().checks[0][1].findings


def test_what_was_observed_becomes_plain_json() -> None:
    odd: Mapping[str, Any] = {"by size": {2: 1, 1: 3}, "names": {"b", "a"}, "kind": KeyError("x")}
    (check,) = judged(Fixed(Verdict.of([], observed=odd))).to_json()["checkers"]
    assert check["observed"] == {"by size": {"1": 3, "2": 1}, "names": ["a", "b"], "kind": "'x'"}


def test_a_judgement_explains_itself_in_lines() -> None:
    assert judged(Fixed(UNKNOWN)).explain() == "unknown: fixed: no time left"
    assert judged(Fixed(INVALID)).explain() == "invalid\nnot-linearizable: It is not."


def test_a_newer_format_is_refused_with_both_versions() -> None:
    value = judged(Fixed(VALID)).to_json() | {"format": FORMAT + 1}
    with pytest.raises(ValueError, match=f"format {FORMAT + 1}, this version reads up to {FORMAT}"):
        Judgement.from_json(value)


def test_every_claim_of_these_checkers_names_the_kind_that_breaks_it() -> None:
    judges = (Siblings(), Sessions(), SetFull(), Recovery())
    claims = frozenset().union(*(one.claims for one in judges))
    assert claims <= CLAIMS.keys()
    assert claims - KINDS.keys() == {"lost-update-online", "resurrection-online"}
    assert "linearizable" in CLAIMS


def test_a_claim_that_no_checker_knows_is_refused() -> None:
    with pytest.raises(ValueError, match="unknown claims"):
        Promises(frozenset({"lost-updates"}))
