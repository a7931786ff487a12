"""What a generator yields: an operation that is asked for and not yet recorded."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True, slots=True)
class Invocation:
    """An operation asked for.

    A generator leaves `process` and `time` open; the context fills them in (`Context.fill`): the
    process is a free one, the time (nanoseconds of the run) the earliest moment to invoke it.
    `node` names the node to ask where it must be a certain one; otherwise a process keeps to one.
    `extra` is written into the event's line beside the other fields. `plan` names the plan that
    asked for a fault, so that the run can tell which ones did nothing; it is not written.
    """

    f: str
    input: Any = None
    key: Any = None
    process: int | str | None = None
    time: int | None = None
    node: str | None = None
    extra: Mapping[str, Any] = field(default_factory=dict)
    plan: str | None = None

    def at(self, time: int) -> Invocation:
        """The same at this time in nanoseconds of the run."""
        return replace(self, time=time)

    def on(self, node: str) -> Invocation:
        """The same, asked of this node."""
        return replace(self, node=node)


def invoke(f: str, input: Any = None, *, key: Any = None, node: str | None = None) -> Invocation:
    """An operation `f` with this input, on this key and through this node where it has them."""
    return Invocation(f, input, key, node=node)
