"""Whether a model's `partition` is true. Nobody can prove it, so it is tried on samples.

A partition promises that a model is nothing but its parts: operations are allowed one after another
if and only if those of each part are, taken alone. If that is wrong a history is split that is not
to be split, and a right system may be accused: with money moved from `a` to `b`, held for a matter
of `a` alone, whoever reads the new balance of `b` reads what nobody gave it.

The model as a whole is compared with one copy of it for each part, on what a history asks and was
answered: step by step in the states that some operations of a few parts lead to, and on short
pieces of the history, as they are and with one answer changed, by the simple twin.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any, Final, TypeVar

import msgspec

from checker.history.layout import FAIL
from checker.linearizability import twin
from checker.linearizability.automaton import WrongDeclaration
from checker.linearizability.problem import comparable
from checker.linearizability.states import ModelFailed, States
from checker.linearizability.twin import action_of
from checker.models.model import Inconsistent, Unfit
from checker.wording import listed, of_key

if TYPE_CHECKING:
    from collections.abc import Hashable, Mapping, Sequence

    from checker._core import SearchBudget
    from checker.history.columns import History
    from checker.history.events import Operation
    from checker.models.model import Action, Specification

SAMPLES: Final = 50
OPERATIONS_MAX: Final = 100_000
PARTS_MAX: Final = 3
ACTIONS_MAX: Final = 8
STATES_MAX: Final = 60
"""So many states of a sample are gone on from."""
PIECE_MAX: Final = 6
TWIN_STEPS: Final = 5_000

_T = TypeVar("_T")
_Met = frozenset[int]
"""The states in which the model may be; one, unless several may follow an operation."""


def verify(history: History, model: Specification, spent: SearchBudget) -> dict[str, int]:
    """Compare the model with its parts on samples of a history; the same ones every time.

    Answers how many `steps`, and `pieces` of the history, were allowed or refused alike.

    Ends early when the budget is spent. What the model fails at tells nothing. Nothing is compared
    where `partition` answers None for some operation, for then the history is not split. Raises
    WrongDeclaration if the model is not what its parts are, or declares no `partition`.
    """
    partition: Any = getattr(model, "partition", None)
    if partition is None:
        raise WrongDeclaration(
            "the model declares no `partition` that could be verified: operations with different"
            " keys are of different objects then, each of which begins as the model does"
        )
    rows = [row for row, outcome in enumerate(history.columns.outcome) if outcome != FAIL]
    operations = [history[row] for row in rows[:OPERATIONS_MAX]]
    parts = [partition(action_of(operation)) for operation in operations]
    if None in parts:
        return {"steps": 0, "pieces": 0}
    of_part: dict[Hashable, list[int]] = {}
    for place, part in enumerate(parts):
        of_part.setdefault(comparable(part), []).append(place)
    steps = pieces = 0
    dice, names = _Dice(), list(of_part)
    for _ in range(SAMPLES if len(names) > 1 else 0):
        if spent.spent() is not None:
            break
        some = dice.sample(names, 2 + dice.below(min(PARTS_MAX, len(names)) - 1))
        sample = _Sample(model, _piece(dice, [of_part[name] for name in some]), operations, parts)
        steps += sample.walk()
        pieces += sample.judge(dice)
    return {"steps": steps, "pieces": pieces}


class _Dice:
    """Numbers that follow no rule, and are the same every time (Knuth's MMIX generator)."""

    def __init__(self) -> None:
        self._state = 1

    def below(self, end: int) -> int:
        """One of so many."""
        self._state = (self._state * 6364136223846793005 + 1442695040888963407) % 2**64
        return (self._state >> 33) % end

    def choice(self, of: Sequence[_T]) -> _T:
        """One of these."""
        return of[self.below(len(of))]

    def sample(self, of: Sequence[_T], size: int) -> list[_T]:
        """So many of these."""
        left = list(of)
        return [left.pop(self.below(len(left))) for _ in range(size)]


def _piece(dice: _Dice, places: list[list[int]]) -> list[int]:
    """Some operations of each part, near each other in the history."""
    start = dice.choice([0, dice.choice(dice.choice(places))])
    near = [[place for place in some if place >= start] or some for some in places]
    together = sorted(place for some in near for place in some[: ACTIONS_MAX // len(places) + 1])
    return together[:ACTIONS_MAX]


class _Sample:
    """A few operations of a few parts."""

    def __init__(
        self,
        model: Specification,
        places: Sequence[int],
        operations: Sequence[Operation],
        parts: Sequence[Any],
    ) -> None:
        self._model: Final = model
        self._operations: Final = [operations[place] for place in places]
        self._parts: Final = [parts[place] for place in places]
        self._names: Final = [comparable(part) for part in self._parts]
        self._actions: Final[list[Action]] = [action_of(op) for op in self._operations]
        self._states: Final = States(model, self._actions)

    def walk(self) -> int:
        """Go wherever these actions lead, as a whole and in parts. Answers the steps compared."""
        start: _Met = frozenset({0})
        first = (start, tuple(dict.fromkeys(self._names, start).items()))
        todo: deque[tuple[Any, tuple[int, ...]]] = deque([(first, ())])
        seen, compared = {first}, 0
        while todo and len(seen) < STATES_MAX:
            (whole, parts), way = todo.popleft()
            for number, name in enumerate(self._names):
                together = self._after(whole, number)
                alone = self._after(dict(parts)[name], number)
                if together is None or alone is None:
                    continue
                compared += 1
                if bool(together) != bool(alone):
                    raise self._wrong((*way, number), allowed=bool(together))
                following = (together, tuple({**dict(parts), name: alone}.items()))
                if together and following not in seen:
                    seen.add(following)
                    todo.append((following, (*way, number)))
        return compared

    def _after(self, met: _Met, number: int) -> _Met | None:
        """The states that may follow; none if it is refused, None if the model failed."""
        try:
            answers = [self._states.after(state, number) for state in met]
        except (ModelFailed, Unfit):
            return None
        return frozenset(
            state for some in answers if not isinstance(some, Inconsistent) for state in some
        )

    def judge(self, dice: _Dice) -> int:
        """Compare what the twin says of some of these operations, and of each part of them."""
        size = min(PIECE_MAX, len(self._actions))
        some = sorted(dice.sample(range(len(self._actions)), size))
        asked = {number: self._operations[number] for number in some}
        changed, other = dice.choice(some), dice.choice(some)
        pieces = self._judge_alike(asked)
        if asked[changed].f == asked[other].f and asked[changed].ret is not None:
            output = asked[other].output
            asked[changed] = msgspec.structs.replace(asked[changed], output=output)
            pieces += self._judge_alike(asked)
        return pieces

    def _judge_alike(self, operations: Mapping[int, Operation]) -> int:
        """Compare one piece. Answers 1, or 0 if that is too much for the twin."""
        together = self._twin(list(operations.values()))
        alone = [
            self._twin([op for number, op in operations.items() if self._names[number] == name])
            for name in dict.fromkeys(self._names[number] for number in operations)
        ]
        if together is None or None in alone:
            return 0
        if together != all(alone):
            raise WrongDeclaration(
                f"{_PROMISE} {'allows' if together else 'refuses'} a history of"
                f" {listed(_shown(action_of(op)) for op in operations.values())}, and its parts do"
                f" not: {_MEND}"
            )
        return 1

    def _twin(self, operations: list[Operation]) -> bool | None:
        try:
            return twin.search(operations, self._model, steps_max=TWIN_STEPS)
        except (ModelFailed, Unfit):
            return None

    def _wrong(self, way: tuple[int, ...], *, allowed: bool) -> WrongDeclaration:
        *before, last = way
        after = listed(_shown(self._actions[number]) for number in before)
        said, part = "allows" if allowed else "refuses", repr(self._parts[last])
        return WrongDeclaration(
            f"{_PROMISE} {said} {_shown(self._actions[last])} after {after}, and its part {part}"
            f" alone does not: {_MEND}"
        )


_PROMISE: Final = (
    "the model declares by `partition` that operations of different parts do not touch each other,"
    " but as a whole it"
)
_MEND: Final = "mend `partition` or `step`"


def _shown(action: Action) -> str:
    return f"{action}{of_key(action.key)}"
