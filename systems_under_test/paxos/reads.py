"""Strong reads at the leader: under its lease, or after a quorum round.

A read that waits is answered when the lease is there, or when a quorum has answered a message that
was sent after the read arrived: then nobody else can have been leader at that moment. Reads wait in
the order in which they came, so those that can be answered, or are too late, are always the first:
each is looked at once, however many there are.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from systems_under_test.paxos import names
from systems_under_test.paxos.commands import canonical
from systems_under_test.paxos.configuration import MS
from systems_under_test.paxos.messages import Answered, NotLeading

if TYPE_CHECKING:
    from systems_under_test.paxos.leadership import Leadership
    from systems_under_test.paxos.node import Node
    from systems_under_test.paxos.step import Step

TOO_MANY: Final = "too many reads wait at the leader: try later"


@dataclass(frozen=True, slots=True)
class Waiting:
    """A strong read: when it arrived here, who asked, under which number, for what."""

    arrived: int
    origin: str
    number: int
    key: str


class StrongReads:
    """The strong reads that wait at a leader."""

    def __init__(self, node: Node, leadership: Leadership) -> None:
        self._node = node
        self._leadership = leadership
        self.waiting: deque[Waiting] = deque()
        self._asked = False
        """Whether a round for the reads that wait is under way."""

    def add(self, step: Step, origin: str, number: int, key: str) -> None:
        """Answer a read as soon as it is safe."""
        self._expire(step)
        if len(self.waiting) >= self._node.configuration.requests_max:
            self._tell(step, origin, number, 503, canonical(TOO_MANY), 0)
            return
        self.waiting.append(Waiting(step.mono, origin, number, key))
        self.serve(step)
        if self.waiting and not self._asked and self._node.configuration.reads == "quorum":
            self._asked = True
            self._leadership.beat(step)

    def serve(self, step: Step) -> None:
        """Answer what can be answered now."""
        self._expire(step)
        waiting = self.waiting
        if not waiting or not self._leadership.ready:
            return
        node, before = self._node, len(waiting)
        leased = node.configuration.reads == "lease" and (
            self._leadership.has_lease(step) or node.bug == names.SERVES_BEFORE_NOOP
        )
        confirmed = self._leadership.confirmed_at(step)
        while waiting and (leased or confirmed >= waiting[0].arrived):
            self._answer(step, waiting.popleft(), leased=leased)
        if self._asked and len(waiting) < before:
            self._asked = bool(waiting)
            if waiting:
                self._leadership.beat(step)

    def _expire(self, step: Step) -> None:
        """Nobody waits any more for what came so long ago."""
        oldest = step.mono - self._node.configuration.request_timeout_ms * MS
        while self.waiting and self.waiting[0].arrived < oldest:
            self.waiting.popleft()

    def _answer(self, step: Step, read: Waiting, *, leased: bool) -> None:
        node = self._node
        if leased:
            node.counters.reads_under_lease += 1
        else:
            node.counters.reads_confirmed += 1
        value = node.state.read(step, read.key)
        self._tell(step, read.origin, read.number, 200, value, node.learner.applied)

    def _tell(
        self, step: Step, origin: str, number: int, status: int, content: bytes, slot: int
    ) -> None:
        if origin == self._node.name:
            self._node.clients.answer(step, number, status, content, slot)
        else:
            step.send(origin, Answered(number, status, content, slot))

    def send_away(self, step: Step) -> None:
        """This node leads no longer."""
        for read in self.waiting:
            if read.origin == self._node.name:
                self._node.clients.not_leading(step, read.number)
            else:
                step.send(read.origin, NotLeading(read.number))
        self.waiting.clear()
