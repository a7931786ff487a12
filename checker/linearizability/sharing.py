"""The objects of a history, or many histories, over the workers of any executor.

`concurrent.futures` defines what an executor is: threads, processes, or what Dask and others offer.
In threads the search lets go of the interpreter, so that objects are searched at once; a model in
Python is better judged in processes. A share that stays in this process shares the history; one
that travels carries the operations of its objects.
"""

from __future__ import annotations

from concurrent.futures import FIRST_COMPLETED, wait
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from checker.linearizability import elements
from checker.linearizability.judging import NOT_JUDGED, Judged, judge
from checker.linearizability.problem import problem_of
from checker.linearizability.search import budget_of
from checker.models.set import Set

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from concurrent.futures import Executor, Future

    from checker._core import SearchBudget
    from checker.history.columns import History
    from checker.linearizability.judging import Terms
    from checker.linearizability.problem import Problem
    from checker.models.model import Specification
    from checker.verdict import Budget

SHARES_MAX: Final = 32
LOOK_EVERY_S: Final = 0.5
"""How often, while shares are out, it is looked whether the budget is spent."""


@dataclass(frozen=True, slots=True)
class Travelling:
    """A share in another process: a history of its own."""

    history: History
    model: Specification
    terms: Terms
    budget: Budget

    def __call__(self) -> Judged:
        """Judge it."""
        return judge(made(self.history, self.model, self.terms), self.terms, budget_of(self.budget))


@dataclass(frozen=True, slots=True)
class Share:
    """Some objects of a problem. `problems` are equal ones that no share uses right now."""

    numbers: Sequence[int]
    problem: Problem
    make: Callable[[], Problem]
    problems: list[Problem]
    terms: Terms
    budget: Budget
    spent: SearchBudget

    def __call__(self) -> Judged:
        """Judge it here, with a table of transitions that nobody else uses meanwhile."""
        try:
            problem = self.problems.pop()
        except IndexError:
            problem = self.make()
        try:
            return judge(problem.only(self.numbers), self.terms, self.spent)
        finally:
            self.problems.append(problem)

    def __reduce__(self) -> tuple[type[Travelling], tuple[Any, ...]]:
        """Travel as the operations of these objects."""
        objects = self.problem.objects
        rows = (row for number in self.numbers for row in objects.group(number))
        history = self.problem.history.select(rows)
        return Travelling, (history, self.problem.model, self.terms, self.budget)


def made(history: History, model: Specification, terms: Terms) -> Problem:
    """The problem of a whole history."""
    if terms.elements:
        assert isinstance(model, Set)
        return elements.problem_of(history, model)
    return problem_of(history, model)


def judge_shared(
    executor: Executor,
    problem: Problem,
    make: Callable[[], Problem],
    terms: Terms,
    budget: Budget,
    spent: SearchBudget,
) -> Judged:
    """Judge all objects of a problem, the largest first; `make` makes an equal problem.

    `spent` is the budget that the whole check draws from: when it is spent, what is left is not
    judged. Raises what a share raises.
    """
    shares = _shares(problem)
    problems = [problem]
    futures = {
        executor.submit(Share(numbers, problem, make, problems, terms, budget, spent)): place
        for place, numbers in enumerate(shares)
    }
    found: dict[int, Judged] = {}
    try:
        for future in _completed(futures, spent):
            judged = found[futures[future]] = future.result()
            if judged.violations and not terms.all_keys:
                break
    finally:
        for future in futures:
            future.cancel()
    whole = Judged()
    for place in sorted(found):
        whole.add(found[place])
    left = sum(len(shares[place]) for place in range(len(shares)) if place not in found)
    if left:
        whole.outcomes[NOT_JUDGED] += left
        if not whole.violations:
            whole.doubts.append(f"the budget was spent before {left} objects were judged")
    return whole


def _completed(futures: dict[Future[Judged], int], spent: SearchBudget) -> Iterator[Future[Judged]]:
    pending = set(futures)
    while pending:
        done, pending = wait(pending, timeout=LOOK_EVERY_S, return_when=FIRST_COMPLETED)
        yield from sorted(done, key=futures.__getitem__)
        if not done and spent.spent() is not None:
            return


def _shares(problem: Problem) -> list[list[int]]:
    """Numbers of objects, the largest first, in shares of about equal size."""
    sizes = [len(problem.objects.group(number)) for number in range(len(problem.objects))]
    enough = max(1, sum(sizes) // SHARES_MAX)
    shares: list[list[int]] = []
    room = 0
    for number in sorted(range(len(sizes)), key=lambda number: (-sizes[number], number)):
        if room <= 0:
            shares.append([])
            room = enough
        shares[-1].append(number)
        room -= sizes[number]
    return shares
