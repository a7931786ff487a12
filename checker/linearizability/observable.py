"""Which actions leave no trace: leaving such an operation out of a history proves nothing false.

An action is unobservable to others if, from whatever state, those others can do after it nothing
that they could not do without it. Then every order that explains a history explains it also
without the operation, so a history that is not linearizable without it was not before.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from checker.linearizability.automaton import Automaton

STEPS_MAX: Final = 3_000
"""At most so many transitions are looked at."""


def unobservable(
    automaton: Automaton,
    alphabet: Iterable[int],
    over: Callable[[], bool] = lambda: False,
    starts: Sequence[int] = (0,),
) -> frozenset[int]:
    """The actions of this alphabet that the others, and they themselves, cannot observe.

    That is from whatever state these `starts` lead to. Nothing if the states that the alphabet
    reaches are too many or the model fails in one, if several may follow one, or if it is `over`
    before all were looked at.
    """
    actions = sorted(set(alphabet))
    table = closure(automaton, actions, over, starts)
    if table is None:
        return frozenset()
    return frozenset(action for action in actions if _leaves_no_trace(table, action))


Rows = dict[int, dict[int, int]]
"""For each state the actions that are possible in it, and where they lead."""


def closure(
    automaton: Automaton,
    actions: Sequence[int],
    over: Callable[[], bool],
    starts: Sequence[int] = (0,),
) -> Rows | None:
    """What these actions do in every state that they lead to; None if that is not known."""
    table: Rows = {}
    todo = deque(starts)
    while todo:
        state = todo.popleft()
        if state in table:
            continue
        if (len(table) + 1) * len(actions) > STEPS_MAX:
            return None
        row = table[state] = {}
        for action in actions:
            if over():
                return None
            after = automaton.successor(state, action)
            if not isinstance(after, int):
                return None
            if after >= 0:
                row[action] = after
                todo.append(after)
    return table


def _leaves_no_trace(table: Rows, action: int) -> bool:
    """Whether "after the action" and "without it" stay in step, whatever is done from there on."""
    for state, row in table.items():
        after = row.get(action, state)
        if after == state:
            continue
        for other, one in table[after].items():
            without = row.get(other)
            if without is None:
                return False
            if one != without and table[without].get(action) != one:
                return False
    return True
