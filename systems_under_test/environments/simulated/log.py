"""A node's log: lines as a real host writes them, kept in memory up to a bound."""

from __future__ import annotations

from collections import deque
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

import msgspec

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from systems_under_test.replica import Now

_BILLION: Final = 1_000_000_000

_pack = msgspec.msgpack.Encoder().encode
_unpack = msgspec.msgpack.Decoder().decode
_json = msgspec.json.Encoder().encode

Line = bytes
"""A packed line: [wall, mono, incarnation, event, fields]. Most are never looked at."""


def packed(now: Now, incarnation: int, event: str, fields: Mapping[str, Any]) -> Line:
    """A line, free of anything that its writer may still change. Raises TypeError."""
    return _pack((now.wall, now.mono, incarnation, event, fields))


class Log:
    """The latest lines of one node, each with the true time at which it is written."""

    __slots__ = ("_forgotten", "_lines", "_node")

    def __init__(self, node: str, lines_max: int) -> None:
        self._node = node
        self._lines: deque[tuple[int, Line]] = deque(maxlen=lines_max)
        self._forgotten = 0

    def add(self, time: int, line: Line) -> None:
        """Write a line at this time; times never go back."""
        self._forgotten += len(self._lines) == self._lines.maxlen
        self._lines.append((time, line))

    def take_back(self, time: int) -> None:
        """The process died at this time: what it was still to write was never written."""
        while self._lines and self._lines[-1][0] >= time:
            self._lines.pop()

    def lines(self, until: int) -> Iterator[str]:
        """The lines written by this time, oldest first."""
        if self._forgotten:
            yield f"(the {self._forgotten} oldest lines have been forgotten)"
        for time, line in self._lines:
            if time <= until:
                yield self._rendered(*_unpack(line))

    def _rendered(
        self, wall: int, mono: int, incarnation: int, event: str, fields: Mapping[str, Any]
    ) -> str:
        seconds, rest = divmod(wall, _BILLION)
        stamp = f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%S}.{rest:09}Z"
        since, fraction = divmod(mono, _BILLION)
        said = "".join(f" {name}={_json(value).decode()}" for name, value in fields.items())
        who = f"{self._node}/{incarnation}"
        return f"{stamp} mono={since}.{fraction:09} {who} {event!s}{said}".replace("\n", "\\n")
