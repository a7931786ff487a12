"""The Paxos replica: hands each input to the mechanism that it belongs to, and nothing more."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from systems_under_test.paxos import (
    api,
    archiver,
    clients,
    election,
    installation,
    leadership,
    names,
    scrub,
    status,
)
from systems_under_test.paxos import messages as m
from systems_under_test.paxos.acceptor import Acceptor
from systems_under_test.paxos.api import (
    JSON_TYPE,
    LEADER_HEADER,
    Order,
    Page,
    Read,
    Refused,
    Restore,
    Write,
)
from systems_under_test.paxos.archiver import Archiver
from systems_under_test.paxos.clients import Clients
from systems_under_test.paxos.configuration import MS, configure
from systems_under_test.paxos.election import Election
from systems_under_test.paxos.group import decode, encode
from systems_under_test.paxos.handover import Departure
from systems_under_test.paxos.installation import Installation
from systems_under_test.paxos.learner import Learner
from systems_under_test.paxos.messages import NO_BALLOT
from systems_under_test.paxos.node import Node
from systems_under_test.paxos.scrub import Scrubber
from systems_under_test.paxos.snapshots import Snapshots
from systems_under_test.paxos.step import Step
from systems_under_test.replica import (
    ClientRequest,
    ObjectAnswer,
    PeerMessage,
    Started,
    Stopping,
    StorageVerified,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from systems_under_test.paxos.configuration import Configuration
    from systems_under_test.replica import Effect, Input, OnDamage, Place, TimerFired, Turn

HAND_OVER: Final = "hand-over"


def make_replica(place: Place, options: Mapping[str, Any], bug: str | None) -> PaxosReplica:
    """A new life of a node. Raises ValueError naming every problem of the options."""
    return PaxosReplica(place, configure(options), bug)


class PaxosReplica:
    """A replica of the group. Its state is made at its first input, when it knows which life it is.

    `node` is what an observer of a simulation may look at.
    """

    def __init__(self, place: Place, configuration: Configuration, bug: str | None) -> None:
        self._place = place
        self._configuration = configuration
        self._bug = bug
        self.node: Node | None = None

    @property
    def on_damage(self) -> OnDamage:
        """A replica whose vote or log is damaged does not vote under its old id: it starts with
        nothing, and the others make it whole as a new member."""
        return "ignore" if self._bug == names.CHECKSUM_IGNORED else "set-aside"

    @property
    def hears_stopping(self) -> bool:
        """A leader hands over before its process ends."""
        return True

    def handle(self, event: Input, turn: Turn) -> Sequence[Effect]:
        """Handle one input."""
        if isinstance(event, Started):
            step = Step(turn)
            self.node = self._start(step, event)
            return step.effects
        node = self.node
        assert node is not None, "the first input of a life is Started"
        step = Step(turn, node.groups)
        step.views = node.views
        if isinstance(event, PeerMessage):
            _on_message(node, step, event)
        elif isinstance(event, ClientRequest):
            _on_request(node, step, event)
        elif isinstance(event, ObjectAnswer):
            node.archiver.on_answer(step, event)
        elif isinstance(event, StorageVerified):
            node.scrubber.on_verified(step, event.damage)
        elif isinstance(event, Stopping):
            node.departure.begin(step)
        else:
            _on_timer(node, step, event)
        node.departure.go_on(step)
        return step.effects

    def _start(self, step: Step, started: Started) -> Node:
        """Take up what an earlier life has stored."""
        incarnation = started.incarnation
        node = Node(step, self._place, self._configuration, self._bug, incarnation)
        node.snapshots = Snapshots(node)
        node.installation = Installation(step, node)
        node.learner = Learner(node)
        node.damage = started.damage
        fresh = not started.damage and (started.fresh or incarnation == 1)
        node.acceptor = Acceptor(step, node, fresh=fresh)
        node.election = Election(node, step.mono)
        node.clients = Clients(node)
        node.archiver = Archiver(node)
        node.scrubber = Scrubber(node)
        node.departure = Departure(node)
        node.archiver.arm(step)
        node.election.arm(step)
        if node.configuration.handover_every_ms:
            step.set_timer(HAND_OVER, node.configuration.handover_every_ms * MS)
        step.log("started", incarnation=incarnation, replica=node.acceptor.replica, bug=node.bug)
        return node


def _on_request(node: Node, step: Step, event: ClientRequest) -> None:
    """A request of a client."""
    try:
        asked = api.parse(event, node.configuration)
        if len(node.clients.open) >= node.configuration.requests_max:
            raise Refused(503, f"{len(node.clients.open)} requests are open here: try later")
        if isinstance(asked, Write) and not node.learner.time:
            if node.stores:
                raise Refused(503, "this replica has applied nothing yet: try later")
            raise Refused(503, "a log replica takes no writes: ask a storage replica")
        if isinstance(asked, Read) and not asked.strong and not node.stores:
            raise Refused(503, "a log replica keeps no state: ask a storage replica")
        if node.configuration.redirect and node.leadership is None and _is_for_the_leader(asked):
            raise _elsewhere(node, event.target)
    except Refused as refused:
        node.counters.requests_refused += 1
        body = api.error(str(refused), definite=True)
        step.respond(event.id, refused.status, refused.headers, body)
        return
    if isinstance(asked, Restore):
        node.archiver.restore(step, event.id, asked.time)
    elif not isinstance(asked, Page):
        node.clients.begin(step, event.id, asked)
    elif asked.path == "/dump":
        step.respond(event.id, 200, JSON_TYPE, api.page(status.dump(node, step, asked.after)))
    else:
        code = 200 if status.ready(node, step) else 503
        step.respond(event.id, code, JSON_TYPE, api.page(status.status(node, step)))


def _is_for_the_leader(asked: Read | Write | Page | Order | Restore) -> bool:
    return not isinstance(asked, Page | Restore) and not (
        isinstance(asked, Read) and not asked.strong
    )


def _elsewhere(node: Node, target: str) -> Refused:
    """Where to ask instead: nothing was done, so a client may follow and ask the same."""
    leader = node.leader.node
    if node.leader == NO_BALLOT or leader == node.name:
        return Refused(503, "no leader is known here: try later, or another node")
    headers = {LEADER_HEADER: leader}
    if leader not in node.addresses:
        return Refused(421, f"{leader} leads: ask there", headers)
    headers["location"] = f"http://{node.addresses[leader]}{target}"
    return Refused(307, f"{leader} leads: ask there", headers)


def _on_timer(node: Node, step: Step, event: TimerFired) -> None:
    """A timer that this life has set."""
    if event.name == election.ELECTION:
        node.election.on_timer(step)
    elif event.name == leadership.HEARTBEAT:
        if node.leadership is not None:
            node.leadership.on_heartbeat(step)
            node.scrubber.on_timer(step)
    elif event.name == archiver.ARCHIVE:
        node.archiver.on_timer(step)
    elif event.name == archiver.PICTURE:
        node.archiver.go_on_picturing(step)
    elif event.name == clients.DEADLINES:
        node.clients.on_timer(step)
    elif event.name == installation.SWEEP:
        node.installation.sweep(step)
    elif event.name == scrub.SCRUB:
        node.scrubber.go_on(step)
    elif event.name == HAND_OVER:
        step.set_timer(HAND_OVER, node.configuration.handover_every_ms * MS)
        if node.leadership is not None and node.leadership.ready:
            node.clients.hand_over(step, "")


def _on_message(node: Node, step: Step, event: PeerMessage) -> None:
    """A message of another replica. One that is not understood is dropped, and logged."""
    try:
        configuration, message = m.unseal(event.body)
    except m.NotUnderstood as reason:
        node.counters.messages_not_understood += 1
        step.log("not-understood", sender=event.sender, reason=str(reason))
        return
    chosen = node.groups.chosen
    if configuration < chosen.id and isinstance(message, m.OF_A_CONFIGURATION):
        node.counters.configurations_refused += 1
        step.send(event.sender, m.Superseded(encode(chosen)))
        return
    _RECEIVE[type(message)](node, step, event.sender, message)
    if isinstance(message, m.Accept) and message.ballot == node.leader:
        node.told_group = configuration


def _superseded(node: Node, step: Step, sender: str, message: m.Superseded) -> None:
    """This node has spoken by an old configuration.

    A leader that lacks a chosen configuration leads in a ballot below the one it was chosen in: one
    above would have recovered it.
    """
    group = decode(message.group)
    if not node.groups.hear(group):
        return
    node.acceptor.admitted_by(step, group)
    if node.leadership is not None:
        node.step_down(step, "there is a newer configuration")
    node.election.on_superseded(step)


def _accepted(node: Node, step: Step, sender: str, message: m.Accepted) -> None:
    if node.leadership is not None and node.leadership.ballot == message.ballot:
        node.leadership.on_accepted(step, sender, message)


def _rejected(node: Node, step: Step, sender: str, message: m.Rejected) -> None:
    node.election.on_rejected(step, message.promised)
    if node.leadership is not None and node.leadership.ballot < message.promised:
        node.step_down(step, "a higher ballot was promised elsewhere")


def _released(node: Node, step: Step, sender: str, message: m.Release) -> None:
    node.acceptor.release(message.ballot)


def _take_over(node: Node, step: Step, sender: str, message: m.TakeOver) -> None:
    node.acceptor.release(message.ballot)
    if node.leader <= message.ballot:
        node.election.begin(step, message.ballot)


_RECEIVE: dict[type, Callable[[Node, Step, str, Any], None]] = {
    m.Ask: lambda node, step, sender, it: node.election.on_ask(step, sender, it),
    m.Silent: lambda node, step, sender, it: node.election.on_silent(step, sender, it),
    m.Prepare: lambda node, step, sender, it: node.acceptor.on_prepare(step, sender, it),
    m.Promise: lambda node, step, sender, it: node.election.on_promise(step, sender, it),
    m.Rejected: _rejected,
    m.Superseded: _superseded,
    m.Listed: lambda node, step, sender, it: node.acceptor.admitted_by(step, decode(it.group)),
    m.Accept: lambda node, step, sender, it: node.acceptor.on_accept(step, sender, it),
    m.Accepted: _accepted,
    m.SnapshotPart: lambda node, step, sender, it: node.installation.on_part(step, sender, it),
    m.SnapshotTaken: lambda node, step, sender, it: node.snapshots.on_taken(step, sender, it),
    m.Release: _released,
    m.TakeOver: _take_over,
    m.Forward: lambda node, step, sender, it: node.clients.on_forward(step, sender, it),
    m.Answered: lambda node, step, sender, it: node.clients.on_answered(step, it),
    m.NotLeading: lambda node, step, sender, it: node.clients.not_leading(step, it.number),
    m.Scrubbed: lambda node, step, sender, it: node.scrubber.on_scrubbed(step, sender, it),
    m.ScrubNext: lambda node, step, sender, it: node.scrubber.on_next(step, it),
    m.Administer: lambda node, step, sender, it: node.clients.on_administer(step, sender, it),
}
