"""What can be wrong with the lines of a history, said in words that tell what to do."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import msgspec

if TYPE_CHECKING:
    from collections.abc import Iterable

PROBLEMS_MAX: Final = 100
"""How many problems are told in full; the rest is counted."""


class Problem(msgspec.Struct, frozen=True, order=True):
    """One thing wrong with one line.

    `line` counts from 1. `column` counts bytes from 1, and is 0 where the problem has no place
    inside its line. `kind` is one of `SENTENCES`, `detail` fills in its sentence.
    """

    line: int
    column: int
    kind: str
    detail: str = ""

    def __str__(self) -> str:
        place = f"line {self.line}, column {self.column}" if self.column else f"line {self.line}"
        expected = EXPECTED.get(self.detail, "")
        return f"{place}: {SENTENCES[self.kind].format(detail=self.detail, expected=expected)}"


SENTENCES: Final[dict[str, str]] = {
    "not-utf8": "not UTF-8: write the file as UTF-8, one JSON object a line",
    "not-json": "not JSON ({detail}): every line is one whole JSON object",
    "not-an-object": "not a JSON object: every line is one event in braces",
    "partial-line": (
        "the last line is half-written: the writer was stopped in the middle of it; "
        "leave it out with --drop-partial-line"
    ),
    "duplicate-key": "the object names {detail} twice: keep one",
    "not-finite": "{detail} is no JSON number: write null, or a string, or a finite number",
    "surrogate": "half of a surrogate pair: escape characters beyond U+FFFF as a whole pair",
    "too-deep": "values are nested deeper than {detail}: flatten them",
    "number-too-long": "a number of more than {detail} characters: write it as a string",
    "line-too-long": "the line is longer than {detail} bytes: split what it records",
    "not-writable": "the event cannot be written as JSON: {detail}",
    "missing-field": "the field {detail} is missing: {expected}",
    "ill-typed-field": "the field {detail} is not {expected}",
    "unknown-type": "the type is {detail}: one of invoke, ok, fail, info is known",
    "misplaced-field": "an invocation has no {detail}: it belongs on the completion",
    "index-back": "the index is {detail}: number the lines upwards, each once",
    "clock-back": "the clock of process {detail}: stamp on a monotonic clock",
    "completion-without-invocation": (
        "process {detail} completes an operation that it never invoked: "
        "its invocation stands on no line before this one"
    ),
    "two-open-operations": (
        "process {detail} invokes a second operation before its first has completed: "
        "a process does one thing at a time, concurrent callers are processes of their own"
    ),
    "goes-on-after-info": (
        "process {detail} goes on after its operation ended in info, which may still happen: "
        "give the worker a new process number"
    ),
    "unrecognized": (
        "neither JSON Lines, nor Jepsen's EDN, nor a log of Jepsen's operations: "
        "docs/history.md and docs/importers.md show what can be read"
    ),
    "byte-order-mark": "the file begins with a byte order mark: save it as UTF-8 without one",
    "broken-gzip": "the file is packed by gzip and broken ({detail}): copy it anew",
    "not-edn": "not EDN: {detail}",
    "not-an-event": "not an event: a map with :process, :type, :f and :value belongs here",
    "not-a-tuple": (
        "the value is {detail}, but the values of other lines are tuples [key value]: make all of "
        "them tuples, or say with --independent no that they are plain values"
    ),
    "unlike-invocation": (
        "the completion's value {detail} is not that of its invocation: "
        "complete the operation with what was asked, or with nil"
    ),
    "unmapped-cas": "the value of a cas is {detail}: write [old new]",
    "unmapped-txn": (
        "the value of a txn is {detail}: write a vector of [:r key nil] and [:w key value]"
    ),
    "unmapped-registers": (
        "the value is {detail}: a multi-register is read and written by maps from register to "
        "value, or by :f :txn"
    ),
    "blank-append": (
        "an empty string is appended where an absent key cannot be told from an empty one: "
        "give the keys' initial values with --initial"
    ),
    "disagrees": "the completion's {detail} is not that of its invocation",
}

EXPECTED: Final = {
    "index": "an integer, 0 or more",
    "time": "an integer (nanoseconds, less than 2^62)",
    "process": 'an integer, 0 or more, or "nemesis"',
    "type": "one of invoke, ok, fail, info",
    "f": "a string",
    "node": "a string",
    "request": "a string",
    "fault": "an integer, 0 or more",
}
"""What belongs into the fields whose type is fixed."""


class MalformedHistory(ValueError):
    """The history is not one: `problems` says what is wrong, line by line.

    `more` counts the problems beyond those listed. Mend the file (or its writer) and read again.
    """

    def __init__(
        self, problems: Iterable[Problem], *, more: int = 0, source: str = "the history"
    ) -> None:
        self.problems: Final = tuple(problems)
        self.more: Final = more
        self.source: Final = source
        super().__init__(str(self))

    def __str__(self) -> str:
        count = len(self.problems) + self.more
        head = f"{self.source} is malformed: {count} problem{'s' if count > 1 else ''}"
        lines = [head, *(f"  {problem}" for problem in self.problems)]
        if self.more:
            lines.append(f"  and {self.more} more")
        return "\n".join(lines)
