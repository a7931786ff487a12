"""What became of every element of a set: when it was added, which reads have it or miss it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, Literal

from checker.identity import identity

if TYPE_CHECKING:
    from checker.history.columns import History
    from checker.history.events import Operation
    from checker.identity import Identity

Fate = Literal["stable", "lost", "never-read"]

ADD: Final = "add"
READ: Final = "read"


@dataclass(slots=True)
class Element:
    """One element, and the adds of it that happened or may have (also more than one)."""

    value: Any
    asked: Operation
    """The add that was called first."""
    acknowledged: Operation | None = None
    """The add that was acknowledged first."""


@dataclass(frozen=True, slots=True)
class SetRead:
    """An answered read: its elements, and those that it returned more than once, with how often."""

    operation: Operation
    elements: frozenset[Identity]
    values: dict[Identity, Any]
    repeated: dict[Identity, int]


@dataclass(slots=True)
class Elements:
    """One set (a key of the history): its elements in order of their first add, reads by call."""

    key: Any
    elements: dict[Identity, Element] = field(default_factory=dict)
    reads: list[SetRead] = field(default_factory=list)
    last_add: int = -1
    """When the last add was over, or was called if nobody knows when it was over."""


def sets(history: History) -> list[Elements]:
    """The sets of a history, in order of first appearance. ValueError for a read of no list.

    Adds that surely never happened (`fail`) and reads without an answer tell nothing.
    """
    found: dict[Identity, Elements] = {}
    for operation in history:
        if operation.f not in (ADD, READ) or operation.outcome == "fail":
            continue
        of_key = found.setdefault(identity(operation.key), Elements(operation.key))
        if operation.f == ADD:
            _take_add(of_key, operation)
        elif operation.outcome == "ok":
            of_key.reads.append(_read(operation))
    for of_key in found.values():
        of_key.reads.sort(key=lambda read: (read.operation.call, read.operation.index))
    return list(found.values())


def _take_add(of_key: Elements, operation: Operation) -> None:
    element = of_key.elements.setdefault(
        identity(operation.input), Element(operation.input, operation)
    )
    over = operation.call if operation.ret is None else operation.ret
    of_key.last_add = max(of_key.last_add, over)
    if operation.call < element.asked.call:
        element.asked = operation
    if operation.outcome == "ok" and operation.ret is not None:
        first = element.acknowledged
        if first is None or first.ret is None or operation.ret < first.ret:
            element.acknowledged = operation


def _read(operation: Operation) -> SetRead:
    if not isinstance(operation.output, list):
        raise ValueError(f"the read at index {operation.index} returned no list of elements")
    values: dict[Identity, Any] = {}
    repeated: dict[Identity, int] = {}
    for element in operation.output:
        name = identity(element)
        if name in values:
            repeated[name] = repeated.get(name, 1) + 1
        values[name] = element
    return SetRead(operation, frozenset(values), values, repeated)


@dataclass(frozen=True, slots=True)
class Life:
    """What the reads tell of a known element.

    An element is known once an add of it was acknowledged or a read returned it. It is `stable`
    when a read has it and no read that was called later misses it. It is `lost` when a read misses
    it that was called after it was known and after every read that has it had returned. Otherwise
    it is `never-read`: no read decides. `latency_ns` is how long after it was known a read was
    still called that missed it (stable), or had it (lost); 0 if none was.
    """

    fate: Fate
    latency_ns: int


def lives(of_key: Elements) -> dict[Identity, Life]:
    """The life of every known element that some client added."""
    latest = _Latest.of(of_key)
    found = {}
    for name, element in of_key.elements.items():
        known = latest.first_shown.get(name)
        acknowledged = element.acknowledged
        if acknowledged is not None and acknowledged.ret is not None:
            known = acknowledged.ret if known is None else min(known, acknowledged.ret)
        if known is not None:
            found[name] = _life(known, latest, name)
    return found


def _life(known: int, latest: _Latest, name: Identity) -> Life:
    present, absent = latest.present.get(name), latest.absent.get(name)
    if present is not None and (absent is None or absent < present):
        return Life("stable", 0 if absent is None else max(0, absent - known))
    shown_until = latest.shown_until.get(name, -1)
    if absent is not None and known < absent and shown_until < absent:
        return Life("lost", 0 if present is None else max(0, present - known))
    return Life("never-read", 0)


@dataclass(slots=True)
class _Latest:
    """By element: calls of the last reads that have it and that miss it; returns that showed it."""

    present: dict[Identity, int] = field(default_factory=dict)
    absent: dict[Identity, int] = field(default_factory=dict)
    shown_until: dict[Identity, int] = field(default_factory=dict)
    first_shown: dict[Identity, int] = field(default_factory=dict)

    @classmethod
    def of(cls, of_key: Elements) -> _Latest:
        latest = cls()
        not_missed = set(of_key.elements)
        for read in reversed(of_key.reads):
            call, ret = read.operation.call, read.operation.ret
            assert ret is not None
            missed = not_missed - read.elements
            not_missed -= missed
            latest.absent.update(dict.fromkeys(missed, call))
            for name in read.elements:
                latest.present.setdefault(name, call)
                latest.shown_until[name] = max(latest.shown_until.get(name, -1), ret)
                latest.first_shown[name] = min(latest.first_shown.get(name, ret), ret)
        return latest
