"""How the values of one kind of operation become inputs and outputs: part of the simple twin.

`docs/importers.md` has the table.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Final

from checker.history.values import canonical

_ASKING: Final = ("read", "get", "dequeue", "pop")
_TELLING: Final = ("write", "put", "append", "delete", "add", "remove", "enqueue", "push")
_VERBS: Final = {"read": "r", "write": "w"}


class Unmapped(Exception):
    """A value that has no place in our form, for this kind of reason."""

    def __init__(self, kind: str) -> None:
        super().__init__(kind)
        self.kind: Final = kind


@dataclass(frozen=True, slots=True)
class Mapped:
    """What an event says in our form."""

    f: str
    type: str
    input: Any = None
    output: Any = None


def invocation(
    f: str,
    asked: Any,
    answer: Any,
    *,
    answered: bool,
    drop_nil_reads: bool,
    maps_are_txns: bool,
) -> Mapped:
    """An invocation, looked at together with its answer if it ended in ok. Raises Unmapped."""
    if maps_are_txns and f in ("read", "write"):
        try:
            steps = _map_steps(f, asked, answer, answered=answered, drop=drop_nil_reads)
        except Unmapped:
            if not answered:
                raise
            steps = []
        return Mapped("txn", "invoke", _asked(steps))
    if f in _ASKING:
        return Mapped(f, "invoke")
    if f in _TELLING:
        return Mapped(f, "invoke", answer if asked is None else asked)
    if f == "cas":
        pair = answer if asked is None else asked
        if not isinstance(pair, list) or len(pair) != 2:
            raise Unmapped("unmapped-cas")
        return Mapped(f, "invoke", pair)
    if f != "txn":
        return Mapped(f, "invoke", asked)
    try:
        steps = _steps(asked, answer if answered else asked, drop=drop_nil_reads and answered)
    except Unmapped:
        # A complaint about the answer is made where the answer stands.
        steps = _steps(asked, asked, drop=False)
    return Mapped(f, "invoke", _asked(steps))


def completion(
    f: str,
    type: str,
    asked: Any,
    answer: Any,
    *,
    observe_failed_cas: bool,
    drop_nil_reads: bool,
    maps_are_txns: bool,
) -> Mapped:
    """A completion, looked at together with what was asked. Raises Unmapped."""
    if maps_are_txns and f in ("read", "write"):
        steps = []
        if type == "ok":
            steps = _map_steps(f, asked, answer, answered=True, drop=drop_nil_reads)
        return Mapped("txn", type, output=steps if type == "ok" else None)
    if type == "fail" and f == "cas" and observe_failed_cas and _repeats(asked, answer):
        return Mapped(f, "ok", output=False)
    if type != "ok":
        return Mapped(f, type)
    if f in ("read", "get") and answer is None and drop_nil_reads:
        return Mapped(f, "fail")
    if f in _ASKING:
        return Mapped(f, type, output=answer)
    if f == "cas":
        if isinstance(answer, bool):
            return Mapped(f, type, output=answer)
        if asked is not None and not _repeats(asked, answer):
            raise Unmapped("unlike-invocation")
        return Mapped(f, type, output=True)
    if f in _TELLING:
        if asked is not None and not _repeats(asked, answer):
            raise Unmapped("unlike-invocation")
        return Mapped(f, type)
    if f == "txn":
        return Mapped(f, type, output=_steps(asked, answer, drop=drop_nil_reads))
    return Mapped(f, type, output=None if _same(asked, answer) else answer)


def without_blanks(mapped: Mapped) -> Mapped:
    """The same where an absent key holds the empty string. Raises Unmapped."""
    if mapped.f == "append" and mapped.input == "":
        raise Unmapped("blank-append")
    if mapped.f == "get" and mapped.output == "":
        return replace(mapped, output=None)
    return replace(mapped, input=None) if mapped.f == "put" and mapped.input == "" else mapped


def _same(one: Any, other: Any) -> bool:
    return canonical(one) == canonical(other)


def _repeats(asked: Any, answer: Any) -> bool:
    return answer is None or _same(asked, answer)


def _asked(steps: list[list[Any]]) -> list[list[Any]]:
    return [[verb, name, None if verb == "r" else value] for verb, name, value in steps]


def _steps(asked: Any, answer: Any, *, drop: bool) -> list[list[Any]]:
    """The steps of a transaction as answered; with `drop` without reads of nil."""
    asks, answers = _micro_operations(asked), _micro_operations(answer)
    if len(asks) != len(answers):
        raise Unmapped("unlike-invocation")
    for ask, told in zip(asks, answers, strict=True):
        if not _same(ask[: 2 if ask[0] == "r" else 3], told[: 2 if ask[0] == "r" else 3]):
            raise Unmapped("unlike-invocation")
    return [step for step in answers if not (drop and step[0] == "r" and step[2] is None)]


def _micro_operations(value: Any) -> list[list[Any]]:
    fits = isinstance(value, list) and all(
        isinstance(step, list) and len(step) in (2, 3) and isinstance(step[0], str)
        for step in value
    )
    if not fits:
        raise Unmapped("unmapped-txn")
    return [[_VERBS.get(step[0], step[0]), step[1], (*step, None)[2]] for step in value]


def _map_steps(f: str, asked: Any, answer: Any, *, answered: bool, drop: bool) -> list[list[Any]]:
    """The steps of a transaction that reads or writes a map."""
    if f == "write":
        if answered and asked is not None and not _repeats(asked, answer):
            raise Unmapped("unlike-invocation")
        registers = answer if asked is None else asked
    else:
        registers = answer if answered else {} if asked is None else asked
    if not isinstance(registers, dict):
        raise Unmapped("unmapped-registers")
    items = sorted(registers.items(), key=lambda item: item[0].encode())
    verb = "w" if f == "write" else "r"
    drop = drop and answered and f == "read"
    return [[verb, name, value] for name, value in items if not (drop and value is None)]
