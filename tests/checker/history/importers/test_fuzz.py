"""Whatever the bytes, the importer answers soon: a history, or problems with lines."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

import pytest

from checker.history.importers.formats import from_bytes, recognized
from checker.history.importers.reading import Reading
from checker.history.problems import MalformedHistory
from tests.checker.history.histories import mutated
from tests.checker.history.importers.texts import SCRAPS

if TYPE_CHECKING:
    from checker.history.importers.reading import Format

KINDS = [
    ("write", "{v}", "{v}"),
    ("read", "nil", "{v}"),
    ("cas", "[{v} 2]", "[{v} 2]"),
    ("txn", "[[:r :x nil] [:w 1 {v}]]", "[[:r :x #{{1 2}}] [:w 1 {v}]]"),
    ("add", '#a/b {{:x "\\n{v}"}}', "nil"),
]


def edn_history(rng: random.Random, count: int) -> bytes:
    lines = []
    for number in range(count):
        f, asked, answered = rng.choice(KINDS)
        for type, value in (("invoke", asked), ("ok", answered)):
            fields = (
                f":process {number % 5}, :type :{type}, :f :{f}, :value {value}, :time {number}"
            )
            lines.append("{" + fields.format(v=rng.randrange(5)) + "}")
    return "\n".join(lines).encode()


def log_history(rng: random.Random, count: int) -> bytes:
    lines = []
    for number in range(count):
        value = rng.randrange(5)
        lines.append(f"INFO  jepsen.util - {number % 5}\t:invoke\t:write\t{value}")
        lines.append(f"INFO  jepsen.util - {number % 5}\t:ok\t:write\t{value}")
    return "\n".join(lines).encode()


def survives(data: bytes, format: Format, reading: Reading) -> bool:
    """Whether it was read. Anything but a history or a refusal with its lines is raised."""
    try:
        history = from_bytes(data, format, reading=reading, drop_partial_line=True).history
    except MalformedHistory as malformed:
        lines = [problem.line for problem in malformed.problems]
    else:
        assert len(list(history.events())) == len(history.lines)
        return True
    assert 1 <= min(lines) <= max(lines) <= data.count(b"\n") + 1
    return False


def fuzz(seed: int, rounds: int) -> tuple[int, int]:
    """How many mutants were read and how many refused."""
    rng = random.Random(seed)
    read = 0
    for _ in range(rounds):
        format: Format = rng.choice(["edn", "log"])
        make = edn_history if format == "edn" else log_history
        reading = Reading(
            failed_cas=rng.choice([None, "observe"]),
            nil_reads=rng.choice([None, "drop"]),
            independent=rng.choice([None, True, False]),
            maps_are_txns=rng.random() < 0.2,
        )
        data = mutated(rng, make(rng, rng.randrange(1, 20)), SCRAPS)
        recognized(data)
        read += survives(data, format, reading)
    return read, rounds - read


@pytest.mark.timeout(30)
def test_mutated_histories_are_read_or_refused() -> None:
    read, refused = fuzz(seed=1, rounds=3000)
    assert read > 100
    assert refused > 100


@pytest.mark.soak
@pytest.mark.timeout(1200)
def test_many_mutated_histories_are_read_or_refused() -> None:
    for seed in range(100):
        assert sum(fuzz(seed=seed, rounds=3000)) == 3000


@pytest.mark.timeout(60)
@pytest.mark.parametrize(
    "data",
    [
        *(b"[" * 2**20, b"{:a " * 2**18, b"#{" * 2**19, b"#_" * 2**19, b"#a " * 2**18),
        *(b'"' + b"\\" * 2**20, b'"' + b"x" * 2**20, b"\\" * 2**20, b";" * 2**20, b"#" * 2**20),
        *(b"9" * 2**20, b":" * 2**20, b"{:a 1 " + b":b 2 " * 2**17, b"#:a" * 2**18),
        *(b"5 " * 2**19, b"{}" * 2**18, b"[]" * 2**18, b"\n" * 2**20 + b"]", b"{:f " + b"(" * 127),
        b"#{" + b" ".join(b"%d" % n for n in range(2**17)) + b"}",
    ],
    ids=lambda data: repr(data[:6]),
)
def test_hostile_texts_take_no_time(data: bytes) -> None:
    survives(data, "edn", Reading())
    assert survives(data, "log", Reading()), "no line of it logs an operation"


@pytest.mark.timeout(60)
def test_many_broken_lines_take_no_time() -> None:
    assert not survives(b"INFO jepsen.util - 0 :ok )\n" * 2**16, "log", Reading())
    assert not survives(b"{:process 0 :type :ok}\n" * 2**16, "edn", Reading())
