"""Sets, element by element: adding, removing and looking for one touches no other.

Each element of each set is an object of its own, with two states. A `read` of the whole set tells
of all its elements at one moment, and what is right of each alone may be wrong of all together:
after `add 1` and, later, `add 2`, a read of `[2]` is wrong, though each element might have been
seen so at some moment of a long read. With such a read sets are searched whole.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Final

import msgspec

from checker import _core
from checker.history.layout import FAIL, OK
from checker.linearizability.automaton import Automaton
from checker.linearizability.objects import by_key, grouped
from checker.linearizability.problem import Problem, number_actions
from checker.models.model import Action, Inconsistent, unfit, unknown_f
from checker.models.set import Set

if TYPE_CHECKING:
    from checker._core import SearchBudget
    from checker.history.columns import History
    from checker.models.model import Specification

NOBODY: Final = -1
"""No outcome has this code: what crashed belongs to its element like any other."""


@dataclass(frozen=True, slots=True)
class Element:
    """One element of a set: it is there or not."""

    there: bool = False
    keyless: ClassVar = True

    def step(self, op: Action) -> Element | Inconsistent:
        """The element after it was added, removed, or looked for."""
        match op.f:
            case "add":
                return Element(there=True)
            case "remove":
                return Element()
            case "contains":
                if op.known and not isinstance(op.output, bool):
                    raise unfit("set", op, "the output of contains is true or false")
                if op.known and op.output != self.there:
                    found = "the element was found" if op.output else "the element was not found"
                    return Inconsistent(f"{found}, but {self}")
                return self
            case "read" if not op.known:
                return self
        raise unknown_f("set", op, ("add", "remove", "contains", "read"))

    def canonical(self, op: Action) -> Action:
        """The outputs of add and remove are not looked at."""
        return Action(op.f) if self.blind(op) else op

    def pure(self, op: Action) -> bool:
        """Looking changes nothing."""
        return op.f in ("contains", "read")

    def blind(self, op: Action) -> bool:
        """Adding and removing are always possible."""
        return op.f in ("add", "remove")

    def settles(self, op: Action) -> bool:
        """After it was added it is there, after it was removed it is not."""
        return op.f in ("add", "remove")

    def __str__(self) -> str:
        return "the set held it" if self.there else "the set did not hold it"


def misfit(history: History, model: Specification) -> str | None:
    """Why sets cannot be judged element by element; None if they can."""
    if type(model) is not Set:
        return "the model is no set"
    if model.elements:
        return "the set does not start empty"
    columns, values = history.columns, history.values
    whole = {number for number in set(columns.f) if values[number] == "read"}
    for row, outcome in enumerate(columns.outcome) if whole else ():
        if outcome == OK and columns.f[row] in whole:
            return f"operation {history[row].index} read a whole set"
    return None


def problem_of(history: History, model: Set, *, spent: SearchBudget | None = None) -> Problem:
    """The elements of the history's sets. Raises what a problem of the sets would."""
    columns = history.columns
    by_key(history, columns.outcome)
    nothing = memoryview(bytes(columns.key.nbytes)).cast("i")
    pairs, first = _core.number_actions(
        nothing, columns.key, columns.input, nothing, columns.outcome, FAIL, NOBODY
    )
    keys = [columns.key[row] for row in first]
    elements = [columns.input[row] for row in first]
    objects = msgspec.structs.replace(
        grouped(memoryview(pairs).cast("i"), lambda group: history.values[keys[group]]),
        element=lambda group: history.values[elements[group]],
    )
    automaton = Automaton(Element())
    numbered = number_actions(history, automaton, columns.outcome, inputless=True, spent=spent)
    return Problem(history, model, automaton, numbered.numbers, objects, numbered.told)
