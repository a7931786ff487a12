"""How a history lies in memory: columns of integers, and one table of values that they number.

Every column is a memoryview over bytes, so that the native search borrows it as it is. A column of
values holds numbers into `Values`; 0 is null and absent. Rows of events are in the order of the
file; rows of operations in the order of invocation (by stamp, then by line).
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Final, get_args

from checker.history.events import EventType, Outcome

if TYPE_CHECKING:
    from checker.history.values import Values

TYPES: Final[tuple[EventType, ...]] = get_args(EventType)
"""Types of events by code: 0 invoke, 1 ok, 2 fail, 3 info. An outcome has the code of its type."""
INVOKE, OK, FAIL, INFO = range(4)

NEMESIS_PROCESS: Final = -1
"""The nemesis in a column of processes; those of clients are 0 or more."""
NEVER: Final = 2**63 - 1
"""`ret` of an operation that may still happen."""
NO_ROW: Final = -1
"""`completion` of an operation that the history leaves open."""

OUTCOMES: Final[dict[Outcome, int]] = {"ok": OK, "fail": FAIL, "info": INFO}


@dataclass(frozen=True, slots=True)
class EventColumns:
    """The lines of a history. int64: index, time, process. int32: a code, or numbers of values."""

    index: memoryview
    time: memoryview
    process: memoryview
    type: memoryview
    f: memoryview
    key: memoryview
    input: memoryview
    output: memoryview
    error: memoryview
    node: memoryview
    request: memoryview
    fault: memoryview
    extra: memoryview

    def __len__(self) -> int:
        return len(self.index)


@dataclass(frozen=True, slots=True)
class Columns:
    """The operations of the clients.

    int64: `call`, `ret` (nanoseconds; `NEVER`), `process`. int32: `f`, `key`, `input`, `output`
    (numbers into `values`), `outcome` (1 ok, 2 fail, 3 info), `invocation` and `completion` (rows
    of events; `NO_ROW`).
    """

    call: memoryview
    ret: memoryview
    process: memoryview
    f: memoryview
    key: memoryview
    input: memoryview
    output: memoryview
    outcome: memoryview
    invocation: memoryview
    completion: memoryview
    values: Values

    def __len__(self) -> int:
        return len(self.call)


EVENT_FIELDS: Final = tuple(field.name for field in fields(EventColumns))
OPERATION_FIELDS: Final = tuple(field.name for field in fields(Columns))[:-1]
WIDE: Final = frozenset({"index", "time", "process", "call", "ret"})
"""Columns of 64-bit integers; the others have 32."""


@dataclass(frozen=True, slots=True)
class Table:
    """What a reader makes of a file: events, operations, values; the line that it left out."""

    events: EventColumns
    operations: Columns
    dropped_line: int | None = None
