"""Read coordination: a state machine for each read, on whatever node the client asked.

It asks the first N healthy nodes of the preference list, answers at R with what is left once
causally older versions are dropped, and then waits for the late answers to repair stale replicas.
A node that has not answered within the replica time-out is left out and a stand-in asked instead.

With `write-back` it answers only once W copies of what it shows are durable, of each leg as for a
write (`write_coordination.py`): so any R that a later read asks meet one of them, and no client
sees less than it has seen. Without it a version of which one copy is stored may be read there, and
be missed by the next read.

Sources: DeCandia et al., SOSP 2007, 4.5, 5; Attiya, Bar-Noy, Dolev, "Sharing memory robustly in
message-passing systems", JACM 1995 (a read writes back before it returns).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from msgspec.structs import replace

from systems_under_test.dynamo.api import error, shown_key, versions_read
from systems_under_test.dynamo.bugs import FORGET_WRITE_BACK, QUORUM_LIE
from systems_under_test.dynamo.deadlines import Deadlines
from systems_under_test.dynamo.messages import Fetch, Store
from systems_under_test.dynamo.read_repair import repair
from systems_under_test.dynamo.versions import decode, merge_encoded
from systems_under_test.dynamo.write_coordination import copies

if TYPE_CHECKING:
    from systems_under_test.dynamo.api import Read
    from systems_under_test.dynamo.node import Node
    from systems_under_test.dynamo.step import Step

READ_PATIENCE: Final = "read-patience"
NOT_KEPT: Final = "this node does not keep the key: fetch /ring again, and ask those who do"
READ_DEADLINE: Final = "read-deadline"


@dataclass(slots=True)
class WriteBack:
    """What a read will show, for whom each node of each leg keeps it, and who surely has it."""

    blob: bytes | None
    legs: list[dict[str, str]]
    done: dict[str, None] = field(default_factory=dict)


@dataclass(slots=True)
class Reading:
    """An open read."""

    id: int
    client: int
    read: Read
    needed: int
    asked: list[str]
    asked_at: int
    answers: dict[str, bytes | None] = field(default_factory=dict)
    answered: bool = False
    back: WriteBack | None = None


class ReadCoordination:
    """The open reads of a node."""

    def __init__(self, node: Node) -> None:
        self._node = node
        configuration = node.configuration
        self._patience = Deadlines(READ_PATIENCE, configuration.replica_timeout)
        rest = configuration.request_timeout - configuration.replica_timeout
        self._deadlines = Deadlines(READ_DEADLINE, rest)
        self.open: dict[int, Reading] = {}

    def begin(self, step: Step, client: int, read: Read) -> None:
        """Begin a read; refuse it if too few nodes are healthy."""
        node = self._node
        if read.own:
            if not node.is_home(read.key):
                # What is held here, or not, says nothing: the client's ring is an old one.
                node.reply(step, client, error(421, NOT_KEPT, definite=True))
                return
            versions = decode(node.held(step, read.key))
            node.reply(step, client, versions_read(read.key, versions))
            return
        if read.everyone:
            asked, needed = list(node.lists.home(read.key.range)), node.configuration.n
        else:
            asked = list(node.lists.placement(read.key.range, node.detector.is_up))
            needed = 1 if node.bug == QUORUM_LIE else node.configuration.r
        least = max(needed, node.configuration.w) if node.configuration.write_back else needed
        if len(asked) < least:
            sentence = f"too few nodes answer: a read needs {least}, and {len(asked)} seem up"
            node.counters.refused += 1
            node.reply(step, client, error(503, sentence, definite=True))
            return
        reading = Reading(node.new_request(), client, read, needed, asked, step.mono)
        self._ask(step, reading)

    def again(self, step: Step) -> None:
        """The view is another one: ask whom it names, and forget what others have answered."""
        node = self._node
        open_reads, self.open = self.open, {}
        for reading in open_reads.values():
            if reading.answered:
                continue  # It was open only for repairs.
            read = reading.read
            reading.read = replace(read, key=node.ring.place(read.key.name))
            place = reading.read.key.range
            everyone = node.lists.home(place) if read.everyone else ()
            reading.asked = list(everyone or node.lists.placement(place, node.detector.is_up))
            reading.id, reading.asked_at = node.new_request(), step.mono
            reading.answers.clear()
            reading.back = None
            self._ask(step, reading)

    def _ask(self, step: Step, reading: Reading) -> None:
        node, key = self._node, reading.read.key
        self.open[reading.id] = reading
        node.measured.load.ask(reading.asked)
        for peer in reading.asked:
            if peer == node.name:
                reading.answers[peer] = node.held(step, key)
            else:
                step.send(peer, Fetch(reading.id, key.name))
        self._patience.add(step, reading.id)
        self._advance(step, reading)

    def on_fetched(self, step: Step, sender: str, request: int, blob: bytes | None) -> None:
        """A node's answer; one for a read that is over is late and of no use."""
        reading = self.open.get(request)
        if reading is not None:
            self._node.watch.met(reading.read.key.stored, blob)
            reading.answers[sender] = blob
            self._advance(step, reading)

    def on_stored(self, step: Step, sender: str, request: int) -> None:
        """A node holds what was written back to it."""
        reading = self.open.get(request)
        if reading is not None and reading.back is not None:
            reading.back.done[sender] = None
            self._advance(step, reading)

    def on_lacking(self, step: Step, sender: str, request: int) -> None:
        """A node has no say, because it starts over: go on without it."""
        reading = self.open.get(request)
        if reading is None or sender not in reading.asked:
            return
        reading.asked.remove(sender)
        if not reading.answered and not reading.read.everyone:
            self._ask_stand_in(step, reading)
        self._advance(step, reading)

    def on_patience(self, step: Step) -> None:
        """Leave out who has not answered; ask stand-ins unless the client has its answer."""
        node = self._node
        for request in self._patience.due(step, self.open):
            reading = self.open[request]
            for peer in [peer for peer in reading.asked if peer not in reading.answers]:
                node.detector.missed(step, peer, reading.asked_at)
                if not reading.answered and not reading.read.everyone:
                    self._ask_stand_in(step, reading)
            if reading.answered:
                self._finish(step, reading)
            else:
                self._deadlines.add(step, request)

    def on_deadline(self, step: Step) -> None:
        """Give up."""
        for request in self._deadlines.due(step, self.open):
            self._finish(step, self.open[request])

    def _ask_stand_in(self, step: Step, reading: Reading) -> None:
        node, key = self._node, reading.read.key
        stand_in = node.lists.next_fallback(key.range, node.detector.is_up, reading.asked)
        if stand_in is None:
            return
        node.counters.stand_ins_asked += 1
        reading.asked.append(stand_in)
        if stand_in == node.name:
            reading.answers[stand_in] = node.held(step, key)
            self._advance(step, reading)
        else:
            step.send(stand_in, Fetch(reading.id, key.name))

    def _advance(self, step: Step, reading: Reading) -> None:
        """Answer at R; be done when everybody has answered, or nothing is repaired anyway."""
        enough = len(reading.answers) >= reading.needed
        if not reading.answered and enough and self._is_written_back(step, reading):
            self._answer(step, reading)
        everyone = len(reading.answers) == len(reading.asked)
        over = everyone and (reading.answered or reading.back is None)
        if over or (reading.answered and not self._node.configuration.read_repair):
            self._finish(step, reading)

    def _is_written_back(self, step: Step, reading: Reading) -> bool:
        """Whether no later read can miss what this one shows; sees to it, if that is asked for."""
        node = self._node
        if not node.configuration.write_back or node.bug == FORGET_WRITE_BACK:
            return True
        back = reading.back
        if back is None:
            place = reading.read.key.range
            legs = node.lists.placements(place, node.detector.is_up)
            back = reading.back = WriteBack(_merged(reading), legs)
            self._write_back(step, reading, back)
        if back.blob is None:
            return True
        for peer, blob in reading.answers.items():
            if merge_encoded(blob, back.blob) == blob:
                back.done[peer] = None
        return all(copies(leg, back.done) >= node.configuration.w for leg in back.legs)

    def _write_back(self, step: Step, reading: Reading, back: WriteBack) -> None:
        """Send what the read will show to those who are not known to hold it."""
        node, key = self._node, reading.read.key
        if back.blob is None:
            return
        for peer, home in dict.fromkeys(copy for leg in back.legs for copy in leg.items()):
            if peer in reading.answers and reading.answers[peer] == back.blob:
                continue
            node.counters.written_back += 1
            if peer != node.name:
                step.send(peer, Store(reading.id, key.name, back.blob, home))
            elif node.keep(step, key, back.blob, home):
                back.done[peer] = None

    def _answer(self, step: Step, reading: Reading) -> None:
        reading.answered = True
        versions = decode(reading.back.blob if reading.back else _merged(reading))
        self._node.counters.reads += 1
        self._node.counters.siblings_read += len(versions) > 1
        self._node.measured.read(len(versions))
        step.log(
            "read",
            request=reading.read.name,
            key=shown_key(reading.read.key.name),
            ids=[str(version.dot) for version in versions],
            nodes=list(reading.answers),
        )
        first = next(iter(reading.answers)) if self._node.configuration.fastest_reader else ""
        self._node.reply(step, reading.client, versions_read(reading.read.key, versions, first))

    def _finish(self, step: Step, reading: Reading) -> None:
        if self.open.pop(reading.id, None) is None:
            return
        if not reading.answered:
            self._node.counters.reads_failed += 1
            sentence = f"R not reached: {len(reading.answers)} of {reading.needed} nodes answered"
            if reading.back is not None:
                sentence = "W not reached: what the read would show is not durable often enough"
            self._node.reply(step, reading.client, error(503, sentence, definite=True))
        if self._node.configuration.read_repair:
            repair(self._node, step, reading.read.key, reading.answers, _merged(reading))


def _merged(reading: Reading) -> bytes | None:
    merged: bytes | None = None
    for blob in reading.answers.values():
        merged = merge_encoded(merged, blob)
    return merged
