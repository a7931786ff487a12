"""Histories as text, for tests and for messages; `docs/history.md` explains it with examples.

    p0: write x 1 -> ok        an operation, called and answered at once
    p1: read x                 an invocation; open until it is answered
    p0: write x 2 -> info      it may have happened
    p1: -> 1                   the answer: ok, with output 1
    nemesis: partition {"targets": ["n1"]} fault=7 -> applied
    nemesis: heal fault=7 -> healed
    nemesis: quiescent

Stamps count on by one nanosecond from event to event unless `@stamp` says otherwise.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final, cast

import msgspec

from checker.history.columns import History
from checker.history.encoding import encode
from checker.history.events import NEMESIS, Event
from checker.history.language import NotationError, Part, Statement, is_word, statement_of
from checker.history.problems import MalformedHistory
from checker.history.twin import event_of
from checker.history.values import canonical

if TYPE_CHECKING:
    from checker.history.events import EventType

NOTES: Final = (
    *("recovered", "quiescent", "not-quiescent", "not-injected", "asked", "node-died", "members"),
    *("stopped", "live-check-gave-up"),
)
"""What a run notes in the nemesis's name: one line, a completion without an invocation."""

_PROCESS: Final = re.compile(r"p(0|[1-9][0-9]*)")
_COMPLETIONS: Final = ("ok", "fail", "info")
_WRITTEN_OTHERWISE: Final = frozenset({"time", "process", "type", "f", "extra"})
_ATTRIBUTES: Final = tuple(n for n in Event.__struct_fields__ if n not in _WRITTEN_OTHERWISE)


def parse(text: str) -> History:
    """The history that this text says.

    Raises NotationError where the text is none, MalformedHistory where it is but says no history;
    both name the line of the text.
    """
    reader = _Reader()
    events: list[Event] = []
    lines: list[int] = []
    for number, line in enumerate(text.split("\n"), start=1):
        read = reader.read(line, number)
        events += read
        lines += [number] * len(read)
    try:
        return History.of(events)
    except MalformedHistory as malformed:
        problems = [
            msgspec.structs.replace(problem, line=lines[problem.line - 1], column=0)
            for problem in malformed.problems
        ]
        raise MalformedHistory(problems, more=malformed.more, source="the notation") from None


def render(history: History) -> str:
    """The text that `parse` reads back into the same history."""
    reader = _Reader()
    events = list(history.events())
    lines: list[str] = []
    position = 0
    while position < len(events):
        line, taken = _line(events[position : position + 2], reader)
        lines.append(line)
        position += taken
    return "".join(f"{line}\n" for line in lines)


@dataclass(slots=True)
class _Reader:
    """What earlier lines leave behind: index and stamp to count on from, open invocations."""

    index: int = -1
    time: int = 0
    open: tuple[Event, ...] = ()

    def read(self, text: str, line: int) -> list[Event]:
        """The events of one line. Raises NotationError, MalformedHistory for a raw line."""
        if text.startswith("{"):
            return [self.count(event_of(text.encode(), line))]
        statement = statement_of(text, line)
        if statement is None:
            return []
        process, answer = _process(statement), statement.answered
        asked = None if statement.asked is None else self._asked(process, statement.asked, line)
        events = [] if asked is None else [asked]
        if answer is not None:
            open = asked or self.invocation(process, answer.attributes.get("fault"))
            if open is None or open.type != "invoke":
                raise NotationError(line, 1, "nothing is open that this could answer")
            events.append(self._answered(open, answer, line))
        return events

    def invocation(self, process: int | str, fault: Any) -> Event | None:
        """The last open invocation of this process, and of this fault if one is given."""
        fitting = [
            event
            for event in self.open
            if event.process == process and fault in (None, event.fault)
        ]
        return fitting[-1] if fitting else None

    def _asked(self, process: int | str, part: Part, line: int) -> Event:
        noted = process == NEMESIS and part.word in NOTES
        fields: dict[str, Any] = {"f": part.word, "output" if noted else "input": part.value}
        if part.key is not None:
            fields["key"] = part.key
        return self._event(process, "info" if noted else "invoke", fields, part, line)

    def _answered(self, invocation: Event, part: Part, line: int) -> Event:
        process = invocation.process
        usual = "info" if process == NEMESIS else "ok"
        type = part.word if part.word in _COMPLETIONS else usual
        fields = {"f": invocation.f, "key": invocation.key, "fault": invocation.fault}
        if part.word is not None and part.word not in _COMPLETIONS:
            if process != NEMESIS or part.has_value:
                raise NotationError(line, 1, f"{part.word} is no answer: write ok, fail or info")
            fields["output"] = {"effect": part.word}
        elif part.has_value:
            fields["error" if part.word in ("fail", "info") else "output"] = part.value
        return self._event(process, type, fields, part, line)

    def _event(
        self, process: int | str, type: str, fields: dict[str, Any], part: Part, line: int
    ) -> Event:
        named = {k: v for k, v in part.attributes.items() if k in _ATTRIBUTES}
        extra = {k: v for k, v in part.attributes.items() if k not in _ATTRIBUTES}
        index = named.pop("index", self.index + 1)
        if not isinstance(index, int) or not _WRITTEN_OTHERWISE.isdisjoint(extra):
            raise NotationError(line, 1, "index is an integer; time, process, type, f are no names")
        return self.count(
            Event(
                index=index,
                time=self.time + 1 if part.stamp is None else part.stamp,
                process=process,
                type=cast("EventType", type),
                extra=extra,
                **(fields | named),
            )
        )

    def count(self, event: Event) -> Event:
        """Take note of an event, and give it back."""
        self.index, self.time = event.index, max(self.time, event.time)
        if event.type == "invoke":
            self.open = (*self.open, event)
        else:
            answered = self.invocation(event.process, event.fault)
            self.open = tuple(other for other in self.open if other is not answered)
        return event


def _process(statement: Statement) -> int | str:
    if statement.who == NEMESIS:
        return NEMESIS
    match = _PROCESS.fullmatch(statement.who)
    if match is None:
        raise NotationError(statement.line, 1, "a process (p0, p1, ...) or nemesis belongs here")
    return int(match[1])


def _line(events: list[Event], reader: _Reader) -> tuple[str, int]:
    """The shortest line that reads back as the first of these events, or as the first two."""
    for wanted in (events, events[:1]):
        if len(wanted) == 2 and not _answers(*wanted):
            continue
        text = _compact(wanted, reader)
        trial = replace(reader)
        try:
            read = trial.read(text, 1)
        except (NotationError, MalformedHistory):
            continue
        if list(map(encode, read)) == list(map(encode, wanted)):
            reader.read(text, 1)
            return text, len(wanted)
    raw = encode(events[0]).decode().removesuffix("\n")
    reader.read(raw, 1)
    return raw, 1


def _answers(invocation: Event, completion: Event) -> bool:
    return (
        invocation.type == "invoke" != completion.type
        and invocation.process == completion.process
        and invocation.fault == completion.fault
    )


def _compact(events: list[Event], reader: _Reader) -> str:
    """A line for these events; it need not read back as them, the caller tries."""
    ahead = replace(reader)
    who = NEMESIS if events[0].process == NEMESIS else f"p{events[0].process}"
    words = [f"{who}:"]
    for event in events:
        if event.type == "invoke" or event.f in NOTES:
            words += _asking(event, ahead)
        else:
            words += ["->", *_answering(event, ahead)]
        ahead.count(event)
    return " ".join(words)


def _asking(event: Event, ahead: _Reader) -> list[str]:
    value_field = "input" if event.type == "invoke" else "output"
    implied = {value_field: getattr(event, value_field)}
    words = [event.f]
    if _is_bare(event.key):
        implied["key"] = event.key
        words.append(event.key)
    if implied[value_field] is not None:
        words.append(_json(implied[value_field]))
    return words + _marks(event, implied, ahead)


def _answering(event: Event, ahead: _Reader) -> list[str]:
    invocation = ahead.invocation(event.process, event.fault)
    implied: dict[str, Any] = {}
    if invocation is not None:
        implied = {"key": invocation.key}
        last = ahead.invocation(event.process, None)
        implied |= {"fault": invocation.fault} if last is invocation else {}
    output, usual = event.output, "info" if event.process == NEMESIS else "ok"
    if event.type in ("fail", "info") and event.error is not None:
        words, implied["error"] = [event.type, _json(event.error)], event.error
    elif output is None or event.type not in (usual, "ok"):
        words = [event.type]
    else:
        implied["output"] = output
        words = [] if event.type == usual else [event.type]
        is_effect = (
            event.process == NEMESIS and isinstance(output, dict) and [*output] == ["effect"]
        )
        words.append(_bare(output["effect"]) if is_effect else _json(output))
    return words + _marks(event, implied, ahead)


def _marks(event: Event, implied: dict[str, Any], ahead: _Reader) -> list[str]:
    implied = {"index": ahead.index + 1} | implied
    fields = {name: getattr(event, name) for name in _ATTRIBUTES}
    marks = [
        f"{name}={_bare(value)}"
        for name, value in (fields | event.extra).items()
        if canonical(value) != canonical(implied.get(name))
    ]
    return marks if event.time == ahead.time + 1 else [*marks, f"@{event.time}"]


def _is_bare(value: Any) -> bool:
    return isinstance(value, str) and is_word(value)


def _bare(value: Any) -> str:
    return value if _is_bare(value) else _json(value)


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)
