"""Locks: plain, with fencing tokens, and reentrant."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from checker.models.model import NULL, Action, Inconsistent, starting_at, text, unfit, unknown_f

_FS = ("acquire", "release")


@dataclass(frozen=True, slots=True)
class Mutex:
    """A lock that one holds at a time; inputs and outputs say nothing."""

    held: bool = False
    keyless: ClassVar = True

    def step(self, op: Action) -> Mutex | Inconsistent:
        """The lock after an acquire or a release."""
        if op.f not in _FS:
            raise unknown_f("mutex", op, _FS)
        if op.f == "acquire":
            return Inconsistent("it was acquired, but it was held") if self.held else Mutex(True)
        return Mutex() if self.held else Inconsistent("it was released, but it was free")

    def canonical(self, op: Action) -> Action:
        """Inputs and outputs are not looked at."""
        return Action(op.f)

    def settles(self, op: Action) -> bool:
        """After an acquire it is held, after a release free."""
        return True

    def __str__(self) -> str:
        return "the lock held" if self.held else "the lock free"


@dataclass(frozen=True, slots=True)
class FencedMutex:
    """A lock whose `acquire` answers an integer token, greater than every one before.

    `release` may name the token as its input. `token` is the last one given out, None before any
    that is known; where an acquire's answer was lost it is the least that it can have been, and
    `exact` is False.
    """

    held: bool = False
    token: int | None = None
    exact: bool = True
    keyless: ClassVar = True

    def step(self, op: Action) -> FencedMutex | Inconsistent:
        """The lock after an acquire or a release."""
        if op.f == "acquire":
            return self._acquire(_token(op, op.output)) if op.known else self._acquire_unknown()
        if op.f == "release":
            return self._release(None if op.input is None else _token(op, op.input))
        raise unknown_f("fenced-mutex", op, _FS)

    def _acquire(self, token: int) -> FencedMutex | Inconsistent:
        if self.held:
            return Inconsistent(f"it was acquired with token {token}, but it was held")
        if self.token is not None and token <= self.token:
            return Inconsistent(f"token {token} was given out, but {self.token} had been before")
        return FencedMutex(True, token)

    def _acquire_unknown(self) -> FencedMutex | Inconsistent:
        if self.held:
            return Inconsistent("it was acquired, but it was held")
        return FencedMutex(True, None if self.token is None else self.token + 1, exact=False)

    def _release(self, token: int | None) -> FencedMutex | Inconsistent:
        if not self.held:
            return Inconsistent("it was released, but it was free")
        if token is None:
            return FencedMutex(False, self.token)
        last = token if self.token is None else self.token
        if token != last and (self.exact or token < last):
            return Inconsistent(f"token {token} was released, but the holder had {self._last}")
        return FencedMutex(False, token)

    @property
    def _last(self) -> str:
        if self.token is None:
            return "no known token"
        return f"token {self.token}" if self.exact else f"token {self.token} or more"

    def canonical(self, op: Action) -> Action:
        """Only the output of an acquire and the input of a release are looked at."""
        if op.f == "release":
            return Action("release", op.input)
        return Action(op.f, None, op.output) if op.known else op

    def __str__(self) -> str:
        return f"the lock {'held' if self.held else 'free'}, last {self._last}"


@dataclass(frozen=True, slots=True)
class ReentrantMutex:
    """A lock that its owner may acquire again, and must release as often.

    The input of both is `{"owner": who}`. `owner` is canonical JSON text.
    """

    owner: str = NULL
    depth: int = 0
    keyless: ClassVar = True

    def step(self, op: Action) -> ReentrantMutex | Inconsistent:
        """The lock after an acquire or a release."""
        if op.f not in _FS:
            raise unknown_f("reentrant-mutex", op, _FS)
        owner = _owner(op)
        if self.depth and self.owner != owner:
            return Inconsistent(f"{op.f} by {owner} took place, but {self.owner} held it")
        if op.f == "acquire":
            return ReentrantMutex(owner, self.depth + 1)
        if not self.depth:
            return Inconsistent(f"{owner} released it, but it was free")
        return ReentrantMutex(owner, self.depth - 1) if self.depth > 1 else ReentrantMutex()

    def canonical(self, op: Action) -> Action:
        """The output is not looked at."""
        return Action(op.f, op.input)

    def __str__(self) -> str:
        if not self.depth:
            return "the lock free"
        return f"the lock held {self.depth} times by {self.owner}"


def _token(op: Action, token: Any) -> int:
    if not isinstance(token, int) or isinstance(token, bool):
        raise unfit("fenced-mutex", op, "tokens are integers: acquire -> token, release token")
    return token


def _owner(op: Action) -> str:
    owner = op.input.get("owner") if isinstance(op.input, dict) else None
    if owner is None:
        raise unfit("reentrant-mutex", op, 'the input is {"owner": who}')
    return text(owner)


def mutex(initial: bool = False) -> Mutex:
    """A lock; initially free, or held."""
    return Mutex(starting_at(initial, bool, "false (free) or true (held)"))


def fenced_mutex(initial: int | None = None) -> FencedMutex:
    """A lock with growing integer tokens; initially free, above the last token given."""
    return FencedMutex(
        False,
        initial if initial is None else starting_at(initial, int, "the last token, an integer"),
    )


def reentrant_mutex(initial: Any = None) -> ReentrantMutex:
    """A lock that its owner may acquire again; initially free, or held once by the owner given."""
    return ReentrantMutex() if initial is None else ReentrantMutex(text(initial), 1)
