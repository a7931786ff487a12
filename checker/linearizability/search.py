"""The native search, driven: prunings by name, and what it answered for each object."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from checker import _core

if TYPE_CHECKING:
    from collections.abc import Iterable

    from checker._core import SearchBudget, SearchResult
    from checker.linearizability.problem import Problem
    from checker.verdict import Budget

PRUNINGS: Final[dict[str, str]] = {
    "reads": "operations without effect happen as soon as they can, crashed ones are dropped",
    "multisets": "equal crashed operations are counted, not told apart",
    "dominance": "a configuration gives way to one that is at least as good",
    "deadlines": "of equal operations the one that returns first goes first, a crashed one last",
    "enablement": "a crashed operation happens only right before one that it matters to",
    "absorption": "a reset that is open while another happens owes nothing any more",
    "detours": "a reset that only reads profit from is looked for when they return",
}
"""What the search leaves out, by name. Each can be switched off; none changes an answer.

A reset is an operation that is possible in every state and always leads to the same one, as a
write to a register is.
"""


def budget_of(budget: Budget) -> SearchBudget:
    """What the searches of one check may spend together. Its clock starts now."""
    return _core.SearchBudget(
        steps=budget.steps, seconds=budget.seconds, memory_mb=budget.memory_mb
    )


def search(
    problem: Problem, budget: SearchBudget, *, prune: Iterable[str] = PRUNINGS
) -> list[SearchResult]:
    """Search every object of the problem, in order. Raises Unfit, and WrongDeclaration."""
    columns = problem.history.columns
    automaton = problem.automaton
    results = automaton.table.search(
        columns.call,
        columns.ret,
        columns.process,
        problem.action,
        problem.rows,
        problem.ends,
        0,
        prune=sorted(prune),
        budget=budget,
    )
    for result in results:
        if result.broken is not None and result.broken[2] != "failed":
            raise automaton.wrong(*result.broken)
    return results
