"""Write coordination: one of the first N healthy nodes makes the version and collects W copies.

The coordinator stores the version first itself, then ships it to the other healthy nodes of the
preference list, a stand-in keeping it as a hint for the home node that it stands for. The client is
answered when W nodes hold it durably. A node that has not acknowledged within the replica time-out
is left out, and the next stand-in gets the copy.

Only the new version travels, not the coordinator's merged set: a history of exact dots makes every
replica drop what was overwritten, and nothing else, whatever else it holds.

Source: DeCandia et al., SOSP 2007, 4.5, 4.6 (sloppy quorum), 6.4.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from systems_under_test.dynamo.api import Response, error, shown_key, written
from systems_under_test.dynamo.bugs import CONTEXT_COLLAPSE
from systems_under_test.dynamo.deadlines import Deadlines
from systems_under_test.dynamo.messages import Store
from systems_under_test.dynamo.versions import context_of, covers, decode, encode, seen_with

if TYPE_CHECKING:
    from collections.abc import Callable

    from systems_under_test.dynamo.api import Put
    from systems_under_test.dynamo.node import Node
    from systems_under_test.dynamo.step import Step
    from systems_under_test.dynamo.versions import History, Version

    Answer = Callable[[Step, Response], None]

WRITE_PATIENCE: Final = "write-patience"
WRITE_DEADLINE: Final = "write-deadline"


@dataclass(slots=True)
class Writing:
    """An open write. `placed` says for whom each node keeps its copy; `done` who acknowledged."""

    id: int
    put: Put
    version: Version
    blob: bytes
    answer: Answer
    placed: dict[str, str]
    asked_at: int
    done: dict[str, None] = field(default_factory=dict)
    answered: bool = False


class WriteCoordination:
    """The open writes of a node."""

    def __init__(self, node: Node) -> None:
        self._node = node
        configuration = node.configuration
        self._patience = Deadlines(WRITE_PATIENCE, configuration.replica_timeout)
        rest = configuration.request_timeout - configuration.replica_timeout
        self._deadlines = Deadlines(WRITE_DEADLINE, rest)
        self.open: dict[int, Writing] = {}

    def place(self, put: Put) -> dict[str, str]:
        """The first N healthy nodes, any of which may coordinate. Empty: too few are healthy."""
        placed = self._node.lists.placement(put.key.range, self._node.detector.is_up)
        return placed if len(placed) >= self._node.configuration.w else {}

    def refusal(self) -> Response:
        """What to say where `place` found too few. Nothing was stored, nothing was sent."""
        self._node.counters.refused += 1
        sentence = f"too few nodes answer: a write needs {self._node.configuration.w} of this key"
        return error(503, sentence, definite=True)

    def begin(self, step: Step, put: Put, placed: dict[str, str], answer: Answer) -> None:
        """Coordinate the write here. `placed` must name this node."""
        node = self._node
        if self._is_full(step, put):
            node.counters.refused += 1
            sentence = "the key holds too many siblings: read them, and put with that context"
            answer(step, error(409, sentence, definite=True))
            return
        version = node.dots.new_version(step, put.key, put.history, put.value)
        blob = encode((version,))
        durably = self._durably(placed)
        may_wait = node.name not in durably
        kept = node.keep(step, put.key, blob, placed[node.name], may_wait=may_wait)
        assert kept, f"{node.name} coordinates a write of {put.key.name!r} that it cannot keep"
        writing = Writing(
            node.new_request(), put, version, blob, answer, placed, step.mono, {node.name: None}
        )
        self.open[writing.id] = writing
        node.measured.load.ask(placed)
        for peer, home in placed.items():
            if peer != node.name:
                step.send(peer, Store(writing.id, put.key.name, blob, home, peer in durably))
        node.counters.sloppy_writes += any(peer != home for peer, home in placed.items())
        self._patience.add(step, writing.id)
        self._advance(step, writing)

    def on_stored(self, step: Step, sender: str, request: int) -> None:
        """A copy is durable."""
        writing = self.open.get(request)
        if writing is not None:
            writing.done[sender] = None
            self._advance(step, writing)

    def on_patience(self, step: Step) -> None:
        """Leave out who has not acknowledged, and give the copy to the next stand-in."""
        for request in self._patience.due(step, self.open):
            writing = self.open[request]
            asked = False
            for peer in [peer for peer in writing.placed if peer not in writing.done]:
                self._node.detector.missed(step, peer, writing.asked_at)
                asked |= self._ask_stand_in(step, writing, writing.placed[peer])
            if writing.answered and not asked:
                del self.open[request]
            else:
                self._deadlines.add(step, request)

    def on_deadline(self, step: Step) -> None:
        """Give up waiting. What was stored stays stored: the client is told that nobody knows."""
        for request in self._deadlines.due(step, self.open):
            writing = self.open.pop(request)
            if not writing.answered:
                self._node.counters.writes_failed += 1
                needed = self._node.configuration.w
                self._log(step, writing, "write-failed")
                sentence = f"W not reached: {len(writing.done)} of {needed} copies are durable"
                writing.answer(step, error(503, sentence, definite=False))

    def _is_full(self, step: Step, put: Put) -> bool:
        """Whether the write would leave more than a key may hold, and so more than travels."""
        limit = self._node.configuration.siblings_bytes_max
        held = self._node.held(step, put.key)
        size = len(put.value or b"")
        if held is None or size + len(held) <= limit:
            return False
        stays = [version for version in decode(held) if not covers(put.history, version.dot)]
        return size + len(encode(tuple(stays))) > limit

    def _durably(self, placed: dict[str, str]) -> list[str]:
        """Which copies may not wait in a write buffer: the last ones, which are waited for least.

        The coordinator's own comes after all others, because the client waits for it.
        """
        configuration = self._node.configuration
        copies = configuration.durable_copies if configuration.write_buffer_ms else len(placed)
        others = [node for node in placed if node != self._node.name]
        return [self._node.name, *others][-copies:] if copies else []

    def _ask_stand_in(self, step: Step, writing: Writing, home: str) -> bool:
        node, key = self._node, writing.put.key
        stand_in = node.lists.next_fallback(key.range, node.detector.is_up, writing.placed)
        if stand_in is None:
            return False
        node.counters.stand_ins_asked += 1
        node.counters.sloppy_writes += all(p == h for p, h in writing.placed.items())
        writing.placed[stand_in] = home
        step.send(stand_in, Store(writing.id, key.name, writing.blob, home))
        return True

    def _advance(self, step: Step, writing: Writing) -> None:
        """Answer at W; be done when each of the N copies is somewhere."""
        if not writing.answered and len(writing.done) >= self._node.configuration.w:
            writing.answered = True
            self._node.counters.writes += 1
            self._log(step, writing, "write")
            seen = self._seen(step, writing)
            writing.answer(step, written(writing.put.key, writing.version, seen))
        if writing.answered and _is_everywhere(writing):
            self.open.pop(writing.id, None)

    def _seen(self, step: Step, writing: Writing) -> History:
        """What the context in the answer covers."""
        if self._node.bug == CONTEXT_COLLAPSE:
            return context_of(decode(self._node.held(step, writing.put.key)))
        return seen_with(writing.version)

    def _log(self, step: Step, writing: Writing, event: str) -> None:
        step.log(
            event,
            request=writing.put.name,
            key=shown_key(writing.put.key.name),
            id=str(writing.version.dot),
            nodes=list(writing.done),
        )


def _is_everywhere(writing: Writing) -> bool:
    """Whether every copy is durable, with the node that it was meant for or with a stand-in."""
    if len(writing.done) == len(writing.placed):
        return True
    return {writing.placed[node] for node in writing.done} == set(writing.placed.values())
