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
    "substitution": "a crashed reset stands in for what leads to the same state",
    "absorption": "a reset that is open while another happens owes nothing any more",
    "detours": "a reset that only reads profit from is looked for when they return",
    "reach": "states in which nothing can be read before the next reset are one",
    "closure": "what a model with few states is seen to do counts as declared",
    "relaxation": "crashed operations are first taken for resets, and what is found walked exactly",
    "diving": "what is wide is also searched depth first",
}
"""What the search leaves out, by name. Each can be switched off; none changes an answer.

A reset is an operation that is possible in every state and always leads to the same one, as a
write to a register is.
"""


RUNGS: Final[dict[str, str]] = {
    "exact": "the walk over everything that can be",
    "counted": "the walk with one count for all crashed operations, each as good as any of them",
    "relaxed": "the walk with crashed operations taken for resets; what it finds is followed",
    "dived": "the search depth first",
}
"""The ways to search. They are tried in rounds of growing length, until one decides."""


ENOUGH: Final = 10**9
"""More seconds and megabytes than anybody has; its square is more steps than anybody takes."""


def budget_of(budget: Budget) -> SearchBudget:
    """What the searches of one check may spend together. Its clock starts now."""
    steps, seconds, memory = budget.steps, budget.seconds, budget.memory_mb
    return _core.SearchBudget(
        steps=None if steps is None else min(steps, ENOUGH**2),
        seconds=None if seconds is None else min(seconds, ENOUGH),
        memory_mb=None if memory is None else min(memory, ENOUGH),
    )


def search(
    problem: Problem,
    budget: SearchBudget,
    *,
    prune: Iterable[str] = PRUNINGS,
    rung: str | None = None,
    replay: bool = False,
    width: int = 1,
    threads: int | None = None,
) -> list[SearchResult]:
    """Search every object of the problem, in order. Raises Unfit, and WrongDeclaration.

    `rung` is one of `RUNGS` to be tried alone; its results may be "undecided". With `replay` what
    has one order only is walked, and its result has the rung "replayed". The search depth first
    goes on with `width` configurations at a time; one was measured to be best. With two `threads`
    (None: as many as there are processors) two rungs are tried at once, which saves time alone.
    """
    results = search_some(
        problem, budget, prune=prune, rung=rung, replay=replay, width=width, threads=threads
    )
    return [result for result in results if result is not None]


def search_some(
    problem: Problem,
    budget: SearchBudget,
    *,
    prune: Iterable[str] = PRUNINGS,
    rung: str | None = None,
    replay: bool = False,
    steps: int | None = None,
    stop_at_first: bool = False,
    width: int = 1,
    threads: int | None = None,
) -> list[SearchResult | None]:
    """The same, with at most so many steps of the budget.

    With `stop_at_first` there is no result for objects that are left when one was found illegal.
    """
    columns = problem.history.columns
    automaton = problem.automaton
    results = automaton.table.search(
        columns.call,
        columns.ret,
        columns.process,
        problem.action,
        problem.objects.rows,
        problem.objects.ends,
        0,
        prune=[*prune],
        budget=budget,
        rung=rung,
        replay=replay,
        steps=steps,
        stop_at_first=stop_at_first,
        width=width,
        threads=threads,
    )
    for result in results:
        if result is not None and result.broken is not None and result.broken[2] != "failed":
            raise automaton.wrong(*result.broken)
    return results
