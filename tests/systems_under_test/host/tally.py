"""A replica for tests: an echo, a counter in storage, one that is replicated, and every effect.

GET /echo            the request itself
POST /add            count one durably; the number counted
POST /add?later      the same, not durably
POST /replicate      count one here and tell every other node; at once
GET /seen            how many were told by others, and by which lives
POST /tell/<node>    send the body as a message to that node
GET /told            the bodies received, with sender and its incarnation
POST /log            append the body to a file;  GET /log: how many records
POST /timer/<name>?delay_ns   set a timer;  DELETE /timer/<name>   GET /rung
GET /clock           the clocks;  GET /incarnation
POST /raise, /twice, /foreign   do what a replica must not
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from systems_under_test.replica import (
    Append,
    CancelTimer,
    ClientRequest,
    Diagnostic,
    Effect,
    Input,
    PeerMessage,
    Place,
    Respond,
    Send,
    SetTimer,
    Started,
    TimerFired,
    Turn,
    Write,
    WriteLater,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


class Tally:
    def __init__(self, place: Place, options: Mapping[str, Any], bug: str | None) -> None:
        self._place = place
        self._options = dict(options)
        self._bug = bug
        self._incarnation = 0
        self._told: list[list[Any]] = []
        self._rung: list[dict[str, Any]] = []
        self._set_at: dict[str, int] = {}

    def handle(self, event: Input, turn: Turn) -> Sequence[Effect]:
        match event:
            case Started(incarnation):
                self._incarnation = incarnation
                fields = {"options": self._options, "bug": self._bug, "drawn": turn.rng.below(1000)}
                return [Diagnostic("started", fields)]
            case PeerMessage(sender, incarnation, body):
                self._told.append([sender, incarnation, body])
                return []
            case TimerFired(name, payload):
                late = turn.now.mono - self._set_at[name]
                self._rung.append({"name": name, "payload": payload, "after_ns": late})
                return []
            case ClientRequest():
                return self._answer(event, turn)
            case _:
                raise AssertionError(f"{event} answers what was never asked")

    def _answer(self, request: ClientRequest, turn: Turn) -> Sequence[Effect]:
        path, _, query = request.target.partition("?")
        what, _, name = path[1:].partition("/")
        match request.method, what:
            case "GET", "echo":
                said = {"target": request.target, "body": request.body.decode()}
                return [_reply(request, {**said, "headers": dict(request.headers)})]
            case "POST", "add":
                write = WriteLater if query == "later" else Write
                count = int(turn.storage.get("tally", b"count") or b"0") + 1
                return [write("tally", b"count", b"%d" % count), _reply(request, count)]
            case "POST", "replicate":
                others = [node for node in self._place.nodes if node != self._place.node]
                sends = [Send(node, {"add": request.body.decode()}) for node in others]
                return [*sends, _reply(request, len(sends))]
            case "POST", "tell":
                return [Send(name, request.body.decode()), _reply(request, None)]
            case "GET", "told":
                return [_reply(request, self._told)]
            case "POST", "log":
                return [Append("tally.log", request.body), _reply(request, None)]
            case "GET", "log":
                return [_reply(request, sum(1 for _ in turn.storage.records("tally.log")))]
            case _:
                return self._more(request, turn, what, name, query)

    def _more(
        self, request: ClientRequest, turn: Turn, what: str, name: str, query: str
    ) -> Sequence[Effect]:
        match request.method, what:
            case "POST", "timer":
                self._set_at[name] = turn.now.mono
                return [SetTimer(name, int(query), {"for": name}), _reply(request, None)]
            case "DELETE", "timer":
                return [CancelTimer(name), _reply(request, None)]
            case "GET", "rung":
                return [_reply(request, self._rung)]
            case "GET", "clock":
                return [_reply(request, {"wall": turn.now.wall, "mono": turn.now.mono})]
            case "GET", "incarnation":
                return [_reply(request, self._incarnation)]
            case "POST", "raise":
                raise RuntimeError("told to raise")
            case "POST", "twice":
                return [_reply(request, 1), _reply(request, 2)]
            case "POST", "foreign":
                return [Send(self._place.node, None), _reply(request, None)]
            case "POST", "silence":
                return []
            case _:
                return [Respond(request.id, 404, {}, b"no such thing\n")]


def _reply(request: ClientRequest, value: Any) -> Respond:
    headers = {"content-type": "application/json"}
    return Respond(request.id, 200, headers, json.dumps(value).encode())


def make_replica(place: Place, options: Mapping[str, Any], bug: str | None) -> Tally:
    return Tally(place, options, bug)
