"""Strong reads at the leader: under its lease, or after a quorum round.

A read that waits is answered when the lease is there, or when a quorum has answered a message that
was sent after the read arrived: then nobody else can have been leader at that moment.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from systems_under_test.paxos import names
from systems_under_test.paxos.configuration import MS
from systems_under_test.paxos.messages import Answered, NotLeading

if TYPE_CHECKING:
    from systems_under_test.paxos.leadership import Leadership
    from systems_under_test.paxos.node import Node
    from systems_under_test.paxos.step import Step


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
        self.waiting: list[Waiting] = []
        self._asked = False
        """Whether a round for the reads that wait is under way."""

    def add(self, step: Step, origin: str, number: int, key: str) -> None:
        """Answer a read as soon as it is safe."""
        self.waiting.append(Waiting(step.mono, origin, number, key))
        self.serve(step)
        if self.waiting and not self._asked and self._node.configuration.reads == "quorum":
            self._asked = True
            self._leadership.beat(step)

    def serve(self, step: Step) -> None:
        """Answer what can be answered now."""
        if not self.waiting or not self._leadership.ready:
            return
        node = self._node
        oldest = step.mono - node.configuration.request_timeout_ms * MS
        if self.waiting[0].arrived < oldest:
            self.waiting = [read for read in self.waiting if read.arrived >= oldest]
        leased = node.configuration.reads == "lease" and (
            self._leadership.has_lease(step) or node.bug == names.SERVES_BEFORE_NOOP
        )
        confirmed = self._leadership.confirmed_at(step)
        still: list[Waiting] = []
        for read in self.waiting:
            if leased or confirmed >= read.arrived:
                self._answer(step, read, leased=leased)
            else:
                still.append(read)
        if self._asked and len(still) < len(self.waiting):
            self._asked = bool(still)
            if still:
                self._leadership.beat(step)
        self.waiting = still

    def _answer(self, step: Step, read: Waiting, *, leased: bool) -> None:
        node = self._node
        if leased:
            node.counters.reads_under_lease += 1
        else:
            node.counters.reads_confirmed += 1
        value = node.state.read(step, read.key)
        slot = node.learner.applied
        if read.origin == node.name:
            node.clients.answer(step, read.number, 200, value, slot)
        else:
            step.send(read.origin, Answered(read.number, 200, value, slot))

    def send_away(self, step: Step) -> None:
        """This node leads no longer."""
        for read in self.waiting:
            if read.origin == self._node.name:
                self._node.clients.not_leading(step, read.number)
            else:
                step.send(read.origin, NotLeading(read.number))
        self.waiting = []
