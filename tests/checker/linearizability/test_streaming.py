"""A history judged while it goes on is judged as it is at the end."""

from __future__ import annotations

from collections import Counter
from random import Random
from typing import TYPE_CHECKING, Any

import pytest

from checker.history.columns import History
from checker.history.events import Event
from checker.history.notation import parse
from checker.linearizability import streaming, twin
from checker.linearizability.checker import check
from checker.linearizability.streaming import PRUNINGS, Stream
from checker.models import MODELS
from tests.checker.linearizability.histories import ASKED, random_history
from tests.checker.linearizability.machines import random_machine, random_run

if TYPE_CHECKING:
    from collections.abc import Iterable

    from checker.models.model import Specification


def streamed(events: Iterable[Event], model: Specification, **options: Any) -> Stream:
    # What is asked here is the state, not the speed, on however busy a machine.
    stream = Stream(model, **{"seconds": 60.0, **options})
    for event in events:
        stream.feed(event)
    stream.finish()
    return stream


def apart(rng: Random, history: History) -> list[Event]:
    """The events with other stamps, of which those of one process are never equal."""
    now, last, events = 0, dict[Any, int](), []
    for event in history.events():
        now += rng.random() < 0.6
        if last.get(event.process) == now:
            now += 1
        last[event.process] = now
        events.append(_with(event, time=now))
    return events


def _with(event: Event, **changed: Any) -> Event:
    fields = {name: getattr(event, name) for name in event.__struct_fields__}
    return type(event)(**{**fields, **changed})


@pytest.mark.parametrize("model", ASKED)
def test_agrees_with_the_twin_wherever_a_history_is_cut(model: str) -> None:
    seen: Counter[str] = Counter()
    for seed in range(150):
        rng = Random(f"stream {model} {seed}")
        history = random_history(
            rng,
            model,
            operations=rng.randint(2, 10),
            processes=rng.randint(1, 6),
            stamps=rng.choice([6, 30]),
            crash_share=rng.choice([0, 0.2, 0.5]),
        )
        events = [*history.events()]
        if rng.random() < 0.7:
            events = apart(rng, history)
        events = events[: rng.randint(1, len(events))]
        cut = History.of(events)
        expected = twin.search(cut, MODELS[model](), steps_max=20_000)
        prune = [name for name in PRUNINGS if rng.random() < 0.8]
        for some in (PRUNINGS, prune):
            stream = streamed(events, MODELS[model](), prune=some)
            seen[stream.state] += 1
            if expected is not None and stream.state != "given up":
                assert (stream.state == "possible") is expected, (seed, some)
            if stream.state == "illegal":
                assert any(op.index == stream.culprit for op in cut)
    assert seen["possible"] > 50
    assert seen["illegal"] > 10
    assert seen["given up"] < 150


def test_agrees_with_the_twin_on_random_automata() -> None:
    seen: Counter[str] = Counter()
    for seed in range(300):
        rng = Random(f"stream {seed}")
        machine = random_machine(rng)
        history = random_run(rng, machine)
        expected = twin.search(history, machine, steps_max=20_000)
        stream = streamed(history.events(), machine)
        seen[stream.state] += 1
        if expected is not None and stream.state != "given up":
            assert (stream.state == "possible") is expected, seed
    assert seen["possible"] > 20
    assert seen["illegal"] > 20


def test_tells_at_the_first_answer_that_is_wrong() -> None:
    events = list(
        parse(
            """
            p0: write x 1 -> ok
            p1: read x -> 1
            p1: read y -> null
            p0: write x 2 -> ok
            p1: read x -> 1
            p1: read x -> 2
            p2: read y -> null
            """
        ).events()
    )
    stream = Stream(MODELS["register"]())
    states = [stream.feed(event) for event in events]
    told = states.index("illegal")
    assert events[told].index == 10, "the next invocation shows that nothing comes before"
    assert stream.culprit == 8


def test_an_old_open_operation_keeps_younger_ones_waiting() -> None:
    text = ["p0: write 7", *(f"p1: write {n} -> ok" for n in range(10)), "p1: read -> 5"]
    stream = Stream(MODELS["register"]())
    for event in parse("\n".join(text)).events():
        assert stream.feed(event) == "possible"
    assert stream.waiting == 11
    assert stream.finish() == "illegal"


def long_run(operations: int, wrong: int | None = None) -> Iterable[Event]:
    """One register: two clients in turn write values that are new and read them."""
    index = 0
    for n in range(operations):
        value = n if n != wrong else -1
        for process, f, given, output in ((0, "write", n, None), (1, "read", None, value)):
            common: dict[str, Any] = {"process": process, "f": f}
            yield Event(index=index, time=index, type="invoke", input=given, **common)
            yield Event(index=index + 1, time=index + 1, type="ok", output=output, **common)
            index += 2


def test_what_is_over_is_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streaming, "ACTIONS_MAX", 50)
    stream = Stream(MODELS["register"]())
    for event in long_run(2_000):
        assert stream.feed(event) == "possible"
        assert stream.waiting <= 2
        assert len(stream.automaton.actions) <= 60
    assert stream.finish() == "possible"
    assert streamed(long_run(2_000, wrong=1_500), MODELS["register"]()).state == "illegal"


def test_what_crashed_is_remembered_over_a_renewal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streaming, "ACTIONS_MAX", 4)
    lines = [f"p{n + 10}: write {n + 1000}" for n in range(20)]
    lines += [f"p0: write {n % 7} -> ok\np1: read -> {n % 7}" for n in range(100)]
    legal = parse("\n".join([*lines, "p1: read -> 1003", "p1: read -> 1017"]))
    assert streamed(legal.events(), MODELS["cas-register"]()).state == "possible"
    wrong = parse("\n".join([*lines, "p1: read -> 1003", "p1: read -> 1017", "p1: read -> 1003"]))
    assert streamed(wrong.events(), MODELS["cas-register"]()).state == "illegal"


def test_many_operations_may_be_open_and_crash() -> None:
    writes = [f"p{n}: write {n}" for n in range(150)]
    answers = [f"p{n}: -> ok" for n in range(0, 150, 2)]
    crashed = [f"p{n}: -> info" for n in range(1, 150, 2)]
    for value, state in ((149, "possible"), (148, "possible"), (150, "illegal")):
        history = parse("\n".join([*writes, *answers, *crashed, f"p200: read -> {value}"]))
        assert streamed(history.events(), MODELS["register"]()).state == state
    adds = [f"p{n}: add 1 -> info" for n in range(300)]
    for value, state in ((300, "possible"), (301, "illegal")):
        history = parse("\n".join([*adds, f"p400: read -> {value}"]))
        assert streamed(history.events(), MODELS["counter"]()).state == state


def test_gives_up_where_it_cannot_say() -> None:
    touching = parse("p0: write 1 @1 -> ok @5\np0: read @5 -> 1 @9")
    assert streamed(touching.events(), MODELS["register"]()).state == "given up"
    unfit = streamed(parse("p0: push 1 -> ok").events(), MODELS["register"]())
    assert unfit.state == "given up"
    assert "cannot take the operation push 1" in (unfit.cause or "")
    few = streamed(long_run(100), MODELS["register"](), steps=0)
    assert few.cause == "the search ran out of steps"


def test_operations_of_other_names_are_no_business_of_it() -> None:
    history = parse("p0: write 1 -> ok\np1: dump -> {}\nnemesis: heal -> healed\np0: read -> 2")
    stream = streamed(history.events(), MODELS["register"](), names=frozenset({"read", "write"}))
    assert stream.state == "illegal"


@pytest.mark.parametrize("model", ["kv", "set", "queue"])
def test_agrees_with_the_whole_check_on_long_histories(model: str) -> None:
    statuses = set()
    for seed in range(16):
        rng = Random(f"long {model} {seed}")
        history = random_history(
            rng, model, operations=60, processes=5, stamps=120, crash_share=0.05, wrong_share=0.5
        )
        cut = History.of(apart(rng, history))
        stream = streamed(cut.events(), MODELS[model](), seconds=60)
        status = check(cut, MODELS[model]()).status
        assert {"possible": "valid", "illegal": "invalid"}[stream.state] == status
        statuses.add(status)
    assert len(statuses) == 2
