"""What a sequential specification is: an immutable value that steps.

A model is the state of an object that one client uses alone. `step` answers the state after an
operation, or why the operation cannot have had that answer in this state. Nothing here knows of
time, processes or search. Initial values are refused where they would be misread: `"abc"` could be
taken for three elements and 5 for a lock that is held, which would accuse a system that is right.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, Literal, Protocol, cast

from checker.history.values import canonical
from checker.wording import shortened

if TYPE_CHECKING:
    from collections.abc import Callable


@dataclass(frozen=True, slots=True)
class Inconsistent:
    """A refusal: the operation cannot have had this answer in this state, for this reason.

    The reason is half a sentence in the past tense: `read 2, but the register held 1`.
    """

    reason: str

    def __post_init__(self) -> None:
        """A reason that is no string is put in words: the refusal stands all the same."""
        given: Any = self.reason
        if not isinstance(given, str):
            object.__setattr__(self, "reason", _worded(given))


def _worded(reason: Any) -> str:
    try:
        return str(reason)
    except Exception as error:
        return f"a {type(reason).__name__} whose text failed ({type(error).__name__})"


class Unfit(ValueError):
    """An operation that the model does not have, or with an input that it cannot take.

    That is an error of whoever chose the model, never a violation. The message names both.
    """


class UnfitStart(Unfit):
    """An initial value that cannot be meant: the message says what the history has instead."""


@dataclass(frozen=True, slots=True)
class Action:
    """What an operation did, without who did it and when: all that a model may look at.

    `outcome` is `"ok"` or `"info"`. The output of an info operation is unknown: it is None here,
    and matches anything. `given` and `answered` are the canonical JSON texts of input and output.
    Texts compare as JSON does, where Python holds that `True == 1 == 1.0`; two actions are equal
    if their texts are.
    """

    f: str
    input: Any = field(default=None, compare=False)
    output: Any = field(default=None, compare=False)
    key: Any = field(default=None, compare=False)
    outcome: Literal["ok", "info"] = "ok"
    given: str = field(init=False, repr=False)
    answered: str = field(init=False, repr=False)
    place: str = field(init=False, repr=False)

    def __post_init__(self) -> None:
        """Forget the output that nobody knows, and take the texts."""
        if self.outcome == "info":
            object.__setattr__(self, "output", None)
        object.__setattr__(self, "given", text(self.input))
        object.__setattr__(self, "answered", text(self.output))
        object.__setattr__(self, "place", text(self.key))

    @property
    def known(self) -> bool:
        """Whether the output is known."""
        return self.outcome == "ok"

    def __str__(self) -> str:
        """The action in the notation of histories: `cas [1,2] -> true`; cut where it is long."""
        did = self.f if self.input is None else f"{self.f} {shortened(self.given)}"
        if not self.known:
            return f"{did} -> ?"
        return did if self.output is None else f"{did} -> {shortened(self.answered)}"


class Model(Protocol):
    """A sequential specification in one state.

    A value: frozen, hashable, equal to another if and only if no sequence of operations tells them
    apart. Optional powers, each an attribute that a model has or has not:

    * `steps(action) -> Iterable[Model] | Inconsistent` instead of `step`: several may follow.
    * `pure`: names of operations that never change the state, or a function of an action that
      tells. It is verified whenever the model is stepped.
    * `blind(action) -> bool`: whether the action is possible in every state. Verified likewise.
    * `settles(action) -> bool`: whether the action leads to one and the same state from wherever it
      is possible. Verified likewise.
    * `canonical(action) -> Action`: one that `step` treats alike in every state, so that the search
      knows them for equal: without an output that is not looked at, for example.
    * `partition(action) -> key | None`: operations with unequal keys do not touch each other; None
      touches everything. Without it the operation's own key is taken.
    * `keyless`: True if `step` never looks at `key`.
    """

    def step(self, op: Action, /) -> Model | Inconsistent:
        """The state after the operation, or why there is none. Raises Unfit."""
        ...


class Branching(Protocol):
    """A model after one of whose operations several states are possible: see `Model`."""

    def steps(self, op: Action, /) -> Iterable[Branching] | Inconsistent:
        """Every state that may follow the operation, or why there is none. Raises Unfit."""
        ...


Specification = Model | Branching
"""What a history can be judged by."""

Answer = tuple[Specification, ...] | Inconsistent
"""What may follow: the states, or why there is none."""


def answers(model: Any, action: Action) -> Answer:
    """What may follow the action in this state, whichever of `step` and `steps` the model has.

    Raises TypeError if the model answers neither a model nor Inconsistent.
    """
    if hasattr(model, "steps"):
        many: Iterable[Specification] | Inconsistent = model.steps(action)
        if isinstance(many, Inconsistent):
            return many
        states = tuple(many)
        return states or Inconsistent(f"{action} was not possible in {model}")
    after = model.step(action)
    if isinstance(after, Inconsistent):
        return after
    if not (hasattr(after, "step") or hasattr(after, "steps")):
        raise TypeError(f"a step answers a model or Inconsistent(reason), not {after!r}")
    return (after,)


def purity(model: Any) -> Callable[[Action], bool]:
    """Whether the model declares an action to be without effect."""
    declared: Any = getattr(model, "pure", frozenset())
    if callable(declared):
        return cast("Callable[[Action], bool]", declared)
    return lambda action: action.f in declared


def text(value: Any) -> str:
    """The canonical JSON text of a value."""
    return canonical(value).decode()


NULL: Final = text(None)


def unfit(model: str, action: Action, wanted: str) -> Unfit:
    """The error of an operation that this model cannot take; `wanted` says what it can."""
    return Unfit(f"the model {model} cannot take the operation {action}: {wanted}")


def unknown_f(model: str, action: Action, known: Iterable[str]) -> Unfit:
    """The error of an operation that this model does not have."""
    return unfit(model, action, f"it has {', '.join(known)}")


def starting_elements(initial: Iterable[Any]) -> tuple[str, ...]:
    """The canonical texts of the elements of a list. Raises ValueError for what is none."""
    if isinstance(initial, str | bytes | Mapping) or not isinstance(initial, Iterable):
        raise ValueError(f"it starts at a list of elements, not at {_shown(initial)}")
    return tuple(map(text, initial))


def starting_pairs(initial: Any) -> dict[str, str]:
    """Canonical texts by canonical names: of an object, a list of pairs, or None.

    Names of a JSON object are strings; pairs may have others: `[[7, 0]]`. Raises ValueError.
    """
    if initial is None:
        return {}
    if isinstance(initial, Mapping):
        return {text(name): text(value) for name, value in initial.items()}
    if isinstance(initial, list | tuple) and all(map(_is_pair, initial)):
        return {text(name): text(value) for name, value in initial}
    raise ValueError(
        "it starts at an object of values by name, or at a list of pairs [name, value],"
        f" not at {_shown(initial)}"
    )


def _is_pair(entry: Any) -> bool:
    return isinstance(entry, list | tuple) and len(entry) == 2


def starting_at(initial: Any, kind: type, wanted: str) -> Any:
    """The value, if it is of this kind (true and false are no integers). Raises ValueError."""
    if type(initial) is not kind:
        raise ValueError(f"it starts at {wanted}, not at {_shown(initial)}")
    return initial


def _shown(value: Any) -> str:
    try:
        return text(value)
    except TypeError:
        return repr(value)
