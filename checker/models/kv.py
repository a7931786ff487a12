"""A map from keys to values."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from checker.models.model import NULL, Action, Inconsistent, starting_pairs, text, unfit, unknown_f

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_FS: Final = ("get", "put", "append", "delete")


@dataclass(frozen=True, slots=True)
class Kv:
    """`get`, `put`, `append` and `delete` on the operation's key; an absent key holds null.

    `append` makes a string longer; on an absent key it puts. `held` are the keys that are not
    null with their values: pairs of canonical JSON texts, sorted by key.
    """

    held: tuple[tuple[str, str], ...] = ()

    def step(self, op: Action) -> Kv | Inconsistent:
        """The map after an operation."""
        if op.key is None:
            raise unfit("kv", op, "every operation has a key")
        match op.f:
            case "get":
                found = self._value(op)
                if op.known and op.answered != found:
                    return Inconsistent(f"{op.answered} was got, but the key held {found}")
                return self
            case "put":
                return self._with(op, op.given)
            case "append":
                return self._append(op)
            case "delete":
                return self._with(op, NULL)
        raise unknown_f("kv", op, _FS)

    def _append(self, op: Action) -> Kv | Inconsistent:
        if not isinstance(op.input, str):
            raise unfit("kv", op, "the input of append is a string")
        found = self._value(op)
        if found == NULL:
            return self._with(op, op.given)
        if not found.startswith('"'):
            return Inconsistent(f"{op.given} was appended, but the key held {found}, no string")
        return self._with(op, text(json.loads(found) + op.input))

    def _value(self, op: Action) -> str:
        return dict(self.held).get(op.place, NULL)

    def _with(self, op: Action, value: str) -> Kv:
        held = {**dict(self.held), op.place: value}
        return Kv(tuple(sorted(pair for pair in held.items() if pair[1] != NULL)))

    def canonical(self, op: Action) -> Action:
        """Only the output of a get is looked at, its input not."""
        if op.f != "get":
            return Action(op.f, op.input, key=op.key)
        return Action(op.f, None, op.output, key=op.key) if op.known else op

    def partition(self, op: Action) -> Any:
        """Keys do not touch each other."""
        return op.key

    def pure(self, op: Action) -> bool:
        """A get changes nothing."""
        return op.f == "get"

    def blind(self, op: Action) -> bool:
        """Putting and deleting are always possible."""
        return op.f in ("put", "delete")

    def settles(self, op: Action) -> bool:
        """Within one key, the value put is all that there is."""
        return op.f in ("put", "delete")

    def __str__(self) -> str:
        held = ", ".join(f"{key}: {value}" for key, value in self.held)
        return f"the map {{{held}}}"


def kv(initial: Mapping[Any, Any] | Sequence[Sequence[Any]] | None = None) -> Kv:
    """A map: get, put, append, delete; initially empty, or the object or pairs given."""
    held = sorted(starting_pairs(initial).items())
    return Kv(tuple(pair for pair in held if pair[1] != NULL))
