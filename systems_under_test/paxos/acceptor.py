"""The acceptor: promises, accepts, grants leases. What it votes is durable before it is said.

Rules of safety, each with the bug that breaks it:
* It takes part in no ballot below its promise (`accepts-below-promise`).
* Vote and log are durable before a message that depends on them (`promise-not-durable`).
* It accepts slots in order: holding slot s in a ballot, it holds every slot below s as this ballot
  has it, or as chosen. So `held` speaks for the whole prefix (`applies-past-hole`).
* While a lease that it granted runs on its own clock, and for L after every start and after its
  admission, it promises nobody else (`votes-right-after-restart`).
* One that finds no vote of its earlier lives does not vote under its old id (`amnesiac-votes`).
  Lives of which nothing has ever left do not count: they have voted for nobody (`Started.fresh`).

Sources: Lamport, "Paxos made simple", 2001; Chandra et al., "Paxos made live", PODC 2007, 5.2.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import msgspec

from systems_under_test.paxos import group as groups
from systems_under_test.paxos import names
from systems_under_test.paxos.commands import REGROUP
from systems_under_test.paxos.messages import (
    NO_BALLOT,
    NO_OPENING,
    Accept,
    Accepted,
    Ballot,
    Entry,
    Opening,
    Prepare,
    Promise,
    Rejected,
)

if TYPE_CHECKING:
    from systems_under_test.paxos.group import Group
    from systems_under_test.paxos.node import Node
    from systems_under_test.paxos.step import Step

VOTE_TABLE: Final = "vote"
VOTE: Final = b"vote"


class Vote(msgspec.Struct, frozen=True, array_like=True):
    """What must never be forgotten: the id under which this replica votes, and its promise.

    `since`: votes of lives from this one on are remembered; 0 if nothing was ever forgotten.
    `opening` is that of the highest ballot: what it ends is no longer in the log.
    """

    replica: int
    promised: Ballot
    since: int
    opening: Opening = NO_OPENING


FORGOTTEN: Final = (
    "this node was started before and finds no vote of its earlier lives: it votes under a new id "
    "once a leader has made it whole; where a majority has lost its votes nobody leads, and the "
    "group goes on from its archive or not at all"
)
NO_MEMBER: Final = "this node is no member of the newest configuration that it knows"

_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(Vote).decode


class Acceptor:
    """The vote of one replica."""

    def __init__(self, step: Step, node: Node, *, fresh: bool) -> None:
        """`fresh`: nothing of an earlier life has left this node, and nothing was damaged."""
        self._node = node
        self.granted = NO_BALLOT
        self.granted_until = 0
        self.released = NO_BALLOT
        """Ballots up to this one are over: a late message of one grants nothing."""
        self.silent_until = step.mono + node.configuration.lease
        if node.bug == names.VOTES_RIGHT_AFTER_RESTART:
            self.silent_until = step.mono
        self.held_in = NO_BALLOT
        self.held = node.log.start
        found = step.storage.get(VOTE_TABLE, VOTE)
        if found is not None:
            vote = _decode(found)
            self.replica, self.promised = vote.replica, vote.promised
            self._since, self.opening = vote.since, vote.opening
            return
        self.promised, self.opening = NO_BALLOT, NO_OPENING
        member = node.groups.newest.member(node.name)
        forgotten = not fresh and node.bug != names.AMNESIAC_VOTES
        self.replica = 0 if member is None or forgotten else member.replica
        self._since = node.incarnation if forgotten else 0
        self._store(step)
        if forgotten:
            step.log("no-vote", why=FORGOTTEN)

    def why_no_vote(self) -> str:
        """Why this node votes for nobody, empty if it votes."""
        if self._node.member_of(self._node.groups.newest):
            return ""
        return FORGOTTEN if self._since and not self.replica else NO_MEMBER

    # --- phase 1 ---

    def free_for(self, candidate: str, now: int) -> bool:
        """Whether no lease keeps this replica from promising a ballot of the candidate.

        The owner of the leased ballot itself has stopped using it once it asks for another.
        """
        if now < self.silent_until:
            self._node.counters.promises_refused_after_start += 1
            return False
        if now < self.granted_until and self.granted.node != candidate:
            self._node.counters.promises_refused_by_lease += 1
            return False
        return True

    def on_prepare(self, step: Step, sender: str, message: Prepare) -> None:
        """1a. Promise, or say what was promised to somebody else, or keep silent."""
        node = self._node
        if message.released != NO_BALLOT:
            self.release(message.released)
        if message.ballot < self.promised:
            self._reject(step, sender)
            return
        if message.first <= node.log.start or not self.free_for(sender, step.mono):
            return
        self.promise(step, message.ballot)
        # In parts: nothing of it changes between them, for what this ballot's owner has not
        # proposed is rejected, and log and promise survive a restart.
        accepted, more = node.log.part_from(message.first, node.configuration.batch_bytes)
        if more:
            node.election.favour(sender, step.mono)
        step.send(
            sender,
            Promise(
                message.ballot,
                self.replica,
                accepted,
                node.groups.base_slot,
                groups.encode(node.groups.base),
                self.opening,
                message.first,
                more,
            ),
        )

    def promise(self, step: Step, ballot: Ballot) -> None:
        """Take part in nothing below this ballot from now on."""
        self._node.counters.promises_given += 1
        self._raise_to(step, ballot)
        if self._node.leadership is not None and self._node.leadership.ballot < ballot:
            self._node.step_down(step, "a higher ballot was promised")

    def _reject(self, step: Step, sender: str) -> None:
        self._node.counters.rejections_sent += 1
        step.send(sender, Rejected(self.promised))

    # --- phase 2 ---

    def on_accept(self, step: Step, sender: str, message: Accept) -> None:
        """2a. Accept what connects to what is held, grant the lease, and say how far it goes."""
        node = self._node
        ballot = message.ballot
        if ballot < self.promised and node.bug != names.ACCEPTS_BELOW_PROMISE:
            self._reject(step, sender)
            return
        self.obey(step, ballot)
        self.grant(step, ballot)
        self.on_opening(step, Opening(ballot, message.opening))
        if self.held_in != ballot:
            self.held_in, self.held = ballot, node.learner.chosen
        self._take(step, message)
        if node.bug == names.APPLIES_PAST_HOLE:
            self.held = max(self.held, message.chosen)
        chosen = min(message.chosen, self.held)
        node.learner.learn(step, chosen)
        node.snapshots.truncate(step, message.floor)
        checkpoint, life = node.snapshots.checkpoint, node.incarnation
        step.send(
            sender, Accepted(ballot, self.replica, message.sent_at, self.held, checkpoint, life)
        )

    def obey(self, step: Step, ballot: Ballot) -> None:
        """The leader of this ballot was heard: whoever led below it leads no longer."""
        self._raise_to(step, ballot)
        self._node.follow(step, ballot)

    def on_opening(self, step: Step, opening: Opening) -> None:
        """Forget what the leader of this ballot has opened it without."""
        if opening.ballot <= self.opening.ballot:
            return
        self.opening = opening
        # Else a late value of a lower ballot could bring back what is forgotten here.
        self.promised = max(self.promised, opening.ballot)
        self._store(step)
        self._node.log.cut(step, opening, self._node.learner.chosen)

    def _take(self, step: Step, message: Accept) -> None:
        """Write the values that follow on what is held; after a hole nothing counts."""
        node, slot = self._node, message.first
        if node.bug == names.LOG_REPLICA_COUNTS_EARLY and not node.stores:
            self.held = max(self.held, slot - 1)
        if slot > self.held + 1 and message.values:
            node.counters.gaps_seen += 1
            return
        for time, payload in message.values:
            if slot == self.held + 1:
                node.log.put(step, slot, Entry(message.ballot, time, payload))
                node.counters.slots_accepted += 1
                self.held = slot
                if payload[:1] == REGROUP:
                    self.admitted_by(step, node.groups.newest)
            slot += 1

    def admitted_by(self, step: Step, group: Group) -> None:
        """A configuration that lists this node under a new id admits it: keep silent for L.

        Unless it is one that was given before this replica forgot its vote: an old configuration
        comes again with the log and with snapshots, and would have an amnesiac vote. One that is
        told admits too, as chosen or by a candidate, without the log up to it: under the new id
        nothing was voted yet, whoever made it chosen, a majority of it, holds the log up to it, and
        in slots below it the votes of the configuration before it are needed all the same.
        """
        member = group.member(self._node.name)
        if member is None or member.life < self._since:
            return
        if member.replica > self.replica:
            self.replica = member.replica
            self._store(step)
            self.silent_until = step.mono + self._node.configuration.lease
            step.log("admitted", replica=member.replica)

    def adopt(self, step: Step, slot: int) -> None:
        """A snapshot up to this slot is in place; its configuration may admit this node."""
        self.held = max(self.held, slot) if self.held_in != NO_BALLOT else slot
        self.admitted_by(step, self._node.groups.newest)

    def hold_as_leader(self, step: Step, ballot: Ballot) -> None:
        """This node leads: as an acceptor it holds whatever its log holds."""
        self.held_in, self.held = ballot, self._node.log.last
        self.grant(step, ballot)

    # --- leases ---

    def grant(self, step: Step, ballot: Ballot) -> None:
        """No other ballot is promised for L, counted on this clock from now."""
        if ballot > self.released:
            self.granted = ballot
            self.granted_until = step.mono + self._node.configuration.lease

    def release(self, ballot: Ballot) -> None:
        """The leader of this ballot has stopped for good. Of any other ballot it says nothing."""
        if ballot <= self.released:
            self._node.counters.releases_ignored += 1
            return
        self.released = ballot
        if self.granted == ballot:
            self._node.counters.releases_taken += 1
            self.granted_until = 0
        else:
            self._node.counters.releases_ignored += 1

    def _raise_to(self, step: Step, ballot: Ballot) -> None:
        if ballot > self.promised:
            self.promised = ballot
            self._store(step)
            step.log("promised", round=ballot.round, owner=ballot.node)

    def _store(self, step: Step) -> None:
        durable = self._node.bug != names.PROMISE_NOT_DURABLE
        content = _encode(Vote(self.replica, self.promised, self._since, self.opening))
        step.write(VOTE_TABLE, VOTE, content, durable=durable)
