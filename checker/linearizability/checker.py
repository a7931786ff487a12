"""The checker of linearizability: each object alone, by the fastest algorithm that applies."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar, Final

from checker.claims import CLAIMS
from checker.evidence import Evidence, Explanation
from checker.findings import FINDINGS_MAX
from checker.linearizability.problem import problem_of
from checker.linearizability.search import PRUNINGS, budget_of, search
from checker.linearizability.twin import action_of
from checker.linearizability.witness import witness
from checker.verdict import Budget, CheckContext
from checker.wording import asked, of_key, through

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from checker._core import SearchBudget, SearchResult
    from checker.history.columns import History
    from checker.history.events import Operation
    from checker.linearizability.problem import Problem
    from checker.linearizability.witness import Witness
    from checker.models.model import Specification
    from checker.verdict import Verdict

CLAIM: Final = "linearizable"
TOO_LITTLE: Final = "too little observed: nothing was answered that could have been wrong"
REASONS_MAX: Final = 4
KEYS_MAX: Final = 10
"""Of so many objects, those that took most steps, `observed` tells more."""


@dataclass(frozen=True, slots=True)
class Linearizable:
    """Judges whether some order of each object's operations explains every answer.

    `model` says what an object does when one client uses it alone. `prune` names what the search
    leaves out (`checker.linearizability.search.PRUNINGS`).
    """

    model: Specification
    prune: frozenset[str] = frozenset(PRUNINGS)

    name: ClassVar[str] = "linearizable"
    claims: ClassVar[frozenset[str]] = frozenset({CLAIM})

    def __post_init__(self) -> None:
        """Refuse a pruning that nobody knows."""
        unknown = sorted(self.prune - set(PRUNINGS))
        if unknown:
            raise ValueError(f"unknown prunings {unknown}; known are {sorted(PRUNINGS)}")

    def check(self, history: History, context: CheckContext) -> Verdict:
        """Judge every object of the history.

        Raises Unfit for operations that the model cannot take, WrongDeclaration for a model that
        declares what it does not keep.
        """
        budget = budget_of(context.budget)
        problem = problem_of(history, self.model)
        evidence = Evidence(history, context.claims)
        if not _can_fail(problem):
            evidence.doubt(TOO_LITTLE, CLAIM)
        results = search(problem, budget, prune=self.prune)
        _judge(problem, results, budget, evidence)
        return evidence.verdict(_observed(problem, results))


def check(
    history: History,
    model: Specification,
    *,
    budget: Budget = Budget(),  # noqa: B008
    prune: Iterable[str] = PRUNINGS,
) -> Verdict:
    """Whether the history is linearizable by this model, everything being claimed.

    Raises as `Linearizable.check` does.
    """
    context = CheckContext(claims=frozenset(CLAIMS), budget=budget)
    return Linearizable(model, prune=frozenset(prune)).check(history, context)


def _can_fail(problem: Problem) -> bool:
    """Whether anything was answered that could have been wrong."""
    return any(not problem.automaton.is_blind(action) for action in problem.told)


def _judge(
    problem: Problem, results: Sequence[SearchResult], budget: SearchBudget, evidence: Evidence
) -> None:
    explained = 0
    for number, result in enumerate(results):
        if result.outcome == "legal":
            continue
        key = problem.keys[number]
        if result.outcome != "illegal":
            evidence.doubt(_cause(problem, key, result), CLAIM)
            continue
        explain = partial(witness, problem, number, result, budget)
        if evidence.claimed(CLAIM) and explained < FINDINGS_MAX:
            explained += 1
            found = explain()
            if found.refuted:
                evidence.doubt(_disagreement(found, key), CLAIM)
                continue
            explain = partial(_same, found)
        evidence.add("not-linearizable", partial(_explanation, explain, key), claim=CLAIM)


def _same(found: Witness) -> Witness:
    return found


def _explanation(explain: Callable[[], Witness], key: Any) -> Explanation:
    found = explain()
    culprit = found.culprit
    reasons = list(found.reasons)
    if len(reasons) > REASONS_MAX:
        reasons = [*reasons[: REASONS_MAX - 1], f"{len(reasons) - REASONS_MAX + 1} reasons more"]
    why = f": whatever the order, {', or '.join(reasons)}" if reasons else ""
    told = f"{_told(culprit)}{of_key(key)} fits into no order of the operations{why}"
    return Explanation(told, (culprit,), found.operations)


def _told(operation: Operation) -> str:
    return (
        f"operation {operation.index} ({action_of(operation)}, by process {operation.process}"
        f"{through(operation)}, {asked(operation)})"
    )


def _cause(problem: Problem, key: Any, result: SearchResult) -> str:
    if result.broken is not None:
        state, action, _ = result.broken
        return problem.automaton.failed(state, action) + of_key(key)
    row = result.row
    place = f" at operation {problem.history[row].index}" if row is not None else ""
    return (
        f"the search{of_key(key)} ran out of {result.outcome}{place}: {result.passed} of"
        f" {result.returns} returns passed, {result.frontier} configurations,"
        f" {result.crashed} crashed operations"
    )


def _disagreement(found: Witness, key: Any) -> str:
    return (
        f"the native search holds {_told(found.culprit)}{of_key(key)} for impossible, its twin does"
        " not: one of them is wrong, please report this history"
    )


def _observed(problem: Problem, results: Sequence[SearchResult]) -> dict[str, Any]:
    outcomes = Counter(result.outcome for result in results)
    hardest = sorted(range(len(results)), key=lambda n: -results[n].steps)[:KEYS_MAX]
    return {
        "algorithm": "frontier",
        "operations": len(problem.rows),
        "crashed": sum(result.crashed for result in results),
        "objects": len(results),
        "outcomes": dict(sorted(outcomes.items())),
        "steps": sum(result.steps for result in results),
        "model_asked": problem.automaton.table.misses,
        "hardest": [
            {
                "key": problem.keys[number],
                "algorithm": "frontier",
                "operations": len(problem.group(number)),
                "crashed": results[number].crashed,
                "steps": results[number].steps,
                "widest": results[number].widest,
            }
            for number in hardest
        ],
    }
