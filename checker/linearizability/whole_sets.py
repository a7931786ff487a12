"""Sets to which elements are only added, and which may be read whole: decided by one sweep.

An element comes in once, at a moment from the first call of an operation that adds it to the first
return of one: never, if all crashed; then it need not come in at all if nobody saw it. Of two sets
that were read one holds the other, so they make a chain, and each element comes in between two sets
of the chain, or after all. What is left is that some moments are not after others: what is new in
a set comes in before the set is read, and after the one before it was; an element is looked for in
vain before it comes in, and found after. So every moment is taken as early as those before it
allow, and the history is legal if none is later than its operation allows: moments in order make an
order of closed intervals. What is wrong is so for at most two elements, as if no others were read.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from checker.history.layout import FAIL, INFO, NEVER
from checker.linearizability.unruled import LOOK_EVERY, Unruled
from checker.models.model import text

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from checker.history.columns import History
    from checker.linearizability.unruled import Watch

BEGINNING: Final = -(1 << 63)
"""Before everything: what is inside at the beginning came in then."""
NOWHERE: Final = -1
ELEMENT_BYTES: Final = 100
"""What an element of a set that was read takes, its text and its place in the set, about."""


class Wrong(Exception):
    """These rows are wrong, with those that add these elements, as if nobody read any others."""

    def __init__(self, rows: set[int], elements: set[str]) -> None:
        self.rows: Final = rows
        self.elements: Final = elements


class Moment(NamedTuple):
    """The earliest at which something can be, and what is to blame: its row, element, and set."""

    at: int
    row: int
    element: str | None
    read: int


class Seen(NamedTuple):
    """Who saw a set, or one element; an interval."""

    row: int
    call: int
    ret: int


@dataclass(slots=True)
class Entry:
    """An element: first call and first return of those that add it, and who looked for it."""

    call: tuple[int, int] = (NEVER, NOWHERE)
    ret: tuple[int, int] = (NEVER, NOWHERE)
    missed: tuple[int, int] = (BEGINNING, NOWHERE)
    found: list[Seen] = field(default_factory=list)


class WholeSet:
    """One set. `judge` answers whether anybody saw anything.

    Raises Wrong, and Unruled, also when the budget is spent.
    """

    def __init__(self, history: History, initial: frozenset[str], watch: Watch) -> None:
        self.history: Final = history
        self._watch: Final = watch
        self.entries: Final[dict[str, Entry]] = {
            element: Entry((BEGINNING, NOWHERE), (BEGINNING, NOWHERE)) for element in initial
        }
        self.reads: Final[dict[frozenset[str], list[Seen]]] = {}
        self._lists: Final[dict[int, frozenset[str]]] = {}

    def judge(self, rows: Sequence[int]) -> bool:
        """Judge the set of these rows, which are in order of invocation."""
        self._read_all(rows)
        looked = any(e.found or e.missed[1] != NOWHERE for e in self.entries.values())
        current = Moment(BEGINNING, NOWHERE, None, NOWHERE)
        before: frozenset[str] = frozenset()
        for held in sorted(self.reads, key=len):
            self._watch.look()
            current = self._pass(before, held, current)
            before = held
        for element in self.entries.keys() - before:
            entry = self.entries[element]
            if entry.ret[0] != NEVER or entry.found:
                self._come_in(element, current, NOWHERE)
        return looked or bool(self.reads)

    def _pass(self, before: frozenset[str], held: frozenset[str], current: Moment) -> Moment:
        """The earliest moment after all reads of a set, `current` being that of the one before."""
        reads = self.reads[held]
        if not before <= held:
            missing, new = min(before - held), min(held - before)
            raise Wrong({reads[0].row, self.reads[before][0].row}, {missing, new})
        reached = current
        for element in held - before:
            reached = max(reached, self._come_in(element, current, reads[0].row), key=_at)
        after = reached
        for read in reads:
            if reached.at > read.ret:
                self._blame(reached, read.row, reached.element or self._between(reached, held))
            after = max(after, Moment(read.call, read.row, None, read.row), key=_at)
        return after

    def _come_in(self, element: str, current: Moment, read: int) -> Moment:
        """The earliest moment at which an element may come in, before it is seen by `read`."""
        entry = self.entries[element]
        called = Moment(*entry.call, element, read)
        missed = Moment(*entry.missed, element, read)
        moment = max(current, called, missed, key=_at)
        if moment.at > entry.ret[0]:
            self._blame(moment, entry.ret[1], element)
        for found in entry.found:
            if moment.at > found.ret:
                self._blame(moment, found.row, element)
        return moment

    def _between(self, moment: Moment, held: frozenset[str]) -> str:
        """An element of a set that the earlier one, whose read is the moment, does not hold."""
        [earlier] = [
            of for of, reads in self.reads.items() if any(r.row == moment.row for r in reads)
        ]
        return min(held - earlier)

    def _blame(self, moment: Moment, row: int, element: str) -> None:
        elements = {element, moment.element or element}
        rows = {moment.row, row} | ({moment.read} if len(elements) > 1 else set())
        raise Wrong(rows - {NOWHERE}, elements)

    def _read_all(self, rows: Sequence[int]) -> None:
        columns, values = self.history.columns, self.history.values
        returned: dict[int, int] = {}
        reads: list[tuple[Seen, Any]] = []
        for place, row in enumerate(rows):
            if place % LOOK_EVERY == 0:
                self._watch.look()
            if columns.outcome[row] == FAIL:
                continue
            crashed = columns.outcome[row] == INFO or columns.ret[row] == NEVER
            seen = Seen(row, columns.call[row], NEVER if crashed else columns.ret[row])
            process = columns.process[row]
            if returned.get(process) == seen.call:
                raise Unruled("operations of one process touch")
            returned[process] = seen.ret
            f = values[columns.f[row]]
            if f == "add":
                entry = self._entry(row)
                entry.call = min(entry.call, (seen.call, row))
                entry.ret = min(entry.ret, (seen.ret, row))
            elif f not in ("contains", "read"):
                why = "an element is removed" if f == "remove" else "an operation is none of a set"
                raise Unruled(why)
            elif not crashed:
                reads.append((seen, f))
        for seen, f in reads:
            self._look(seen) if f == "contains" else self._see(seen)

    def _entry(self, row: int) -> Entry:
        given = text(self.history.values[self.history.columns.input[row]])
        return self.entries.setdefault(given, Entry())

    def _look(self, seen: Seen) -> None:
        output = self.history.values[self.history.columns.output[seen.row]]
        entry = self._entry(seen.row)
        if output is True:
            if entry.call[0] == NEVER:
                given = self.history.values[self.history.columns.input[seen.row]]
                raise Wrong({seen.row}, {text(given)})
            entry.found.append(seen)
        elif output is False:
            entry.missed = max(entry.missed, (seen.call, seen.row))
        else:
            raise Unruled("an answer is neither true nor false")

    def _see(self, seen: Seen) -> None:
        number = self.history.columns.output[seen.row]
        held = self._lists.get(number)
        if held is None:
            self._watch.look()
            output = self.history.values[number]
            if not isinstance(output, list | tuple):
                raise Unruled("what was read is no list")
            held = self._lists[number] = frozenset(map(text, output))
            if len(held) != len(output):
                raise Wrong({seen.row}, set())
            unknown = [e for e in held if e not in self.entries or self.entries[e].call[0] == NEVER]
            if unknown:
                raise Wrong({seen.row}, {min(unknown)})
            self._watch.hold(len(held) * ELEMENT_BYTES)
        self.reads.setdefault(held, []).append(seen)


def _at(moment: Moment) -> int:
    return moment.at


def adding(history: History, rows: Sequence[int], elements: frozenset[str]) -> Iterator[int]:
    """Of these rows those that add one of these elements."""
    columns, values = history.columns, history.values
    for row in rows:
        added = columns.outcome[row] != FAIL and values[columns.f[row]] == "add"
        if added and text(values[columns.input[row]]) in elements:
            yield row
