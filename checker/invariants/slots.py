"""Reads by slot: each answer names a slot of the log, and returns what the key holds in it.

Values written to a key are unique, so in the order of slots a value has one run: it begins with
its write and ends with the next one. Every answer is evidence of the value at one slot: an
acknowledged write at its own, a read at the one it names. A value that comes back after another
one was there, or that was there before the slot of its write, was never chosen where it was read.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from checker.evidence import Evidence, Explanation, in_order
from checker.identity import identity
from checker.sessions.order import extras
from checker.wording import asked, of_key, through, value

if TYPE_CHECKING:
    from collections.abc import Iterable

    from checker.history.columns import History
    from checker.history.events import Operation
    from checker.identity import Identity
    from checker.verdict import CheckContext, Verdict

WRONG_SLOT: Final = "wrong-slot"
EVENTUAL: Final = "read-eventual"
READS: Final = frozenset({"read", EVENTUAL})


@dataclass(frozen=True, slots=True)
class _Point:
    """The key held this value at this slot, by this answer; None: before the first slot."""

    slot: int
    value: Any
    operation: Operation | None
    is_write: bool = False


@dataclass(slots=True)
class _Register:
    """What is known of one key."""

    key: Any
    points: list[_Point] = field(default_factory=list)
    writers: dict[Identity, list[Operation]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Slots:
    """Judges `read` and `read-eventual` by `write` and `cas`, each answer with a field `slot`.

    The input of a `read-eventual` is the least slot that it is content with, or null.
    """

    @property
    def name(self) -> str:
        """`slots`."""
        return "slots"

    @property
    def claims(self) -> frozenset[str]:
        """What it can judge."""
        return frozenset({WRONG_SLOT})

    def check(self, history: History, context: CheckContext) -> Verdict:
        """Judge every key. Operations of other names are passed over."""
        evidence = Evidence(history, context.claims)
        registers, takers, reads = _gathered(history, evidence)
        if not reads or not takers:
            what = "read" if not reads else "write"
            evidence.doubt(f"too little observed: no {what} was answered with a slot", WRONG_SLOT)
        for slot, operations in takers.items():
            if len(operations) > 1:
                evidence.add(WRONG_SLOT, partial(_taken_twice, slot, operations))
        for register in registers:
            _judge(register, evidence)
        return evidence.verdict({"reads_by_slot": reads, "slots_written": len(takers)})


def _gathered(
    history: History, evidence: Evidence
) -> tuple[list[_Register], dict[int, list[Operation]], int]:
    """The keys, who took each slot, and how many reads named one."""
    beside = extras(history)
    registers: dict[Identity, _Register] = {}
    takers: dict[int, list[Operation]] = {}
    reads = 0
    for operation in history:
        writes = operation.f in ("write", "cas")
        if not writes and operation.f not in READS:
            continue
        register = registers.setdefault(identity(operation.key), _Register(operation.key))
        if writes and operation.output is not False:
            written = operation.input if operation.f == "write" else operation.input[1]
            register.writers.setdefault(identity(written), []).append(operation)
        slot = beside.get(operation.completion or -1, {}).get("slot")
        if operation.outcome != "ok" or type(slot) is not int:
            continue
        if operation.f in READS:
            reads += 1
            register.points.append(_Point(slot, operation.output, operation))
            if type(operation.input) is int and slot < operation.input:
                evidence.add(WRONG_SLOT, partial(_too_early, operation, slot))
        elif operation.output is not False:
            register.points.append(_Point(slot, written, operation, is_write=True))
            takers.setdefault(slot, []).append(operation)
    return list(registers.values()), takers, reads


def _judge(register: _Register, evidence: Evidence) -> None:
    repeated = [name for name, writers in register.writers.items() if len(writers) > 1]
    if repeated:
        evidence.doubt(
            f"assumption broken: values{of_key(register.key)} were written twice", WRONG_SLOT
        )
        return
    # At one slot a write comes first: whatever is read there is what it left.
    points = sorted(register.points, key=lambda point: (point.slot, not point.is_write))
    now = _Point(0, None, None)
    before: dict[Identity, _Point] = {}
    for point in points:
        read = point.operation if not point.is_write else None
        if read is not None and point.value is not None and _nobodys(register, read):
            evidence.add(WRONG_SLOT, partial(_made_up, read, point.slot))
            continue
        same = identity(point.value) == identity(now.value)
        if not same and (identity(point.value) in before or point.slot == now.slot > 0):
            evidence.add(WRONG_SLOT, partial(_came_back, point, now))
            continue
        if same and point.is_write:
            evidence.add(WRONG_SLOT, partial(_before_its_write, now, point))
        if not same:
            before[identity(now.value)] = now
        now = point


def _nobodys(register: _Register, read: Operation) -> bool:
    """Whether nobody can have written what was read by the time it was read."""
    writers = register.writers.get(identity(read.output), ())
    assert read.ret is not None
    return not any(w.outcome != "fail" and w.call <= read.ret for w in writers)


def _told(operation: Operation, slot: int) -> str:
    what = {"write": "wrote", "cas": "swapped in"}.get(operation.f, "read")
    seen = operation.output if operation.f in READS else operation.input
    if operation.f == "cas":
        seen = operation.input[1]
    return (
        f"process {operation.process} {what} {value(seen)}{of_key(operation.key)}"
        f"{through(operation)} at slot {slot} ({asked(operation)})"
    )


def _explained(sentence: str, operations: Iterable[Operation | None]) -> Explanation:
    return Explanation(sentence, in_order([op for op in operations if op is not None]))


def _taken_twice(slot: int, operations: list[Operation]) -> Explanation:
    both = " and ".join(_told(operation, slot) for operation in operations[:2])
    return _explained(f"{both}: a slot holds one command.", operations[:2])


def _too_early(read: Operation, slot: int) -> Explanation:
    return _explained(
        f"{_told(read, slot)}, and had asked for slot {read.input} or a later one.", [read]
    )


def _made_up(read: Operation, slot: int) -> Explanation:
    return _explained(f"{_told(read, slot)}; nobody had written that, or it surely failed.", [read])


def _came_back(point: _Point, now: _Point) -> Explanation:
    assert point.operation is not None
    if now.operation is None:
        return _explained(f"{_told(point.operation, point.slot)}.", [point.operation])
    return _explained(
        f"{_told(point.operation, point.slot)}, but {_told(now.operation, now.slot)}: what was"
        f" there before is over, and one slot holds one value.",
        [now.operation, point.operation],
    )


def _before_its_write(read: _Point, write: _Point) -> Explanation:
    assert read.operation is not None
    assert write.operation is not None
    return _explained(
        f"{_told(read.operation, read.slot)}, but {_told(write.operation, write.slot)}: the value"
        f" was read where it had not been chosen.",
        [write.operation, read.operation],
    )
