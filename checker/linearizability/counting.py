"""Counters: refuted by what was added between two reads at least and at most, and shown to be
legal by an order that is made in one sweep. Between the two a search is left.

For two reads, one after the other, what was called after the first returned and returned before the
second was called lies between them; what was called after the second returned, or returned before
the first was called, does not; anything else may. The beginning is a read too. So is their
difference bounded, whatever the signs. What crashed returns never.

Where nothing is taken away reads are in the order of their values. What brings the counter from
one value to the next can be added from the last call of a read of less until the first return of a
read of as much or more. Both go on with the values, so it is enough that each addition has a
moment within its interval and those of its value. The sweep adds as late as it can: what cannot
wait, and then what returns first of what makes up the difference, crashed ones last. Where all
additions are equal that is exact: swap two, and the one that returns first goes first; what is not
added yet is missed by no read. Otherwise the choice of those that make up a difference may be a
wrong one, and nothing is said.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right, insort_right
from itertools import accumulate, islice, pairwise
from typing import TYPE_CHECKING, Final, NamedTuple

from checker.history.layout import FAIL, INFO, NEVER
from checker.linearizability.unruled import LOOK_EVERY, Unruled

if TYPE_CHECKING:
    from collections.abc import Sequence

    from checker.history.columns import History
    from checker.linearizability.unruled import Watch

BEGINNING: Final = -(1 << 63)
NOWHERE: Final = -1
CHOICES_MAX: Final = 200_000
"""So many sums of additions are looked at, which takes less than a tenth of a second."""


SHOWN_MAX: Final = 60
"""More additions are counted, and not shown."""


class Change(NamedTuple):
    """An addition (`amount` is not 0), or a read (the value that was read); an interval."""

    call: int
    ret: int
    amount: int
    row: int


class Bounds(NamedTuple):
    """Rows of one read or two, the second of which is too low or too high for what was added since.

    `start` is the value at the beginning, if that is what the only read is compared with. What was
    added came to `least` at least and to `most` at most, of the additions in the rows `adds` alone;
    or, where these would be too many to show, of all that count: so many are `hidden`.
    """

    rows: tuple[int, ...]
    start: int | None
    least: int
    most: int
    adds: tuple[int, ...] = ()
    hidden: int = 0


def read_all(
    history: History, rows: Sequence[int], watch: Watch
) -> tuple[list[Change], list[Change]]:
    """The additions and the reads of one counter. Raises Unruled, as when the seconds are spent."""
    columns, values = history.columns, history.values
    returned: dict[int, int] = {}
    adds: list[Change] = []
    reads: list[Change] = []
    for place, row in enumerate(rows):
        if place % LOOK_EVERY == 0:
            watch.look()
        if columns.outcome[row] == FAIL:
            continue
        crashed = columns.outcome[row] == INFO or columns.ret[row] == NEVER
        call, ret = columns.call[row], NEVER if crashed else columns.ret[row]
        process = columns.process[row]
        if returned.get(process) == call:
            raise Unruled("operations of one process touch")
        returned[process] = ret
        f = values[columns.f[row]]
        if f not in ("add", "read"):
            raise Unruled("an operation is none of a counter")
        if f == "read" and crashed:
            continue
        amount = values[columns.input[row] if f == "add" else columns.output[row]]
        if type(amount) is not int:
            raise Unruled("a number is not whole")
        if f == "read":
            reads.append(Change(call, ret, amount, row))
        elif amount:
            adds.append(Change(call, ret, amount, row))
    return adds, reads


def judge(
    initial: int,
    adds: Sequence[Change],
    reads: Sequence[Change],
    watch: Watch,
) -> Bounds | None:
    """What refutes a counter; None if an order explains it.

    Raises Unruled if neither is found, or if the seconds are spent before.
    """
    wrong = _out_of_bounds(initial, adds, reads, watch)
    if wrong is not None:
        return wrong
    sign = 1 if all(add.amount > 0 for add in adds) else -1
    if any(sign * add.amount < 0 for add in adds):
        raise Unruled("something is added and something taken away")
    if not _Sweep([_turned(add, sign) for add in adds], watch).reaches(
        sign * initial, [_turned(read, sign) for read in reads]
    ):
        raise Unruled("no order is found at once")
    return None


def _turned(change: Change, sign: int) -> Change:
    return change._replace(amount=sign * change.amount)


def _out_of_bounds(
    initial: int, adds: Sequence[Change], reads: Sequence[Change], watch: Watch
) -> Bounds | None:
    beginning = Change(BEGINNING, BEGINNING, initial, NOWHERE)
    between = _Between(adds)
    # What has to be added is known in the order in which the second of each pair was called.
    for first, second in sorted(_pairs(beginning, adds, reads), key=lambda pair: pair[1].call):
        watch.look()
        least, most = between(first, second)
        if not least <= second.amount - first.amount <= most:
            return _told(1 if second.amount - first.amount < least else -1, first, second, adds)
    return None


def _told(sign: int, first: Change, second: Change, adds: Sequence[Change]) -> Bounds:
    """What refutes this pair, of which the second is too low, or with the sign -1 too high.

    Of the additions all of that other sign that may lie between, and of those that have to the
    greatest, as far as they are needed.
    """
    may = [a for a in adds if sign * a.amount < 0 and a.call <= second.ret and a.ret >= first.call]
    must = [a for a in adds if sign * a.amount > 0 and first.ret < a.call and a.ret < second.call]
    must.sort(key=lambda add: -sign * add.amount)
    totals = list(accumulate((a.amount for a in must), initial=sum(a.amount for a in may)))
    difference = second.amount - first.amount
    needed = next(n for n, total in enumerate(totals) if sign * (total - difference) > 0)
    hidden = len(may) + needed > SHOWN_MAX
    total = totals[-1] if hidden else totals[needed]
    # Where two reads overlap and nothing is taken away this is 0: then they have one order only.
    other = total - totals[0]
    return Bounds(
        tuple(read.row for read in (first, second) if read.row != NOWHERE),
        first.amount if first.row == NOWHERE else None,
        min(total, other),
        max(total, other),
        () if hidden else tuple(add.row for add in (*may, *must[:needed])),
        len(may) + len(must) if hidden else 0,
    )


def _pairs(
    beginning: Change, adds: Sequence[Change], reads: Sequence[Change]
) -> list[tuple[Change, Change]]:
    """Those that are compared: each read with the beginning, with the last one before it, and,
    where reads are in the order of their values, with the one before it in that."""
    pairs = [(beginning, read) for read in reads]
    returning = sorted(reads, key=lambda read: read.ret)
    returns = [read.ret for read in returning]
    for read in reads:
        before = bisect_left(returns, read.call)
        pairs += [(returning[before - 1], read)] if before else []
    rising = all(add.amount > 0 for add in adds)
    if rising or all(add.amount < 0 for add in adds):
        ordered = sorted(reads, key=lambda read: read.amount if rising else -read.amount)
        # One that is after a lower one in values and before it in time is found by its return.
        pairs += [(a, b) for a, b in pairwise(ordered) if a.call <= b.ret and a.amount != b.amount]
    return pairs


class _Between:
    """The least and the most that is added between two reads, of which the second is later.

    To be asked in the order in which the second ones were called.
    """

    def __init__(self, adds: Sequence[Change]) -> None:
        called = sorted(adds)
        self._calls: Final = [add.call for add in called]
        self._returning: Final = sorted(adds, key=lambda add: add.ret)
        self._returns: Final = [add.ret for add in self._returning]
        self._sums: Final = [
            (_sums(sign, called), _sums(sign, self._returning)) for sign in (-1, 1)
        ]
        # By the place of the call the sums of those that have returned so far.
        self._over: Final = {sign: _Sums(len(adds)) for sign in (-1, 1)}
        self._seen = 0

    def __call__(self, first: Change, second: Change) -> tuple[int, int]:
        called = bisect_right(self._calls, second.ret)
        over = bisect_left(self._returns, first.call)
        may = [by_call[called] - by_return[over] for by_call, by_return in self._sums]
        self._see(bisect_left(self._returns, second.call))
        if first.ret >= second.call:
            return may[0], may[1]
        from_ = bisect_right(self._calls, first.ret)
        return may[0] + self._over[1].since(from_), may[1] + self._over[-1].since(from_)

    def _see(self, over: int) -> None:
        for add in self._returning[self._seen : over]:
            # Equal calls share a place: they are before a moment together, or after it.
            place = bisect_left(self._calls, add.call)
            self._over[1 if add.amount > 0 else -1].add(place, add.amount)
        self._seen = max(self._seen, over)


class _Sums:
    """Amounts at places, and the sum of those from a place on: Fenwick's tree, from the end."""

    def __init__(self, places: int) -> None:
        self._tree: Final = [0] * (places + 1)
        self.total = 0

    def add(self, place: int, amount: int) -> None:
        self.total += amount
        place += 1
        while place < len(self._tree):
            self._tree[place] += amount
            place += place & -place

    def since(self, place: int) -> int:
        rest = self.total
        while place and rest:  # Amounts have one sign: where nothing is left there is no more.
            rest -= self._tree[place]
            place &= place - 1
        return rest


def _by_return(add: Change) -> tuple[int, int]:
    """Those that return first come first, and of several the greatest."""
    return add.ret, -add.amount


def _sums(sign: int, adds: Sequence[Change]) -> list[int]:
    """The sum of those of this sign among so many first ones."""
    return list(accumulate((a.amount if sign * a.amount > 0 else 0 for a in adds), initial=0))


class _Sweep:
    """Positive additions, given to the steps from one value that was read to the next.

    Those that are left to be given are in the order of their returns. One that is called only after
    a step waits, or else each step would pass over all that are still to come on its way to those
    that crashed, which return last.
    """

    def __init__(self, adds: Sequence[Change], watch: Watch) -> None:
        self._waiting: Final = sorted(adds, key=lambda add: add.call, reverse=True)
        self._left: Final[list[Change]] = []
        self._watch: Final = watch
        self._now = BEGINNING
        self._looked = 0

    def reaches(self, initial: int, reads: Sequence[Change]) -> bool:
        """Whether the reads are explained so. Raises Unruled where that takes too long."""
        ordered = sorted(reads, key=lambda read: read.amount)
        first_returns = list(accumulate((read.ret for read in reversed(ordered)), min))[::-1]
        last_calls = list(accumulate((read.call for read in ordered), max))
        value = initial
        for place, read in enumerate(ordered):
            if place + 1 < len(ordered) and ordered[place + 1].amount == read.amount:
                continue
            start = bisect_left(ordered, read.amount, key=lambda read: read.amount)
            if not self._step(read.amount - value, first_returns[start], last_calls[place]):
                return False
            value = read.amount
        return not self._left or self._left[0].ret >= self._now

    def _step(self, difference: int, until: int, following: int) -> bool:
        """Add so much from now `until` then, with all that returned before `following`."""
        self._watch.look()
        self._call(max(until, following))
        forced = bisect_left(self._left, following, key=lambda add: add.ret)
        rest = difference - sum(add.amount for add in self._left[:forced])
        chosen = self._making_up(rest, forced, until)
        if chosen is None:
            return False
        adds = [self._left[place] for place in (*range(forced), *chosen)]
        if any(add.ret < self._now for add in adds):
            return False
        self._now = max([self._now, *(add.call for add in adds)])
        if adds and self._now > until:
            return False
        self._now = max(self._now, following)
        for place in sorted(chosen, reverse=True):
            del self._left[place]
        del self._left[:forced]
        return True

    def _call(self, until: int) -> None:
        """Let those wait no longer that were called until then."""
        while self._waiting and self._waiting[-1].call <= until:
            insort_right(self._left, self._waiting.pop(), key=_by_return)

    def _making_up(self, rest: int, first: int, until: int) -> list[int] | None:
        """The places, from the first on, of some that come to so much and were called in time."""
        if rest < 0:
            return None
        # For each sum by which place it was come to first.
        by: dict[int, int] = {0: NOWHERE}
        for place, add in enumerate(islice(self._left, first, None), first):
            if rest in by:
                break
            if place % LOOK_EVERY == 0:
                self._watch.look()
            if add.call > until or add.amount > rest:
                continue
            self._looked += len(by)
            if self._looked > CHOICES_MAX:
                raise Unruled("there are too many sums")
            for total in [total + add.amount for total in by if total + add.amount <= rest]:
                by.setdefault(total, place)
        if rest not in by:
            return None
        chosen = []
        while rest:
            chosen.append(by[rest])
            rest -= self._left[by[rest]].amount
        return chosen
