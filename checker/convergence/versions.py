"""The versions of each key and what their writers had seen, from what clients can see.

A reply carries version ids and a causal context, an opaque token. A client that passes the token
with a write says: I have seen what that reply covers. So for a write w, `observed(w)` is what is
covered by the reply whose token it passed, and a reply covers: for a get, the versions that it
returned with everything that these observed; for a put or delete, the write itself with everything
that it observed.

A write whose outcome is unknown never told its id. A put is recognized by its value, which is
unique. A tombstone has no value, so one with an id that nobody was told may be of any delete of the
key that ended so. Hence everything is known twice, as bounds: what is covered for `certain`, and
what is `possible`. A rule that accuses by "this was covered" asks what is certain; one that accuses
by "this was not covered" asks what is possible. Then no guess can ever accuse.

Sets of writes of a key are integers: bit p stands for the write at position p, in order of
invocation. `checker.convergence.reference` is the openly simple twin of this module.

Sources: `docs/guarantees.md`; Preguiça et al., "Dotted version vectors", 2010, section 2.
"""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass, field
from functools import cached_property
from itertools import accumulate
from operator import or_
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from checker.identity import identity
from checker.wording import of_key
from checker.wording import value as in_words

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from checker.history.events import Operation
    from checker.identity import Identity

GET, PUT, DELETE = "get", "put", "delete"


class Bounds(NamedTuple):
    """A set of writes of which only bounds are known: these certainly, those possibly.

    Nearly always both are the same, and then one object, which halves time and memory.
    """

    certain: int
    possible: int

    def __or__(self, other: tuple[int, int]) -> Bounds:
        certain, possible = other
        union = self.certain | certain
        if self.certain is self.possible and certain is possible:
            return Bounds(union, union)
        return Bounds(union, self.possible | possible)


NOTHING: Final = Bounds(0, 0)


@dataclass(frozen=True, slots=True)
class Version:
    """One version of a reply. `writers` are the writes that may have made it: nobody's is 0."""

    id: str
    value: Any
    is_tombstone: bool
    writers: int

    @property
    def writer(self) -> int | None:
        """The position of its write, None where there is more than one candidate, or none."""
        mask = self.writers
        return mask.bit_length() - 1 if mask and not mask & (mask - 1) else None


@dataclass(frozen=True, slots=True)
class Write:
    """A put or delete that happened or may have.

    `observed` are the writes that its writer had seen. `parents` are the positions of those that
    the reply named itself; `source` is the reply whose context it passed.
    """

    position: int
    operation: Operation
    id: str | None
    observed: Bounds
    parents: tuple[int, ...]
    source: Operation | None

    @property
    def bit(self) -> int:
        """The set of this write alone."""
        return 1 << self.position

    @property
    def is_delete(self) -> bool:
        """Whether it wrote a tombstone."""
        return self.operation.f == DELETE

    @property
    def is_acknowledged(self) -> bool:
        """Whether its client was told that it happened."""
        return self.operation.outcome == "ok"

    @property
    def down(self) -> Bounds:
        """The write with everything that it observed."""
        bit = self.bit
        return self.observed | (bit, bit)


@dataclass(frozen=True, slots=True)
class Read:
    """An answered get: what it returned, and that with everything observed (`down`)."""

    operation: Operation
    versions: tuple[Version, ...]
    down: Bounds

    @property
    def parents(self) -> tuple[int, ...]:
        """The positions of the writes that it surely returned."""
        return tuple(v.writer for v in self.versions if v.writer is not None)


@dataclass(eq=False)
class VersionGraph:
    """Writes and reads of one key, in order of invocation and of answer.

    `puts` is the set of all puts. `problem` says why nothing can be concluded about the key: an
    assumption is broken. `gap` says that a context came from nowhere: what the bounds prove is
    proved, and the rest is unknown. `checker.convergence.contexts` fills a graph; then it is asked.
    """

    key: Any
    writes: list[Write] = field(default_factory=list)
    reads: list[Read] = field(default_factory=list)
    puts: int = 0
    problem: str | None = None
    gap: str | None = None
    _by_value: dict[Identity, int] = field(default_factory=dict)
    _deletes_by_id: dict[str, int] = field(default_factory=dict)
    _unknown_deletes: int = 0

    def append(self, write: Write) -> None:
        """Take in the next write. A value written before breaks the assumption of unique values."""
        self.writes.append(write)
        if not write.is_delete:
            self.puts |= write.bit
            value = write.operation.input["value"]
            if self._by_value.setdefault(identity(value), write.position) != write.position:
                self.problem = (
                    f"assumption broken: two puts{of_key(self.key)} wrote {in_words(value)}, so"
                    f" that versions cannot be told apart"
                )
        elif write.id is not None:
            known = self._deletes_by_id.get(write.id, 0)
            self._deletes_by_id[write.id] = known | write.bit
        else:
            self._unknown_deletes |= write.bit

    def version(self, entry: Any) -> Version:
        """The version that an entry of a get's or dump's answer names. ValueError for no entry."""
        if not isinstance(entry, dict) or not isinstance(entry.get("id"), str):
            raise ValueError(f"{entry!r} is no version: it needs an id and a value or tombstone")
        id = entry["id"]
        if entry.get("tombstone") is True:
            writers = self._deletes_by_id.get(id) or self._unknown_deletes
            return Version(id, None, is_tombstone=True, writers=writers)
        value = entry.get("value")
        position = self._by_value.get(identity(value))
        return Version(id, value, False, 0 if position is None else 1 << position)

    def down(self, versions: Iterable[Version]) -> Bounds:
        """These versions with everything observed by them."""
        covered = NOTHING
        for version in versions:
            covered |= self._down_of(version)
        return covered

    def observed_by(self, version: Version) -> Bounds:
        """What its writer had seen; for one with several candidates what all or any had."""
        return self._merged([write.observed for write in self.members(version.writers)])

    def members(self, mask: int) -> Iterator[Write]:
        """The writes of this set, by position."""
        while mask:
            lowest = mask & -mask
            yield self.writes[lowest.bit_length() - 1]
            mask ^= lowest

    def deleted(self, until: int | None = None) -> int:
        """All that some delete may have covered that was asked no later than `until`.

        Such a write may be gone: once all replicas have confirmed a tombstone it is collected, and
        nothing is left that would cover the write.
        """
        calls, masks = self._deletions
        count = len(calls) if until is None else bisect_right(calls, until)
        return masks[count]

    @cached_property
    def _deletions(self) -> tuple[list[int], list[int]]:
        """Moments at which deletes were asked, and what the first n of them may have covered."""
        deletes = sorted(
            (write.operation.call, write.observed.possible)
            for write in self.writes
            if write.is_delete
        )
        covered = accumulate((mask for _, mask in deletes), or_, initial=0)
        return [call for call, _ in deletes], list(covered)

    def chain(self, write: Write, ancestor: int) -> list[Write]:
        """From a write down to one that it observed, each having seen the next; empty if none."""
        came_from: dict[int, int | None] = {write.position: None}
        waiting = [write.position]
        for position in waiting:
            if position == ancestor:
                return self._path(position, came_from)
            for parent in self.writes[position].parents:
                if parent not in came_from:
                    came_from[parent] = position
                    waiting.append(parent)
        return []

    def _path(self, position: int, came_from: dict[int, int | None]) -> list[Write]:
        path: list[Write] = []
        at: int | None = position
        while at is not None:
            path.append(self.writes[at])
            at = came_from[at]
        return path[::-1]

    def _down_of(self, version: Version) -> Bounds:
        position = version.writer
        if position is not None:
            return self.writes[position].down
        return self._merged([write.down for write in self.members(version.writers)])

    def _merged(self, candidates: list[Bounds]) -> Bounds:
        """What holds for all candidates is certain, what holds for one is possible."""
        if not candidates:
            return NOTHING
        certain, possible = candidates[0]
        for other in candidates[1:]:
            certain &= other.certain
            possible |= other.possible
        return Bounds(certain, possible)
