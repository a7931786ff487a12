"""Dotted versions: what a key holds, exact to the single write.

A *dot* (node, store, counter) names one write. The counter is the node's own, over all keys, and
durable; the number of the store is there because a store that is lost takes its counter along, and
one in memory is lost at each start (`dots.py`). No dot is ever used twice, also not when a key was
handed off, forgotten and written again.

Why not a version vector, one number for each node? Fallback D coordinates a put of k (dot D.5),
hands it off and forgets k. In a second partition it coordinates another put of k (dot D.9) that a
client made without having read the first. As a vector, `D:9` covers D.5, so a replica that still
holds D.5 drops it: an acknowledged write is lost, and nobody had seen it.

So a version carries exactly what its writer had seen. Written dot by dot that would grow with each
update of a key. Here a dot stands for the half-open interval (prev, counter] on the line of its
(node, store), where `prev` is the counter of the write *of this key* that the coordinator
made last from this store; if it cannot know (first write of the key, or forgotten),
`prev` is counter - 1. Within (prev, counter] that coordinator made one write of this key, so the
interval covers this dot and no other. A causal history is a union of such intervals: exact like a
set of dots, and short, because intervals of updates that build on one another join.

It matters that `prev` is the *last* one, not the greatest one found in the stored versions: D made
D.5 and D.9 of k and forgot them; a client that read D.5 alone puts through D; with prev = 5 the
new dot D.12 would stand for (5, 12] and cover D.9, which its writer never saw.

Sources: DeCandia et al., SOSP 2007, 4.4 (vector clocks); Preguiça et al., "Dotted version vectors",
2010 (the lost update through one server, and dots); Malkhi and Terry, "Concise version vectors in
WinFS", 2005 (intervals for what a vector cannot say).
"""

from __future__ import annotations

from bisect import bisect_left
from typing import TYPE_CHECKING, Final, NamedTuple

import msgspec

if TYPE_CHECKING:
    from collections.abc import Iterable

Line = tuple[str, int, tuple[int, ...]]
"""(node, store, bounds): half-open intervals (b0, b1], (b2, b3], ...; bounds ascend."""

History = tuple[Line, ...]
"""Which writes of one key have been seen: lines in order of (node, store)."""

NOTHING: History = ()


class Dot(NamedTuple):
    """The name of one write."""

    node: str
    store: int
    counter: int

    def __str__(self) -> str:
        return f"{self.node}.{self.store}.{self.counter}"


class Version(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """One write of a key: its dot, the interval it stands for, what it had seen, and the value.

    `value` None is a tombstone. `history` never covers the version's own dot.
    """

    dot: Dot
    prev: int
    history: History
    value: bytes | None


Versions = tuple[Version, ...]
"""What is current of one key: pairwise concurrent, in order of dots, so equal sets are equal."""

EMPTY: Versions = ()

CLOCKED: Final = -1
"""The `prev` of a version with a vector clock, whose intervals all begin here."""

STAMPED: Final = -2
"""The `prev` of a version whose counter is its time: of two such versions the later one wins."""

BYTES_MAX: Final = 6_000
"""What the lines of a new version's history may take at most, two thirds of a context."""

FEW: Final = 4
"""Up to so many histories are searched one by one; of more the union is made first."""


def covers(history: History, dot: Dot) -> bool:
    """Whether the history has seen the dot."""
    node, store, counter = dot
    for line in history:
        if line[0] == node and line[1] == store:
            # a < counter <= b holds iff an odd number of bounds lie below the counter.
            return bisect_left(line[2], counter) & 1 == 1
    return False


def join(histories: Iterable[History]) -> History:
    """Everything that at least one of the histories has seen."""
    lines: dict[tuple[str, int], tuple[int, ...]] = {}
    for history in histories:
        for node, store, bounds in history:
            line = (node, store)
            known = lines.get(line)
            lines[line] = bounds if known is None else _join_bounds(known, bounds)
    return tuple((*line, lines[line]) for line in sorted(lines))


def bytes_of(history: History) -> int:
    """What its lines take in a causal context, at most."""
    return sum(len(node) + 10 + 9 * len(bounds) for node, _, bounds in history)


def is_long(history: History) -> bool:
    """Whether it leaves no room in a causal context for what others may have seen besides."""
    return bytes_of(history) > BYTES_MAX


def _join_bounds(one: tuple[int, ...], other: tuple[int, ...]) -> tuple[int, ...]:
    """The union of two unions of half-open intervals; neighbors that touch become one."""
    if one == other:
        return one
    if len(one) == 2 and len(other) == 2 and one[0] <= other[1] and other[0] <= one[1]:
        return min(one[0], other[0]), max(one[1], other[1])
    joined: list[int] = []
    pairs = (
        (bounds[i], bounds[i + 1]) for bounds in (one, other) for i in range(0, len(bounds), 2)
    )
    for low, high in sorted(pairs):
        if joined and low <= joined[-1]:
            joined[-1] = max(joined[-1], high)
        else:
            joined += (low, high)
    return tuple(joined)


def _itself(version: Version) -> History:
    node, store, counter = version.dot
    prev = counter - 1 if version.prev == STAMPED else version.prev
    return ((node, store, (prev, counter)),)


def seen_with(version: Version) -> History:
    """What someone has seen who saw this version: its history and itself."""
    return join((version.history, _itself(version)))


def context_of(versions: Versions) -> History:
    """What a reader of exactly these versions has seen: its causal context."""
    return join(seen for version in versions for seen in (version.history, _itself(version)))


def merge(left: Versions, right: Versions) -> Versions:
    """The union by dot, less what another member has seen. Both sides are pairwise concurrent.

    Because a history holds everything that its members had seen, whatever is dropped stays covered
    by what is left, and merging in any order, any number of times, ends in the same set.
    """
    if left == right or not right:
        return left
    if not left:
        return right
    if left[0].prev == STAMPED:
        return max(left, right, key=_time)
    if _replaces(right, left):
        return right
    if _replaces(left, right):
        return left
    by_dot = {version.dot: version for version in _unseen(right, left)}
    by_dot.update((version.dot, version) for version in _unseen(left, right))
    return tuple(by_dot[dot] for dot in sorted(by_dot))


def _time(versions: Versions) -> tuple[int, Dot]:
    """When the only version of a set was written; the dot settles a tie the same way everywhere."""
    dot = versions[0].dot
    return dot.counter, dot


def _replaces(newer: Versions, older: Versions) -> bool:
    """Whether one version has seen all others: by far the most frequent case, so it comes first."""
    if len(newer) != 1 or newer[0].prev == CLOCKED:
        return False
    history = newer[0].history
    return all(covers(history, version.dot) for version in older)


def _unseen(versions: Versions, others: Versions) -> list[Version]:
    """The versions that none of the others has seen."""
    if versions[0].prev == CLOCKED:
        return [v for v in versions if not any(_descends(other, v) for other in others)]
    if len(others) <= FEW:
        histories = [other.history for other in others if other.history]
    else:
        histories = [join(other.history for other in others)]
    return [v for v in versions if not any(covers(history, v.dot) for history in histories)]


def _descends(other: Version, version: Version) -> bool:
    """Whether a version's whole vector clock is less than another's: what the paper compares."""
    if other.dot == version.dot:
        return False
    clock = seen_with(other)
    lines = seen_with(version)
    return all(covers(clock, Dot(node, life, bounds[-1])) for node, life, bounds in lines)


_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(tuple[Version, ...])


def encode(versions: Versions) -> bytes:
    """The one encoding of this set: equal sets give equal bytes, so bytes may be compared."""
    return _encoder.encode(versions)


def decode(blob: bytes | None) -> Versions:
    """The set that was encoded; None is the empty one."""
    return EMPTY if blob is None else _decoder.decode(blob)


def merge_encoded(left: bytes | None, right: bytes | None) -> bytes | None:
    """`merge` of encoded sets; None is the empty one."""
    if left == right or right is None:
        return left
    if left is None:
        return right
    ours, theirs = decode(left), decode(right)
    merged = merge(ours, theirs)
    if merged is ours:
        return left
    return right if merged is theirs else encode(merged)
