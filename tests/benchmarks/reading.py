"""How fast histories are read, and how soon the command line has an answer."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

from checker.history.columns import History
from checker.history.importers.formats import read
from tests.benchmarks.adversarial import Shape, register
from tests.benchmarks.measuring import Figure, Measure, timed

OPERATIONS = 1_000_000
ROOT = Path(__file__).parents[2]

SIZE = """
import sys
from checker.history.columns import History
from checker.models import MODELS
from lineal import check
verdict = check(History.read(sys.argv[1]), MODELS["cas-register"]())
assert verdict.status == "valid", verdict.explain()
print(next(line.split()[1] for line in open("/proc/self/status") if line.startswith("VmHWM")))
"""


def lines() -> list[Figure]:
    """Read and pair a history of two million events."""
    data = register(Shape(operations=OPERATIONS), 1)
    found: list[History] = []
    figure = timed(lambda: found.append(History.from_bytes(data)))
    assert len(found[0]) == OPERATIONS
    return [figure]


def edn() -> list[Figure]:
    """The same as a history of Jepsen's."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "history.edn"
        path.write_bytes(as_edn(register(Shape(operations=OPERATIONS), 1)))
        found: list[History] = []
        figure = timed(lambda: found.append(read(path).history))
        assert len(found[0]) == OPERATIONS
        return [figure]


def as_edn(history: bytes) -> bytes:
    """JSON Lines of a register as Jepsen writes them: the answer of a swap is its type."""
    told = re.sub(rb'"(input|output)":', b":value ", history)
    told = re.sub(
        rb'"type":"ok","f":"cas",:value false', b'"type":"fail","f":"cas",:value nil', told
    )
    told = re.sub(rb'"f":"cas",:value true', b'"f":"cas",:value nil', told)
    told = re.sub(rb'"f":"write",:value null', b'"f":"write",:value nil', told)
    told = told.replace(b":value null", b":value nil")
    told = re.sub(rb'"(type|f)":"(\w+)"', rb":\1 :\2", told)
    return re.sub(rb'"(\w+)":', rb":\1 ", told)


def size() -> list[Figure]:
    """Megabytes of a process that reads and judges a million operations.

    The kernel's own figure: `ru_maxrss` of a child begins with what its parent had.
    """
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "history.jsonl"
        path.write_bytes(register(Shape(operations=OPERATIONS), 1))
        words = [sys.executable, "-c", SIZE, str(path)]
        done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=True)
        return [Figure(int(done.stdout) / 1024)]


def command() -> list[Figure]:
    """`lineal check` of 200 events, from the start of the process to its end."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "history.jsonl"
        path.write_bytes(register(Shape(operations=100), 1))
        words = [sys.executable, "-m", "lineal", "check", str(path), "--model", "cas-register"]
        kept = {n: v for n, v in os.environ.items() if n != "PYTHONDONTWRITEBYTECODE"}

        def once() -> None:
            subprocess.run(words, cwd=ROOT, env=kept, capture_output=True, check=True)

        once()
        return [_of_children(once) for _ in range(9)]


def _of_children(once: object) -> Figure:
    before = os.times()
    assert callable(once)
    figure = timed(once)
    after = os.times()
    used = after.children_user + after.children_system
    return Figure(figure.value, used - before.children_user - before.children_system)


MEASURES = (
    Measure("read and pair 2,000,000 events, JSON Lines", lines, target="2.0 s"),
    Measure("read and pair 2,000,000 events, EDN", edn, target="6.0 s"),
    Measure("`lineal check` of 200 events, whole process", command, target="150 ms"),
    Measure("read and judge 1,000,000 operations: peak memory", size, "MB", "400 MB"),
)
