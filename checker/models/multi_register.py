"""Several registers that transactions read and write at one moment."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Final

from checker.models.model import NULL, Action, Inconsistent, starting_pairs, text, unfit, unknown_f

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

_WANTED: Final = (
    'the input of txn lists ["r", key, null], ["w", key, value] and ["append", key, element], '
    "the output too"
)
_VERBS: Final = ("r", "w", "append")


@dataclass(frozen=True, slots=True)
class MultiRegister:
    """`txn` executes its steps in order, alone; a read sees the writes before it.

    `append` makes the list in a register longer; one that holds null becomes a list of one. A
    read that is asked with a value is a condition: the transaction happens only where it holds.
    `held` are the registers that are not null: pairs of canonical JSON texts, sorted by name.
    """

    held: tuple[tuple[str, str], ...] = ()
    keyless: ClassVar = True

    def step(self, op: Action) -> MultiRegister | Inconsistent:
        """The registers after a transaction."""
        held = dict(self.held)
        for verb, name, value in _steps(op):
            if verb == "w":
                held[name] = value
            elif verb == "append":
                before = json.loads(held.get(name, NULL))
                if not isinstance(before, list | None):
                    return Inconsistent(f"{value} was appended to {name}, which holds no list")
                held[name] = text([*(before or []), json.loads(value)])
            elif (op.known or value != NULL) and held.get(name, NULL) != value:
                found = held.get(name, NULL)
                return Inconsistent(f"{value} was read from {name}, but it held {found}")
        return _of(held)

    def canonical(self, op: Action) -> Action:
        """One that only writes tells nothing by its output."""
        return Action(op.f, op.input, op.input) if self.blind(op) else op

    def pure(self, op: Action) -> bool:
        """A transaction that only reads changes nothing."""
        return all(verb == "r" for verb, _, _ in _steps(op))

    def blind(self, op: Action) -> bool:
        """A transaction that only writes is always possible."""
        return all(verb == "w" for verb, _, _ in _steps(op))

    def __str__(self) -> str:
        held = ", ".join(f"{name} = {value}" for name, value in self.held)
        return f"the registers holding {held or 'nothing'}"


def _of(held: Mapping[str, str]) -> MultiRegister:
    return MultiRegister(tuple(sorted(pair for pair in held.items() if pair[1] != NULL)))


def _steps(op: Action) -> Iterator[tuple[str, str, str]]:
    if op.f != "txn":
        raise unknown_f("multi-register", op, ("txn",))
    asked = op.input if isinstance(op.input, list | tuple) else [None]
    done = op.output if op.known else asked
    if not isinstance(done, list | tuple) or len(done) != len(asked):
        raise unfit("multi-register", op, _WANTED)
    for ask, answer in zip(asked, done, strict=True):
        if not (_is_step(ask) and _is_step(answer) and text(ask[:2]) == text(answer[:2])):
            raise unfit("multi-register", op, _WANTED)
        value = answer[2] if ask[0] == "r" else ask[2]
        yield ask[0], text(ask[1]), text(value)


def _is_step(step: Any) -> bool:
    return isinstance(step, list | tuple) and len(step) == 3 and step[0] in _VERBS


def multi_register(
    initial: Mapping[Any, Any] | Sequence[Sequence[Any]] | None = None,
) -> MultiRegister:
    """Registers read and written by transactions; initially null, or the object or pairs given."""
    return _of(starting_pairs(initial))
