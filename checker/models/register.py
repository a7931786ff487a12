"""A register, and one with compare-and-set."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, TypeVar

from checker.models.model import NULL, Action, Inconsistent, text, unfit, unknown_f

R = TypeVar("R", "Register", "CasRegister")


@dataclass(frozen=True, slots=True)
class Register:
    """`read` answers what the last `write` gave. `value` is canonical JSON text."""

    value: str = NULL
    keyless: ClassVar = True

    def step(self, op: Action) -> Register | Inconsistent:
        """The register after a read or a write."""
        match op.f:
            case "write":
                return Register(op.given)
            case "read":
                return _read(self, op)
        raise unknown_f("register", op, ("read", "write"))

    def canonical(self, op: Action) -> Action:
        """The output of a write and the input of a read are not looked at."""
        return _plain(op)

    def pure(self, op: Action) -> bool:
        """A read changes nothing."""
        return op.f == "read"

    def blind(self, op: Action) -> bool:
        """A write is always possible."""
        return op.f == "write"

    def settles(self, op: Action) -> bool:
        """A write leads to one state."""
        return op.f == "write"

    def __str__(self) -> str:
        return f"the register holding {self.value}"


@dataclass(frozen=True, slots=True)
class CasRegister:
    """A register with `cas [old, new]`: answers true and sets new if it held old, else false.

    An info cas that met another value did nothing, which is the same as not having happened.
    """

    value: str = NULL
    keyless: ClassVar = True

    def step(self, op: Action) -> CasRegister | Inconsistent:
        """The register after a read, a write or a compare-and-set."""
        match op.f:
            case "write":
                return CasRegister(op.given)
            case "read":
                return _read(self, op)
            case "cas":
                return self._cas(op)
        raise unknown_f("cas-register", op, ("read", "write", "cas"))

    def _cas(self, op: Action) -> CasRegister | Inconsistent:
        old, new = _pair(op)
        swapped = _swapped(op)
        if swapped and self.value != old:
            return Inconsistent(f"{old} was swapped out, but the register held {self.value}")
        if not swapped and self.value == old:
            return Inconsistent(f"swapping {old} out was refused, but the register held it")
        return CasRegister(new) if swapped else self

    def canonical(self, op: Action) -> Action:
        """A swap whose answer was lost took place, if it is to matter."""
        return _plain(op) if op.known or op.f != "cas" else Action("cas", op.input, True)

    def pure(self, op: Action) -> bool:
        """A read changes nothing, nor does a swap that was refused, nor one to the same value."""
        return op.f == "read" or (op.f == "cas" and not _changes(op))

    def blind(self, op: Action) -> bool:
        """A write is always possible."""
        return op.f == "write"

    def settles(self, op: Action) -> bool:
        """A write leads to one state, and so does a swap, from where it is possible."""
        return op.f == "write" or (op.f == "cas" and _swapped(op))

    def __str__(self) -> str:
        return f"the register holding {self.value}"


def _read(register: R, op: Action) -> R | Inconsistent:
    if op.known and op.answered != register.value:
        return Inconsistent(f"{op.answered} was read, but the register held {register.value}")
    return register


def _plain(op: Action) -> Action:
    if op.f == "write":
        return Action("write", op.input)
    return Action("read", None, op.output) if op.f == "read" and op.known else op


def _pair(op: Action) -> tuple[str, str]:
    if not isinstance(op.input, list | tuple) or len(op.input) != 2:
        raise unfit("cas-register", op, "the input of cas is [old, new]")
    old, new = op.input
    return text(old), text(new)


def _swapped(op: Action) -> bool:
    if op.known and not isinstance(op.output, bool):
        raise unfit("cas-register", op, "the output of cas is true or false")
    return not op.known or op.output is True


def _changes(op: Action) -> bool:
    old, new = _pair(op)
    return _swapped(op) and old != new


def register(initial: Any = None) -> Register:
    """A register: read and write; initially null, or the value given."""
    return Register(text(initial))


def cas_register(initial: Any = None) -> CasRegister:
    """A register with compare-and-set; initially null, or the value given."""
    return CasRegister(text(initial))
