"""A history as the native search takes it: numbered actions, and rows grouped by object."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, Final

import msgspec

from checker import _core
from checker._core import SearchBudget
from checker.history.layout import FAIL, INFO
from checker.linearizability.automaton import Automaton
from checker.linearizability.known import known_automaton
from checker.linearizability.objects import by_key, grouped
from checker.linearizability.states import identity
from checker.models.model import Action, Unfit, text

if TYPE_CHECKING:
    from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence

    from checker.history.columns import History
    from checker.linearizability.objects import Objects
    from checker.models.model import Specification

TOLD_MAX: Final = 10
"""Of at most so many operations that the model cannot take an error tells."""


READY_S: Final = 0.05
"""So long after the seconds of a budget operations are still made ready for the search."""
LOOK_EVERY: Final = 256
"""Of so many distinct operations one is followed by a look at the clock."""


class NotReady(RuntimeError):
    """The seconds were spent before there was anything to be searched. The message tells it."""


@dataclass(frozen=True, slots=True)
class Beside:
    """Rows that are to be shown with an object of which only a part is searched, being illegal.

    So many `hidden` ones count too, and would be too many to show.
    """

    rows: tuple[int, ...] = ()
    hidden: int = 0


class Problem(msgspec.Struct, frozen=True):
    """The objects of a history, each to be judged alone.

    `model` is what each object is to keep; `automaton` numbers it, or a smaller one that stands in
    for it. `action` (int32) numbers the actions of the automaton, -1 where nothing happened. `told`
    are the actions that were answered. `beside` has what is shown with an object, by its first row.
    """

    history: History
    model: Specification
    automaton: Automaton
    action: memoryview
    objects: Objects
    told: frozenset[int]
    beside: Mapping[int, Beside] = msgspec.field(default_factory=dict)

    def beside_of(self, number: int) -> Beside | None:
        """What is shown with this object, if it is a part of one."""
        return self.beside.get(self.objects.group(number)[0])

    def only(self, numbers: Sequence[int]) -> Problem:
        """These of its objects, over the same automaton."""
        return msgspec.structs.replace(self, objects=self.objects.only(numbers))


@dataclass(frozen=True, slots=True)
class Numbered:
    """The distinct actions of a history, and for each operation the number of its own (int32).

    `raw` numbers `actions`, -1 where nothing happened. `numbers` are those of the automaton, which
    holds some for equal; `told` are those that were answered.
    """

    raw: memoryview
    actions: Sequence[Action]
    numbers: memoryview
    told: frozenset[int]


def problem_of(
    history: History,
    model: Specification,
    *,
    outcome: memoryview | None = None,
    objects: Objects | None = None,
    spent: SearchBudget | None = None,
) -> Problem:
    """Number the actions of a history and group its operations by object.

    `outcome` stands in for the history's own, where only some operations are meant; `objects` are
    those that the keys make, where they are known already. Raises Unfit, naming every operation
    that the model cannot take; when the budget is `spent` the rest is seen only if a search comes
    upon it. Raises NotReady where its seconds end long before that.
    """
    outcome = history.columns.outcome if outcome is None else outcome
    keyless = getattr(model, "keyless", False)
    known = known_automaton(model)
    if known is not None:
        read = known.read(history, outcome, partial(action_in, history, keyless=keyless))
        if read is not None:
            objects = objects or by_key(history, outcome)
            return Problem(history, model, known, read[0], objects, read[1])
    automaton = Automaton(model)
    numbered = number_actions(history, automaton, outcome, spent=spent)
    partition = getattr(model, "partition", None)
    if partition is None:
        objects = objects or by_key(history, outcome)
    else:
        objects = _by_partition(numbered.raw, [partition(action) for action in numbered.actions])
    return Problem(history, model, automaton, numbered.numbers, objects, numbered.told)


def number_actions(
    history: History,
    automaton: Automaton,
    outcome: memoryview,
    *,
    inputless: bool = False,
    spent: SearchBudget | None = None,
) -> Numbered:
    """Number the actions of a history. Raises Unfit, naming every operation that does not fit.

    Raises NotReady where the seconds of the budget end long before that is done.
    Keys do not tell actions apart if the model is `keyless`, inputs do not if it is `inputless`.
    """
    columns = history.columns
    keyless = getattr(automaton.model, "keyless", False)
    nothing = memoryview(bytes(columns.key.nbytes)).cast("i")
    key = nothing if keyless else columns.key
    given = nothing if inputless else columns.input
    raw, first = _core.number_actions(columns.f, key, given, columns.output, outcome, FAIL, INFO)
    actions, mapping = _numbered(history, automaton, _in_time(first, spent), spent)
    numbers = _core.renumber(memoryview(raw).cast("i"), mapping)
    return Numbered(
        memoryview(raw).cast("i"),
        actions,
        memoryview(numbers).cast("i"),
        frozenset(n for n, action in zip(mapping, actions, strict=True) if action.known),
    )


def _in_time(first: Sequence[int], spent: SearchBudget | None) -> Iterator[int]:
    """These, as long as there is time for them. Raises NotReady.

    A short history is made ready in any case, so that it can be said how far its search came.
    """
    grace = None
    for place, row in enumerate(first):
        if place % LOOK_EVERY == 0 and spent is not None and spent.spent() == "seconds":
            grace = grace or SearchBudget(seconds=READY_S)
            if grace.spent() is not None:
                raise NotReady(
                    f"the budget of seconds was spent before the search began: {place} of"
                    f" {len(first)} distinct operations had been made ready for it"
                )
        yield row


def action_in(history: History, row: int, *, keyless: bool) -> Action:
    """What the operation in this row did."""
    columns, values = history.columns, history.values
    return Action(
        values[columns.f[row]],
        values[columns.input[row]],
        values[columns.output[row]],
        key=None if keyless else values[columns.key[row]],
        outcome="info" if columns.outcome[row] == INFO else "ok",
    )


def _numbered(
    history: History, automaton: Automaton, first: Iterable[int], spent: SearchBudget | None
) -> tuple[list[Action], list[int]]:
    """What was done in these rows, and the numbers that the automaton has for it."""
    keyless = getattr(automaton.model, "keyless", False)
    index, invocation = history.lines.index, history.columns.invocation
    actions: list[Action] = []
    numbers: list[int] = []
    problems: list[str] = []
    for row in first:
        action = action_in(history, row, keyless=keyless)
        try:
            number = automaton.number(action)
            # An operation that the model does not have shows in the initial state. What else may
            # go wrong there counts only if a search comes upon it.
            if spent is None or spent.spent() is None:
                automaton.try_first(number)
        except Unfit as unfit:
            problems.append(f"operation {index[invocation[row]]}: {unfit}")
            number = -1
        actions.append(action)
        numbers.append(number)
    if problems:
        more = len(problems) - TOLD_MAX
        rest = [f"and {more} more"] if more > 0 else []
        raise Unfit("\n".join([*problems[:TOLD_MAX], *rest]))
    return actions, numbers


def _by_partition(raw: memoryview, parts: list[Any]) -> Objects:
    if None in parts:
        return grouped(memoryview(_core.renumber(raw, [0] * len(parts))).cast("i"), lambda _: None)
    numbers: dict[Hashable, int] = {}
    mapping = [numbers.setdefault(comparable(part), len(numbers)) for part in parts]
    keys = dict(zip(mapping, parts, strict=True))
    groups = memoryview(_core.renumber(raw, mapping)).cast("i")
    return grouped(groups, keys.__getitem__)


def comparable(part: Any) -> Hashable:
    """A JSON value by its text, for `1 == True` in Python; anything else by its identity."""
    try:
        return text(part)
    except TypeError:
        return identity(part)
