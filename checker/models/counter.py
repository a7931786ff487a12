"""A number that is added to and read."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar

from checker.models.model import Action, Inconsistent, text, unfit, unknown_f

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True, slots=True)
class Counter:
    """`add` adds its input, which may be negative; `read` answers the sum."""

    value: int | float = 0
    keyless: ClassVar = True

    def step(self, op: Action) -> Counter | Inconsistent:
        """The counter after an add or a read."""
        if op.f == "add":
            return Counter(self.value + _number(op))
        if op.f == "read":
            if op.known and op.answered != text(self.value):
                return Inconsistent(
                    f"{op.answered} was read, but the counter stood at {text(self.value)}"
                )
            return self
        raise unknown_f("counter", op, ("add", "read"))

    def canonical(self, op: Action) -> Action:
        """The output of an add and the input of a read are not looked at."""
        if op.f == "add":
            return Action("add", op.input)
        return Action(op.f, None, op.output) if op.known else op

    def pure(self, op: Action) -> bool:
        """A read changes nothing, nor does adding zero."""
        return op.f == "read" or text(op.input) == "0"

    def blind(self, op: Action) -> bool:
        """An add is always possible."""
        return op.f == "add"

    def __str__(self) -> str:
        return f"the counter at {text(self.value)}"


@dataclass(frozen=True, slots=True)
class Distance:
    """Of a counter no more than how far what is read is from what was read before.

    `bounds` has for the canonical text of each key the value at the beginning, or None if that is
    of no matter, and what was added after that, or after what was read first, at least and at most.
    `last` was read last.
    """

    bounds: Mapping[str, tuple[int | None, int, int]] = field(compare=False)
    last: int | None = None

    def step(self, op: Action) -> Distance | Inconsistent:
        """What is read may be too far from what was read before."""
        if op.f != "read":
            raise unknown_f("distance", op, ("read",))
        if not op.known:
            return self
        start, least, most = self.bounds[op.place]
        before = start if self.last is None else self.last
        if before is not None and not least <= op.output - before <= most:
            came = f"{least} at least" if op.output - before < least else f"{most} at most"
            return Inconsistent(
                f"{op.answered} was read, but the counter stood at {before}, and what was added"
                f" since came to {came}"
            )
        return Distance(self.bounds, op.output)

    def __str__(self) -> str:
        return "the counter as at first" if self.last is None else f"the counter at {self.last}"


def _number(op: Action) -> int | float:
    if isinstance(op.input, bool) or not isinstance(op.input, int | float):
        raise unfit("counter", op, "the input of add is a number")
    return op.input


def counter(initial: Any = 0) -> Counter:
    """A counter: add and read; initially 0, or the number given."""
    if isinstance(initial, bool) or not isinstance(initial, int | float):
        raise ValueError(f"a counter starts at a number, not at {text(initial)}")
    return Counter(initial)
