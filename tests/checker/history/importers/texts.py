"""Random histories in the forms of Jepsen, well-formed and broken."""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from typing import Any

from hypothesis import strategies as st

from tests.checker.history.histories import SEEDS

INTEGERS = ["0", "7", "-3", "+4", "-0", "12N", "0x1F", "4/2", "-1/3", "123456789012345678901234"]
FLOATS = ["1.5", "-0.0", "1e3", "2.5E-7", "0.1M", "3M", "##NaN", "##Inf", "##-Inf"]
WORDS = [
    ":x",
    ":a/b",
    "sym",
    "nil",
    "true",
    "false",
    "\\a",
    "\\newline",
    "\\formfeed",
    "\\u00e9",
    "\\o101",
    "é",
]
STRINGS = ['"x"', '""', '"a\\n\\"\\\\\\t"', '"\\ud83d\\ude00é\\101"', '"two\nlines; #_ ["']
TAGS = ["#inst ", "#uuid", "#a/b ", "#jepsen.history.Op", "#object "]
ATOMS = st.sampled_from([*INTEGERS, *FLOATS, *WORDS, *STRINGS])
BLANKS = [" ", " ", " ", "\n", ", ", " ; c\n", " #_ [x {:y 1}] ", "\t", "\f"]
BRACKETS = [("[", "]"), ("(", ")"), ("#{", "}")]


@st.composite
def _composed(draw: Any, inner: Any) -> str:
    blank: str = draw(st.sampled_from(BLANKS))
    shape = draw(st.sampled_from(["sequence", "map", "tag", "tuple", "namespace"]))
    if shape == "tag":
        return f"{draw(st.sampled_from(TAGS))}{blank}{draw(inner)}"
    if shape == "tuple":
        tag = draw(st.sampled_from(["jepsen.independent.Tuple", "MapEntry"]))
        return f"#{tag}[{draw(inner)}{blank}{draw(inner)}]"
    if shape == "sequence":
        opening, closing = draw(st.sampled_from(BRACKETS))
        parts = draw(st.lists(inner, max_size=3, unique=True))
        return f"{opening}{blank.join(parts)}{closing}"
    names = draw(st.lists(ATOMS, max_size=2, unique=True))
    members = blank.join(f"{name}{blank}{draw(inner)}" for name in names)
    return f"{'#:n' if shape == 'namespace' else ''}{{{members}}}"


VALUES = st.recursive(ATOMS, _composed, max_leaves=5)
"""EDN texts of values; now and then a set or a map names something twice."""

FS = ["read", "write", "cas", "txn", "acquire", "release", "get", "put", "append", "add", "f"]
FS += ["dequeue", "enqueue", "contains"]
FS += ["cas", "cas", "txn", "txn"]
SMALL = st.sampled_from(["nil", "0", "1", "2", '""', '"x"', ":x", "[1 2]", "[1 nil]", "{:x 1}"])
STEPS = st.sampled_from(["[:r :x nil]", "[:r :x 1]", "[:w :y 2]", "[:read :x]", "[:append 1 2]"])
PAIRS = st.builds("[{} {}]".format, SMALL, SMALL)
TXNS = st.lists(STEPS, max_size=3).map(lambda steps: f"[{' '.join(steps)}]")
MAPS = st.sampled_from(["{:x 1}", "{:x nil, :y 2}", "{}", '{"y" 0}'])
GIVEN = SMALL | PAIRS | TXNS | MAPS | VALUES


OTHERS = st.sampled_from(
    [
        *([()] * 6),
        *((name,) for name in (":error", ":error", ":node", ":extra", ":output", '"a"')),
        (":error", ":extra", ":output"),
    ]
)
"""What an event has besides, by name."""


@dataclass
class Script:
    """Draws the events of a history, which pair, most of the time."""

    draw: Any
    tuples: bool
    fs: list[str]
    keyed: bool
    stamped: bool
    time: int = 0
    process_next: int = 3
    processes: list[int] = field(default_factory=lambda: [0, 1, 2])
    open: dict[int, tuple[str, str, str]] = field(default_factory=dict)

    def event(self) -> dict[str, str]:
        draw = self.draw
        self.time += draw(st.sampled_from([0, 1, 1, 1000]))
        worker = draw(st.sampled_from([-1, 0, 1, 2, 0, 1, 2]))
        if worker == -1:
            type = draw(st.sampled_from([":info", ":info", ":invoke"]))
            return self.common(":nemesis", type, "start", draw(SMALL), "")
        process = self.processes[worker]
        if process not in self.open:
            f, key = draw(st.sampled_from(self.fs)), draw(st.sampled_from(["0", "1", ":k"]))
            value = draw(st.just("nil") | self.values(f))
            self.open[process] = (f, key, value)
            return self.common(str(process), ":invoke", f, value, key)
        f, key, value = self.open.pop(process)
        type = draw(st.sampled_from([":ok", ":ok", ":ok", ":fail", ":info"]))
        if type == ":info":
            self.processes[worker] = self.process_next
            self.process_next += 1
        answer = draw(st.sampled_from([value, value, "nil"]) | self.values(f))
        return self.common(str(process), type, f, answer, key)

    def values(self, f: str) -> Any:
        if f == "cas":
            return PAIRS
        if f == "txn":
            return TXNS
        return (MAPS | SMALL) if f in ("read", "write") else GIVEN

    def common(self, process: str, type: str, f: str, value: str, key: str) -> dict[str, str]:
        draw = self.draw
        if self.tuples and key:
            tag = draw(st.sampled_from(["", "", "#jepsen.independent.Tuple"]))
            value = f"{tag}[{key} {value}]"
        fields = {":process": process, ":type": type, ":f": f":{f}", ":value": value}
        if self.stamped:
            fields[":time"] = str(self.time)
        if self.keyed and key:
            fields[":key"] = key
        more = {":error": SMALL, ":node": ATOMS, ":extra": VALUES, ":output": SMALL, '"a"': SMALL}
        for name in draw(OTHERS):
            fields[name] = draw(more[name])
        return fields


@st.composite
def _scripts(draw: Any, fs: list[str]) -> list[dict[str, str]]:
    some = draw(st.lists(st.sampled_from(fs), min_size=1, max_size=3))
    options = (draw(st.booleans()), some, draw(st.integers(0, 3)) == 0, draw(st.booleans()))
    script = Script(draw, *options)
    return [script.event() for _ in range(draw(st.integers(0, 12)))]


@st.composite
def histories(draw: Any) -> bytes:
    """A history in EDN: maps one after another or in a vector or list, tagged or not."""
    events = draw(_scripts(FS))
    tag = draw(st.sampled_from(["", "", "#jepsen.history.Op"]))
    opening, closing = draw(st.sampled_from([("", ""), ("[", "]"), ("(", ")")]))
    rng = random.Random(draw(SEEDS))
    lines = []
    for event in events:
        blank = rng.choice(BLANKS)
        names = rng.sample(list(event), len(event))
        members = ", ".join(f"{name}{blank}{event[name]}" for name in names)
        lines.append(f"{tag}{{{members}}}")
    text: str = opening + rng.choice("\n ").join(lines) + closing
    return text.encode()


@st.composite
def logs(draw: Any) -> bytes:
    """A log of Jepsen's with lines of others in between."""
    events = draw(_scripts(["read", "write", "cas"]))
    rng = random.Random(draw(SEEDS))
    lines = []
    for event in events:
        parts = [event[name].replace("\n", " ") for name in (":process", ":type", ":f", ":value")]
        parts += rng.choice([[], [], [":timed-out"]])
        prefix = rng.choice(["INFO  jepsen.util - ", "INFO [1] worker 1 - jepsen.util "])
        lines.append(prefix + rng.choice(["\t", "  "]).join(parts))
        lines += rng.choice([[], [], ["INFO jepsen.core - Running"], [""]])
    text: str = "\n".join(lines) + rng.choice(["\n", ""])
    return text.encode()


SCRAPS = [bytes([byte]) for byte in b'\n{}[]()",:;#\\^_/.-+e\xff\x00']
SCRAPS += [
    b"#_",
    b"##",
    b"#{",
    b"#_#_",
    b"nil",
    b":",
    b"\\",
    b"\xed\xa0\x80",
    b'"\\ud800"',
    b"1e999",
]
SCRAPS += [b"[" * 130, b"#a " * 130, b"#_" * 200, b"9" * 1001, b"{:a 1 :a 2}", b"#{1 1}", b"1/0"]
SCRAPS += [b"jepsen.util - 0 :ok", b":process 1", b"#<Object>", b"\\u12", b"#:a{:_/b 1}"]
