"""One line of a history, and the operation that an invocation and its completion make together.

The file format stands in `docs/history.md`. Nothing here reads or writes files.
"""

from __future__ import annotations

from typing import Any, Literal

import msgspec

EventType = Literal["invoke", "ok", "fail", "info"]
Outcome = Literal["ok", "fail", "info"]

NEMESIS = "nemesis"


class Event(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A line of a history, in the order in which it was written.

    `time` is in integer nanoseconds from the start of the run on one monotonic clock. `process` is
    an integer for a client, `"nemesis"` for the breaker. `fault` numbers a fault: its injection,
    its completion and its healing carry the same number. Absent and null mean the same everywhere.
    """

    index: int
    time: int
    process: int | str
    type: EventType
    f: str
    key: Any = None
    input: Any = None
    output: Any = None
    error: Any = None
    node: str | None = None
    request: str | None = None
    fault: int | None = None
    extra: dict[str, Any] = {}
    """Fields of the line that this version does not know. They are kept, and written back."""

    @property
    def is_client(self) -> bool:
        """Whether a client wrote this line, not the nemesis."""
        return self.process != NEMESIS


class Operation(msgspec.Struct, frozen=True, kw_only=True):
    """An invocation with its completion, if any: a view made on demand from the columns.

    The interval from `call` to `ret` (nanoseconds) is closed: two operations of which one returns
    at the stamp at which the other is called are concurrent, because a clock may answer twice the
    same. `ret` is None where the operation may still take effect later: outcome `info`.
    `index` is the index of the invocation's event, `completion` that of its completion (None if
    the history ends first).
    """

    index: int
    completion: int | None
    process: int
    f: str
    key: Any
    input: Any
    output: Any
    error: Any
    outcome: Outcome
    call: int
    ret: int | None
    node: str | None = None
    request: str | None = None


class FaultWindow(msgspec.Struct, frozen=True, kw_only=True):
    """One fault, from its injection to its healing (nanoseconds; `end` None: never healed).

    `seen` is when the injection was done and its effect known, `healing` when a healing was first
    asked for, whether it took or not. Outside of these two it may be there in part.
    """

    fault: int
    f: str
    input: Any
    start: int
    end: int | None
    effect: str | None
    method: str | None
    evidence: Any = None
    seen: int | None = None
    healing: int | None = None

    def touches(self, operation: Operation) -> bool:
        """Whether the fault was there at any moment of the operation's interval."""
        begins_in_time = operation.ret is None or self.start <= operation.ret
        return begins_in_time and (self.end is None or operation.call <= self.end)
