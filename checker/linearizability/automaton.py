"""A model as numbers: states and actions as they are met, for the native search to walk.

The native core asks `successor` once for each pair of state and action that it comes upon, and
remembers the answer.
"""

from __future__ import annotations

import weakref
from typing import TYPE_CHECKING, Any, Final

from checker._core import TransitionTable
from checker.linearizability.states import ModelFailed, failing, identity, shown, told, weight
from checker.models.model import Action, Inconsistent, Unfit, answers, purity
from checker.wording import shortened

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Iterable

    from checker.models.model import Specification

PURE, BLIND, SETTLES = 1, 2, 4
"""Bits that tell the native core what an action is declared to be."""

REFUSED: Final = -1

ASKED_TWICE_EVERY: Final = 100
"""One question in so many is asked twice, to find a model that answers at random."""
ASKED_TWICE_MAX: Final = 1_000


class WrongDeclaration(ValueError):
    """A model that declares what it does not keep. The message says what, where, and what to do."""


class Automaton:
    """The part of a model's state space that a search has come upon.

    State 0 is the initial one. `known` names a model that the core steps by itself, with the text
    of the initial value: see `known.py`.
    """

    def __init__(self, model: Specification, known: tuple[str, bytes] | None = None) -> None:
        self.model: Final[Any] = model
        self.states: Final[list[Specification]] = []
        self.actions: Final[list[Action]] = []
        self.failures: Final[dict[tuple[int, int], BaseException]] = {}
        self._state_numbers: Final[dict[Hashable, int]] = {}
        self._action_numbers: Final[dict[tuple[str, ...], int]] = {}
        self._flags: Final = bytearray()
        self._first: Final[dict[int, int | tuple[int, ...] | None]] = {}
        self._found_pure: Final[dict[int, int]] = {}
        self._asked = 0
        self._bytes = 0
        self.table: Final = self._asking_table() if known is None else _known_table(known)
        if known is None:
            self.number_of_state(model)

    def _asking_table(self) -> TransitionTable:
        # Python's collector of cycles does not see into the core: if the table held the automaton
        # that holds it, neither would ever be freed.
        weak = weakref.proxy(self)
        return TransitionTable(
            lambda state, action: weak.successor(state, action),
            b"",
            deterministic=not hasattr(self.model, "steps"),
            held=lambda: weak._bytes,
        )

    def number(self, action: Action) -> int:
        """The number of an action; actions that the model holds for equal share one.

        Raises Unfit if the model says so at once, WrongDeclaration if `pure` is a string,
        ModelFailed if it raises anything else.
        """
        try:
            return self._number(action)
        except (Unfit, WrongDeclaration):
            raise
        except (Exception, SystemExit) as error:
            raise ModelFailed(failing(self.model, action, error)) from error

    def _number(self, action: Action) -> int:
        canonical = getattr(self.model, "canonical", None)
        if canonical is not None:
            action = canonical(action)
        texts = (action.f, action.given, action.answered, action.place, action.outcome)
        known = self._action_numbers.get(texts)
        if known is not None:
            return known
        flags = self._declared(action)
        self._action_numbers[texts] = number = len(self.actions)
        self.actions.append(action)
        self._flags.append(flags)
        self.table.extend(bytes([flags]))
        return number

    def _declared(self, action: Action) -> int:
        if isinstance(getattr(self.model, "pure", None), str):
            raise WrongDeclaration(
                f"the model declares by `pure` a string, {shown(self.model.pure)}, of which any"
                " part would count for a name: let `pure` be a set of names"
            )
        flags = PURE if purity(self.model)(action) else 0
        for name, bit in (("blind", BLIND), ("settles", SETTLES)):
            declared = getattr(self.model, name, None)
            flags |= bit if declared is not None and declared(action) else 0
        return flags

    def is_pure(self, action: int) -> bool:
        """Whether the action is declared to be without effect."""
        return bool(self._flags[action] & PURE)

    def is_blind(self, action: int) -> bool:
        """Whether the action is declared to be possible always, so that it observes nothing."""
        return bool(self._flags[action] & BLIND)

    def try_first(self, action: int) -> None:
        """Ask about an action in the initial state. Raises Unfit if the model does not have it."""
        if action not in self._first:
            self._first[action] = self._ask(0, action)

    def successor(self, state: int, action: int) -> int | tuple[int, ...] | None:
        """The number of the state that follows, several, REFUSED, or None if the model failed.

        Raises Unfit, and WrongDeclaration for a model that answers at random.
        """
        if state == 0 and action in self._first:
            return self._first[action]
        return self._ask(state, action)

    def _ask(self, state: int, action: int) -> int | tuple[int, ...] | None:
        try:
            numbers = self._answer(state, action)
            if self._asked % ASKED_TWICE_EVERY == 0:
                self._ask_again(state, action, numbers)
            self._asked += 1
        except (Unfit, WrongDeclaration):
            raise
        except (Exception, SystemExit) as error:
            self.failures[state, action] = error
            return None
        return numbers[0] if len(numbers) == 1 else numbers or REFUSED

    def _answer(self, state: int, action: int) -> tuple[int, ...]:
        """The numbers of the states that follow; none if the model refuses."""
        after = answers(self.states[state], self.actions[action])
        return () if isinstance(after, Inconsistent) else tuple(map(self.number_of_state, after))

    def _ask_again(self, state: int, action: int, before: tuple[int, ...]) -> None:
        if self._asked >= ASKED_TWICE_EVERY * ASKED_TWICE_MAX:
            return
        where = f"{self.actions[action]} in the state {shown(self.states[state])}"
        if self._state_numbers.get(identity(self.states[state])) != state:
            raise WrongDeclaration(
                f"the model is changed by being asked: {where} is not what it was before;"
                " let `step` answer another value"
            )
        again = self._answer(state, action)
        if sorted(again) != sorted(before):
            if any(type(self.states[number]).__eq__ is object.__eq__ for number in again):
                raise WrongDeclaration(
                    f"two answers of the model are never equal: {where} was asked twice;"
                    " give the model `__eq__` and `__hash__`, as @dataclass(frozen=True) does"
                )
            raise WrongDeclaration(
                f"the model answers one question in two ways: {where};"
                " if several states may follow let `steps` name all of them"
            )

    @property
    def comes_with_lineal(self) -> bool:
        """Whether the model is one of Lineal's own, whose declarations are tested."""
        return type(self.model).__module__.startswith("checker.models.")

    def ask_pure(self, actions: Iterable[int], over: Callable[[], bool]) -> bool:
        """Ask these actions, which are declared pure, in every state that was met so far.

        The search drops them where they crashed, without asking. False if it was `over` before all
        were asked. Raises WrongDeclaration if one of them changes a state.
        """
        for action in () if self.comes_with_lineal else sorted(set(actions)):
            states = len(self.states)
            for state in range(self._found_pure.get(action, 0), states):
                if over():
                    return False
                self.check_pure(self.states[state], action)
                self._found_pure[action] = state + 1
        return True

    def check_pure(self, state: Specification, action: int) -> None:
        """Raise WrongDeclaration if the action, which is declared pure, changes this state.

        Where the model fails it did not change anything.
        """
        try:
            after = answers(state, self.actions[action])
            same = isinstance(after, Inconsistent) or all(
                identity(following) == identity(state) for following in after
            )
        except (Exception, SystemExit):
            return
        if not same:
            raise self.wrong(self.number_of_state(state), action, "pure")

    def action(self, number: int) -> Action:
        """The action with this number."""
        return self.actions[number]

    def state(self, number: int, action: Action) -> Specification:
        """The state with this number, for an action to happen in it."""
        del action
        return self.states[number]

    def refusal(self, state: int, action: int) -> str | None:
        """Why the model refuses the action in this state, or that it failed; None otherwise."""
        asked = self.action(action)
        try:
            after = answers(self.state(state, asked), asked)
        except (Exception, SystemExit) as error:
            return f"the model failed there: {told(error)}"
        return shortened(after.reason) if isinstance(after, Inconsistent) else None

    def number_of_state(self, state: Specification) -> int:
        """The number of a state of the model; a new one if it was not met before."""
        key = identity(state)
        number = self._state_numbers.setdefault(key, len(self.states))
        if number == len(self.states):
            self.states.append(state)
            self._bytes += weight(state)
        return number

    def failed(self, state: int, action: int) -> str:
        """The failure of the model in words."""
        return failing(self.states[state], self.actions[action], self.failures[state, action])

    def wrong(self, state: int, action: int, declaration: str) -> WrongDeclaration:
        """The error of a declaration that is not kept."""
        what = {
            "pure": "changes nothing, but it changed",
            "blind": "is always possible, but it was refused in",
            "settles": "always leads to the same state, but it did not from",
        }[declaration]
        return WrongDeclaration(
            f"the model declares by `{declaration}` that {self.actions[action]} {what} the state"
            f" {shown(self.states[state])}: mend `{declaration}` or `step`"
        )


def _known_table(known: tuple[str, bytes]) -> TransitionTable:
    """Of a model that the core steps by itself: it asks nobody."""
    return TransitionTable(None, b"", deterministic=True, known=known)
