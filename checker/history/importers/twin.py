"""Brings Jepsen's events into our form: the openly simple twin of the native importer."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from checker.history import twin
from checker.history.events import NEMESIS
from checker.history.importers.events import read_edn, read_log
from checker.history.importers.forms import Mapped, Unmapped, completion, invocation, without_blanks
from checker.history.linter import Linter
from checker.history.problems import PROBLEMS_MAX, MalformedHistory, Problem
from checker.history.values import canonical

if TYPE_CHECKING:
    from collections.abc import Iterator

    from checker.history.importers.events import Raw, RawEvents
    from checker.history.importers.reading import Format, Reading
    from checker.history.layout import Table

_LOOKING: Final = ("read", "get", "dequeue", "pop", "acquire", "release")


def read(data: bytes, format: Format, *, reading: Reading, drop_partial_line: bool) -> Table:
    """The table of these bytes. Raises MalformedHistory; its problems have no columns."""
    try:
        text = data.decode()
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise MalformedHistory([Problem(line, 0, "not-utf8")]) from None
    read_raw = read_log if format == "log" else read_edn
    raw = read_raw(text, drop_partial_line=drop_partial_line)
    problems = raw.problems
    events: list[dict[str, Any]] = []
    if not problems:
        linter = Linter()
        for line, event in _Mapping(raw, reading, reading.observes_failed_cas(format)).events():
            if isinstance(event, Unmapped):
                problems.append(Problem(line, 0, event.kind))
                linter.unreadable()
                continue
            problems += linter.feed(len(events), line, event)
            events.append(event)
    if problems:
        raise MalformedHistory(problems[:PROBLEMS_MAX], more=max(0, len(problems) - PROBLEMS_MAX))
    return twin.table_of(events, linter.pairs, raw.dropped)


class _Mapping:
    def __init__(self, raw: RawEvents, reading: Reading, observe_failed_cas: bool) -> None:
        clients = [event for event in raw.events if event.is_client]
        keyed = any(event.get("key") is not None for event in clients)
        looks = [_looks_independent(event) for event in clients]
        all_look = not keyed and False not in looks and (raw.tuples or True in looks)
        no_nil = not any(_reads_nil(event) for event in clients)
        self.raw: Final = raw.events
        self.reading: Final = reading
        self.observe_failed_cas: Final = observe_failed_cas
        self.independent: Final = all_look if reading.independent is None else reading.independent
        self.by_time: Final = all(event.get("time") is not None for event in clients)
        self.by_index: Final = all(event.get("index") is not None for event in raw.events)
        self.blank_is_absent: Final = reading.blank_is_absent and keyed and no_nil
        self.partners: Final = _partners(raw.events)

    def events(self) -> Iterator[tuple[int, dict[str, Any] | Unmapped]]:
        """The line and the fields of every event, or why it has no place in our form."""
        time = 0
        for number, raw in enumerate(self.raw):
            if not self.by_time:
                time = number
            elif raw.get("time") is not None:
                time = raw.get("time")
            try:
                mapped, key = self._mapped(number)
            except Unmapped as unmapped:
                yield raw.line, unmapped
                continue
            yield (
                raw.line,
                {
                    "index": raw.get("index") if self.by_index else number,
                    "time": time,
                    "process": raw.get("process"),
                    "type": mapped.type,
                    "f": mapped.f,
                    "key": key,
                    "input": mapped.input,
                    "output": mapped.output,
                    "error": self._error(number),
                    "node": raw.get("node"),
                    "extra": raw.get("extra") or None,
                },
            )

    def _partner(self, number: int) -> Raw | None:
        partner = self.partners.get(number)
        return None if partner is None else self.raw[partner]

    def _mapped(self, number: int) -> tuple[Mapped, Any]:
        raw, partner = self.raw[number], self._partner(number)
        f, type_ = raw.get("f"), raw.type
        if not raw.is_client:
            name = "input" if type_ == "invoke" else "output"
            return Mapped(f, type_, **{name: raw.get("value")}), raw.get("key")
        key, value = self._split(raw)
        drop = self.reading.nil_reads == "drop"
        maps = self.reading.maps_are_txns
        if type_ == "invoke":
            answered = partner is not None and partner.type == "ok"
            answer = self._split(partner)[1] if partner is not None and answered else None
            mapped = invocation(
                f, value, answer, answered=answered, drop_nil_reads=drop, maps_are_txns=maps
            )
        else:
            asked = None if partner is None else self._split(partner)[1]
            observe = self.observe_failed_cas and raw.get("error") is None
            mapped = completion(
                *(f, type_, asked, value),
                observe_failed_cas=observe,
                drop_nil_reads=drop,
                maps_are_txns=maps,
            )
        return (without_blanks(mapped) if self.blank_is_absent else mapped), key

    def _split(self, raw: Raw) -> tuple[Any, Any]:
        key, value = raw.get("key"), raw.get("value")
        if not self.independent:
            return key, value
        if isinstance(value, list) and len(value) == 2:
            return value[0], value[1]
        if raw.type in ("fail", "info"):
            return key, value
        raise Unmapped("not-a-tuple")

    def _error(self, number: int) -> Any:
        raw, asked = self.raw[number], self._partner(number)
        if raw.type == "invoke":
            return None
        error, value = raw.get("error"), raw.get("value")
        if error is not None or not raw.is_client or raw.type == "ok":
            return error
        said = None if asked is None else asked.get("value")
        return None if canonical(value) == canonical(said) else value


def _reads_nil(event: Raw) -> bool:
    looks = event.get("f") in ("read", "get")
    return looks and event.type == "ok" and event.get("value") is None


def _looks_independent(event: Raw) -> bool | None:
    if event.type in ("fail", "info"):
        return None
    parts = event.get("value")
    if not isinstance(parts, list) or len(parts) != 2:
        return False
    key, value = parts
    if event.type != "invoke":
        return None
    f, many = event.get("f"), isinstance(key, list)
    if f in _LOOKING:
        return value is None
    if f == "cas":
        pair = isinstance(value, list) and len(value) == 2
        return False if not pair else None if many else True
    return not many and isinstance(value, list) if f == "txn" else None


def _partners(events: list[Raw]) -> dict[int, int]:
    partners: dict[int, int] = {}
    open: dict[Any, int] = {}
    for number, event in enumerate(events):
        process = event.get("process")
        if process == NEMESIS:
            continue
        if event.type == "invoke":
            open[process] = number
        elif process in open:
            invoked = open.pop(process)
            partners |= {invoked: number, number: invoked}
    return partners
