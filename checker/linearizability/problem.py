"""A history as the native search takes it: numbered actions, and rows grouped by object."""

from __future__ import annotations

from array import array
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from checker import _core
from checker.history.layout import FAIL, INFO
from checker.linearizability.automaton import Automaton
from checker.linearizability.states import identity
from checker.models.model import Action, Unfit, text

if TYPE_CHECKING:
    from collections.abc import Hashable, Sequence

    from checker.history.columns import History
    from checker.models.model import Specification

TOLD_MAX: Final = 10
"""Of at most so many operations that the model cannot take an error tells."""


@dataclass(frozen=True, slots=True)
class Problem:
    """The objects of a history, each to be judged alone.

    `action` (int32) numbers the actions of the automaton, -1 where nothing happened. Group g are
    `rows[ends[g - 1] : ends[g]]` (int32), in order of invocation; `keys[g]` is its key. `told` are
    the actions that were answered.
    """

    history: History
    automaton: Automaton
    action: memoryview
    rows: memoryview
    ends: memoryview
    keys: Sequence[Any]
    told: frozenset[int]

    def group(self, number: int) -> memoryview:
        """The rows of one object."""
        return self.rows[self.ends[number - 1] if number else 0 : self.ends[number]]


def problem_of(history: History, model: Specification) -> Problem:
    """Number the actions of a history and group its operations by object.

    Raises Unfit, naming every operation that the model cannot take.
    """
    columns = history.columns
    keyless = getattr(model, "keyless", False)
    key = memoryview(bytes(columns.key.nbytes)).cast("i") if keyless else columns.key
    asked = (columns.f, key, columns.input, columns.output, columns.outcome)
    numbers, first = _core.number_actions(*asked, FAIL, INFO)
    actions = [_action(history, row, keyless) for row in first]
    automaton = Automaton(model)
    mapping = _numbered(automaton, actions, [history[row].index for row in first])
    raw = memoryview(numbers).cast("i")
    action = memoryview(_core.renumber(raw, mapping)).cast("i")
    partition = getattr(model, "partition", None)
    if partition is None:
        groups, keys = _by_key(history)
    else:
        groups, keys = _by_partition(raw, [partition(action) for action in actions])
    rows, ends = (memoryview(column).cast("i") for column in _core.group_rows(groups))
    told = frozenset(n for n, action in zip(mapping, actions, strict=True) if action.known)
    return Problem(history, automaton, action, rows, ends, keys, told)


def _action(history: History, row: int, keyless: bool) -> Action:
    columns, values = history.columns, history.values
    return Action(
        values[columns.f[row]],
        values[columns.input[row]],
        values[columns.output[row]],
        key=None if keyless else values[columns.key[row]],
        outcome="info" if columns.outcome[row] == INFO else "ok",
    )


def _numbered(automaton: Automaton, actions: Sequence[Action], indices: Sequence[int]) -> list[int]:
    numbers: list[int] = []
    problems: list[str] = []
    for action, index in zip(actions, indices, strict=True):
        try:
            number = automaton.number(action)
            _try(automaton, number)
        except Unfit as unfit:
            problems.append(f"operation {index}: {unfit}")
            number = -1
        numbers.append(number)
    if problems:
        more = len(problems) - TOLD_MAX
        rest = [f"and {more} more"] if more > 0 else []
        raise Unfit("\n".join([*problems[:TOLD_MAX], *rest]))
    return numbers


def _try(automaton: Automaton, number: int) -> None:
    """Step once from the initial state: an operation that the model does not have shows here.

    What else may go wrong there counts only if a search comes upon it.
    """
    automaton.successor(0, number)


def _by_key(history: History) -> tuple[memoryview, list[Any]]:
    columns = history.columns
    numbers, first = _core.number_values(columns.key, columns.outcome, FAIL)
    keys = [history.values[columns.key[row]] for row in first]
    if None in keys and len(keys) > 1:
        without = history[first[keys.index(None)]].index
        with_key = history[first[1 if keys[0] is None else 0]].index
        raise Unfit(
            f"operation {without} has no key, but operation {with_key} has one: give a key to all"
            " or to none, or let the model say by `partition` what belongs together"
        )
    return memoryview(numbers).cast("i"), keys


def _by_partition(raw: memoryview, parts: list[Any]) -> tuple[memoryview, list[Any]]:
    if None in parts:
        return memoryview(array("i", (min(n, 0) for n in raw))), [None]
    numbers: dict[Hashable, int] = {}
    mapping = [numbers.setdefault(_comparable(part), len(numbers)) for part in parts]
    keys = dict(zip(mapping, parts, strict=True))
    return memoryview(_core.renumber(raw, mapping)).cast("i"), [keys[n] for n in range(len(keys))]


def _comparable(part: Any) -> Hashable:
    """A JSON value by its text, for `1 == True` in Python; anything else by its identity."""
    try:
        return text(part)
    except TypeError:
        return identity(part)
