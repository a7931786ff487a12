"""When two states of a model are the same, and how one is shown.

Python holds that `1 == True == 1.0`, so a register of a user's that held 1 and one that held true
would be one state, and a wrong answer would pass. Two states are the same here only if they are
alike in the types inside too; taking equal states for two costs time and never truth.
"""

from __future__ import annotations

from dataclasses import fields, is_dataclass
from functools import cache
from sys import getsizeof
from typing import TYPE_CHECKING, Any, Final

from checker.models.model import Inconsistent, Unfit, answers
from checker.wording import shortened

if TYPE_CHECKING:
    from collections.abc import Hashable, Sequence

    from checker.models.model import Action, Specification

_PLAIN = frozenset({str, bytes, type(None)})


class ModelFailed(RuntimeError):
    """A model that raised when it was asked. The message says what it was asked, and where."""


def identity(state: Any) -> Hashable:
    """A value that is equal for two states only if they are the same.

    Raises TypeError, naming the state, if it is not hashable.
    """
    key: Hashable = _identity(state)
    try:
        hash(key)
    except TypeError:
        raise TypeError(f"a model is a hashable value, but {shown(state)} is not") from None
    return key


def shown(state: Any) -> str:
    """A state in words, cut where it is long.

    One that cannot say what it is takes no verdict with it.
    """
    try:
        return shortened(str(state))
    except Exception as error:
        kind = type(state).__name__
        return f"a {kind} whose text failed ({type(error).__name__})"


def told(error: BaseException) -> str:
    """An error in words, cut where it is long."""
    return shortened(f"{type(error).__name__}: {error}")


def failing(state: Any, action: Action, error: BaseException) -> str:
    """That the model failed at an action, in words."""
    return f"the model failed at {action} in the state {shown(state)}: {told(error)}"


STATE_BYTES: Final = 400
"""About what a state takes beside its fields: itself, and its place among the others."""


def weight(state: Any) -> int:
    """About how many bytes a state takes: what it holds is mostly held by others too."""
    kind: Any = type(state)
    names = _compared(kind) or ()
    fields = sum(getsizeof(getattr(state, name, None)) for name in names)
    return STATE_BYTES + getsizeof(state) + fields


def _identity(value: Any) -> Any:
    kind: Any = type(value)
    if kind in _PLAIN:
        return value
    if kind is tuple:
        return value if _PLAIN.issuperset(map(type, value)) else tuple(map(_identity, value))
    if kind in (bool, int, float):
        return kind, value
    if kind is frozenset:
        plain = _PLAIN.issuperset(map(type, value))
        return kind, value if plain else frozenset(map(_identity, value))
    if isinstance(value, tuple):  # a NamedTuple holds R(1) and R(True) for equal
        return kind, *map(_identity, value)
    names = _compared(kind)
    if names is None:
        return kind, value
    return kind, value, *(_identity(getattr(value, name)) for name in names)


@cache
def _compared(kind: Any) -> tuple[str, ...] | None:
    """The fields by which values of a dataclass or msgspec.Struct are compared, None for others."""
    if not is_dataclass(kind):
        return getattr(kind, "__struct_fields__", None)
    return tuple(field.name for field in fields(kind) if field.compare)


class States:
    """The states of a model that a simple search has met, by number; 0 is the initial one.

    They are put in `met`, an empty list, if one is given.
    The model is asked once for each state and action, since its answers are values.
    """

    def __init__(
        self,
        model: Specification,
        actions: Sequence[Action],
        met: list[Specification] | None = None,
    ) -> None:
        self.met: Final[list[Specification]] = [] if met is None else met
        self.met.append(model)
        self._actions: Final = actions
        self._numbers: Final[dict[Hashable, int]] = {identity(model): 0}
        self._answers: Final[dict[tuple[int, int], tuple[int, ...] | Inconsistent]] = {}

    def after(self, state: int, action: int) -> tuple[int, ...] | Inconsistent:
        """The numbers of the states that may follow, or why there is none.

        Raises Unfit as the model does, and ModelFailed if it raises anything else.
        """
        known = self._answers.get((state, action))
        if known is None:
            try:
                known = self._ask(state, action)
            except Unfit:
                raise
            except (Exception, SystemExit) as error:
                words = failing(self.met[state], self._actions[action], error)
                raise ModelFailed(words) from error
            self._answers[state, action] = known
        return known

    def _ask(self, state: int, action: int) -> tuple[int, ...] | Inconsistent:
        answer = answers(self.met[state], self._actions[action])
        return answer if isinstance(answer, Inconsistent) else tuple(map(self._number, answer))

    def _number(self, state: Specification) -> int:
        number = self._numbers.setdefault(identity(state), len(self.met))
        if number == len(self.met):
            self.met.append(state)
        return number
