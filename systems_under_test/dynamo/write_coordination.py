"""Write coordination: one of the first N healthy nodes makes the version and collects W copies.

The coordinator stores the version first itself, then ships it to the other healthy nodes of the
preference list, a stand-in keeping it as a hint for the home node that it stands for. The client is
answered when W nodes hold it durably. A node that has not acknowledged within the replica time-out
is left out, and the next stand-in gets the copy. While a change of members is under way there are
two preference lists, *legs*, and W of each are needed (`views.py`).

Only the new version travels, not the coordinator's merged set: a history of exact dots makes every
replica drop what was overwritten, and nothing else, whatever else it holds.

Source: DeCandia et al., SOSP 2007, 4.5, 4.6 (sloppy quorum), 6.4.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import count
from typing import TYPE_CHECKING, Final

from msgspec.structs import replace

from systems_under_test.dynamo.api import Response, error, shown_key, written
from systems_under_test.dynamo.bugs import CONTEXT_COLLAPSE, INCARNATION_BLIND
from systems_under_test.dynamo.deadlines import Deadlines
from systems_under_test.dynamo.messages import Store
from systems_under_test.dynamo.versions import (
    context_of,
    covers,
    decode,
    encode,
    is_long,
    seen_with,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from systems_under_test.dynamo.api import Put
    from systems_under_test.dynamo.node import Node
    from systems_under_test.dynamo.preference_list import PreferenceLists
    from systems_under_test.dynamo.step import Step
    from systems_under_test.dynamo.versions import History, Version

    Answer = Callable[[Step, Response], None]

WRITE_PATIENCE: Final = "write-patience"
WRITE_DEADLINE: Final = "write-deadline"


@dataclass(slots=True)
class Writing:
    """An open write. Each leg says for whom each node keeps its copy; `done` who acknowledged."""

    id: int
    put: Put
    version: Version
    blob: bytes
    answer: Answer
    legs: list[dict[str, str]]
    asked_at: int
    done: dict[str, None] = field(default_factory=dict)
    answered: bool = False
    number: int = 0
    """How its replicas know it; its `id`, but for a bug."""


class WriteCoordination:
    """The open writes of a node."""

    def __init__(self, node: Node) -> None:
        self._node = node
        configuration = node.configuration
        self._patience = Deadlines(WRITE_PATIENCE, configuration.replica_timeout)
        rest = configuration.request_timeout - configuration.replica_timeout
        self._deadlines = Deadlines(WRITE_DEADLINE, rest)
        self.open: dict[int, Writing] = {}

    def place(self, put: Put) -> list[dict[str, str]]:
        """The first N healthy nodes of each leg, any of which may coordinate.

        Empty: too few are healthy.
        """
        legs = self._node.lists.placements(put.key.range, self._node.detector.is_up)
        return legs if all(len(leg) >= self._node.configuration.w for leg in legs) else []

    def refusal(self) -> Response:
        """What to say where `place` found too few. Nothing was stored, nothing was sent."""
        self._node.counters.refused += 1
        sentence = f"too few nodes answer: a write needs {self._node.configuration.w} of this key"
        return error(503, sentence, definite=True)

    def begin(self, step: Step, put: Put, legs: list[dict[str, str]], answer: Answer) -> None:
        """Coordinate the write here. One of the legs must name this node."""
        node = self._node
        if self._is_full(step, put):
            node.counters.refused += 1
            sentence = "the key holds too many siblings: read them, and put with that context"
            answer(step, error(409, sentence, definite=True))
            return
        if put.value is not None and is_long(put.history):
            node.counters.refused += 1
            sentence = (
                "the history of this key is longer than a context may be: delete the key, "
                "and put it again once a read of it shows nothing, not even a tombstone"
            )
            answer(step, error(409, sentence, definite=True))
            return
        version = node.dots.new_version(
            step, put.key, put.history, put.value, self._held(step, put)
        )
        node.counters.clocks_cut = node.dots.cut
        blob = encode((version,))
        writing = Writing(node.new_request(), put, version, blob, answer, legs, step.mono)
        self._ship(step, writing)

    def again(self, step: Step) -> None:
        """The view is another one: what was acknowledged in the one before counts no more."""
        open_writes, self.open = self.open, {}
        for writing in open_writes.values():
            put = writing.put
            writing.put = replace(put, key=self._node.ring.place(put.key.name))
            writing.legs = self._node.lists.placements(
                writing.put.key.range, self._node.detector.is_up
            )
            writing.id, writing.asked_at = self._node.new_request(), step.mono
            writing.done = {}
            self._ship(step, writing)

    def give_up(self, step: Step) -> None:
        """This node was given up with all that it held: so are the versions that it still ships.

        Others have not waited for it, as a pause may be long: they may have deleted such a version
        by now and collected the tombstone, and it would come back.
        """
        open_writes, self.open = self.open, {}
        for writing in open_writes.values():
            self._fail(step, writing, "the coordinator was removed from the members meanwhile")

    def _number(self, writing: Writing) -> int:
        """How replicas know a write. The bug: by the lowest number that is free in this life."""
        if self._node.bug != INCARNATION_BLIND:
            return writing.id
        taken = {other.number for other in self.open.values()}
        return next(number for number in count(1) if number not in taken)

    def _find(self, number: int) -> Writing | None:
        if self._node.bug != INCARNATION_BLIND:
            return self.open.get(number)
        return next((w for w in self.open.values() if w.number == number), None)

    def _held(self, step: Step, put: Put) -> bytes | None:
        """What the dots need to know, with a bug that has them hang on it."""
        return self._node.held(step, put.key) if self._node.dots.by_key else None

    def _ship(self, step: Step, writing: Writing) -> None:
        """Keep the version here, and send it to the others."""
        node, key = self._node, writing.put.key
        writing.number = self._number(writing)
        self.open[writing.id] = writing
        copies = dict.fromkeys(copy for leg in writing.legs for copy in leg.items())
        firmly = {peer for leg in writing.legs for peer in self._durably(leg)}
        node.measured.load.ask([peer for peer, _ in copies])
        for peer, home in copies:
            if peer != node.name:
                message = Store(writing.number, key.name, writing.blob, home, peer in firmly)
                step.send(peer, message)
            elif node.keep(step, key, writing.blob, home, may_wait=peer not in firmly):
                writing.done[peer] = None
        node.counters.sloppy_writes += any(peer != home for peer, home in copies)
        self._patience.add(step, writing.id)
        self._advance(step, writing)

    def on_stored(self, step: Step, sender: str, request: int) -> None:
        """A copy is durable."""
        writing = self._find(request)
        if writing is not None:
            writing.done[sender] = None
            self._advance(step, writing)

    def on_patience(self, step: Step) -> None:
        """Leave out who has not acknowledged, and give the copy to the next stand-in."""
        for request in self._patience.due(step, self.open):
            writing = self.open[request]
            asked = False
            for leg, lists in zip(writing.legs, self._node.lists.legs, strict=True):
                for peer in [peer for peer in leg if peer not in writing.done]:
                    self._node.detector.missed(step, peer, writing.asked_at)
                    asked |= self._ask_stand_in(step, writing, leg, lists, leg[peer])
            if writing.answered and not asked:
                del self.open[request]
            else:
                self._deadlines.add(step, request)

    def on_deadline(self, step: Step) -> None:
        """Give up waiting. What was stored stays stored: the client is told that nobody knows."""
        for request in self._deadlines.due(step, self.open):
            writing = self.open.pop(request)
            fewest = min(copies(leg, writing.done) for leg in writing.legs)
            needed = self._node.configuration.w
            self._fail(step, writing, f"W not reached: {fewest} of {needed} copies are durable")

    def _fail(self, step: Step, writing: Writing, sentence: str) -> None:
        """Say that nobody knows whether the write has happened, where nothing was said yet."""
        if not writing.answered:
            writing.answered = True
            self._node.counters.writes_failed += 1
            self._log(step, writing, "write-failed")
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

    def _durably(self, leg: dict[str, str]) -> list[str]:
        """Which copies may not wait in a write buffer: the last ones, which are waited for least.

        The coordinator's own comes after all others, because the client waits for it.
        """
        configuration = self._node.configuration
        copies = configuration.durable_copies if configuration.write_buffer_ms else len(leg)
        others = [node for node in leg if node != self._node.name]
        return [self._node.name, *others][-copies:] if copies else []

    def _ask_stand_in(
        self, step: Step, writing: Writing, leg: dict[str, str], lists: PreferenceLists, home: str
    ) -> bool:
        node, key = self._node, writing.put.key
        stand_in = lists.next_fallback(key.range, node.detector.is_up, leg)
        if stand_in is None:
            return False
        node.counters.stand_ins_asked += 1
        node.counters.sloppy_writes += all(p == h for p, h in leg.items())
        leg[stand_in] = home
        if stand_in != node.name:
            step.send(stand_in, Store(writing.number, key.name, writing.blob, home))
        elif node.keep(step, key, writing.blob, home):
            writing.done[stand_in] = None
            self._advance(step, writing)
        return True

    def _advance(self, step: Step, writing: Writing) -> None:
        """Answer at W of each leg; be done when each of the N copies is somewhere."""
        if not writing.answered and self._is_enough(writing):
            writing.answered = True
            self._node.counters.writes += 1
            self._log(step, writing, "write")
            seen = self._seen(step, writing)
            writing.answer(step, written(writing.put.key, writing.version, seen))
        if writing.answered and all(_is_everywhere(leg, writing.done) for leg in writing.legs):
            self.open.pop(writing.id, None)

    def _is_enough(self, writing: Writing) -> bool:
        """Whether W copies are durable in each leg, each of another home node's.

        A home node that was slow and the stand-in that was asked for it count as one: the hint will
        be handed to that very node and forgotten, and one store would hold all that was counted.
        """
        needed = self._node.configuration.w
        return all(copies(leg, writing.done) >= needed for leg in writing.legs)

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


def copies(leg: dict[str, str], done: dict[str, None]) -> int:
    """For how many of the home nodes a copy is durable, with themselves or with a stand-in."""
    return len({leg[node] for node in done if node in leg})


def _is_everywhere(leg: dict[str, str], done: dict[str, None]) -> bool:
    """Whether every copy is durable, with the node that it was meant for or with a stand-in."""
    if leg.keys() <= done.keys():
        return True
    return {leg[node] for node in done if node in leg} == set(leg.values())
