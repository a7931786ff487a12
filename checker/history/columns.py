"""A history: columns underneath, operations as views on demand."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Final, final

from checker.history import reader
from checker.history.encoding import encode
from checker.history.events import NEMESIS, Event, Operation
from checker.history.faults import windows
from checker.history.layout import (
    EVENT_FIELDS,
    NEMESIS_PROCESS,
    NEVER,
    NO_ROW,
    OPERATION_FIELDS,
    OUTCOMES,
    TYPES,
    Columns,
    EventColumns,
    Table,
)
from checker.history.problems import PROBLEMS_MAX, MalformedHistory, Problem
from checker.history.values import int32, int64

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from os import PathLike

    from checker.history.events import FaultWindow, Outcome
    from checker.history.values import Values

QUIESCENT: Final = "quiescent"
_CHUNK_BYTES: Final = 4 * 2**20


@final
class History:
    """What the clients of one run asked and were answered, and what the nemesis did meanwhile.

    Its length counts the operations of the clients; iterating yields them in order of invocation
    (by stamp, equal stamps by line). It never changes; values are shared by all who ask for them.
    """

    def __init__(self, table: Table) -> None:
        self.columns: Final = table.operations
        """The operations as raw columns, for native search."""
        self.lines: Final = table.events
        """The events as raw columns."""
        self.dropped_line: Final = table.dropped_line
        """The number of the half-written last line that was left out, if one was."""

    @classmethod
    def of(cls, events: Iterable[Event]) -> History:
        """The history of these events, which the linter checks; their order numbers the lines.

        Raises MalformedHistory with all problems.
        """
        lines, problems = [], []
        for number, event in enumerate(events, start=1):
            try:
                lines.append(encode(event))
            except (TypeError, ValueError) as error:
                problems.append(Problem(number, 0, "not-writable", str(error)))
        if problems:
            more = max(0, len(problems) - PROBLEMS_MAX)
            raise MalformedHistory(problems[:PROBLEMS_MAX], more=more)
        return cls.from_bytes(b"".join(lines))

    @classmethod
    def from_bytes(
        cls, data: bytes, *, drop_partial_line: bool = False, source: str = "the history"
    ) -> History:
        """The history of these JSON Lines. Raises MalformedHistory, which names `source`."""
        return cls(reader.read([data], drop_partial_line=drop_partial_line, source=source))

    @classmethod
    def read(cls, path: str | PathLike[str], *, drop_partial_line: bool = False) -> History:
        """The history in this file. Raises MalformedHistory, and OSError as opening a file does.

        `drop_partial_line` leaves a half-written last line out; `dropped_line` tells that it did.
        """
        with open(path, "rb", buffering=0) as file:
            chunks = iter(lambda: file.read(_CHUNK_BYTES), b"")
            table = reader.read(chunks, drop_partial_line=drop_partial_line, source=str(path))
        return cls(table)

    @property
    def values(self) -> Values:
        """The table that the columns number."""
        return self.columns.values

    def __len__(self) -> int:
        return len(self.columns)

    def __iter__(self) -> Iterator[Operation]:
        return self.operations()

    def __getitem__(self, position: int) -> Operation:
        if not -len(self) <= position < len(self):
            raise IndexError(f"operation {position} of {len(self)}")
        return self._operation(position % len(self))

    def __repr__(self) -> str:
        return f"<History: {len(self)} operations, {len(self.lines)} events>"

    def __reduce__(self) -> tuple[Callable[[bytes], History], tuple[bytes]]:
        """Travel to another process as lines: views of memory cannot."""
        return History.from_bytes, (self.to_bytes(),)

    def operations(
        self, f: str | None = None, *, outcome: Outcome | None = None
    ) -> Iterator[Operation]:
        """Operations in order of invocation, of this `f` and this outcome where given."""
        return map(self._operation, self._positions(f, outcome))

    def events(self) -> Iterator[Event]:
        """Every line of the file, as an event, in the order of the file."""
        return map(self._event, range(len(self.lines)))

    def to_bytes(self) -> bytes:
        """The history as JSON Lines, which read back give an equal one."""
        return b"".join(map(encode, self.events()))

    def nemesis(self, f: str | None = None) -> tuple[Event, ...]:
        """What the nemesis and the run wrote: all, or those of this `f`."""
        events = map(self._event, self._nemesis_rows)
        return tuple(event for event in events if f is None or event.f == f)

    @cached_property
    def faults(self) -> tuple[FaultWindow, ...]:
        """The window of every fault that has a number, in order of injection."""
        return windows(self.nemesis())

    @cached_property
    def quiescent_time(self) -> int | None:
        """When the run found the cluster quiescent (nanoseconds), or None if it never did."""
        stamps = [event.time for event in self.nemesis(QUIESCENT) if event.type != "invoke"]
        return stamps[-1] if stamps else None

    def where(self, predicate: Callable[[Operation], bool]) -> History:
        """The operations for which this holds, with all nemesis events."""
        return self.select(i for i in range(len(self)) if predicate(self._operation(i)))

    def sub(self, operations: Iterable[Operation]) -> History:
        """These operations of this history and all nemesis events. ValueError for others."""
        try:
            return self.select(self._position_of[operation.index] for operation in operations)
        except KeyError as error:
            raise ValueError(f"no operation of this history was invoked at index {error}") from None

    def select(self, positions: Iterable[int]) -> History:
        """The operations at these positions, with all nemesis events; positions as of `h[i]`."""
        kept = sorted(set(positions))
        old = self.columns
        ends = (column[i] for i in kept for column in (old.invocation, old.completion))
        rows = sorted({row for row in ends if row != NO_ROW}.union(self._nemesis_rows))
        moved = {NO_ROW: NO_ROW} | {row: new for new, row in enumerate(rows)}
        columns = {name: _gathered(getattr(old, name), kept) for name in OPERATION_FIELDS}
        for name in ("invocation", "completion"):
            columns[name] = _like(columns[name], (moved[row] for row in columns[name]))
        events = {name: _gathered(getattr(self.lines, name), rows) for name in EVENT_FIELDS}
        table = Table(EventColumns(**events), Columns(**columns, values=old.values))
        return History(table)

    @cached_property
    def _nemesis_rows(self) -> tuple[int, ...]:
        processes = self.lines.process
        return tuple(row for row, process in enumerate(processes) if process == NEMESIS_PROCESS)

    @cached_property
    def _position_of(self) -> dict[int, int]:
        index = self.lines.index
        return {index[row]: position for position, row in enumerate(self.columns.invocation)}

    def _positions(self, f: str | None, outcome: Outcome | None) -> Iterable[int]:
        positions: Iterable[int] = range(len(self))
        if f is not None:
            fs = self.columns.f
            wanted = {number for number in set(fs) if self.values[number] == f}
            positions = [i for i in positions if fs[i] in wanted]
        if outcome is not None:
            code, outcomes = OUTCOMES[outcome], self.columns.outcome
            positions = [i for i in positions if outcomes[i] == code]
        return positions

    def _operation(self, position: int) -> Operation:
        columns, lines, values = self.columns, self.lines, self.values
        invoked, completed = columns.invocation[position], columns.completion[position]
        ret, outcome = columns.ret[position], TYPES[columns.outcome[position]]
        assert outcome != "invoke"
        open = completed == NO_ROW
        last = invoked if open else completed
        return Operation(
            index=lines.index[invoked],
            completion=None if open else lines.index[completed],
            process=columns.process[position],
            f=values[columns.f[position]],
            key=values[columns.key[position]],
            input=values[columns.input[position]],
            output=values[columns.output[position]],
            error=None if open else values[lines.error[completed]],
            outcome=outcome,
            call=columns.call[position],
            ret=None if ret == NEVER else ret,
            node=values[lines.node[invoked] or lines.node[last]],
            request=values[lines.request[invoked] or lines.request[last]],
        )

    def _event(self, row: int) -> Event:
        lines, values = self.lines, self.values
        process = lines.process[row]
        return Event(
            index=lines.index[row],
            time=lines.time[row],
            process=NEMESIS if process == NEMESIS_PROCESS else process,
            type=TYPES[lines.type[row]],
            f=values[lines.f[row]],
            key=values[lines.key[row]],
            input=values[lines.input[row]],
            output=values[lines.output[row]],
            error=values[lines.error[row]],
            node=values[lines.node[row]],
            request=values[lines.request[row]],
            fault=values[lines.fault[row]],
            extra=values[lines.extra[row]] or {},
        )


def _gathered(column: memoryview, rows: Iterable[int]) -> memoryview:
    return _like(column, (column[row] for row in rows))


def _like(column: memoryview, numbers: Iterable[int]) -> memoryview:
    return int64(numbers) if column.format == "q" else int32(numbers)
