"""How fast linearizability is judged: the set of hard histories, and two public ones.

What is timed is the way from a history in memory to the verdict. Explaining a violation is another
row: it takes as long as it is allowed to.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from checker.history.columns import History
from checker.history.importers.formats import read
from checker.linearizability.checker import check
from checker.linearizability.dispatch import dispatch
from checker.linearizability.search import budget_of, search
from checker.models import MODELS, Action, Inconsistent
from checker.verdict import Budget
from tests.benchmarks import adversarial
from tests.benchmarks.adversarial import Shape, register
from tests.benchmarks.measuring import Figure, Measure, timed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from checker.models.model import Specification

CORPORA = Path(__file__).parents[2].parent / "shared" / "corpora" / "porcupine"
SEEDS = range(1, 6)
SECONDS = 10.0
"""Nothing is waited for longer."""


@dataclass(frozen=True)
class Cell:
    """A register as somebody writes it in Python: all that it declares is that reads are pure."""

    value: Any = None
    pure = frozenset({"read"})

    def step(self, op: Action) -> Cell | Inconsistent:
        match op.f:
            case "write":
                return Cell(op.input)
            case "read" if not op.known or op.output == self.value:
                return self
            case "cas" if not op.known or op.output is (self.value == op.input[0]):
                return Cell(op.input[1]) if self.value == op.input[0] else self
        return Inconsistent(f"{op}, but it held {self.value}")


@dataclass(frozen=True)
class Line:
    """A queue as somebody writes it in Python, its whole content the state."""

    items: tuple[int, ...] = ()

    def step(self, op: Action) -> Line | Inconsistent:
        if op.f == "enqueue":
            return Line((*self.items, op.input))
        if self.items and op.output == self.items[0]:
            return Line(self.items[1:])
        return Inconsistent(f"{op}, but it held {len(self.items)}")


NAMED: dict[str, Callable[[], Specification]] = {**MODELS, "line": Line}


def judged(history: History, model: Specification, seconds: float = SECONDS) -> tuple[Figure, str]:
    """The time to the verdict, and the verdict."""
    said = []
    figure = timed(lambda: said.append(verdict_on(history, model, seconds)))
    return figure, said[0]


def verdict_on(history: History, model: Specification, seconds: float = SECONDS) -> str:
    """Whether a history is legal, illegal or unknown."""
    dispatched = dispatch(history, model)
    budget = budget_of(Budget(seconds=seconds))
    results = search(dispatched.problem, budget, replay=dispatched.replay)
    found = {result.outcome for result in results}
    if "illegal" in found:
        return "illegal"
    return "legal" if found <= {"legal"} else "unknown"


def judging(
    histories: Iterable[bytes], expected: str | None = None, model: str = "cas-register"
) -> list[Figure]:
    """The time for each of these histories; each is decided, as expected where that is known."""
    figures = []
    for data in histories:
        figure, verdict = judged(History.from_bytes(data), NAMED[model]())
        assert verdict == expected or (expected is None and verdict != "unknown"), verdict
        figures.append(figure)
    return figures


def drawn(*shapes: Shape, seeds: Iterable[int] = SEEDS) -> Callable[[], Iterable[bytes]]:
    """The histories of these shapes, drawn when they are asked for."""
    return lambda: (register(shape, seed) for seed in seeds for shape in shapes)


def measure(
    name: str,
    histories: Callable[[], Iterable[bytes]],
    expected: str | None = None,
    target: str = "",
    model: str = "cas-register",
) -> Measure:
    """A measure of histories that are drawn."""
    return Measure(name, lambda: judging(histories(), expected, model), target=target)


def logs() -> list[Figure]:
    """All logs of etcd one after another, fifteen times."""
    expected = json.loads((CORPORA / "etcd-expected.json").read_text())["expected_linearizable"]
    histories = [(read(CORPORA / "etcd" / name).history, ok) for name, ok in expected.items()]
    model = MODELS["cas-register"]()

    def work() -> None:
        for history, ok in histories:
            assert verdict_on(history, model) == ("legal" if ok else "illegal")

    return [timed(work) for _ in range(15)]


def explained_logs() -> list[Figure]:
    """The same, every violation explained."""
    names = json.loads((CORPORA / "etcd-expected.json").read_text())["expected_linearizable"]
    histories = [read(CORPORA / "etcd" / name).history for name in names]
    return [timed(lambda: [check(history, MODELS["cas-register"]()) for history in histories])]


def maps() -> list[Figure]:
    """All key-value histories of Porcupine one after another, five times; every key is decided."""
    names = [f"c{clients}-{word}" for clients in ("01", "10", "50") for word in ("ok", "bad")]
    paths = [CORPORA / "kv" / f"{name}.txt" for name in names]
    histories = [(read(path).history, path.stem.endswith("ok")) for path in paths]

    def work() -> None:
        for history, ok in histories:
            problem = dispatch(history, MODELS["kv"]()).problem
            results = search(problem, budget_of(Budget(seconds=SECONDS)))
            assert {result.outcome for result in results} <= {"legal", "illegal"}
            assert all(result.outcome == "legal" for result in results) == ok

    return [timed(work) for _ in range(5)]


@cache
def million() -> History:
    """A million operations on one key."""
    return History.from_bytes(register(Shape(operations=1_000_000), 1))


def known_or_asked() -> list[Figure]:
    """How many times the time of the model that the core knows one in Python takes."""
    known, _ = judged(million(), MODELS["cas-register"]())
    asked, verdict = judged(million(), Cell())
    assert verdict == "legal"
    assert known.cpu_s is not None
    assert asked.cpu_s is not None
    return [Figure(asked.cpu_s / known.cpu_s)]


def giving_up() -> list[Figure]:
    """A sum that only 2^30 subsets of crashed additions could refute, with a second to spend."""
    history = History.from_bytes(adversarial.sums(30, wrong=2))
    figure, verdict = judged(history, MODELS["counter"](), seconds=1.0)
    assert verdict == "unknown"
    return [figure]


TEN = Shape(operations=10_000)
TWENTY = partial(Shape, operations=10_000, processes=20, busy=67)
FIFTY = partial(Shape, operations=10_000, processes=50, busy=67)
CRASHED = partial(Shape, operations=500, busy=80)
COARSE = partial(Shape, operations=10_000, stamp=20)
"""Twenty events in a row have one stamp."""
EQUAL = partial(Shape, operations=100, stamp=10**6)
"""All events have one stamp: only a process's own operations are in order."""
LASTING = partial(Shape, operations=10_000, processes=10, lasting=1)
FEW = [CRASHED(crashed=k, wrong=w) for k in (16, 17, 18, 19) for w in ("impossible", "counted")]
SOME = [CRASHED(crashed=k, wrong=w) for k in (30, 35, 40) for w in ("impossible", "counted")]
MANY = [CRASHED(crashed=k, wrong=w) for k in (60, 100) for w in ("impossible", "counted")]
ONE = (1,)

CORPUS = (
    Measure("the 102 etcd logs", logs, target="5 ms"),
    Measure("the 102 etcd logs, 79 violations explained", explained_logs),
    Measure("Porcupine's kv histories, `c50-bad` too, every key", maps, target="100 ms"),
)
LARGE = (
    Measure(
        "1,000,000 operations, one key, 5 processes, cas-register",
        lambda: [judged(million(), MODELS["cas-register"]())[0] for _ in range(3)],
        target="1.0 s",
    ),
    measure(
        "the same with 8 crashed writers",
        drawn(Shape(operations=1_000_000, crashed=8), seeds=ONE),
        "legal",
        "2.0 s",
    ),
    Measure(
        "the first with a model in Python, times the built-in one",
        known_or_asked,
        "times",
        "1.2 times",
    ),
    measure(
        "800,000 operations, unique values, 12,000 crashed writers",
        drawn(Shape(operations=800_000, values=0, crashed=12_000, fs=("read", "write")), seeds=ONE),
        "legal",
        "0.2 s",
    ),
    measure(
        "100,000 keys with 20 operations each",
        lambda: [adversarial.keys(100_000, 20, 1)],
        "legal",
        "1.0 s",
    ),
)
CRASHES = (
    measure("500 operations, 16 to 19 crashed writers, illegal", drawn(*FEW), "illegal", "5 ms"),
    measure("500 operations, 30 to 40 crashed writers, illegal", drawn(*SOME), "illegal", "20 ms"),
    measure("500 operations, 60 and 100 crashed writers, illegal", drawn(*MANY), "illegal"),
    measure(
        "500 operations, 60 crashed writers, legal", drawn(CRASHED(crashed=60)), "legal", "5 ms"
    ),
    measure(
        "10,000 operations, 10 processes, 100 crashed writers, legal",
        drawn(Shape(operations=10_000, processes=10, busy=67, crashed=100)),
        "legal",
        "50 ms",
    ),
    measure(
        "1,000 operations, 20 crashed writers, two stores from the middle on",
        drawn(Shape(operations=1_000, crashed=20, wrong="split")),
        "illegal",
    ),
    measure(
        "every swap among 6 values crashed, reads", lambda: [adversarial.swaps(6, s) for s in SEEDS]
    ),
    measure(
        "300 equal crashed writes, each read once",
        lambda: [adversarial.alike(300, 300)],
        "legal",
        model="register",
    ),
    measure(
        "300 equal crashed writes, 301 such reads",
        lambda: [adversarial.alike(300, 301)],
        "illegal",
        model="register",
    ),
    Measure("30 crashed additions of powers of two, 1 s allowed: unknown", giving_up, target="1 s"),
)
CONCURRENCY = (
    measure("10,000 operations, 20 processes, legal", drawn(TWENTY()), "legal", "30 ms"),
    measure(
        "10,000 operations, 20 processes, illegal in the middle",
        drawn(TWENTY(wrong="impossible")),
        "illegal",
        "30 ms",
    ),
    measure("10,000 operations, 50 processes, legal", drawn(FIFTY()), "legal", "0.5 s"),
    measure(
        "10,000 operations, 50 processes, illegal in the middle",
        drawn(FIFTY(wrong="impossible")),
        "illegal",
        "0.5 s",
    ),
    measure(
        "10,000 operations, 50 processes, register, legal",
        drawn(FIFTY(fs=("read", "write"))),
        "legal",
        "50 ms",
        "register",
    ),
    measure(
        "10,000 operations, 50 processes, register, illegal in the middle",
        drawn(FIFTY(fs=("read", "write"), wrong="impossible")),
        "illegal",
        "50 ms",
        "register",
    ),
    measure(
        "10,000 operations, 100 processes, register, legal",
        drawn(Shape(operations=10_000, processes=100, busy=67, fs=("read", "write"))),
        "legal",
        model="register",
    ),
    measure(
        "a queue 10,000 deep, one client",
        lambda: [adversarial.deep_queue(10_000)],
        "legal",
        model="queue",
    ),
    measure(
        "a queue 2,000 deep, its state a tuple in Python, three dequeues at once",
        lambda: [adversarial.deep_queue(2_000, at_once=3)],
        "legal",
        model="line",
    ),
    measure(
        "the same, two elements in the middle in each other's place",
        lambda: [adversarial.deep_queue(2_000, at_once=3, wrong=1_000)],
        "illegal",
        model="line",
    ),
)
STAMPS = (
    measure(
        "10,000 operations, 10 processes, a write that lasts, legal", drawn(LASTING()), "legal"
    ),
    measure(
        "10,000 operations, 10 processes, a write that lasts, illegal in the middle",
        drawn(LASTING(wrong="impossible")),
        "illegal",
    ),
    measure("10,000 operations, 20 events with one stamp, legal", drawn(COARSE()), "legal"),
    measure(
        "10,000 operations, 20 events with one stamp, illegal in the middle",
        drawn(COARSE(wrong="impossible")),
        "illegal",
    ),
    measure("100 operations, all with one stamp, legal", drawn(EQUAL()), "legal"),
    measure(
        "100 operations, all with one stamp, illegal in the middle",
        drawn(EQUAL(wrong="impossible")),
        "illegal",
    ),
)


def _putters(put_in: str, taken_out: str, place: int, wrong: bool) -> list[bytes]:
    return [adversarial.crashed_putters(put_in, taken_out, place, 100, wrong)]


def crashed_putters(model: str, put_in: str, taken_out: str, place: int) -> list[Measure]:
    """A container with a hundred crashed operations that put in, legal and illegal."""
    return [
        measure(
            f"a {model}, 100 crashed, {expected}",
            partial(_putters, put_in, taken_out, place, wrong),
            expected,
            model=model,
        )
        for expected, wrong in (("legal", False), ("illegal", True))
    ]


CONTAINERS = (
    *crashed_putters("queue", "enqueue", "dequeue", 0),
    *crashed_putters("stack", "push", "pop", -1),
    measure(
        "a set read whole, 100 crashed, legal",
        lambda: [adversarial.crashed_adders(100, wrong=False)],
        "legal",
        model="set",
    ),
    measure(
        "a set read whole, 100 crashed, illegal",
        lambda: [adversarial.crashed_adders(100, wrong=True)],
        "illegal",
        model="set",
    ),
    measure(
        "a counter, 100 crashed, legal",
        lambda: [adversarial.crashed_counts(100, wrong=False)],
        "legal",
        model="counter",
    ),
    measure(
        "a counter, 100 crashed, illegal",
        lambda: [adversarial.crashed_counts(100, wrong=True)],
        "illegal",
        model="counter",
    ),
)
MEASURES = (*CORPUS, *LARGE, *CONCURRENCY, *STAMPS, *CRASHES, *CONTAINERS)
