"""Session guarantees by a total version that the system returns: a slot, a revision.

Reads and writes return the version of the state that they saw or made. Two operations at one
version (a batch in one slot) are never held against each other.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from checker.evidence import Explanation, in_order
from checker.identity import identity
from checker.sessions.order import (
    MONOTONIC_READS,
    MONOTONIC_WRITES,
    READ_YOUR_WRITES,
    WRITES_FOLLOW_READS,
    extras,
)
from checker.wording import asked, of_key, through

if TYPE_CHECKING:
    from checker.evidence import Evidence
    from checker.findings import FindingKind
    from checker.history.columns import History
    from checker.history.events import Operation
    from checker.identity import Identity

READS: Final = frozenset({"read", "get"})
WRITES: Final = frozenset({"write", "cas", "put", "append", "delete", "add", "remove"})


@dataclass(frozen=True, slots=True)
class Versioned:
    """An answered operation with its version."""

    operation: Operation
    version: int
    is_read: bool


@dataclass(slots=True)
class _Session:
    """The newest read and the newest write of one process on one key so far."""

    read: Versioned | None = None
    write: Versioned | None = None


@dataclass(slots=True)
class TotalOrder:
    """Judges all four guarantees by comparing with the newest version of the session so far.

    `operations` are those with a version, in order of invocation.
    """

    field_name: str
    operations: list[Versioned] = field(default_factory=list)

    @classmethod
    def of(cls, history: History, fields: tuple[str, ...]) -> TotalOrder | None:
        """The order by the first of these fields that an answer has; None if none has one.

        The field stands in the answer's output, where that is an object, or beside it in the line.
        """
        beside = extras(history)
        answered = [op for op in history.operations(outcome="ok") if op.f in READS | WRITES]
        for name in fields:
            found = [
                (op, _version(op, name, beside.get(op.completion or -1, {}))) for op in answered
            ]
            versioned = [Versioned(op, v, is_read(op)) for op, v in found if v is not None]
            if versioned:
                return cls(name, versioned)
        return None

    @property
    def name(self) -> str:
        """The field by which versions are told."""
        return f"the total version {self.field_name}"

    def judge(self, evidence: Evidence) -> None:
        """All four guarantees, by process and key."""
        sessions: dict[tuple[int, Identity], _Session] = {}
        for now in self.operations:
            name = (now.operation.process, identity(now.operation.key))
            session = sessions.setdefault(name, _Session())
            if now.is_read:
                self._compare(READ_YOUR_WRITES, session.write, now, evidence)
                self._compare(MONOTONIC_READS, session.read, now, evidence)
                session.read = _newer(session.read, now)
            else:
                self._compare(MONOTONIC_WRITES, session.write, now, evidence)
                self._compare(WRITES_FOLLOW_READS, session.read, now, evidence)
                session.write = _newer(session.write, now)

    def _compare(
        self, guarantee: FindingKind, before: Versioned | None, now: Versioned, evidence: Evidence
    ) -> None:
        if before is not None and now.version < before.version:
            evidence.add(guarantee, partial(self._went_back, before, now))

    def _went_back(self, before: Versioned, now: Versioned) -> Explanation:
        first, second = before.operation, now.operation
        return Explanation(
            f"Process {first.process} was at {self.field_name} {before.version} with its {first.f}"
            f"{of_key(first.key)}{through(first)} ({asked(first)}), and its later {second.f}"
            f"{through(second)} ({asked(second)}) was at {self.field_name} {now.version}, which is"
            f" older.",
            in_order([first, second]),
        )


def _version(operation: Operation, name: str, beside: dict[str, Any]) -> int | None:
    output = operation.output
    inside = output.get(name) if isinstance(output, dict) else None
    found = beside.get(name) if inside is None else inside
    return found if type(found) is int else None


def is_read(operation: Operation) -> bool:
    """A compare-and-set that was answered no only observed."""
    output = operation.output
    value = output.get("value") if isinstance(output, dict) else output
    return operation.f in READS or value is False


def _newer(one: Versioned | None, other: Versioned) -> Versioned:
    return other if one is None or other.version >= one.version else one
