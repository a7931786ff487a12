"""The objects of a history, or many histories, over the workers of any executor.

`concurrent.futures` defines what an executor is: threads, processes, or what Dask and others offer.
In threads the search lets go of the interpreter, so that objects are searched at once; a model in
Python is better judged in processes. A share that stays in this process shares the history; one
that travels carries the operations of its objects.
"""

from __future__ import annotations

from collections import Counter
from concurrent.futures import FIRST_COMPLETED, wait
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

from checker._core import SearchBudget
from checker.linearizability import elements
from checker.linearizability.judging import NOT_JUDGED, Judged, first_index, judge
from checker.linearizability.problem import NotReady, problem_of
from checker.models.set import Set

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from concurrent.futures import Executor, Future

    from checker.history.columns import History
    from checker.linearizability.judging import Terms
    from checker.linearizability.problem import Problem
    from checker.models.model import Specification

SHARES_MAX: Final = 32
FIRST_STEPS: Final = 1_000_000
"""So many steps an object may take in the first round; in each of the next so many times more."""
ROUND_FACTOR: Final = 8
LOOK_EVERY_S: Final = 0.5
"""How often, while shares are out, it is looked whether the budget is spent."""


@dataclass(frozen=True, slots=True)
class Travelling:
    """A share in another process: a history of its own.

    `left` are the seconds that were left, and when they are over by the wall clock: the share may
    wait for its turn, and no other clock can be compared between machines.
    """

    history: History
    model: Specification
    terms: Terms
    left: tuple[float, float] | None

    def __call__(self) -> Judged:
        """Judge it."""
        seconds, until = self.left or (None, None)
        spent = SearchBudget(seconds=seconds, until=until)
        return judge(made(self.history, self.model, self.terms), self.terms, spent)


@dataclass(frozen=True, slots=True)
class Share:
    """Some objects of a problem. `problems` are equal ones that no share uses right now."""

    numbers: Sequence[int]
    problem: Problem
    make: Callable[[], Problem]
    problems: list[Problem]
    terms: Terms
    spent: SearchBudget

    def __call__(self) -> Judged:
        """Judge it here, with a table of transitions that nobody else uses meanwhile."""
        try:
            problem = self.problems.pop()
        except IndexError:
            try:
                problem = self.make()
            except NotReady as late:
                left = Counter({NOT_JUDGED: len(self.numbers)})
                return Judged(outcomes=left, doubts=[str(late)])
        try:
            return judge(problem.only(self.numbers), self.terms, self.spent)
        finally:
            self.problems.append(problem)

    def __reduce__(self) -> tuple[type[Travelling], tuple[Any, ...]]:
        """Travel as the operations of these objects."""
        objects = self.problem.objects
        rows = (row for number in self.numbers for row in objects.group(number))
        history = self.problem.history.select(rows)
        return Travelling, (history, self.problem.model, self.terms, self.spent.left())


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
    spent: SearchBudget,
) -> Judged:
    """Judge all objects of a problem, the largest first; `make` makes an equal problem.

    They are judged in rounds of growing length, as one after another would be: so that objects
    that come to no end never keep one that is found illegal soon from its turn. `spent` is the
    budget that the whole check draws from: when it is spent, what is left is not judged. Raises
    what a share raises.
    """
    whole, problems = Judged(), [problem]
    numbers = {first_index(problem, n): n for n in range(len(problem.objects))}
    todo, steps = list(numbers.values()), FIRST_STEPS
    while todo:
        in_round = replace(terms, steps=steps)
        shares = [
            Share(some, problem, make, problems, in_round, spent) for some in _shares(problem, todo)
        ]
        judged, missing = _round(executor, shares)
        whole.add(judged)
        todo = missing + [numbers[index] for index in judged.left]
        enough = whole.violations and not terms.all_keys
        if missing or enough or spent.spent() is not None:
            break
        steps *= ROUND_FACTOR
    if todo:
        whole.outcomes[NOT_JUDGED] += len(todo)
        if not whole.violations:
            whole.doubts.append(f"the budget was spent before {len(todo)} objects were judged")
    return whole


def _round(executor: Executor, shares: list[Share]) -> tuple[Judged, list[int]]:
    """Judge shares until all are, one is found illegal and that is enough, or the budget is spent.

    Answers also the objects of shares that were not judged.
    """
    futures = {executor.submit(share): place for place, share in enumerate(shares)}
    found: dict[int, Judged] = {}
    try:
        for future in _completed(futures, shares[0].spent):
            judged = found[futures[future]] = future.result()
            if judged.violations and not shares[0].terms.all_keys:
                break
    finally:
        for future in futures:
            future.cancel()
    whole = Judged()
    for place in sorted(found):
        whole.add(found[place])
    return whole, [
        n for place, share in enumerate(shares) if place not in found for n in share.numbers
    ]


def _completed(futures: dict[Future[Judged], int], spent: SearchBudget) -> Iterator[Future[Judged]]:
    pending = set(futures)
    while pending:
        done, pending = wait(pending, timeout=LOOK_EVERY_S, return_when=FIRST_COMPLETED)
        yield from sorted(done, key=futures.__getitem__)
        if spent.spent() is not None:
            return


def _shares(problem: Problem, numbers: Sequence[int]) -> list[list[int]]:
    """These objects, the largest first, in shares of about equal size."""
    sizes = {number: len(problem.objects.group(number)) for number in numbers}
    enough = max(1, sum(sizes.values()) // SHARES_MAX)
    shares: list[list[int]] = []
    room = 0
    for number in sorted(sizes, key=lambda number: (-sizes[number], number)):
        if room <= 0:
            shares.append([])
            room = enough
        shares[-1].append(number)
        room -= sizes[number]
    return shares
