"""A set of elements."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from checker.models.model import Action, Inconsistent, starting_elements, text, unfit, unknown_f

if TYPE_CHECKING:
    from collections.abc import Iterable


class _Declared:
    """What a set declares of its operations, the whole of it and a part."""

    __slots__ = ()

    keyless: ClassVar = True

    def canonical(self, op: Action) -> Action:
        """The outputs of add and remove are not looked at."""
        return Action(op.f, op.input) if self.blind(op) else op

    def pure(self, op: Action) -> bool:
        """Looking changes nothing."""
        return op.f in ("contains", "read")

    def blind(self, op: Action) -> bool:
        """Adding and removing are always possible."""
        return op.f in ("add", "remove")


@dataclass(frozen=True, slots=True)
class Set(_Declared):
    """`add` and `remove` an element, `contains` tells of one, `read` answers all in any order.

    `elements` are canonical JSON texts. Outputs of add and remove are not looked at.
    """

    elements: frozenset[str] = frozenset()

    def step(self, op: Action) -> Set | Inconsistent:
        """The set after an operation."""
        match op.f:
            case "add":
                return Set(self.elements | {op.given})
            case "remove":
                return Set(self.elements - {op.given})
            case "contains":
                return self._contains(op)
            case "read":
                return self._read(op)
        raise unknown_f("set", op, ("add", "remove", "contains", "read"))

    def _contains(self, op: Action) -> Set | Inconsistent:
        if op.known and not isinstance(op.output, bool):
            raise unfit("set", op, "the output of contains is true or false")
        there = op.given in self.elements
        if op.known and there != op.output:
            return Inconsistent(f"{op.given} was {'' if op.output else 'not '}found, but {self}")
        return self

    def _read(self, op: Action) -> Set | Inconsistent:
        if not op.known:
            return self
        if not isinstance(op.output, list | tuple):
            raise unfit("set", op, "the output of read is a list")
        found = [text(element) for element in op.output]
        if len(found) != len(self.elements) or set(found) != self.elements:
            return Inconsistent(f"{op.answered} was read, but {self}")
        return self

    def __str__(self) -> str:
        return f"the set held {{{', '.join(sorted(self.elements))}}}"


@dataclass(frozen=True, slots=True)
class Part(_Declared):
    """Some elements of a set, as if there were no others: what is wrong of them is wrong of all.

    `of` and `elements`, those of them that are inside, are canonical JSON texts. A list that names
    one element twice is no answer of any set.
    """

    of: frozenset[str]
    elements: frozenset[str] = frozenset()

    def step(self, op: Action) -> Part | Inconsistent:
        """These elements after an operation."""
        if op.f == "read" and op.known:
            return self._read(op)
        if op.f != "read" and op.given not in self.of:
            return self
        after = Set(self.elements).step(op)
        return after if isinstance(after, Inconsistent) else Part(self.of, after.elements)

    def _read(self, op: Action) -> Part | Inconsistent:
        found = [text(element) for element in op.output]
        if len(found) > len(set(found)):
            return Inconsistent(f"{op.answered} was read, which names an element twice")
        if self.of.intersection(found) == self.elements:
            return self
        return Inconsistent(f"{op.answered} was read, but {self}")

    def __str__(self) -> str:
        if not self.of:
            return "the set, whatever it held"
        return (
            f"of {', '.join(sorted(self.of))} the set held {{{', '.join(sorted(self.elements))}}}"
        )


def make_set(initial: Iterable[Any] = ()) -> Set:
    """A set: add, remove, contains, read; initially empty, or the list of elements given."""
    return Set(frozenset(starting_elements(initial)))
