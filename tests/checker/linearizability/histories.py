"""Random small histories for every model: some right, some with one answer changed.

Processes, stamps and moments of effect are drawn; the model itself gives right answers. Stamps are
few, so that equal ones are common, also between operations of one process.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product
from typing import TYPE_CHECKING, Any

from checker.history.columns import History
from checker.history.events import Event, Operation
from checker.models import MODELS, Action, Inconsistent
from checker.models.model import answers

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from random import Random

    from checker.models.model import Specification

Asked = tuple[str, Any, "Sequence[Any]"]
"""A name, an input, and the outputs that may be answered."""


def _register(rng: Random) -> Asked:
    if rng.random() < 0.5:
        return "read", None, [None, 1, 2, 3]
    return "write", rng.randint(1, 3), [None]


def _cas_register(rng: Random) -> Asked:
    if rng.random() < 0.4:
        return "cas", [rng.randint(1, 3), rng.randint(1, 3)], [True, False]
    return _register(rng)


def _multi_register(rng: Random) -> Asked:
    steps: list[list[Any]] = []
    for _ in range(rng.randint(1, 2)):
        verb, name = rng.choice("rw"), rng.choice("xy")
        steps.append([verb, name, rng.randint(1, 2) if verb == "w" else None])
    outputs: list[list[list[Any]]] = [[]]
    for verb, name, value in steps:
        values = [value] if verb == "w" else [None, 1, 2]
        outputs = [[*done, [verb, name, v]] for done in outputs for v in values]
    return "txn", steps, outputs


def _mutex(rng: Random) -> Asked:
    return rng.choice(["acquire", "release"]), None, [None]


def _fenced_mutex(rng: Random) -> Asked:
    if rng.random() < 0.5:
        return "acquire", None, [1, 2, 3, 4]
    return "release", rng.choice([None, None, 1, 2]), [None]


def _reentrant_mutex(rng: Random) -> Asked:
    return rng.choice(["acquire", "release"]), {"owner": rng.randint(1, 2)}, [None]


def _counter(rng: Random) -> Asked:
    if rng.random() < 0.5:
        return "read", None, list(range(-2, 5))
    return "add", rng.choice([-1, 1, 1, 2]), [None]


def _set(rng: Random) -> Asked:
    f = rng.choice(["add", "remove", "contains", "read"])
    outputs: dict[str, list[Any]] = {
        "contains": [True, False],
        "read": [[], [1], [2], [1, 2]],
    }
    return f, None if f == "read" else rng.randint(1, 2), outputs.get(f, [None])


def _queue(rng: Random) -> Asked:
    if rng.random() < 0.5:
        return "enqueue", rng.randint(1, 2), [None]
    return "dequeue", None, [None, 1, 2]


def _stack(rng: Random) -> Asked:
    f, given, outputs = _queue(rng)
    return {"enqueue": "push", "dequeue": "pop"}[f], given, outputs


def _kv(rng: Random) -> Asked:
    f = rng.choice(["get", "get", "put", "append", "delete"])
    given = rng.choice(["a", "b"]) if f in ("put", "append") else None
    outputs = [None, *("".join(text) for size in (1, 2, 3) for text in product("ab", repeat=size))]
    return f, given, outputs if f == "get" else [None]


ASKED: dict[str, Callable[[Random], Asked]] = {
    "register": _register,
    "cas-register": _cas_register,
    "multi-register": _multi_register,
    "mutex": _mutex,
    "fenced-mutex": _fenced_mutex,
    "reentrant-mutex": _reentrant_mutex,
    "counter": _counter,
    "set": _set,
    "queue": _queue,
    "unordered-queue": _queue,
    "stack": _stack,
    "kv": _kv,
}


@dataclass(slots=True)
class _Drawn:
    process: int
    call: int
    ret: int | None
    moment: int | None
    asked: Asked
    output: Any = None


def random_history(
    rng: Random,
    model: str,
    *,
    operations: int = 7,
    processes: int = 4,
    stamps: int = 12,
    crash_share: float = 0.25,
    wrong_share: float = 0.6,
) -> History:
    """A history of at most so many operations on one object of the model."""
    drawn = _draw(rng, model, operations, processes, stamps, crash_share)
    _answer(rng, MODELS[model](), drawn, key="k" if model == "kv" else None)
    known = [op for op in drawn if op.ret is not None and len(op.asked[2]) > 1]
    if known and rng.random() < wrong_share:
        changed = rng.choice(known)
        changed.output = rng.choice(changed.asked[2])
    return history_of(drawn, key="k" if model == "kv" else None)


def _draw(
    rng: Random, model: str, operations: int, processes: int, stamps: int, crash_share: float
) -> list[_Drawn]:
    drawn: list[_Drawn] = []
    now = dict.fromkeys(range(processes), 0)
    fresh = processes
    for _ in range(operations):
        process = rng.choice(sorted(now))
        call = now[process] + rng.randint(0, 3)
        asked = ASKED[model](rng)
        if call > stamps:
            continue
        if rng.random() < crash_share:
            moment = call + rng.randint(0, stamps) if rng.random() < 0.7 else None
            drawn.append(_Drawn(process, call, None, moment, asked))
            del now[process]
            now[fresh] = call
            fresh += 1
        else:
            ret = call + rng.randint(0, 6)
            drawn.append(_Drawn(process, call, ret, rng.randint(call, ret), asked))
            now[process] = ret
    return drawn


def _answer(rng: Random, model: Specification, drawn: list[_Drawn], key: Any) -> None:
    state = model
    for op in sorted(drawn, key=lambda op: (op.moment is None, op.moment or 0)):
        f, given, outputs = op.asked
        op.output = rng.choice(outputs)
        if op.moment is None:
            continue
        for output in rng.sample(list(outputs), len(outputs)):
            after = answers(
                state,
                Action(f, given, output, key=key, outcome="ok" if op.ret is not None else "info"),
            )
            if not isinstance(after, Inconsistent):
                op.output, state = output, rng.choice(after)
                break


@dataclass(slots=True)
class Span:
    """An operation whose moment of effect is drawn: what it asked is still to be said."""

    process: int
    call: int
    ret: int | None
    moment: int
    asked: tuple[str, Any, Any] = ("", None, None)


def spans(
    rng: Random, *, operations: int, processes: int, crash_share: float, length: int
) -> list[Span]:
    """Operations of at most this length; those of one process do not touch."""
    now = dict.fromkeys(range(processes), 0)
    fresh, drawn = processes, []
    for _ in range(operations):
        process = rng.choice(sorted(now))
        call = now.pop(process) + rng.randint(1, 4)
        if rng.random() < crash_share:
            drawn.append(Span(process, call, None, call + rng.randint(0, 15)))
            now[fresh] = call
            fresh += 1
        else:
            now[process] = ret = call + rng.randint(0, length)
            drawn.append(Span(process, call, ret, rng.randint(call, ret)))
    return drawn


def history_of_spans(drawn: Sequence[Span]) -> History:
    """The history of what was drawn and asked."""
    events: list[Event] = []
    for one in drawn:
        f, given, output = one.asked
        common: dict[str, Any] = {"index": 0, "process": one.process, "f": f}
        events.append(Event(time=one.call, type="invoke", input=given, **common))
        if one.ret is not None:
            events.append(Event(time=one.ret, type="ok", output=output, **common))
    return _numbered(events)


def history_of(drawn: Sequence[_Drawn], key: Any = None) -> History:
    """The history of what was drawn; a process's events stay in order at equal stamps."""
    events: list[Event] = []
    for op in drawn:
        f, given, _ = op.asked
        common: dict[str, Any] = {"index": 0, "process": op.process, "f": f, "key": key}
        events.append(Event(time=op.call, type="invoke", input=given, **common))
        if op.ret is not None:
            events.append(Event(time=op.ret, type="ok", output=op.output, **common))
        elif op.process % 2:
            events.append(Event(time=op.call + 1, type="info", **common))
    return _numbered(events)


def _numbered(events: list[Event]) -> History:
    events.sort(key=lambda event: event.time)
    return History.of(
        Event(**{name: getattr(event, name) for name in Event.__struct_fields__} | {"index": i})
        for i, event in enumerate(events)
    )


def operations_of(history: History) -> list[Operation]:
    """The operations, for the twins."""
    return list(history.operations())
