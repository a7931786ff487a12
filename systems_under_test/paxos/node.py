"""One life of a replica: what its parts share, and how they reach each other."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import msgspec

from systems_under_test.paxos import names
from systems_under_test.paxos.counters import Counters
from systems_under_test.paxos.group import STORAGE, Group, Groups, first_group
from systems_under_test.paxos.log import Log
from systems_under_test.paxos.messages import NO_BALLOT, Ballot
from systems_under_test.paxos.state_machine import StateMachine

if TYPE_CHECKING:
    from systems_under_test.paxos.acceptor import Acceptor
    from systems_under_test.paxos.archiver import Archiver
    from systems_under_test.paxos.clients import Clients
    from systems_under_test.paxos.configuration import Configuration
    from systems_under_test.paxos.election import Election
    from systems_under_test.paxos.handover import Departure
    from systems_under_test.paxos.installation import Installation
    from systems_under_test.paxos.leadership import Leadership
    from systems_under_test.paxos.learner import Learner
    from systems_under_test.paxos.messages import AnyMessage
    from systems_under_test.paxos.scrub import Scrubber
    from systems_under_test.paxos.snapshots import Snapshots
    from systems_under_test.paxos.step import Step
    from systems_under_test.paxos.view import View
    from systems_under_test.replica import Place

META: Final = "meta"
HEAD: Final = b"head"


class Head(msgspec.Struct, frozen=True, array_like=True):
    """What the state in the tables stands for; changed together with them, in one input.

    `start`: slots up to it are not in the log any longer. `time` and `age` are the log's own.
    `digest` is of all that was applied, in order: if it differs at one slot, a slot has had two
    values.
    """

    generation: int
    applied: int
    start: int
    time: int
    group_slot: int
    group: Group
    digest: bytes = b""
    age: int = 0


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(Head).decode


class Node:
    """What the parts of a replica share."""

    acceptor: Acceptor
    election: Election
    learner: Learner
    snapshots: Snapshots
    installation: Installation
    clients: Clients
    archiver: Archiver
    scrubber: Scrubber
    departure: Departure

    def __init__(
        self, step: Step, place: Place, configuration: Configuration, bug: str | None, life: int
    ) -> None:
        self.name = place.node
        self.nodes = place.nodes
        self.addresses = place.clients
        self.peers = tuple(node for node in place.nodes if node != place.node)
        self.configuration = configuration
        self.bug = bug
        self.incarnation = life
        self.counters = Counters()
        self.views: list[View] = []
        """Of the state, that are being read."""
        self.damage = ""
        """What was found damaged before this life, and set aside."""
        self.leadership: Leadership | None = None
        self.leader = NO_BALLOT
        """The highest ballot whose leader was heard."""
        self.heard_at: int | None = None
        self.told_group = 0
        """The newest configuration of the leader that was heard last: this node may lack it yet."""
        storing = len(place.nodes) - configuration.log_replicas
        self.stores = place.node in place.nodes[:storing]
        """Whether this node keeps state; the others are log replicas, members or not."""
        found = step.storage.get(META, HEAD)
        head = Head(0, 0, 0, 0, 0, first_group(place.nodes, storing)) if not found else None
        self.head = head or _decode(found or b"")
        self.groups = Groups(self.head.group_slot, self.head.group)
        self.state = StateMachine(
            configuration,
            self.counters,
            forgets_requests=bug == names.DUPLICATE_APPLIED_TWICE,
            generation=self.head.generation,
        )
        self.state.load(step)
        durable = bug != names.PROMISE_NOT_DURABLE
        self.log = Log(step, self.head.start, self.groups, durable=durable)

    def store_head(self, step: Step, head: Head, *, durable: bool = False) -> None:
        """The tables stand for this from now on."""
        self.head = head
        step.write(META, HEAD, _encode(head), durable=durable)

    def broadcast(self, step: Step, message: AnyMessage) -> None:
        """To every other node of the cluster: those that are no members learn."""
        for peer in self.peers:
            step.send(peer, message)

    def quorum(self, group: Group) -> int:
        """How many members must agree."""
        if self.bug == names.HALF_QUORUM:
            return max(1, len(group.members) // 2)
        return group.majority

    def member_of(self, group: Group) -> bool:
        """Whether this replica votes in a configuration: under the id that it has, not another."""
        member = group.member(self.name)
        return member is not None and member.replica == self.acceptor.replica != 0

    def may_lead(self) -> bool:
        """Only a storage replica that votes leads, and none whose process is about to end.

        One that is to be removed too, until that is chosen: it may be the only one that holds what
        the others need.
        """
        votes = self.member_of(self.groups.leading) or self.member_of(self.groups.chosen)
        return self.stores and not self.departure.begun and votes

    def follow(self, step: Step, ballot: Ballot) -> None:
        """The leader of this ballot was heard, and nothing higher was promised."""
        self.heard_at = step.mono
        if self.leadership is not None and self.leadership.ballot < ballot:
            self.step_down(step, "a higher ballot leads")
        if self.leader != ballot:
            self.leader = ballot
            self.election.abandon()
            self.clients.leader_changed(step)

    def step_down(self, step: Step, why: str) -> None:
        """Stop leading for good in this ballot; whoever waits here is sent on."""
        leadership, self.leadership = self.leadership, None
        if leadership is None:
            return
        self.counters.stepped_down += 1
        step.log("stepped-down", round=leadership.ballot.round, why=why)
        if self.leader == leadership.ballot:
            self.leader = NO_BALLOT
            self.heard_at = None
        leadership.reads.send_away(step)
        self.snapshots.stop_sending()

    def role_of(self, node: str) -> str:
        """Storage or log, by its place in the cluster."""
        storing = len(self.nodes) - self.configuration.log_replicas
        return STORAGE if node in self.nodes[:storing] else "log"
