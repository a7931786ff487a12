"""Clients: any node takes a request in; the leader carries it out.

A request that is taken in elsewhere is forwarded with its id to the leader, and again when another
leader is heard, for the id makes it harmless. Whoever sees the command applied first answers: the
leader that was asked, or this node by its own copy of the log. A failure is definite only where
the command was neither proposed here nor sent anywhere.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from systems_under_test.paxos import api, commands, handover, names
from systems_under_test.paxos.api import LEADER_HEADER, Order, Read, Write
from systems_under_test.paxos.commands import canonical
from systems_under_test.paxos.configuration import MS
from systems_under_test.paxos.messages import (
    NO_BALLOT,
    Administer,
    Answered,
    Forward,
    NotLeading,
)
from systems_under_test.paxos.own_ids import OwnIds
from systems_under_test.paxos.state_machine import step_on

if TYPE_CHECKING:
    from systems_under_test.paxos.commands import Command
    from systems_under_test.paxos.node import Node
    from systems_under_test.paxos.request_table import Result
    from systems_under_test.paxos.step import Step

DEADLINES: Final = "deadlines"
LOOK_EVERY: Final = 100 * MS
DEFINITE: Final = (409, 413, 422)
"""Of a command in the log: refused as a whole, and no copy of it will ever be carried out."""
TOO_MUCH_OPEN: Final = "too much waits for a quorum at the leader: try later"
NUMBER_BITS: Final = 40
SENT_AGAIN_AFTER: Final = 3
"""A request without an answer is sent once more after this part of its time."""


@dataclass(slots=True)
class Open:
    """A client's request that is not answered."""

    client: int
    deadline: int
    shape: str
    key: str = ""
    command: Command | None = None
    slot: int = 0
    """An eventual read waits for this slot."""
    order: Order | None = None
    sent_to: str | None = None
    sent_at: int = 0
    ever_sent: bool = False
    sent_again: bool = False

    @property
    def eventual(self) -> bool:
        """Whether it waits for a slot, and not for a leader."""
        return self.shape == "read" and self.slot > 0


class Clients:
    """The requests that this node has taken in."""

    def __init__(self, node: Node) -> None:
        self._node = node
        self.open: dict[int, Open] = {}
        self._by_id: dict[tuple[str, int], list[int]] = {}
        self._last = node.incarnation << NUMBER_BITS
        prefix = f"{node.name}~{node.incarnation}~"
        self._own_ids = OwnIds(prefix, node.configuration.request_window)
        self._armed = False

    # --- taking in ---

    def begin(self, step: Step, client: int, asked: Read | Write | Order) -> None:
        """Take a request in."""
        node = self._node
        self._last += 1
        number = self._last
        deadline = step.mono + node.configuration.request_timeout_ms * MS
        if isinstance(asked, Order):
            taken = Open(client, deadline, "order", order=asked)
        elif isinstance(asked, Write):
            taken = Open(client, deadline, asked.shape, command=self._command(asked))
        elif asked.strong:
            taken = Open(client, deadline, "read", asked.key)
        else:
            self._begin_eventual(step, client, number, deadline, asked)
            return
        self.open[number] = taken
        if taken.command is not None:
            name = (taken.command.session, taken.command.sequence)
            self._by_id.setdefault(name, []).append(number)
        self._arm(step)
        self._route(step, number, taken)

    def _begin_eventual(
        self, step: Step, client: int, number: int, deadline: int, asked: Read
    ) -> None:
        self._node.counters.reads_eventual += 1
        taken = Open(client, deadline, "read", asked.key, slot=asked.slot)
        self.open[number] = taken
        if asked.slot <= self._node.learner.applied:
            self._answer_eventual(step, number, taken)
        else:
            self._arm(step)

    def _answer_eventual(self, step: Step, number: int, taken: Open) -> None:
        node = self._node
        value, slot = node.state.read(step, taken.key), node.learner.applied
        if node.bug == names.EVENTUAL_READS_UNCHOSEN:
            value, slot = _with_unchosen(node, taken.key, value), node.log.last
        self.answer(step, number, 200, value, slot)

    def _command(self, asked: Write) -> Command:
        session, sequence = self._own_ids.take() if asked.id is None else asked.id
        known = self._node.learner.age
        return commands.Command(session, sequence, known, asked.digest, asked.steps)

    def _arm(self, step: Step) -> None:
        if not self._armed:
            self._armed = True
            step.set_timer(DEADLINES, LOOK_EVERY)

    # --- routing ---

    def _route(self, step: Step, number: int, taken: Open) -> None:
        """Carry it out if this node leads, else send it to the leader, if one is known."""
        node = self._node
        if node.leadership is not None:
            self._carry_out(step, node.name, number, taken)
            return
        leader = node.leader.node
        if node.leader == NO_BALLOT or leader == taken.sent_to or leader == node.name:
            return
        self._send_on(step, number, taken, leader)

    def _send_on(self, step: Step, number: int, taken: Open, leader: str) -> None:
        counters = self._node.counters
        counters.forwards_sent += 1
        counters.forwards_repeated += taken.ever_sent
        taken.sent_to, taken.sent_at, taken.ever_sent = leader, step.mono, True
        if taken.order is not None:
            step.send(leader, Administer(number, taken.order.order, taken.order.node, ""))
            return
        payload = None if taken.command is None else commands.encode(taken.command)
        step.send(leader, Forward(number, payload, taken.key))

    def _carry_out(self, step: Step, origin: str, number: int, taken: Open) -> None:
        node = self._node
        leadership = node.leadership
        assert leadership is not None
        if taken.command is not None and leadership.is_full:
            # Of one that another leader was asked for as well, nobody knows.
            body = api.error(TOO_MUCH_OPEN, definite=not taken.ever_sent)
            self._finish(step, number, 503, body)
            return
        taken.ever_sent = True
        if taken.order is not None:
            self._obey(step, origin, number, taken.order)
        elif taken.command is None:
            leadership.reads.add(step, origin, number, taken.key)
        else:
            leadership.propose(step, commands.encode(taken.command))

    def leader_changed(self, step: Step) -> None:
        """Another leader was heard: it is told everything that is open here."""
        for number, taken in list(self.open.items()):
            if not taken.eventual:
                taken.sent_to = None
                self._route(step, number, taken)

    def on_timer(self, step: Step) -> None:
        """Give up what is too late, and send on what found no leader."""
        self._armed = False
        for number, taken in list(self.open.items()):
            if taken.eventual and taken.slot <= self._node.learner.applied:
                self._answer_eventual(step, number, taken)
            elif step.mono >= taken.deadline:
                self._give_up(step, number, taken)
            elif taken.sent_to is None and self._node.leadership is None and not taken.eventual:
                self._route(step, number, taken)
            elif self._seems_lost(step, taken):
                taken.sent_again = True
                self._send_on(step, number, taken, self._node.leader.node)
        if self.open:
            self._arm(step)

    def _seems_lost(self, step: Step, taken: Open) -> bool:
        """Whether the leader that was asked leads still and has not answered for long: what was
        sent to it may be lost. It is sent once more; an operator's order is not, for a second one
        could mean another thing."""
        if taken.sent_again or taken.order is not None or self._node.leadership is not None:
            return False
        wait = self._node.configuration.request_timeout_ms * MS // SENT_AGAIN_AFTER
        asked = taken.sent_to is not None and taken.sent_to == self._node.leader.node
        return asked and step.mono - taken.sent_at >= wait

    def _give_up(self, step: Step, number: int, taken: Open) -> None:
        self._node.counters.requests_timed_out += 1
        if taken.eventual:
            sentence = f"slot {taken.slot} was not applied here in time: read with less, or later"
            self._finish(step, number, 503, api.error(sentence, definite=True))
        elif taken.ever_sent:
            sentence = "no answer of a leader in time: repeat the request with the same id"
            self._finish(step, number, 504, api.error(sentence, definite=False))
        else:
            sentence = "no leader is known here: try later, or another node"
            self._finish(step, number, 503, api.error(sentence, definite=True))

    # --- as leader, for others ---

    def on_forward(self, step: Step, sender: str, message: Forward) -> None:
        """Carry out what another node took in."""
        node = self._node
        node.counters.forwards_received += 1
        leadership = node.leadership
        if leadership is None:
            step.send(sender, NotLeading(message.number))
        elif message.command is None:
            leadership.reads.add(step, sender, message.number, message.key)
        elif leadership.is_full:
            # Not definite: a second copy of this message may be on its way.
            step.send(sender, Answered(message.number, 503, canonical(TOO_MUCH_OPEN), 0))
        else:
            leadership.propose(step, message.command, (sender, message.number))

    def on_administer(self, step: Step, sender: str, message: Administer) -> None:
        """Obey what an operator has told another node."""
        if self._node.leadership is None:
            step.send(sender, NotLeading(message.number))
        else:
            self._obey(step, sender, message.number, Order(message.order, message.node))

    def _obey(self, step: Step, origin: str, number: int, order: Order) -> None:
        node = self._node
        leadership = node.leadership
        assert leadership is not None
        problem = None
        if order.node and order.node not in node.nodes:
            problem = f"there is no node {order.node}; there are {', '.join(node.nodes)}"
        elif order.order in ("scrub", "backup"):
            self._look_after(step, order.order)
        elif order.order != "handover":
            problem = leadership.reconfiguration.order(order.order, order.node)
        elif order.node != node.name and not handover.successor(step, node, order.node):
            problem = handover.why_nobody(step, node, order.node)
        status = 200 if problem is None else 409
        content = b"null" if problem is None else canonical(problem)
        if origin == node.name:
            self.answer(step, number, status, content, 0)
        else:
            step.send(origin, Answered(number, status, content, 0))
        if problem is None and order.order == "handover" and order.node != node.name:
            self.hand_over(step, order.node)

    def _look_after(self, step: Step, order: str) -> None:
        """Put a mark into the log for the scrubber, or archive what is chosen up to now."""
        leadership = self._node.leadership
        assert leadership is not None
        if order == "scrub":
            self._node.scrubber.begin(step)
        else:
            self._node.archiver.want(leadership.propose(step, commands.NOOP))

    def hand_over(self, step: Step, wanted: str) -> None:
        """As leader, make way."""
        to = handover.successor(step, self._node, wanted)
        if to is not None:
            handover.hand_over(step, self._node, to)

    # --- answers ---

    def on_answered(self, step: Step, message: Answered) -> None:
        """The leader has carried it out."""
        self.answer(step, message.number, message.status, message.results, message.slot)

    def not_leading(self, step: Step, number: int) -> None:
        """Whoever was asked does not lead: it goes to whoever is heard next."""
        taken = self.open.get(number)
        if taken is not None:
            taken.sent_to = None

    def applied(self, step: Step, command: Command, result: Result) -> None:
        """A command was applied here: tell those who wait for it here."""
        for number in list(self._by_id.get((command.session, command.sequence), ())):
            if number in self.open and self.open[number].command == command:
                self.answer(step, number, result.status, result.results, result.slot)

    def answer(self, step: Step, number: int, status: int, results: bytes, slot: int) -> None:
        """Tell the client how it ended, unless it was told before or given up."""
        taken = self.open.get(number)
        if taken is None:
            return
        if status != 200:
            sentence = api.sentence_in(results)
            body = api.error(sentence, definite=status in DEFINITE)
        elif taken.shape == "order":
            body = b'{"accepted":true}'
        else:
            steps = taken.command.steps if taken.command is not None else ()
            body = api.shown(taken.shape, steps, results, slot)
        self._finish(step, number, status, body)

    def _finish(self, step: Step, number: int, status: int, body: bytes) -> None:
        taken = self.open.pop(number)
        if taken.command is not None:
            name = (taken.command.session, taken.command.sequence)
            numbers = self._by_id[name]
            numbers.remove(number)
            self._own_ids.done(*name)
            if not numbers:
                del self._by_id[name]
        headers = dict(api.JSON_TYPE)
        if self._node.leader != NO_BALLOT:
            headers[LEADER_HEADER] = self._node.leader.node
        step.respond(taken.client, status, headers, body)


def _with_unchosen(node: Node, key: str, value: bytes) -> bytes:
    """What a key would hold if everything accepted here were chosen."""
    for _, entry in node.log.accepted_from(node.learner.applied + 1):
        if entry.payload[:1] == commands.COMMAND:
            for verb, name, given in commands.decode(entry.payload).steps:
                if name == key:
                    after, _ = step_on(verb, key, value, given)
                    value = value if after is None else after
    return value
