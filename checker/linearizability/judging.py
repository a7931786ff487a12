"""What judging some objects of a history came to, in a form that travels between processes."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Final

from checker.findings import FINDINGS_MAX
from checker.history.layout import NEVER
from checker.linearizability import sentences
from checker.linearizability.allowance import Allowance
from checker.linearizability.search import search_some
from checker.linearizability.witness import witness
from checker.models.model import text

if TYPE_CHECKING:
    from collections.abc import Iterable

    from checker._core import SearchBudget, SearchResult
    from checker.evidence import Explanation
    from checker.linearizability.problem import Problem
    from checker.linearizability.witness import Witness

HARDEST_MAX: Final = 10
NOT_JUDGED: Final = "not judged"
"""The outcome of an object that was left when another was found illegal, or the budget spent."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Terms:
    """How objects are to be judged.

    `rules` names those that held them for illegal, if any did. `elements` and `replay` are those of
    `Dispatch`. `explain`: whether a violation is a finding. Without `all_keys` one is enough. An
    object that takes more than about `steps` is left for another time. Illegal objects that are not
    `among` these, which are known by the texts of their keys, are no violations; all are if it is
    None.
    """

    prune: frozenset[str]
    rules: str | None = None
    elements: bool = False
    replay: bool = False
    explain: bool = True
    all_keys: bool = False
    steps: int | None = None
    among: frozenset[str] | None = None

    def algorithm(self, rung: str) -> str:
        """What judged an object, by the rung of its search."""
        if self.rules is not None:
            return self.rules
        if self.elements:
            return "elements"
        return "replay" if rung == "replayed" else "frontier"


@dataclass(slots=True)
class Judged:
    """What was found out about some objects.

    `violations` is the number of illegal ones, of which the first are explained; `illegal` are the
    texts of the keys of all, if only those `among` some are violations. `asked` is how
    often the model was asked; `hardest` tells of the objects that took most steps. `left` are
    objects that took too many for now, by the index of the first operation of each.
    """

    explanations: list[Explanation] = field(default_factory=list)
    violations: int = 0
    illegal: set[str] = field(default_factory=set)
    doubts: list[str] = field(default_factory=list)
    outcomes: Counter[str] = field(default_factory=Counter)
    algorithms: set[str] = field(default_factory=set)
    steps: int = 0
    asked: int = 0
    hardest: list[dict[str, Any]] = field(default_factory=list)
    left: list[int] = field(default_factory=list)

    @property
    def ran_out(self) -> bool:
        """Whether the budget ended before all that was to be judged was."""
        spent = any(self.outcomes[what] for what in ("steps", "seconds", "memory"))
        return spent or (self.outcomes[NOT_JUDGED] > 0 and not self.violations)

    def add(self, other: Judged) -> None:
        """Join what was found out about others."""
        self.explanations = [*self.explanations, *other.explanations][:FINDINGS_MAX]
        self.violations += other.violations
        self.illegal |= other.illegal
        self.doubts += other.doubts
        self.outcomes.update(other.outcomes)
        self.algorithms |= other.algorithms
        self.steps += other.steps
        self.asked += other.asked
        self.hardest = _hardest([*self.hardest, *other.hardest])
        self.left += other.left


def judge(problem: Problem, terms: Terms, budget: SearchBudget) -> Judged:
    """Judge every object of the problem. Raises Unfit, and WrongDeclaration."""
    before = problem.automaton.table.misses
    results = search_some(
        problem,
        budget,
        prune=terms.prune,
        replay=terms.replay,
        steps=None if terms.steps is None else terms.steps * len(problem.objects),
        stop_at_first=not terms.all_keys and terms.rules is None,
    )
    judged = Judged(asked=problem.automaton.table.misses - before)
    allowance = Allowance(budget)
    for number, result in enumerate(results):
        if result is None:
            judged.outcomes[NOT_JUDGED] += 1
            continue
        judged.steps += result.steps
        if result.outcome == "steps" and terms.steps is not None:
            judged.left.append(first_index(problem, number))
            continue
        judged.outcomes[result.outcome] += 1
        judged.algorithms.add(terms.algorithm(result.rung))
        _judge_one(problem, number, result, terms, budget, judged, allowance)
    judged.hardest = _hardest(_told(problem, n, r, terms) for n, r in enumerate(results) if r)
    return judged


def first_index(problem: Problem, number: int) -> int:
    """The index of an object's first operation, by which it is known in any process."""
    history = problem.history
    row = problem.objects.group(number)[0]
    return int(history.lines.index[history.columns.invocation[row]])


def _judge_one(
    problem: Problem,
    number: int,
    result: SearchResult,
    terms: Terms,
    budget: SearchBudget,
    judged: Judged,
    allowance: Allowance,
) -> None:
    of = problem.objects.named(number)
    by_rules = terms.rules is not None
    told = len(judged.explanations) < (FINDINGS_MAX if terms.explain else 1)
    wrong = result.outcome == "illegal" or (by_rules and result.outcome != "legal")
    if wrong and terms.among is not None:
        known = text(problem.history[problem.objects.group(number)[0]].key)
        judged.illegal.add(known)
        if known not in terms.among:
            return
    if result.outcome == "illegal" and not _is_asked(problem, number, allowance):
        judged.doubts.append(sentences.unasked(of))
        return
    if result.outcome == "illegal" and told:
        found = witness(problem, number, result, budget, alone=by_rules, allowance=allowance)
        if found.refuted:
            judged.doubts.append(sentences.refuted(found, of))
            return
        judged.explanations.append(_explanation(problem, number, found))
    elif result.outcome == "legal" and terms.rules is not None:
        judged.doubts.append(sentences.doubted(terms.rules, of))
        return
    elif result.outcome != "illegal" and terms.rules is not None and told:
        judged.explanations.append(
            sentences.ruled_out(problem, number, terms.rules, result.outcome)
        )
    elif result.outcome not in ("illegal", "legal") and not by_rules:
        judged.doubts.append(sentences.undecided(problem, of, result))
        return
    judged.violations += result.outcome != "legal"


def _explanation(problem: Problem, number: int, found: Witness) -> Explanation:
    beside = problem.beside_of(number)
    if beside is None:
        return sentences.explanation(found, problem.objects.named(number))
    # In wider intervals what is beside would be somewhere else.
    found = replace(found, orders=())
    operations = tuple(problem.history[row] for row in beside.rows)
    return sentences.explanation(found, problem.objects.named(number), operations, beside.hidden)


def _is_asked(problem: Problem, number: int, allowance: Allowance) -> bool:
    """Whether the crashed operations that the search dropped were asked where they might matter."""
    automaton, ret = problem.automaton, problem.history.columns.ret
    if automaton.comes_with_lineal:
        return True
    crashed = {problem.action[row] for row in problem.objects.group(number) if ret[row] == NEVER}
    dropped = (action for action in crashed if action >= 0 and automaton.is_pure(action))
    return automaton.ask_pure(dropped, allowance.grace_over)


def _told(problem: Problem, number: int, result: SearchResult, terms: Terms) -> dict[str, Any]:
    return {
        **problem.objects.which(number),
        "algorithm": terms.algorithm(result.rung),
        "operations": len(problem.objects.group(number)),
        "crashed": result.crashed,
        "steps": result.steps,
        "widest": result.widest,
    }


def _hardest(told: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    return sorted(told, key=lambda entry: -int(entry["steps"]))[:HARDEST_MAX]
