"""The single copy: registers in memory, every change in a log that is replayed at a start.

Linearizable by construction. Inputs are handled one after another; a change is appended to the
log before its reply leaves; and the host lets no later reply overtake that append, so that nobody
is told of a value which a crash can still take back.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import msgspec

from systems_under_test.atomic.requests import (
    NULL,
    CompareAndSet,
    Read,
    Refused,
    Status,
    Store,
    parse,
)
from systems_under_test.replica import (
    Append,
    ClientRequest,
    Diagnostic,
    Respond,
    Started,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from systems_under_test.atomic.requests import Asked
    from systems_under_test.replica import Effect, Input, Place, Turn

STALE_READ: Final = "stale-read"
FORGETS_ON_RESTART: Final = "forgets-on-restart"
CAS_WITHOUT_COMPARE: Final = "cas-without-compare"

CACHED_NS: Final = 1_000_000_000
"""How long the bug `stale-read` goes on serving what it read once."""

_LOG: Final = "log"
_JSON: Final = {"content-type": "application/json"}

_json = msgspec.json.Encoder().encode
_pack = msgspec.msgpack.Encoder().encode
_unpack = msgspec.msgpack.Decoder(tuple[str, bytes]).decode


class AtomicStore:
    """A replica: one copy of every register."""

    def __init__(self, bug: str | None) -> None:
        self._bug = bug
        self._values: dict[str, bytes] = {}
        self._incarnation = 0
        self._records = 0
        self._cache: dict[str, tuple[int, bytes]] = {}
        """Key -> (monotonic time until which it is served, value); filled by a bug only."""

    def handle(self, event: Input, turn: Turn) -> Sequence[Effect]:
        """Handle one input."""
        if isinstance(event, Started):
            return self._start(event, turn)
        if isinstance(event, ClientRequest):
            return self._serve(event, turn)
        return []  # A single node has no peers, and sets no timers.

    def _start(self, event: Started, turn: Turn) -> list[Effect]:
        self._incarnation = event.incarnation
        for record in turn.storage.records(_LOG):
            key, value = _unpack(record)
            self._records += 1
            if self._bug != FORGETS_ON_RESTART:
                self._set(key, value)
        return [Diagnostic("ready", {"records": self._records, "keys": len(self._values)})]

    def _serve(self, request: ClientRequest, turn: Turn) -> list[Effect]:
        try:
            asked = parse(request)
        except Refused as refused:
            body = _json({"error": str(refused)})
            return [Respond(request.id, refused.status, {**_JSON, **refused.headers}, body)]
        changes, body = self._perform(asked, turn)
        heard = {"request": request.headers.get("x-request-id"), "target": request.target}
        said = Diagnostic(request.method.lower(), heard)
        return [*changes, said, Respond(request.id, 200, _JSON, body)]

    def _perform(self, asked: Asked, turn: Turn) -> tuple[list[Effect], bytes]:
        """The changes to store, and the body of the reply."""
        match asked:
            case Read(key):
                return [], self._read(key, turn)
            case Store(key, value):
                return self._change(key, value), NULL
            case CompareAndSet(key, old, new):
                if self._values.get(key, NULL) != old and self._bug != CAS_WITHOUT_COMPARE:
                    return [], b"false"
                return self._change(key, new), b"true"
            case Status():
                return [], _json(self._status())

    def _read(self, key: str, turn: Turn) -> bytes:
        value = self._values.get(key, NULL)
        if self._bug != STALE_READ:
            return value
        until, cached = self._cache.get(key, (0, value))
        if turn.now.mono < until:
            return cached
        self._cache[key] = (turn.now.mono + CACHED_NS, value)
        return value

    def _change(self, key: str, value: bytes) -> list[Effect]:
        self._set(key, value)
        self._records += 1
        return [Append(_LOG, _pack((key, value)))]

    def _set(self, key: str, value: bytes) -> None:
        if value == NULL:
            self._values.pop(key, None)
        else:
            self._values[key] = value

    def _status(self) -> dict[str, int]:
        return {
            "incarnation": self._incarnation,
            "keys": len(self._values),
            "records": self._records,
        }


def make_replica(place: Place, options: Mapping[str, Any], bug: str | None) -> AtomicStore:
    """A new life of the only node."""
    return AtomicStore(bug)
