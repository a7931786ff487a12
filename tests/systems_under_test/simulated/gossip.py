"""A small replica for tests of the simulator: gossips, stores, and logs everything it sees."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from systems_under_test.replica import (
    ClientRequest,
    Diagnostic,
    PeerMessage,
    Place,
    Respond,
    Send,
    SetTimer,
    Started,
    TimerFired,
    Write,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from systems_under_test.replica import Effect, Input, Turn


class Gossip:
    """Tells a random peer its count at each tick; a request adds one, durably."""

    def __init__(self, place: Place, options: Mapping[str, Any]) -> None:
        self.peers = [node for node in place.nodes if node != place.node]
        self.tick_ns = options.get("tick_ns", 10_000_000)
        self.fanout = options.get("fanout", 1)
        self.log = options.get("log", True)
        self.count = 0

    def handle(self, event: Input, turn: Turn) -> Sequence[Effect]:
        match event:
            case Started():
                self.count = int.from_bytes(turn.storage.get("state", b"count") or b"", "big")
                return [SetTimer("tick", self.tick_ns), self.note(turn, "up", self.count)]
            case TimerFired():
                peers = [turn.rng.choice(self.peers) for _ in range(self.fanout)]
                sends = [Send(peer, {"count": self.count, "ask": True}) for peer in peers]
                return [*sends, SetTimer("tick", self.tick_ns)]
            case PeerMessage(sender, incarnation, body):
                answers = [Send(sender, {"count": self.count, "ask": False})] if body["ask"] else []
                if self.log:
                    return [self.note(turn, f"{sender}.{incarnation}", body["count"]), *answers]
                return answers
            case ClientRequest(id=id):
                self.count += 1
                stored = self.count.to_bytes(8, "big")
                return [Write("state", b"count", stored), Respond(id, 200, {}, stored)]
            case _:
                raise AssertionError(f"{event} answers what was never asked")

    def note(self, turn: Turn, event: str, count: int) -> Diagnostic:
        return Diagnostic(event, {"count": count, "drawn": turn.rng.below(1000)})


def make(place: Place, options: Mapping[str, Any], bug: str | None) -> Gossip:
    return Gossip(place, options)
