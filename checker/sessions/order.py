"""What session guarantees need: a way to tell which of two versions is the newer."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, Protocol

if TYPE_CHECKING:
    from checker.evidence import Evidence
    from checker.history.columns import History

READ_YOUR_WRITES: Final = "read-your-writes"
MONOTONIC_READS: Final = "monotonic-reads"
MONOTONIC_WRITES: Final = "monotonic-writes"
WRITES_FOLLOW_READS: Final = "writes-follow-reads"
GUARANTEES: Final = (
    READ_YOUR_WRITES,
    MONOTONIC_READS,
    MONOTONIC_WRITES,
    WRITES_FOLLOW_READS,
)


class VersionOrder(Protocol):
    """Judges session guarantees by one kind of version order.

    A session is what one process did to one key: a process lives until an operation of it ends with
    unknown outcome, and a read of one key says nothing about another.
    """

    @property
    def name(self) -> str:
        """What the versions are told by, in words."""
        ...

    def judge(self, evidence: Evidence) -> None:
        """Add what breaks a guarantee, and doubt the guarantees that this order cannot judge."""
        ...


def extras(history: History) -> dict[int, dict[str, Any]]:
    """The fields of lines that the format does not know, by the index of the line."""
    lines, values = history.lines, history.values
    return {lines.index[row]: values[number] for row, number in enumerate(lines.extra) if number}
