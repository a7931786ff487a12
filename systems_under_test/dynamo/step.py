"""One input being handled: what it may read, and the effects that it has gathered so far."""

from __future__ import annotations

from typing import TYPE_CHECKING

from systems_under_test.dynamo.envelope import seal
from systems_under_test.replica import (
    Diagnostic,
    Respond,
    Send,
    SetTimer,
    Write,
    WriteLater,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from systems_under_test.dynamo.messages import AnyMessage
    from systems_under_test.replica import Effect, Turn, Wire


class Step:
    """Reads through its own writes: the storage does not see what this input is about to write."""

    __slots__ = ("_written", "effects", "life", "mono", "rng", "storage", "view", "wall")

    def __init__(self, turn: Turn, view: int = 1, life: int = 1) -> None:
        self.view = view
        self.life = life
        self.mono = turn.now.mono
        self.wall = turn.now.wall
        self.rng = turn.rng
        self.storage = turn.storage
        self.effects: list[Effect] = []
        self._written: dict[tuple[str, bytes], bytes | None] = {}

    def get(self, table: str, key: bytes) -> bytes | None:
        """The value under a key as it will be after this input."""
        if self._written and (table, key) in self._written:
            return self._written[table, key]
        return self.storage.get(table, key)

    def scan(
        self, table: str, start: bytes = b"", stop: bytes | None = None
    ) -> Iterator[tuple[bytes, bytes]]:
        """The entries with start <= key < stop; only while this input has written none of them."""
        assert not any(
            written == table and start <= key and (stop is None or key < stop)
            for written, key in self._written
        ), f"a scan of {table} would not see what this input writes to it"
        return self.storage.scan(table, start, stop)

    def write(self, table: str, key: bytes, value: bytes | None, *, durable: bool = True) -> None:
        """Put a value, None deletes. Durable before any later effect leaves, unless told not."""
        self._written[table, key] = value
        self.effects.append((Write if durable else WriteLater)(table, key, value))

    def send(self, to: str, message: AnyMessage) -> None:
        """Send a message to another node."""
        self.effects.append(Send(to, seal(message, self.mono, self.view, self.life)))

    def respond(self, request: int, status: int, headers: Mapping[str, str], body: bytes) -> None:
        """Answer a client."""
        self.effects.append(Respond(request, status, headers, body))

    def set_timer(self, name: str, delay: int, payload: Wire = None) -> None:
        """Fire after so many nanoseconds of the node's monotonic clock."""
        self.effects.append(SetTimer(name, delay, payload))

    def set_jittered(self, name: str, interval: int) -> None:
        """Fire after the interval, a quarter more or less, so that nodes do not march in step."""
        self.set_timer(name, self.rng.between(interval * 3 // 4, interval * 5 // 4))

    def log(self, event: str, **fields: Wire) -> None:
        """A line for the node's log."""
        self.effects.append(Diagnostic(event, fields))
