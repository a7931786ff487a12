"""Registers whose values are written once: every read tells which write it saw."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from checker.identity import identity
from checker.wording import of_key, value

if TYPE_CHECKING:
    from checker.history.columns import History
    from checker.history.events import Operation
    from checker.identity import Identity

READ, WRITE, CAS = "read", "write", "cas"
VERSION_FIELDS: Final = ("slot", "revision")
"""Names under which a system returns a total version beside the value."""


@dataclass(frozen=True, slots=True)
class RegisterWrite:
    """A write, or a compare-and-set that wrote or may have, with the value that it writes."""

    operation: Operation
    value: Any


@dataclass(frozen=True, slots=True)
class RegisterRead:
    """An observation: a read, or a compare-and-set that succeeded (it saw the old value).

    `write` is the write whose value was seen, None for the value before any write.
    """

    operation: Operation
    value: Any
    write: RegisterWrite | None


@dataclass(slots=True)
class Register:
    """One key: its writes and observations, in order of invocation.

    `problem` says which assumption is broken, if one is; nothing can then be concluded.
    `unwritten` are answered reads of a value that no client wrote: they are no observations.
    """

    key: Any
    writes: list[RegisterWrite] = field(default_factory=list)
    reads: list[RegisterRead] = field(default_factory=list)
    unwritten: list[Operation] = field(default_factory=list)
    has_cas: bool = False
    problem: str | None = None


def registers(history: History) -> list[Register]:
    """The registers of a history, in order of first appearance: keys that were read or written.

    Operations that surely never happened (`fail`) and reads without an answer tell nothing.
    """
    operations: dict[Identity, list[Operation]] = {}
    for operation in history:
        if operation.f != "dump" and operation.outcome != "fail":
            operations.setdefault(identity(operation.key), []).append(operation)
    own = (READ, WRITE, CAS)
    return [_register(of) for of in operations.values() if any(op.f in own for op in of)]


def answered_value(output: Any) -> Any:
    """The value of a read's answer; beside a total version it stands in an object."""
    is_versioned = isinstance(output, dict) and any(name in output for name in VERSION_FIELDS)
    return output["value"] if is_versioned and "value" in output else output


def _register(operations: list[Operation]) -> Register:
    register = Register(operations[0].key)
    of_value: dict[Identity, RegisterWrite] = {}
    for operation in operations:
        register.has_cas = register.has_cas or operation.f == CAS
        if not _is_of_a_register(operation):
            register.problem = (
                f"assumption broken: {operation.f} {value(operation.input)}{of_key(register.key)}"
                " is no operation of a register"
            )
            return register
        if (written := _written(operation)) is not None:
            register.writes.append(written)
            if written.value is None or identity(written.value) in of_value:
                register.problem = (
                    f"assumption broken: {value(written.value)} was written{of_key(register.key)}"
                    " and does not tell which write a read saw"
                )
            of_value[identity(written.value)] = written
    for operation in operations:
        _observe(register, operation, of_value)
    return register


def _is_of_a_register(operation: Operation) -> bool:
    if operation.f != CAS:
        return operation.f in (READ, WRITE)
    return isinstance(operation.input, list) and len(operation.input) == 2


def _written(operation: Operation) -> RegisterWrite | None:
    if operation.f == WRITE:
        return RegisterWrite(operation, operation.input)
    if operation.f == CAS and operation.output is not False:
        return RegisterWrite(operation, operation.input[1])
    return None


def _observe(
    register: Register, operation: Operation, of_value: dict[Identity, RegisterWrite]
) -> None:
    if operation.outcome != "ok":
        return
    if operation.f == READ:
        seen = answered_value(operation.output)
    elif operation.f == CAS and operation.output is True:
        seen = operation.input[0]
    else:
        return
    write = of_value.get(identity(seen))
    if write is None and seen is not None:
        register.unwritten.append(operation)
    else:
        register.reads.append(RegisterRead(operation, seen, write))
