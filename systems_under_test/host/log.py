"""The node's log: one line for each thing worth saying, with both of the node's clocks."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, TextIO

import msgspec

if TYPE_CHECKING:
    from collections.abc import Mapping

    from systems_under_test.host.clock import NodeClock
    from systems_under_test.replica import Now, Wire

BILLION = 1_000_000_000
_TEXT_MAX = 4_000


class NodeLog:
    """Writes lines such as `2026-11-21T10:15:00.123456789Z mono=5.000000000 n1/2 put key="x"`."""

    def __init__(self, out: TextIO, *, node: str, clock: NodeClock) -> None:
        self._out = out
        self._clock = clock
        self._node = node
        self._who = f"{node}/-"
        self.lines_lost = 0

    def incarnated(self, incarnation: int) -> None:
        """Name the life as well as the node from now on."""
        self._who = f"{self._node}/{incarnation}"

    def say(self, event: str, **fields: Wire) -> None:
        """A line of the host's own."""
        self.write(event, fields, self._clock.now())

    def write(self, event: str, fields: Mapping[str, Wire], now: Now) -> None:
        """A line that carries these clocks. A full disk loses it; the node goes on."""
        said = "".join(f" {name}={_shown(value)}" for name, value in fields.items())
        seconds, rest = divmod(now.mono, BILLION)
        line = f"{_wall(now.wall)} mono={seconds}.{rest:09} {self._who} {_one_line(event)}{said}\n"
        try:
            self._out.write(line)
            self._out.flush()
        except OSError:
            self.lines_lost += 1


def _wall(wall: int) -> str:
    seconds, rest = divmod(wall, BILLION)
    return f"{time.strftime('%Y-%m-%dT%H:%M:%S', time.gmtime(seconds))}.{rest:09}Z"


def _shown(value: Wire) -> str:
    try:
        text = msgspec.json.encode(_readable(value)).decode()
    except (TypeError, ValueError, UnicodeError):
        text = _one_line(repr(value))
    return text if len(text) <= _TEXT_MAX else f"{text[:_TEXT_MAX]}..."


def _readable(value: Wire) -> Wire:
    """The same with bytes as text: a key in the log should look as the client wrote it."""
    if isinstance(value, bytes):
        return value.decode("utf-8", "backslashreplace")
    if isinstance(value, list | tuple):
        return [_readable(item) for item in value]
    if isinstance(value, dict):
        return {_readable(key): _readable(item) for key, item in value.items()}
    return value


def _one_line(text: str) -> str:
    return text.replace("\n", "\\n")
