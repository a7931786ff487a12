"""The leader of a ballot: proposes values in slots, counts who holds them, and renews its lease.

It makes a slot chosen when a quorum of the configuration in force there holds it in the leader's
ballot (`acks-before-quorum`, `half-quorum`); a slot of an earlier ballot was proposed again in this
one first. It begins with the values that phase 1 recovered and a no-op, and answers no strong read
before it has applied that no-op (`serves-before-noop`): only then does its state hold everything
that an earlier leader has acknowledged. Without answers of a quorum for one lease it steps down and
falls silent, so that a one-way cut is no permanent outage.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from systems_under_test.paxos import lease, names
from systems_under_test.paxos.commands import NOOP
from systems_under_test.paxos.configuration import MS
from systems_under_test.paxos.lease import NEVER
from systems_under_test.paxos.messages import Accept, Accepted, Answered, Entry, Opening
from systems_under_test.paxos.reads import StrongReads
from systems_under_test.paxos.reconfiguration import Reconfiguration

if TYPE_CHECKING:
    from collections.abc import Iterable

    from systems_under_test.paxos.group import Member
    from systems_under_test.paxos.messages import Ballot
    from systems_under_test.paxos.node import Node
    from systems_under_test.paxos.request_table import Result
    from systems_under_test.paxos.step import Step

HEARTBEAT: Final = "heartbeat"


@dataclass(slots=True)
class Peer:
    """What the leader knows of another node, member or not."""

    next: int
    """The slot to send next."""
    held: int = 0
    replica: int = 0
    life: int = 0
    checkpoint: int = 0
    flying_since: int = NEVER
    """When values were sent that it has not answered; one batch is under way at a time."""
    heard_at: int = NEVER
    echoed: int = NEVER
    """The latest `sent_at` that it has answered under this id, member or not."""
    answered: bool = False


class Leadership:
    """One node's time as the leader of one ballot."""

    def __init__(self, node: Node, ballot: Ballot) -> None:
        self._node = node
        self.ballot = ballot
        self.peers: dict[str, Peer] = {}
        self.echoed: dict[str, int] = {}
        """For each member the latest `sent_at` that it has answered under its id."""
        self.noop = 0
        self.began_at = 0
        self.handed_over = False
        self.reads = StrongReads(node, self)
        self.reconfiguration = Reconfiguration(node, self)
        self._unchosen: dict[int, int] = {}
        """The bytes of each slot that waits for a quorum."""
        self._unchosen_bytes = 0
        self._origins: dict[int, tuple[str, int]] = {}
        """Slot -> who forwarded the command, and under which number."""

    # --- start ---

    def begin(self, step: Step, first: int, recovered: dict[int, Entry], settled: int) -> None:
        """Propose again what may have been chosen, then a no-op.

        Slots up to `settled` are known to be chosen, by who promised and has a configuration there:
        what was recovered in them is what was chosen. They are not counted again, for of the
        configuration before that one there may be no quorum any more.
        """
        node = self._node
        self.began_at = step.mono
        self.peers = {peer: Peer(first, heard_at=step.mono) for peer in node.peers}
        last = max(recovered, default=first - 1)
        self.noop = last + 1
        node.acceptor.on_opening(step, Opening(self.ballot, self.noop))
        for slot in range(first, last + 1):
            entry = recovered.get(slot)
            if entry is None:
                node.counters.holes_filled += 1
                entry = Entry(self.ballot, self._time_before(slot), NOOP)
            node.counters.slots_recovered += 1
            self._put(step, slot, entry.time, entry.payload)
        node.learner.learn(step, min(settled, last))
        self._wait_no_more(first, node.learner.chosen)
        node.clients.leader_changed(step)
        self.propose(step, NOOP)
        self.beat(step)
        step.set_timer(HEARTBEAT, node.configuration.heartbeat_ms * MS)

    # --- phase 2 ---

    def propose(self, step: Step, payload: bytes, origin: tuple[str, int] | None = None) -> int:
        """Put a value into the next slot and send it; the slot."""
        node = self._node
        slot = node.log.last + 1
        time = max(self._time_before(slot), step.wall)
        node.counters.slots_proposed += 1
        self._put(step, slot, time, payload)
        node.acceptor.hold_as_leader(step, self.ballot)
        if origin is not None:
            self._origins[slot] = origin
        self._send_values(step)
        self.advance(step)
        return slot

    def _put(self, step: Step, slot: int, time: int, payload: bytes) -> None:
        self._node.log.put(step, slot, Entry(self.ballot, time, payload))
        self._unchosen[slot] = len(payload)
        self._unchosen_bytes += len(payload)

    @property
    def is_full(self) -> bool:
        """Whether so much waits for a quorum that commands are to be refused."""
        node = self._node
        unchosen = node.log.last - node.learner.chosen
        return (
            unchosen >= node.configuration.unchosen_max
            or self._unchosen_bytes >= node.configuration.unchosen_bytes_max
        )

    def _time_before(self, slot: int) -> int:
        """The latest stamp below a slot: stamps never go back, whatever a leader's clock does, so
        that the log up to a time is a prefix of it."""
        before = self._node.log.entries.get(slot - 1)
        return max(self._node.learner.time, before.time if before is not None else 0)

    def _send_values(self, step: Step) -> None:
        for name, peer in self.peers.items():
            if self._can_send(peer):
                self._send(step, name, peer)

    def _can_send(self, peer: Peer) -> bool:
        """Whether the log has what this peer needs next. If it was truncated a snapshot brings it,
        and asking again at once would only make the two of them talk without end."""
        return peer.flying_since == NEVER and peer.next in self._node.log.entries

    def _send(self, step: Step, name: str, peer: Peer) -> None:
        """Send what follows, as much as one message may carry; nothing is a heartbeat."""
        node = self._node
        values: list[tuple[int, bytes]] = []
        size, slot = 0, peer.next
        if peer.flying_since == NEVER:
            while slot <= node.log.last and size < node.configuration.batch_bytes:
                entry = node.log.entries.get(slot)
                if entry is None:  # Truncated: a snapshot has to bring it.
                    break
                values.append((entry.time, entry.payload))
                size += len(entry.payload)
                slot += 1
        first = peer.next
        if values:
            peer.flying_since = step.mono
            peer.next = slot
        step.send(
            name,
            Accept(
                self.ballot,
                step.mono,
                first,
                tuple(values),
                node.learner.chosen,
                node.snapshots.floor,
                self.noop,
            ),
        )

    def on_accepted(self, step: Step, sender: str, message: Accepted) -> None:
        """2b."""
        peer = self.peers[sender]
        node = self._node
        peer.heard_at = step.mono
        peer.answered = True
        peer.life = message.life
        if peer.replica != message.replica:
            peer.replica, peer.held, peer.checkpoint = message.replica, 0, 0
            peer.echoed = NEVER
            self.echoed.pop(sender, None)
        peer.held = max(peer.held, message.held)
        peer.checkpoint = max(peer.checkpoint, message.checkpoint)
        peer.echoed = max(peer.echoed, message.sent_at)
        echoed = message.sent_at
        if self.handed_over:  # Only by the bug that lets a late answer revive the lease.
            echoed = step.mono
        member = node.groups.newest.member(sender)
        if member is not None and member.replica == message.replica:
            self.echoed[sender] = max(self.echoed.get(sender, NEVER), echoed)
        if message.sent_at >= peer.flying_since:
            # Not `peer.held`: one that was started again holds less in this ballot than it has
            # accepted, until it is told so again.
            peer.flying_since = NEVER
            peer.next = message.held + 1
        self.advance(step)
        if node.leadership is not self:
            return
        if self._can_send(peer):
            self._send(step, sender, peer)
        self.reads.serve(step)

    def advance(self, step: Step) -> None:
        """Find how far a quorum holds the log, each slot by the configuration in force there."""
        node = self._node
        groups, last = node.groups, node.log.last
        chosen = node.learner.chosen
        while chosen < last:
            group = groups.at(chosen + 1)
            end = groups.ends(chosen + 1)
            held = self._held_by_quorum(step, group.members, node.quorum(group))
            upto = held if end is None else min(held, end)
            if upto <= chosen:
                break
            chosen = upto
        if chosen > node.learner.chosen:
            self._wait_no_more(node.learner.chosen + 1, chosen)
            node.learner.learn(step, chosen)
            self.reads.serve(step)
            self.reconfiguration.on_chosen(step)

    def _wait_no_more(self, first: int, last: int) -> None:
        """These slots are chosen."""
        for slot in range(first, last + 1):
            self._unchosen_bytes -= self._unchosen.pop(slot, 0)

    def _held_by_quorum(self, step: Step, members: Iterable[Member], quorum: int) -> int:
        node = self._node
        if node.bug == names.ACKS_BEFORE_QUORUM:
            return node.log.last
        held = []
        for member in members:
            if member.node == node.name:
                held.append(node.log.last)
                continue
            peer = self.peers[member.node]
            votes = peer.replica == member.replica
            held.append(peer.held if votes else 0)
        held.sort(reverse=True)
        return held[quorum - 1] if len(held) >= quorum else 0

    def applied(self, step: Step, slot: int, result: Result) -> None:
        """Tell whoever forwarded the command of this slot."""
        origin = self._origins.pop(slot, None)
        if origin is not None:
            name, number = origin
            step.send(name, Answered(number, result.status, result.results, result.slot))

    # --- lease ---

    def confirmed_at(self, step: Step) -> int:
        """The latest reading from which on a quorum has answered this ballot."""
        node = self._node
        group = node.groups.newest
        return lease.confirmed_at(group, node.quorum(group), node.name, step.mono, self.echoed)

    def lease_left(self, step: Step) -> int:
        """For how long no other leader can have been elected, in nanoseconds; 0 if one can."""
        node = self._node
        length = node.configuration.leader_lease
        if node.bug == names.LEASE_IGNORES_DRIFT:
            length = node.configuration.lease
        if node.bug == names.DEPOSED_LEADER_READS:
            return length
        confirmed = self.confirmed_at(step)
        return max(0, confirmed + length - step.mono) if confirmed != NEVER else 0

    def has_lease(self, step: Step) -> bool:
        """Whether no other leader can have been elected yet."""
        return self.lease_left(step) > 0

    @property
    def ready(self) -> bool:
        """Whether everything that an earlier leader has acknowledged is applied here."""
        node = self._node
        return node.learner.applied >= self.noop or node.bug == names.SERVES_BEFORE_NOOP

    def beat(self, step: Step) -> None:
        """Renew the lease, and tell everyone what is chosen."""
        self._node.acceptor.grant(step, self.ballot)
        for name, peer in self.peers.items():
            self._send(step, name, peer)

    def on_heartbeat(self, step: Step) -> None:
        """Renew, or step down after a lease without a quorum."""
        node = self._node
        confirmed = max(self.confirmed_at(step), self.began_at)
        alone = step.mono - confirmed >= node.configuration.lease
        if alone and node.configuration.step_down:
            node.step_down(step, "no quorum has answered for a lease")
            return
        step.set_timer(HEARTBEAT, node.configuration.heartbeat_ms * MS)
        if self.handed_over:
            return
        node.snapshots.on_heartbeat(step, self)
        self.beat(step)
        self.reconfiguration.on_heartbeat(step)
        self._move_time(step)

    def _move_time(self, step: Step) -> None:
        """Let the log's own time go on where nobody writes.

        Else sessions would live on through a long rest: the log ages by a bounded amount with each
        slot (`state_machine.aged`).
        """
        node = self._node
        at_rest = self.ready and node.log.last == node.learner.applied
        if at_rest and step.wall - node.learner.time > node.configuration.aging_max:
            self.propose(step, NOOP)
