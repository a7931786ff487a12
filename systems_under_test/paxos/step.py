"""One input being handled: what it may read, and the effects that it has gathered so far."""

from __future__ import annotations

from typing import TYPE_CHECKING

from systems_under_test.paxos.messages import AnyMessage, seal
from systems_under_test.replica import (
    Diagnostic,
    Leave,
    ObjectRequest,
    Respond,
    Send,
    SetTimer,
    VerifyStorage,
    Write,
    WriteLater,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from systems_under_test.paxos.group import Groups
    from systems_under_test.paxos.view import View
    from systems_under_test.replica import Effect, ObjectVerb, Turn, Wire


class Step:
    """Reads through its own writes: the storage does not see what this input is about to write."""

    __slots__ = ("_groups", "effects", "mono", "rng", "storage", "views", "wall", "written")

    def __init__(self, turn: Turn, groups: Groups | None = None) -> None:
        self._groups = groups
        self.mono = turn.now.mono
        self.wall = turn.now.wall
        self.rng = turn.rng
        self.storage = turn.storage
        self.effects: list[Effect] = []
        self.written: dict[tuple[str, bytes], bytes | None] = {}
        self.views: list[View] = []
        """Who still has to read what is about to be written."""

    def get(self, table: str, key: bytes) -> bytes | None:
        """The value under a key as it will be after this input."""
        if self.written and (table, key) in self.written:
            return self.written[table, key]
        return self.storage.get(table, key)

    def scan(self, table: str) -> Iterator[tuple[bytes, bytes]]:
        """All entries of a table in order, as they will be after this input."""
        if not self.wrote(table):
            return self.storage.scan(table)
        rows: dict[bytes, bytes | None] = dict(self.storage.scan(table))
        rows |= {key: value for (name, key), value in self.written.items() if name == table}
        return ((key, value) for key, value in sorted(rows.items()) if value is not None)

    def wrote(self, table: str) -> bool:
        """Whether this input has written to a table."""
        return any(written == table for written, _ in self.written)

    def write(self, table: str, key: bytes, value: bytes | None, *, durable: bool = True) -> None:
        """Put a value, None deletes. Durable before any later effect leaves, unless told not."""
        for view in self.views:
            view.keep(self, table, key)
        self.written[table, key] = value
        self.effects.append((Write if durable else WriteLater)(table, key, value))

    def send(self, to: str, message: AnyMessage) -> None:
        """Send a message to another node. It names the newest configuration known here."""
        assert self._groups is not None, "a life sends nothing before it has started"
        self.effects.append(Send(to, seal(self._groups.named, message)))

    def respond(self, request: int, status: int, headers: Mapping[str, str], body: bytes) -> None:
        """Answer a client."""
        self.effects.append(Respond(request, status, headers, body))

    def ask_objects(self, verb: ObjectVerb, name: str, content: bytes = b"") -> None:
        """Ask the object store; the answer is an input."""
        self.effects.append(ObjectRequest(verb, name, content))

    def verify_storage(self) -> None:
        """Have the host look at everything at rest; the answer is an input."""
        self.effects.append(VerifyStorage())

    def leave(self) -> None:
        """Tell the host, which is to end this life, that it may."""
        self.effects.append(Leave())

    def set_timer(self, name: str, delay: int) -> None:
        """Fire after so many nanoseconds of the node's monotonic clock."""
        self.effects.append(SetTimer(name, delay))

    def log(self, event: str, **fields: Wire) -> None:
        """A line for the node's log."""
        self.effects.append(Diagnostic(event, fields))
