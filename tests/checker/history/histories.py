"""Random histories for property tests: well-formed ones, and files with anything wrong."""

from __future__ import annotations

import json
import random
from dataclasses import dataclass, field
from typing import Any

from hypothesis import strategies as st

from checker.history.events import NEMESIS, Event

INTEGERS = st.integers(-(2**70), 2**70)
FLOATS = st.floats(allow_nan=False, allow_infinity=False)
WORDS = st.sampled_from(["x", "y", "n1.2.17", "true", "é\u2028😀", '"\\\n\x00/', "a-b", "-", ""])
LEAVES = st.none() | st.booleans() | INTEGERS | FLOATS | WORDS | st.text(max_size=5)
VALUES = st.recursive(
    LEAVES,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(WORDS | st.text(max_size=3), inner, max_size=3)
    ),
    max_leaves=6,
)
NAMES = st.sampled_from(["read", "write", "cas", "not-quiescent", "two words", "é", "true"])
EXTRA = st.dictionaries(
    st.sampled_from(["context", "slot", "a b", "extra", "value"]),
    VALUES.filter(lambda value: value is not None),
    max_size=2,
)
TEXTS = st.none() | st.sampled_from(["n1", "n2", "r 1", "é"])


@dataclass
class Script:
    """Draws the events of a well-formed history one after another."""

    draw: Any
    index: int = -1
    time: int = 0
    process_next: int = 3
    processes: list[int] = field(default_factory=lambda: [0, 1, 2])
    open: dict[int, Event] = field(default_factory=dict)

    def event(self) -> Event:
        draw = self.draw
        self.index += draw(st.sampled_from([1, 1, 1, 5]))
        self.time += draw(st.sampled_from([0, 1, 1, 10**12]))
        worker = draw(st.sampled_from([-1, 0, 1, 2]))
        if worker == -1:
            return self.nemesis()
        process = self.processes[worker]
        if process in self.open:
            return self.completion(worker, self.open.pop(process))
        self.open[process] = self.common(
            process=process, type="invoke", f=draw(NAMES), key=draw(VALUES), input=draw(VALUES)
        )
        return self.open[process]

    def completion(self, worker: int, invocation: Event) -> Event:
        draw = self.draw
        type = draw(st.sampled_from(["ok", "ok", "ok", "fail", "info"]))
        if type == "info":
            self.processes[worker] = self.process_next
            self.process_next += 1
        return self.common(
            process=invocation.process,
            type=type,
            f=invocation.f,
            key=draw(st.sampled_from([None, invocation.key])),
            input=draw(st.sampled_from([None, None, invocation.input])),
            output=draw(VALUES),
            error=draw(st.none() | VALUES),
        )

    def nemesis(self) -> Event:
        draw = self.draw
        type = draw(st.sampled_from(["invoke", "info"]))
        return self.common(
            process=NEMESIS,
            type=type,
            f=draw(st.sampled_from(["partition", "heal", "quiescent"])),
            fault=draw(st.none() | st.integers(0, 3)),
            input=draw(VALUES),
            output=None if type == "invoke" else draw(VALUES | st.just({"effect": "applied"})),
        )

    def common(self, **fields: Any) -> Event:
        draw = self.draw
        return Event(
            index=self.index,
            time=self.time,
            node=draw(TEXTS),
            request=draw(TEXTS),
            extra=draw(EXTRA),
            **fields,
        )


@st.composite
def event_lists(draw: Any) -> list[Event]:
    """The events of a well-formed history."""
    script = Script(draw)
    return [script.event() for _ in range(draw(st.integers(0, 12)))]


SEEDS = st.integers(0, 2**32)
"""Of what is too much to draw one by one: the order of fields, blanks, damage."""


def written(event: Event, rng: random.Random) -> str:
    """A line of an event in one of the many ways in which it can be written."""
    fields = {
        name: getattr(event, name) for name in Event.__struct_fields__ if name != "extra"
    } | event.extra
    names = rng.sample(list(fields), len(fields))
    comma, colon = rng.choice([(",", ":"), (" , ", ": "), (",\t", " :")])
    return json.dumps(
        {name: fields[name] for name in names},
        ensure_ascii=rng.random() < 0.5,
        separators=(comma, colon),
    )


@st.composite
def files(draw: Any) -> bytes:
    """The bytes of a well-formed file, however its lines are written."""
    events = draw(event_lists())
    rng = random.Random(draw(SEEDS))
    lines = [written(event, rng) for event in events]
    end = rng.choice(["\n", "", "\r\n", "\n\n \n"])
    text: str = "\n".join(lines) + end
    return text.encode()


SCRAPS = [
    *(bytes([byte]) for byte in b'\n{}[]",:\\\xff\x000-.e'),
    *(b"\xed\xa0\x80", b"\xef\xbb\xbf", b"NaN", b"Infinity", b"1e999", b'"\\ud800"'),
    *(b"null", b'"index":1,', b'"a":{"b":1,"b":2},', b'"info"', b'"ok"'),
    *(b"[" * 130, b"9" * 1001),
]


def mutated(rng: random.Random, data: bytes, scraps: list[bytes] = SCRAPS) -> bytes:
    """Such bytes, of which some were changed, cut, doubled or put in."""
    changed = bytearray(data)
    for _ in range(rng.randrange(1, 6)):
        at = rng.randrange(len(changed) + 1)
        match rng.randrange(5):
            case 0:
                changed[at : at + 1] = bytes([rng.randrange(256)])
            case 1:
                changed[at:at] = rng.choice(scraps)
            case 2:
                del changed[at : at + rng.randrange(30)]
            case 3:
                begin = rng.randrange(len(changed) + 1)
                changed[at:at] = changed[begin : begin + rng.randrange(200)]
            case _ if rng.randrange(4) == 0:
                del changed[at:]
    return bytes(changed)
