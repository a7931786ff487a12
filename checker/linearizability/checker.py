"""The checker of linearizability: each object alone, by the fastest algorithm that applies."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar, Final

from checker.claims import CLAIMS
from checker.evidence import Evidence
from checker.findings import FINDINGS_MAX
from checker.history.layout import FAIL, INFO
from checker.linearizability import sentences
from checker.linearizability.dispatch import ALGORITHMS, dispatch
from checker.linearizability.search import PRUNINGS, budget_of, search
from checker.linearizability.witness import witness
from checker.verdict import Budget, CheckContext

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from checker._core import SearchBudget, SearchResult
    from checker.evidence import Explanation
    from checker.history.columns import History
    from checker.linearizability.dispatch import Dispatch
    from checker.linearizability.witness import Witness
    from checker.models.model import Specification
    from checker.verdict import Verdict

CLAIM: Final = "linearizable"
TOO_LITTLE: Final = "too little observed: nothing was answered that could have been wrong"
KEYS_MAX: Final = 10
"""Of so many objects, those that took most steps, `observed` tells more."""


@dataclass(frozen=True, slots=True)
class Linearizable:
    """Judges whether some order of each object's operations explains every answer.

    `model` says what an object does when one client uses it alone. `algorithm` is one of
    `checker.linearizability.dispatch.ALGORITHMS`; without it each object is judged by the first
    that applies. `prune` names what the search leaves out (`search.PRUNINGS`).
    """

    model: Specification
    algorithm: str | None = None
    prune: frozenset[str] = frozenset(PRUNINGS)

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

        Raises Unfit for operations that the model cannot take, WrongDeclaration for a model that
        declares what it does not keep, Inapplicable for an algorithm that does not apply.
        """
        budget = budget_of(context.budget)
        dispatched = dispatch(history, self.model, self.algorithm)
        evidence = Evidence(history, context.claims)
        if not _can_fail(dispatched):
            evidence.doubt(TOO_LITTLE, CLAIM)
        results = search(dispatched.problem, budget, prune=self.prune, replay=dispatched.replay)
        _judge(dispatched, results, budget, evidence)
        return evidence.verdict(_observed(history, dispatched, results))


def check(
    history: History,
    model: Specification,
    *,
    budget: Budget = Budget(),  # noqa: B008
    algorithm: str | None = None,
    prune: Iterable[str] = PRUNINGS,
) -> Verdict:
    """Whether the history is linearizable by this model, everything being claimed.

    Raises as `Linearizable.check` does.
    """
    context = CheckContext(claims=frozenset(CLAIMS), budget=budget)
    return Linearizable(model, algorithm, frozenset(prune)).check(history, context)


def _can_fail(dispatched: Dispatch) -> bool:
    """Whether anything was answered that could have been wrong."""
    problem = dispatched.problem
    told = any(not problem.automaton.is_blind(action) for action in problem.told)
    return told or dispatched.observed


def _judge(
    dispatched: Dispatch,
    results: Sequence[SearchResult],
    budget: SearchBudget,
    evidence: Evidence,
) -> None:
    problem, explained = dispatched.problem, 0
    for number, result in enumerate(results):
        rules = dispatched.rules if number in dispatched.by_rules else None
        if result.outcome == "legal" and rules is None:
            continue
        key = problem.objects.key(number)
        if rules is not None and result.outcome == "legal":
            evidence.doubt(sentences.doubted(rules, key), CLAIM)
            continue
        if result.outcome != "illegal":
            if rules is not None:
                add = partial(sentences.ruled_out, problem, number)
                evidence.add("not-linearizable", add, claim=CLAIM)
            else:
                evidence.doubt(sentences.undecided(problem, key, result), CLAIM)
            continue
        explain = partial(witness, problem, number, result, budget)
        if evidence.claimed(CLAIM) and explained < FINDINGS_MAX:
            explained += 1
            found = explain()
            if found.refuted:
                evidence.doubt(sentences.refuted(found, key), CLAIM)
                continue
            explain = partial(_same, found)
        add = partial(_explanation, explain, key, rules is not None)
        evidence.add("not-linearizable", add, claim=CLAIM)


def _same(found: Witness) -> Witness:
    return found


def _explanation(explain: Callable[[], Witness], key: Any, by_rules: bool) -> Explanation:
    return sentences.explanation(explain(), key, by_rules=by_rules)


def _observed(
    history: History, dispatched: Dispatch, results: Sequence[SearchResult]
) -> dict[str, Any]:
    objects = dispatched.problem.objects
    outcomes = Counter({"legal": dispatched.legal} if dispatched.legal else {})
    outcomes.update(result.outcome for result in results)
    by = [dispatched.algorithm(n, result.rung) for n, result in enumerate(results)]
    judged = {*by, *([dispatched.rules] if dispatched.legal else [])} or {"frontier"}
    hardest = sorted(range(len(results)), key=lambda n: -results[n].steps)[:KEYS_MAX]
    happened = history.columns.outcome.tolist()
    return {
        "algorithm": " and ".join(name for name in ALGORITHMS if name in judged),
        "operations": len(happened) - happened.count(FAIL),
        "crashed": happened.count(INFO),
        "objects": dispatched.legal + len(objects),
        "outcomes": dict(sorted(outcomes.items())),
        "steps": sum(result.steps for result in results),
        "model_asked": dispatched.problem.automaton.table.misses,
        "hardest": [
            {
                "key": objects.key(number),
                "algorithm": by[number],
                "operations": len(objects.group(number)),
                "crashed": results[number].crashed,
                "steps": results[number].steps,
                "widest": results[number].widest,
            }
            for number in hardest
        ],
    }
