"""The Dynamo replica: hands each input to the technique that it belongs to, and nothing more."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from systems_under_test.dynamo import (
    anti_entropy,
    envelope,
    failure_detection,
    forwarding,
    hinted_handoff,
    introduction,
    membership,
    membership_change,
    other_views,
    read_coordination,
    relocation,
    status_page,
    store_repair,
    tombstone_collection,
    transfer,
    write_buffer,
    write_coordination,
)
from systems_under_test.dynamo import messages as m
from systems_under_test.dynamo import status as shown
from systems_under_test.dynamo.anti_entropy import AntiEntropy
from systems_under_test.dynamo.api import Order, Page, Put, Read, Refused, html, page, parse
from systems_under_test.dynamo.bugs import BUGS, WHOLE_TOO_SOON
from systems_under_test.dynamo.configuration import configure
from systems_under_test.dynamo.dots import META
from systems_under_test.dynamo.forwarding import Forwarding
from systems_under_test.dynamo.hinted_handoff import HintedHandoff
from systems_under_test.dynamo.introduction import Introduction
from systems_under_test.dynamo.membership import Membership
from systems_under_test.dynamo.membership_change import MembershipChange
from systems_under_test.dynamo.node import Node
from systems_under_test.dynamo.other_views import OtherViews
from systems_under_test.dynamo.read_coordination import ReadCoordination
from systems_under_test.dynamo.relocation import Relocation
from systems_under_test.dynamo.step import Step
from systems_under_test.dynamo.tombstone_collection import TombstoneCollection
from systems_under_test.dynamo.transfer import Transfer
from systems_under_test.dynamo.view_agreement import ViewAgreement
from systems_under_test.dynamo.write_coordination import WriteCoordination
from systems_under_test.replica import ClientRequest, PeerMessage, Started, TimerFired

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from systems_under_test.dynamo.api import Response
    from systems_under_test.dynamo.configuration import Configuration
    from systems_under_test.dynamo.views import View
    from systems_under_test.replica import Effect, Input, OnDamage, Place, Turn


def make_replica(place: Place, options: Mapping[str, Any], bug: str | None) -> DynamoReplica:
    """A new life of a node. Raises ValueError naming every problem of options and bug."""
    if bug is not None and bug not in BUGS:
        raise ValueError(f"dynamo has no bug {bug!r}; it has {', '.join(BUGS)}")
    return DynamoReplica(place, configure(options), bug)


class DynamoReplica:
    """A node of the store. Its state is made at its first input, when it knows which life it is."""

    def __init__(self, place: Place, configuration: Configuration, bug: str | None) -> None:
        self._place = place
        self._configuration = configuration
        self._bug = bug
        self._life: Life | None = None

    @property
    def on_damage(self) -> OnDamage:
        """What the host is to do about a damaged store."""
        return "stop" if self._configuration.on_damage == "stop" else "set-aside"

    def handle(self, event: Input, turn: Turn) -> Sequence[Effect]:
        """Handle one input."""
        if isinstance(event, Started):
            step = Step(turn)
            node = Node(
                step, self._place, self._configuration, self._bug, event.incarnation, event.damage
            )
            self._life = Life(node)
            self._life.start(step)
            return step.effects
        life = self._life
        assert life is not None, "the first input of a life is Started"
        step = Step(turn, life.node.view.number, life.node.incarnation)
        if isinstance(event, PeerMessage):
            life.on_message(step, event)
        elif isinstance(event, ClientRequest):
            life.on_request(step, event)
        else:
            assert isinstance(event, TimerFired), f"{event} answers what was never asked"
            life.on_timer(step, event)
        life.handoff.arm(step)
        return step.effects


class Life:
    """The techniques of one node from start to end, and which of them an input belongs to."""

    def __init__(self, node: Node) -> None:
        self.node = node
        self.membership = Membership(node, self._on_view)
        self.reads = ReadCoordination(node)
        self.writes = WriteCoordination(node)
        self.forwarding = Forwarding(node, self.writes)
        self.handoff = HintedHandoff(node)
        self.anti_entropy = AntiEntropy(node)
        self.transfer = Transfer(node)
        self.relocation = Relocation(node)
        self.collection = TombstoneCollection(node, self.reads, self.writes, self.relocation)
        self.agreement = ViewAgreement(node, self._decided)
        self.introduction = Introduction(node, self.membership, self._settled)
        self.change = MembershipChange(
            node, self.agreement, self.transfer, self.relocation, self.introduction
        )
        self.other_views = OtherViews(node)
        self._timers: dict[str, Callable[[Step], None]] = {
            read_coordination.READ_PATIENCE: self.reads.on_patience,
            read_coordination.READ_DEADLINE: self.reads.on_deadline,
            write_coordination.WRITE_PATIENCE: self.writes.on_patience,
            write_coordination.WRITE_DEADLINE: self.writes.on_deadline,
            forwarding.FORWARD_PATIENCE: self.forwarding.on_patience,
            forwarding.FORWARD_DEADLINE: self.forwarding.on_deadline,
            hinted_handoff.SCAN: self.handoff.on_scan,
            anti_entropy.COMPARE: self.anti_entropy.on_timer,
            tombstone_collection.COLLECT: self.collection.on_timer,
            failure_detection.PROBE: node.detector.on_probe,
            membership.GOSSIP: self.membership.on_timer,
            write_buffer.WRITER: node.buffer.on_writer,
            membership_change.STEER: self.change.on_timer,
            transfer.PULL: self.transfer.on_timer,
            relocation.RELOCATE: self.relocation.on_timer,
            other_views.EARLY: self._take_early,
            introduction.INTRODUCE: self._introduce,
            introduction.WAITED: self._take_waiting,
        }

    def start(self, step: Step) -> None:
        """Take up what an earlier life has stored, and begin the work in the background."""
        store = self.node.store
        if self.node.configuration.engine != "memory":
            is_old = step.get(META, membership.SINCE) is not None
            self.introduction.start(step, is_old=is_old)
        if not store.is_silent:
            self.membership.start(step)
            self.node.detector.start(step)
            self.change.arm(step)
        if not store.is_apart:
            self._start_work(step)
            self.transfer.begin(step)
            self.relocation.begin(step)
        step.log("started", incarnation=self.node.incarnation, bug=self.node.bug)

    def _settled(self, step: Step) -> None:
        """It is known now whether a new store is one, or was emptied."""
        self.membership.enter(step)
        self.change.arm(step)
        if not self.node.store.is_apart:
            self._start_work(step)
            self.transfer.begin(step)
            self.relocation.begin(step)
        step.set_timer(introduction.WAITED, 0)

    def _take_waiting(self, step: Step) -> None:
        """What came while the store was new, if anything did."""
        event = self.introduction.next(step)
        if isinstance(event, ClientRequest):
            self.on_request(step, event)
        elif event is not None:
            self.on_message(step, event)

    def _introduce(self, step: Step) -> None:
        self.introduction.on_timer(step)
        for event in self.introduction.overdue(step):
            self.node.reply(step, event.id, Refused(503, self.node.store.refusal()).response)

    def _start_work(self, step: Step) -> None:
        """Begin what goes on in the background."""
        self.handoff.start(step)
        self.anti_entropy.start(step)
        self.collection.start(step)

    def _repair(self, step: Step) -> None:
        """The admin has this node start over, if its store was damaged."""
        if self.node.store.is_silent:
            self.node.store.become(step, store_repair.RENEWING)
            self.introduction.go_on(step)
            self.membership.start(step)
            self.node.detector.start(step)
            self.change.arm(step)

    def _on_view(self, step: Step, gave_up: bool) -> None:
        """The node has come to another view: every technique begins anew in it."""
        if gave_up:
            self.writes.give_up(step)
        self.transfer.begin(step)
        self.relocation.begin(step)
        self.anti_entropy.arrange()
        self.collection.arrange()
        self.change.on_view(step)
        self.reads.again(step)
        self.writes.again(step)
        self.other_views.on_view(step)

    def _decided(self, step: Step, view: View) -> None:
        """A view that this node has proposed is decided."""
        node = self.node
        since = view.since(node.name)
        comes_anew = node.store.is_apart and since in (view.number, None)
        if comes_anew:
            lacks = since is not None and node.bug != WHOLE_TOO_SOON
            node.store.become(step, store_repair.FILLING if lacks else store_repair.WHOLE)
        self.membership.come_to(step, view)
        self.change.tell(step)
        if comes_anew:
            self._start_work(step)

    @property
    def open_requests(self) -> int:
        """Requests of clients and of peers that are not over."""
        return len(self.reads.open) + len(self.writes.open) + len(self.forwarding.open)

    def on_timer(self, step: Step, event: TimerFired) -> None:
        """A timer that this life has set."""
        if event.name in introduction.ALWAYS or not self.node.store.is_silent:
            # Others were set before the store was known to be lost.
            self._timers[event.name](step)

    def on_request(self, step: Step, event: ClientRequest) -> None:
        """A request of a client."""
        node = self.node
        try:
            asked = parse(event, node.ring, node.configuration)
            if self.open_requests >= node.configuration.requests_max:
                raise Refused(503, f"{self.open_requests} requests are open here: try later")
            if node.store.state == store_repair.NEW and not isinstance(asked, Page):
                if not self.introduction.hold(step, event):
                    raise Refused(503, node.store.refusal())
                return
            node.measured.asked(step, event.id, asked)
            self._carry_out(step, event.id, asked)
        except Refused as refused:
            node.counters.refused += 1
            node.reply(step, event.id, refused.response)

    def _carry_out(self, step: Step, client: int, asked: Read | Put | Page | Order) -> None:
        """Begin what a client asks for. Raises Refused."""
        node = self.node
        repair = isinstance(asked, Order) and asked.verb == "repair"
        always = repair or isinstance(asked, Page)
        if not always and not node.store.serves(writes=isinstance(asked, Put)):
            raise Refused(503, node.store.refusal())
        if isinstance(asked, Read):
            self.reads.begin(step, client, asked)
        elif isinstance(asked, Put):
            self.forwarding.begin(step, client, asked)
        elif repair:
            self._repair(step)
            node.reply(step, client, page({"store": node.store.shown()}))
        elif isinstance(asked, Order):
            self.change.order(step, client, asked)
        else:
            node.reply(step, client, self._shown(step, asked))

    def _shown(self, step: Step, asked: Page) -> Response:
        if asked.path == "/":
            return html(status_page.render(self._page(step, Page("/status"))))
        return page(self._page(step, asked))

    def _page(self, step: Step, asked: Page) -> dict[str, Any]:
        if asked.path == "/status":
            return shown.status(self, step)
        return shown.ring(self, step) if asked.path == "/ring" else shown.dump(self.node, step)

    def on_message(self, step: Step, event: PeerMessage) -> None:
        """A message of another node. One that is not understood is dropped, and logged."""
        node, sender = self.node, event.sender
        try:
            message, sent_at, view, incarnation = envelope.unseal(event.body)
        except envelope.NotUnderstood as reason:
            node.counters.messages_not_understood += 1
            step.log("not-understood", sender=sender, reason=str(reason))
            return
        kind = type(message)
        state = node.store.state
        if state != store_repair.WHOLE and not node.store.takes(kind):
            if state == store_repair.NEW:
                self.introduction.hold(step, event)
            return
        if kind in m.ANSWERS and node.detector.answered(step, sender):
            self.handoff.scan_soon(step, sender)
        if view != node.view.number and kind not in m.TIMELESS:
            self.other_views.met(step, event, view)
        elif kind in m.CARRIERS and node.watch.is_late(sender, incarnation, sent_at):
            node.counters.late_messages_dropped += 1
        else:
            _RECEIVE[kind](self, step, sender, message)

    def on_stored(self, step: Step, sender: str, request: int) -> None:
        """A copy is durable, of a write or of what a read writes back: numbers tell them apart."""
        self.writes.on_stored(step, sender, request)
        self.reads.on_stored(step, sender, request)

    def _take_early(self, step: Step) -> None:
        """A message that came before its view, if one waits."""
        event = self.other_views.next(step)
        if event is not None:
            self.on_message(step, event)


def _store(life: Life, step: Step, sender: str, message: m.Store) -> None:
    node = life.node
    key, may_wait = node.ring.place(message.key), not message.durable
    kept = node.keep(step, key, message.blob, message.home, may_wait=may_wait)
    if kept and message.request:
        step.send(sender, m.Stored(message.request))


def _fetch(life: Life, step: Step, sender: str, message: m.Fetch) -> None:
    if life.node.store.is_filling:
        # What is lacking here would be read as never written.
        step.send(sender, m.Lacking(message.request))
        return
    blob = life.node.held(step, life.node.ring.place(message.key))
    step.send(sender, m.Fetched(message.request, blob))


def _handoff(life: Life, step: Step, sender: str, message: m.Handoff) -> None:
    node = life.node
    kept = [
        node.keep(step, node.ring.placed(stored), blob, node.name)
        for stored, blob in message.entries
    ]
    if all(kept):
        step.send(sender, m.HandedOff(message.request))


_RECEIVE: dict[type, Callable[[Life, Step, str, Any], None]] = {
    m.Store: _store,
    m.Stored: lambda life, step, sender, it: life.on_stored(step, sender, it.request),
    m.Fetch: _fetch,
    m.Fetched: lambda life, step, sender, it: life.reads.on_fetched(
        step, sender, it.request, it.blob
    ),
    m.Lacking: lambda life, step, sender, it: life.reads.on_lacking(step, sender, it.request),
    m.Forward: lambda life, step, sender, it: life.forwarding.on_forward(step, sender, it),
    m.Forwarded: lambda life, step, sender, it: life.forwarding.on_forwarded(step, it),
    m.Handoff: _handoff,
    m.HandedOff: lambda life, step, sender, it: life.handoff.on_handed_off(
        step, sender, it.request
    ),
    m.Ping: lambda life, step, sender, it: step.send(sender, m.Pong()),
    m.Pong: lambda life, step, sender, it: None,
    m.Gossip: lambda life, step, sender, it: life.membership.on_gossip(step, sender, it),
    m.GossipBack: lambda life, step, sender, it: life.membership.merge(step, sender, it),
    m.WhichView: lambda life, step, sender, it: step.send(sender, m.NewerView(life.node.view)),
    m.NewerView: lambda life, step, sender, it: life.membership.come_to(step, it.view),
    m.Prepare: lambda life, step, sender, it: life.agreement.on_prepare(step, sender, it),
    m.Promised: lambda life, step, sender, it: life.agreement.on_promised(step, sender, it),
    m.Accept: lambda life, step, sender, it: life.agreement.on_accept(step, sender, it),
    m.Accepted: lambda life, step, sender, it: life.agreement.on_accepted(step, sender, it),
    m.Outbid: lambda life, step, sender, it: life.agreement.on_outbid(it),
    m.Progress: lambda life, step, sender, it: life.change.on_progress(step, sender),
    m.Progressed: lambda life, step, sender, it: life.change.on_progressed(step, sender, it),
    m.Pull: lambda life, step, sender, it: life.transfer.on_pull(step, sender, it),
    m.Pulled: lambda life, step, sender, it: life.transfer.on_pulled(step, sender, it),
    m.Introduce: lambda life, step, sender, it: life.introduction.on_introduce(step, sender, it),
    m.Introduced: lambda life, step, sender, it: life.introduction.on_introduced(step, sender, it),
    m.Digests: lambda life, step, sender, it: life.anti_entropy.on_digests(step, sender, it),
    m.Same: lambda life, step, sender, it: life.anti_entropy.on_same(),
    m.Branches: lambda life, step, sender, it: life.anti_entropy.on_branches(step, sender, it),
    m.Inventory: lambda life, step, sender, it: life.anti_entropy.on_inventory(step, sender, it),
    m.Exchange: lambda life, step, sender, it: life.anti_entropy.on_exchange(step, sender, it),
    m.Confirm: lambda life, step, sender, it: life.collection.on_confirm(step, sender, it),
    m.Fence: lambda life, step, sender, it: life.collection.on_fence(step, sender, it),
    m.Confirmed: lambda life, step, sender, it: life.collection.on_confirmed(step, sender, it),
    m.Collect: lambda life, step, sender, it: life.collection.on_collect(step, it),
}
