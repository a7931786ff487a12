"""What a model declares wrongly, where it fails, and how long it takes: never a wrong verdict."""

from __future__ import annotations

import random
from collections import Counter
from dataclasses import dataclass, field
from time import monotonic, sleep
from typing import TYPE_CHECKING, Any

import pytest

from checker.history.notation import parse
from checker.linearizability import twin
from checker.linearizability.automaton import WrongDeclaration
from checker.linearizability.checker import check
from checker.linearizability.streaming import Stream
from checker.models import Action, Inconsistent
from checker.verdict import Budget

if TYPE_CHECKING:
    from checker.history.columns import History

REFUSED, FAILED = -1, -2


@dataclass(frozen=True)
class Loose:
    """A random automaton that declares the action `wrong` pure, whatever it does."""

    rows: tuple[tuple[int, ...], ...] = field(compare=False)
    wrong: int | None = field(default=None, compare=False)
    state: int = 0
    keyless = True

    def step(self, op: Action) -> Loose | Inconsistent:
        after = self.rows[int(op.f[1:])][self.state]
        if after == FAILED:
            raise ZeroDivisionError("division by zero")
        if after == REFUSED:
            return Inconsistent("it was refused")
        return Loose(self.rows, self.wrong, after)

    def pure(self, op: Action) -> bool:
        row = self.rows[int(op.f[1:])]
        idle = all(after in (REFUSED, FAILED, state) for state, after in enumerate(row))
        return int(op.f[1:]) == self.wrong or idle


def automaton(draw: random.Random, *, fails: bool) -> tuple[tuple[int, ...], ...]:
    """For each action where it leads from each state."""
    states, actions = draw.randint(2, 5), draw.randint(2, 5)

    def entry(state: int) -> int:
        odd = [FAILED] if fails and draw.random() < 0.3 else []
        return draw.choice([REFUSED, REFUSED, state, *[draw.randrange(states)] * 2, *odd])

    return tuple(tuple(entry(state) for state in range(states)) for _ in range(actions))


def happenings(draw: random.Random, actions: int) -> History:
    """A random history of these actions, of which a third crashes."""
    lines, names = [], {n: f"p{n}" for n in range(5)}
    busy: set[int] = set()
    for number in range(draw.randint(4, 18)):
        who = draw.randrange(5)
        if who not in busy:
            lines.append(f"{names[who]}: o{draw.randrange(actions)}")
        else:
            lines.append(f"{names[who]}: -> {draw.choice(['ok', 'ok', 'info'])}")
            names[who] = f"p{10 + number}" if lines[-1].endswith("info") else names[who]
        busy ^= {who}
    return parse("\n".join(lines))


def test_a_wrong_declaration_is_an_error_or_does_not_matter() -> None:
    came: Counter[Any] = Counter()
    for seed in range(1_500):
        draw = random.Random(seed)
        rows = automaton(draw, fails=False)
        history = happenings(draw, len(rows))
        model = Loose(rows, draw.randrange(len(rows)))
        truth = twin.search(history, model)
        try:
            status: str = check(history, model).status
        except WrongDeclaration:
            status = "error"
        # Where nothing was answered the verdict is unknown, as ever.
        right = ("error", "valid", "unknown") if truth else ("error", "invalid")
        assert status in right, (seed, truth, status)
        stream = Stream(model)
        for event in history.events():
            stream.feed(event)
        assert stream.finish() in ("given up", "possible" if truth else "illegal"), seed
        came[truth, status] += 1
    assert min(came[truth, "error"] for truth in (True, False)) > 30, came
    assert min(came[True, "valid"], came[False, "invalid"]) > 300, came


@dataclass(frozen=True)
class Gate:
    """`inc` counts once the gate is open, but is declared to change nothing."""

    count: int = 0
    pure = frozenset({"ask", "inc"})
    keyless = True

    def step(self, op: Action) -> Gate | Inconsistent:
        if op.f == "open":
            return Gate(1)
        if op.f == "inc":
            return Gate(self.count + 1) if self.count else self
        wrong = Inconsistent(f"{op.output} was told, but {self.count} was there")
        return self if not op.known or op.output == self.count else wrong


def test_a_crashed_operation_is_asked_where_it_might_matter() -> None:
    history = parse("p0: open -> ok\np1: inc -> info\np2: ask -> 2")
    with pytest.raises(WrongDeclaration, match="by `pure` that inc -> \\? changes nothing"):
        check(history, Gate())
    stream = Stream(Gate())
    for event in history.events():
        stream.feed(event)
    assert stream.finish() == "given up"
    assert "by `pure` that inc" in str(stream.cause)


@dataclass(frozen=True)
class Shutter:
    """`look` closes it again, but is declared to change nothing; what is open is not opened."""

    open: bool = False
    pure = frozenset({"look"})

    def step(self, op: Action) -> Shutter | Inconsistent:
        if op.f == "look":
            return Shutter()
        return Inconsistent("it was open") if self.open else Shutter(open=True)


def test_a_stream_asks_what_was_answered_before_it_accuses() -> None:
    history = parse("p1: open\np2: look\np2: -> ok\np2: open\np1: -> ok\np2: -> ok")
    assert twin.search(history, Shutter())
    with pytest.raises(WrongDeclaration, match="by `pure` that look changes nothing"):
        check(history, Shutter())
    stream = Stream(Shutter())
    for event in history.events():
        stream.feed(event)
    assert stream.finish() == "given up"
    assert "by `pure` that look changes nothing" in str(stream.cause)


def test_a_stream_asks_before_it_forgets(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("checker.linearizability.streaming.ACTIONS_MAX", 1)
    history = parse("p0: open -> ok\np1: inc -> info\np2: ask -> 1\np2: open -> ok\np2: ask -> 7")
    stream = Stream(Gate())
    for event in history.events():
        stream.feed(event)
    assert stream.finish() == "given up"


def test_where_a_model_fails_a_violation_stays_one() -> None:
    came: Counter[Any] = Counter()
    for seed in range(1_500):
        draw = random.Random(seed)
        rows = automaton(draw, fails=True)
        history = happenings(draw, len(rows))
        verdict = check(history, Loose(rows))
        refusing = tuple(tuple(REFUSED if to == FAILED else to for to in row) for row in rows)
        least = twin.search(history, Loose(refusing))
        assert not (verdict.status == "valid" and not least), seed
        assert not (verdict.status == "invalid" and least), seed
        details = [line for finding in verdict.findings for line in finding.details]
        came[verdict.status] += 1
        came["told"] += any("the model failed" in line for line in details)
    assert came["invalid"] > 100, came
    assert came["told"] > 10, came


@dataclass(frozen=True)
class Slow:
    """An account that takes its time."""

    held: int = 0
    pure = frozenset({"ask"})
    keyless = True

    def step(self, op: Action) -> Slow | Inconsistent:
        sleep(0.004)
        if op.f == "pay":
            return Slow(self.held + op.input)
        wrong = Inconsistent(f"{op.output} was told, but {self.held} was there")
        return self if not op.known or op.output == self.held else wrong


def test_the_explanation_ends_with_the_seconds() -> None:
    crashed = [f"p{n}: pay {2**n} -> info" for n in range(4)]
    history = parse("\n".join([*crashed, "p8: pay 100 -> ok", "p9: ask -> 1000"]))
    start = monotonic()
    verdict = check(history, Slow(), budget=Budget(seconds=0.5))
    assert monotonic() - start < 3, "without the clock it takes fifteen seconds"
    assert verdict.status == "invalid"


def test_a_stream_gives_up_what_takes_too_long() -> None:
    crashed = [f"p{n}: pay {2**n} -> info" for n in range(6)]
    history = parse("\n".join([*crashed, "p8: pay 100 -> ok", "p9: ask -> 1000", "p9: ask -> 1"]))
    stream = Stream(Slow(), seconds=0.1)
    slowest = 0.0
    for event in history.events():
        start = monotonic()
        stream.feed(event)
        slowest = max(slowest, monotonic() - start)
    assert stream.state == "given up"
    assert stream.cause == "the search ran out of seconds"
    assert slowest < 1.5
