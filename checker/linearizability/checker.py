"""The checker of linearizability: each object alone, by the fastest algorithm that applies."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, ClassVar, Final

from checker.claims import CLAIMS
from checker.evidence import Evidence
from checker.history.layout import FAIL, INFO
from checker.linearizability import sentences
from checker.linearizability.dispatch import ALGORITHMS, dispatch
from checker.linearizability.judging import NOT_JUDGED, Judged, Terms, judge
from checker.linearizability.problem import NotReady
from checker.linearizability.search import PRUNINGS, budget_of
from checker.linearizability.states import ModelFailed
from checker.models.model import UnfitStart
from checker.verdict import Budget, CheckContext, Verdict

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from concurrent.futures import Executor

    from checker._core import SearchBudget
    from checker.history.columns import History
    from checker.linearizability.dispatch import Dispatch
    from checker.models.model import Specification

CLAIM: Final = "linearizable"
TOO_LITTLE: Final = "too little observed: nothing was answered that could have been wrong"


@dataclass(frozen=True, slots=True)
class Linearizable:
    """Judges whether some order of each object's operations explains every answer.

    `model` says what an object does when one client uses it alone. `algorithm` is one of
    `checker.linearizability.dispatch.ALGORITHMS`; without it each object is judged by the first
    that applies. `prune` names what the search leaves out (`search.PRUNINGS`). When an object was
    found illegal the others are left, unless `all_keys` asks for all. An `executor` judges many
    objects at once; not with a budget in steps or memory, which one search after another spends.
    With `verify_partition` the model's `partition` is tried on samples first: see `partition.py`.
    """

    model: Specification
    algorithm: str | None = None
    prune: frozenset[str] = frozenset(PRUNINGS)
    all_keys: bool = False
    executor: Executor | None = field(default=None, compare=False, repr=False)
    verify_partition: bool = False

    name: ClassVar[str] = "linearizable"
    claims: ClassVar[frozenset[str]] = frozenset({CLAIM})

    def __post_init__(self) -> None:
        """Refuse an algorithm and a pruning that nobody knows."""
        unknown = sorted(self.prune - set(PRUNINGS))
        if unknown:
            raise ValueError(f"unknown prunings {unknown}; known are {sorted(PRUNINGS)}")
        if self.algorithm not in (None, *ALGORITHMS):
            known = ", ".join(ALGORITHMS)
            raise ValueError(f"unknown algorithm {self.algorithm!r}; known are {known}")

    def check(self, history: History, context: CheckContext) -> Verdict:
        """Judge every object of the history.

        Raises Unfit for operations that the model cannot take, UnfitStart for an initial value that
        cannot be meant where it would make a violation, WrongDeclaration for a model that
        declares what it does not keep, Inapplicable for an algorithm that does not apply.
        """
        spent = budget_of(context.budget)
        try:
            dispatched = dispatch(history, self.model, self.algorithm, spent)
        except (ModelFailed, NotReady) as error:
            return Verdict.unknown(str(error))
        observed: dict[str, Any] = {}
        if self.verify_partition:
            from checker.linearizability import partition

            observed["partition"] = partition.verify(history, self.model, spent)
        evidence = Evidence(history, context.claims)
        if not _can_fail(dispatched):
            evidence.doubt(TOO_LITTLE, CLAIM)
        terms = self._terms(dispatched, explain=evidence.claimed(CLAIM))
        judged = self._judge(dispatched, terms, context.budget, spent)
        if judged.violations:
            judged = self._from_either_start(history, judged, context.budget, spent)
        for doubt in judged.doubts:
            evidence.doubt(doubt, CLAIM)
        if judged.ran_out and judged.hardest and len(dispatched.problem.objects) > 1:
            evidence.doubt(sentences.hottest(judged.hardest, judged.steps), CLAIM)
        explanations = iter(judged.explanations)
        for _ in range(judged.violations):
            evidence.add("not-linearizable", explanations.__next__, claim=CLAIM)
        return evidence.verdict({**_observed(history, dispatched, judged), **observed})

    def _terms(self, dispatched: Dispatch, *, explain: bool) -> Terms:
        return Terms(
            prune=self.prune,
            elements=dispatched.elements,
            replay=dispatched.replay,
            explain=explain,
            all_keys=self.all_keys,
        )

    def _from_either_start(
        self, history: History, judged: Judged, budget: Budget, spent: SearchBudget
    ) -> Judged:
        """What was judged; only violations from the start that may have been meant too, if any may.

        Raises UnfitStart if none of those is seen within the budget.
        """
        from checker.linearizability.start import other_start

        other = other_start(history, self.model)
        if other is None:
            return judged
        free = replace(self, algorithm=None, all_keys=True)
        start = replace(free, model=other.model)
        try:
            still = start._judge_among(frozenset(), history, budget, spent)
            both = free._judge_among(frozenset(still.illegal), history, budget, spent)
        except NotReady:
            both = Judged()
        if not both.violations:
            raise UnfitStart(other.told)
        return replace(judged, explanations=both.explanations, violations=both.violations)

    def _judge_among(
        self, keys: frozenset[str], history: History, budget: Budget, spent: SearchBudget
    ) -> Judged:
        """Judge all objects; only those of these keys, which are given as texts, are violations."""
        dispatched = dispatch(history, self.model, self.algorithm, spent)
        terms = replace(self._terms(dispatched, explain=True), among=keys)
        return self._judge(dispatched, terms, budget, spent)

    def _judge(
        self, dispatched: Dispatch, terms: Terms, budget: Budget, spent: SearchBudget
    ) -> Judged:
        """Judge what rules hold for illegal, then the rest, if that matters then."""
        problem = dispatched.problem
        judged = Judged()
        rest = [n for n in range(len(problem.objects)) if n not in dispatched.by_rules]
        if dispatched.by_rules:
            ruled = problem.only(sorted(dispatched.by_rules))
            judged.add(judge(ruled, replace(terms, rules=dispatched.rules), spent))
            problem = problem.only(rest)
        if judged.violations and not self.all_keys:
            judged.outcomes.update({NOT_JUDGED: len(rest)} if rest else {})
        elif self._is_shared(budget) and len(rest) > 1 and not dispatched.by_rules:
            from checker.linearizability.sharing import judge_shared

            assert self.executor is not None
            make = dispatched.make
            judged.add(judge_shared(self.executor, problem, make, terms, spent))
        else:
            judged.add(judge(problem, terms, spent))
        return judged

    def _is_shared(self, budget: Budget) -> bool:
        free = budget.steps is None and budget.memory_mb is None
        return self.executor is not None and free


def check(
    history: History,
    model: Specification,
    *,
    budget: Budget = Budget(),  # noqa: B008
    algorithm: str | None = None,
    prune: Iterable[str] = PRUNINGS,
    all_keys: bool = False,
    executor: Executor | None = None,
    verify_partition: bool = False,
) -> Verdict:
    """Whether the history is linearizable by this model, everything being claimed.

    See `Linearizable` for the options. Raises as `Linearizable.check` does.
    """
    context = CheckContext(claims=frozenset(CLAIMS), budget=budget)
    judge = Linearizable(model, algorithm, frozenset(prune), all_keys, executor, verify_partition)
    return judge.check(history, context)


def check_each(
    histories: Sequence[History],
    model: Specification,
    *,
    executor: Executor,
    budget: Budget = Budget(),  # noqa: B008
    algorithm: str | None = None,
    prune: Iterable[str] = PRUNINGS,
) -> Iterator[Verdict]:
    """The verdicts on many histories, in their order; the executor begins with the longest.

    Each has the budget for itself. Raises what one of them raises.
    """
    context = CheckContext(claims=frozenset(CLAIMS), budget=budget)
    judge = Linearizable(model, algorithm, frozenset(prune))
    longest_first = sorted(range(len(histories)), key=lambda n: -len(histories[n]))
    futures = {n: executor.submit(judge.check, histories[n], context) for n in longest_first}
    return (futures[n].result() for n in range(len(histories)))


def _can_fail(dispatched: Dispatch) -> bool:
    """Whether anything was answered that could have been wrong."""
    problem = dispatched.problem
    told = any(not problem.automaton.is_blind(action) for action in problem.told)
    return told or dispatched.observed


def _observed(history: History, dispatched: Dispatch, judged: Judged) -> dict[str, Any]:
    outcomes = dict(judged.outcomes)
    if dispatched.legal:
        outcomes["legal"] = outcomes.get("legal", 0) + dispatched.legal
    ruled = {dispatched.rules} if dispatched.legal else set()
    algorithms = (judged.algorithms | ruled) or {"frontier"}
    happened = history.columns.outcome.tolist()
    return {
        "algorithm": " and ".join(name for name in ALGORITHMS if name in algorithms),
        "operations": len(happened) - happened.count(FAIL),
        "crashed": happened.count(INFO),
        "objects": dispatched.legal + len(dispatched.problem.objects),
        "outcomes": dict(sorted(outcomes.items())),
        "steps": judged.steps,
        "model_asked": judged.asked,
        "hardest": judged.hardest,
    }
