"""Histories that are hard to judge, drawn from seeds: what `make bench` measures.

A register is simulated: every operation takes effect at a moment of its own between call and
return, so a history is right unless something wrong is asked for. What is wrong is put where it
hurts: an answer that nobody could get while many operations are open, a store that went on as two,
reads that need one crashed write more than there are.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from random import Random
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Iterable

DRAWN = 500
"""So many different registers are drawn where there are many keys."""

NOWHERE = 999_983
"""A value that nobody writes."""

Wrong = Literal["nothing", "impossible", "split", "counted"]
"""Nothing; in the middle a read of a value never written; from the middle on two stores, each with
half of the processes; at the end one alternation of reads more than crashed writes can explain."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Shape:
    """How the history of one register is drawn.

    `busy` is the mean share of processes that are in a call, in percent. `crashed` operations
    change the register or would; a process whose operation crashed goes on under a new number.
    `values` is how many different values are written, 0: each write its own. `lasting` writes more
    are open from the beginning to the end. So many events in a row have one `stamp`. The last two
    leave what is drawn as it is.
    """

    operations: int
    processes: int = 5
    values: int = 5
    fs: tuple[str, ...] = ("read", "write", "cas")
    busy: int = 50
    crashed: int = 0
    wrong: Wrong = "nothing"
    lasting: int = field(default=0, repr=False)
    stamp: int = field(default=1, repr=False)


@dataclass(slots=True)
class _Call:
    process: int
    f: str
    given: int | tuple[int, int] | None
    taken: bool = False
    output: str = "null"


@dataclass(slots=True)
class _Store:
    """The register, its clients, and the lines written so far."""

    shape: Shape
    rng: Random
    lines: list[str] = field(default_factory=list)
    values: list[int | None] = field(default_factory=lambda: [None])
    open: list[_Call] = field(default_factory=list)
    lost: list[_Call] = field(default_factory=list)
    lasting: list[_Call] = field(default_factory=list)
    called: int = 0
    written: int = 0

    def write(self, process: int, kind: str, f: str, rest: str) -> None:
        n = len(self.lines)
        time = n // self.shape.stamp
        self.lines.append(
            f'{{"index":{n},"time":{time},"process":{process},"type":"{kind}","f":"{f}",{rest}}}\n'
        )

    def value(self) -> int:
        self.written += 1
        return int(self.rng.random() * self.shape.values) if self.shape.values else self.written

    def call(self, process: int, f: str) -> _Call:
        given: int | tuple[int, int] | None = None
        if f == "write":
            given = self.value()
        elif f == "cas":
            given = (self.value(), self.value())
        text = "null" if given is None else str(given).replace("(", "[").replace(")", "]")
        self.write(process, "invoke", f, f'"input":{text}')
        self.called += 1
        return _Call(process, f, given)

    def take(self, call: _Call) -> None:
        """Let an operation take effect."""
        call.taken = True
        copy = call.process % len(self.values)
        now = self.values[copy]
        if call.f == "read":
            call.output = "null" if now is None else str(now)
        elif isinstance(call.given, tuple):
            call.output = "true" if now == call.given[0] else "false"
            self.values[copy] = call.given[1] if now == call.given[0] else now
        else:
            self.values[copy] = call.given

    def answer(self, call: _Call) -> None:
        self.write(call.process, "ok", call.f, f'"output":{call.output}')

    def last(self, process: int) -> None:
        """Open the writes that last."""
        for n in range(self.shape.lasting):
            self.write(process + n, "invoke", "write", f'"input":{n % max(1, self.shape.values)}')
            self.lasting.append(_Call(process + n, "write", n % max(1, self.shape.values)))

    def split(self) -> None:
        self.values = [*self.values, *self.values]


def register(shape: Shape, seed: int) -> bytes:
    """The history of one register in JSON Lines."""
    rng = Random(f"{seed} {shape}")
    store = _Store(shape, rng)
    free = list(range(shape.processes))
    fresh = shape.processes
    busy = shape.processes * shape.busy / 100
    crash_every = shape.operations / (shape.crashed + 1)
    crashes, middle = 0, False
    store.last(1_000_000)
    changing = [f for f in shape.fs if f != "read"]
    while store.called < shape.operations or store.open:
        if store.called * 2 >= shape.operations and not middle:
            middle = True
            fresh = _in_the_middle(store, fresh)
        if store.lost and rng.random() < 0.02:
            store.take(store.lost.pop(int(rng.random() * len(store.lost))))
        more = store.called < shape.operations and free
        if more and (not store.open or rng.random() < _eagerness(len(store.open), busy)):
            process = free.pop(int(rng.random() * len(free)))
            if crashes < shape.crashed and store.called >= (crashes + 1) * crash_every:
                crashes += 1
                lost = store.call(process, changing[int(rng.random() * len(changing))])
                if rng.random() < 0.5:
                    store.lost.append(lost)
                free.append(fresh)
                fresh += 1
            else:
                f = shape.fs[int(rng.random() * len(shape.fs))]
                store.open.append(store.call(process, f))
            continue
        place = int(rng.random() * len(store.open))
        call = store.open[place]
        if call.taken:
            store.open[place] = store.open[-1]
            store.open.pop()
            store.answer(call)
            free.append(call.process)
        else:
            store.take(call)
    if shape.wrong == "counted":
        _count(store, fresh)
    for call in store.lasting:
        store.answer(call)
    return "".join(store.lines).encode()


def _eagerness(now: int, wanted: float) -> float:
    """The chance that the next event is a call; a call brings an effect and a return with it."""
    return min(0.95, 0.33 * wanted / now)


def _in_the_middle(store: _Store, fresh: int) -> int:
    for call in store.lasting:
        store.take(call)
    if store.shape.wrong == "impossible":
        store.write(fresh, "invoke", "read", '"input":null')
        store.write(fresh, "ok", "read", f'"output":{NOWHERE}')
        return fresh + 1
    if store.shape.wrong == "split":
        store.split()
    return fresh


def _count(store: _Store, process: int) -> None:
    for n in range(store.shape.crashed + 2):
        store.write(process, "invoke", "read", '"input":null')
        store.write(process, "ok", "read", f'"output":{n % 2}')


def keys(count: int, each: int, seed: int) -> bytes:
    """Many registers with a few operations each, their lines in turn."""
    shape = Shape(operations=each, processes=3)
    drawn = [_without_places(register(shape, seed + n)) for n in range(DRAWN)]
    lines: list[str] = []
    for key in range(count):
        for process, rest in drawn[key % DRAWN]:
            n = len(lines)
            lines.append(
                f'{{"index":{n},"time":{n},"process":{3 * key + process},"key":{key},{rest}\n'
            )
    return "".join(lines).encode()


def _without_places(lines: bytes) -> list[tuple[int, str]]:
    """The process of each line, and what follows it."""
    told = re.findall(r'"process":([0-9]+),(.*)', lines.decode())
    return [(int(process), rest) for process, rest in told]


def swaps(values: int, seed: int) -> bytes:
    """Every compare-and-set between two of these values crashed; then reads wander among them."""
    rng = Random(f"{seed} swaps {values}")
    pairs = [(old, new) for old in range(values) for new in range(values) if old != new]
    rng.shuffle(pairs)
    events = [_event(n, n, "invoke", "cas", f'"input":[{a},{b}]') for n, (a, b) in enumerate(pairs)]
    process = len(pairs)
    asked = [0]
    for _ in range(len(pairs)):
        asked.append(rng.choice([value for value in range(values) if value != asked[-1]]))
    events += _one_client(len(events), process, [("write", "0", "null")])
    events += _one_client(len(events), process, [("read", "null", str(value)) for value in asked])
    return "".join(events).encode()


def sums(crashed: int, wrong: int) -> bytes:
    """Crashed additions of powers of two to a counter, and a read of every sum but a wrong one."""
    events = [_event(n, n, "invoke", "add", f'"input":{4 << n}') for n in range(crashed)]
    asked = [("add", "1", "null"), ("read", "null", str(4 * ((1 << crashed) // 3) + 1 + wrong))]
    events += _one_client(crashed, crashed, asked)
    return "".join(events).encode()


def alike(crashed: int, reads: int) -> bytes:
    """Crashed writes of 1, all alike; then 0 is written and 1 read, so many times in turn."""
    events = [_event(n, n, "invoke", "write", '"input":1') for n in range(crashed)]
    asked = [("write", "0", "null"), ("read", "null", "1")]
    return "".join([*events, *_one_client(crashed, crashed, asked * reads)]).encode()


def deep_queue(depth: int, at_once: int = 1, wrong: int | None = None) -> bytes:
    """So many elements enqueued one after another, then all dequeued, some `at_once`.

    With `wrong` this element and that `at_once` places later come out in each other's place.
    """
    asked = [("enqueue", str(n), "null") for n in range(depth)]
    lines = _one_client(0, 0, asked)
    out = list(range(depth))
    if wrong is not None:
        out[wrong], out[wrong + at_once] = out[wrong + at_once], out[wrong]
    for start in range(0, depth, at_once):
        some = list(enumerate(out[start : start + at_once]))
        for process, _ in some:
            lines.append(_event(len(lines), process, "invoke", "dequeue", '"input":null'))
        for process, element in some:
            lines.append(_event(len(lines), process, "ok", "dequeue", f'"output":{element}'))
    return "".join(lines).encode()


def crashed_putters(put_in: str, taken_out: str, place: int, crashed: int, wrong: bool) -> bytes:
    """A client puts in and takes out at this place while so many crashed that put in too.

    A third of those took effect. With `wrong` the last value put in is taken out at once by who
    should get another, or the other way round.
    """
    events = [_event(n, n, "invoke", put_in, f'"input":{n + 1}') for n in range(crashed)]
    held = list(range(1, crashed + 1, 3))
    asked = []
    for n in range(1000, 1400):
        asked.append((put_in, str(n), "null"))
        held.append(n)
        if n % 2:
            asked.append((taken_out, "null", str(held.pop(place))))
    if wrong:
        asked.append((taken_out, "null", str(held[-2])))
    return "".join([*events, *_one_client(crashed, crashed, asked)]).encode()


def crashed_adders(crashed: int, wrong: bool) -> bytes:
    """A set that a client adds to and reads whole while so many crashed that added to it too.

    A third of those took effect. With `wrong` the last read lacks one that was read before.
    """
    events = [_event(n, n, "invoke", "add", f'"input":{n + 1}') for n in range(crashed)]
    held = list(range(1, crashed + 1, 3))
    asked = []
    for n in range(1000, 1200):
        held.append(n)
        asked += [("add", str(n), "null"), ("read", "null", str(held))]
    if wrong:
        asked.append(("read", "null", str(held[:3] + held[4:])))
    return "".join([*events, *_one_client(crashed, crashed, asked)]).encode()


def crashed_counts(crashed: int, wrong: bool) -> bytes:
    """A counter that a client adds to and reads while so many crashed that added other amounts.

    A third of those took effect. With `wrong` the last read is less than the one before.
    """
    events = [_event(n, n, "invoke", "add", f'"input":{n + 1}') for n in range(crashed)]
    took = list(range(1, crashed + 1, 3))
    value = 0
    asked = []
    for n in range(200):
        value += n % 7 + 1 + (took[n] if n < len(took) else 0)
        asked += [("add", str(n % 7 + 1), "null"), ("read", "null", str(value))]
    if wrong:
        asked.append(("read", "null", str(value - 1)))
    return "".join([*events, *_one_client(crashed, crashed, asked)]).encode()


def _event(number: int, process: int, kind: str, f: str, rest: str) -> str:
    place = f'"index":{number},"time":{number},"process":{process}'
    return f'{{{place},"type":"{kind}","f":"{f}",{rest}}}\n'


def _one_client(start: int, process: int, asked: Iterable[tuple[str, str, str]]) -> list[str]:
    lines: list[str] = []
    for f, given, output in asked:
        lines.append(_event(start + len(lines), process, "invoke", f, f'"input":{given}'))
        lines.append(_event(start + len(lines), process, "ok", f, f'"output":{output}'))
    return lines
