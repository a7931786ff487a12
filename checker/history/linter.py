"""Whether lines make a history: the simple twin of the native reader's pairing.

A line that cannot be read may be the very one that another misses, so each excuses one completion
without invocation, or one invocation while another is open: only broken lines are named.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from checker.history.events import NEMESIS
from checker.history.problems import Problem
from checker.history.values import canonical

if TYPE_CHECKING:
    from collections.abc import Iterator

_AGREEING: Final = ("f", "key", "input")


@dataclass(slots=True)
class _Process:
    """Where a process stands: its open invocation, whether info ended it, its last stamp."""

    time: int
    open: dict[str, Any] | None = None
    row: int = 0
    retired: bool = False


@dataclass(slots=True)
class Linter:
    """Pairs lines, fed in the order of the file, and names those that do not fit."""

    pairs: list[tuple[int, int | None]] = field(default_factory=list)
    """Rows of invocation and completion, in the order of the file."""

    _processes: dict[int, _Process] = field(default_factory=dict)
    _operations: dict[int, int] = field(default_factory=dict)
    _index: int = -1
    _excuses: int = 0

    def unreadable(self) -> None:
        """A line came that is no event."""
        self._excuses += 1

    def feed(self, row: int, line: int, event: dict[str, Any]) -> Iterator[Problem]:
        """Take the next event, which stands in this row; yield what is wrong with it."""
        if event["index"] <= self._index:
            yield Problem(line, 0, "index-back", f"{event['index']} after {self._index}")
        self._index = max(self._index, event["index"])
        if event["process"] == NEMESIS:
            # Faults overlap and are injected and healed by several hands: no pairing, no one clock.
            return
        time = event["time"]
        process = self._processes.setdefault(event["process"], _Process(time))
        if time < process.time:
            detail = f"{event['process']} steps back from {process.time} to {time}"
            yield Problem(line, 0, "clock-back", detail)
        process.time = time
        if process.retired:
            yield Problem(line, 0, "goes-on-after-info", str(event["process"]))
        elif event["type"] == "invoke":
            yield from self._invoke(process, row, line, event)
        else:
            yield from self._complete(process, row, line, event)

    def _invoke(
        self, process: _Process, row: int, line: int, event: dict[str, Any]
    ) -> Iterator[Problem]:
        if process.open is not None and not self._excused():
            yield Problem(line, 0, "two-open-operations", str(event["process"]))
        process.open, process.row = event, len(self.pairs)
        self.pairs.append((row, None))

    def _complete(
        self, process: _Process, row: int, line: int, event: dict[str, Any]
    ) -> Iterator[Problem]:
        process.retired = event["type"] == "info"
        if process.open is None:
            if not self._excused():
                detail = str(event["process"])
                yield Problem(line, 0, "completion-without-invocation", detail)
            return
        for name in _AGREEING:
            said = event.get(name)
            if said is not None and canonical(said) != canonical(process.open.get(name)):
                yield Problem(line, 0, "disagrees", name)
        self.pairs[process.row] = (self.pairs[process.row][0], row)
        process.open = None

    def _excused(self) -> bool:
        excused = self._excuses > 0
        self._excuses -= excused
        return excused
