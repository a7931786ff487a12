"""Election: suspicion, pre-vote, phase 1, and the rule for choosing values.

A follower that has heard no leader for a while asks all replicas whether they have; only if a
quorum has not (and could promise) does it begin a ballot: so neither a cut link nor a lost
heartbeat makes an election (`elects-while-healthy`). A candidate needs a quorum of every
configuration that is in force in a slot that it recovers. In each slot it proposes the value
accepted in the highest ballot among the promises, else nothing (`skips-highest-accepted`). What an
earlier leader had opened its ballot without can be chosen no more, and is left out (`Opening`).
It asks by the newest configuration that it knows of, also where it lacks the log up to it.

Sources: Lamport, "Paxos made simple", 2001, 2.2; Ongaro, "Consensus: bridging theory and
practice", 2014, 9.6 (pre-vote).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

import msgspec

from systems_under_test.paxos import group as groups
from systems_under_test.paxos import names
from systems_under_test.paxos.configuration import MS
from systems_under_test.paxos.leadership import Leadership
from systems_under_test.paxos.log import group_in
from systems_under_test.paxos.messages import (
    NO_BALLOT,
    Ask,
    Ballot,
    Entry,
    Listed,
    Prepare,
    Promise,
    Silent,
)

if TYPE_CHECKING:
    from collections.abc import Iterable

    from systems_under_test.paxos.group import Group
    from systems_under_test.paxos.node import Node
    from systems_under_test.paxos.step import Step

ELECTION: Final = "election"
LOOK_AGAIN: Final = (40 * MS, 80 * MS)
"""A follower looks again whether it hears a leader after so long, drawn."""
RANK_LATER: Final = 30 * MS
"""And later by this for each node before it, so that two candidates seldom meet."""


FAVOUR: Final = 50 * MS
"""Who has encouraged one candidate encourages no other for so long: else two of them, freed by the
end of the same lease, would depose each other."""


@dataclass(slots=True)
class Candidacy:
    """Phase 1 of one ballot."""

    ballot: Ballot
    first: int
    released: Ballot
    deadline: int
    promises: dict[str, Promise] = field(default_factory=dict)
    """The whole ones."""
    parts: dict[str, Promise] = field(default_factory=dict)
    """What has come so far of those of which there is more."""

    def next_from(self, peer: str) -> int:
        """The first slot that this peer is still to tell of."""
        part = self.parts.get(peer)
        return self.first if part is None else part.accepted[-1][0] + 1


class Election:
    """How one replica comes to lead."""

    def __init__(self, node: Node, now: int) -> None:
        self._node = node
        self._began = now
        self.round = 0
        """The highest round heard of."""
        self.candidacy: Candidacy | None = None
        self._asked = 0
        self._silent: dict[str, int] = {}
        self._favoured = ""
        self._favoured_until = 0

    def arm(self, step: Step) -> None:
        """Look again after a while."""
        rank = self._node.nodes.index(self._node.name)
        step.set_timer(ELECTION, step.rng.between(*LOOK_AGAIN) + rank * RANK_LATER)

    def on_timer(self, step: Step) -> None:
        """Go on with the candidacy, or ask the others if no leader was heard."""
        self.arm(step)
        node = self._node
        if node.leadership is not None or not node.may_lead():
            return
        candidacy = self.candidacy
        if candidacy is not None:
            if step.mono < candidacy.deadline:
                self._prepare(step, candidacy)
                return
            self.candidacy = None
        if self.hears_leader(step.mono):
            return
        node.counters.suspicions += 1
        if node.bug == names.ELECTS_WHILE_HEALTHY:
            self.begin(step, NO_BALLOT)
            return
        if not self._favours(node.name, step.mono):
            return
        self._asked += 1
        self._silent = {}
        node.broadcast(step, Ask(self._asked, node.learner.chosen))
        if node.acceptor.free_for(node.name, step.mono):
            self._count(step, node.name, node.acceptor.replica)

    def hears_leader(self, now: int) -> bool:
        """Whether a leader was heard lately, counting from the start of this life."""
        heard = self._node.heard_at
        since = self._began if heard is None and self._node.leader == NO_BALLOT else heard
        return since is not None and now - since < self._node.configuration.suspect_ms * MS

    # --- pre-vote ---

    def on_ask(self, step: Step, sender: str, message: Ask) -> None:
        """Does this replica hear a leader other than the asker, and could it promise?"""
        node = self._node
        hears = node.leadership is not None or (
            self.hears_leader(step.mono) and node.leader.node != sender
        )
        able = message.held >= node.log.start and node.acceptor.free_for(sender, step.mono)
        if hears or not able or not self._favours(sender, step.mono):
            node.counters.pre_votes_refused += 1
            return
        promised = node.acceptor.promised.round
        opening = node.acceptor.opening
        step.send(sender, Silent(message.number, node.acceptor.replica, promised, opening))

    def _favours(self, candidate: str, now: int) -> bool:
        """Whether this replica encourages no other candidate just now; then it favours this one."""
        if now < self._favoured_until and self._favoured != candidate:
            return False
        self.favour(candidate, now)
        return True

    def favour(self, candidate: str, now: int) -> None:
        """Encourage nobody else for a while."""
        self._favoured, self._favoured_until = candidate, now + FAVOUR

    def on_silent(self, step: Step, sender: str, message: Silent) -> None:
        """One more who hears no leader."""
        self.round = max(self.round, message.round)
        node = self._node
        idle = node.leadership is None and self.candidacy is None
        if idle:
            node.acceptor.on_opening(step, message.opening)
        if message.number == self._asked and idle and not self.hears_leader(step.mono):
            self._count(step, sender, message.replica)
            self._tell_id(step, sender, message.replica)

    def _count(self, step: Step, voter: str, replica: int) -> None:
        self._silent[voter] = replica
        if self._has_quorum(self._node.groups.leading, self._silent):
            self.begin(step, NO_BALLOT)

    def _tell_id(self, step: Step, voter: str, replica: int) -> None:
        """Tell a peer under which id it would count.

        One that crashed before it heard of its admission could not give the vote that is needed to
        elect the leader which would tell it so.
        """
        group = self._node.groups.leading
        member = group.member(voter)
        if member is not None and member.replica > replica:
            step.send(voter, Listed(groups.encode(group)))

    def _has_quorum(self, group: Group, votes: dict[str, int]) -> bool:
        agreed = sum(votes.get(member.node) == member.replica for member in group.members)
        return agreed >= self._node.quorum(group)

    # --- phase 1 ---

    def begin(self, step: Step, released: Ballot) -> None:
        """Begin a ballot of this node, higher than any heard of."""
        node = self._node
        if node.leadership is not None or not node.may_lead():
            return
        if released != NO_BALLOT:
            node.acceptor.release(released)
        free = node.acceptor.free_for(node.name, step.mono)
        if not free and node.bug != names.ELECTS_WHILE_HEALTHY:
            return
        self.round = max(self.round, node.acceptor.promised.round) + 1
        ballot = Ballot(self.round, node.name)
        node.counters.elections_begun += 1
        node.acceptor.promise(step, ballot)
        first = node.learner.chosen + 1
        deadline = step.mono + node.configuration.prepare_ms * MS
        candidacy = self.candidacy = Candidacy(ballot, first, released, deadline)
        candidacy.promises[node.name] = Promise(
            ballot,
            node.acceptor.replica,
            node.log.accepted_from(first),
            node.groups.base_slot,
            groups.encode(node.groups.base),
            node.acceptor.opening,
        )
        step.log("candidate", round=ballot.round, first=first)
        self._prepare(step, candidacy)
        self._conclude(step)

    def on_superseded(self, step: Step) -> None:
        """There is a newer configuration than this candidate knew: it asks again by that one."""
        if self.candidacy is None:
            return
        if self._node.may_lead():
            self._prepare(step, self.candidacy)
        else:
            self.candidacy = None

    def abandon(self) -> None:
        """Somebody leads."""
        self.candidacy = None

    def on_rejected(self, step: Step, promised: Ballot) -> None:
        """Somebody has promised more."""
        self.round = max(self.round, promised.round)
        if self.candidacy is not None and self.candidacy.ballot < promised:
            self.candidacy = None

    def _prepare(self, step: Step, candidacy: Candidacy) -> None:
        """Ask whoever has not promised yet."""
        for peer in self._node.peers:
            if peer not in candidacy.promises:
                self._ask(step, candidacy, peer)

    def _ask(self, step: Step, candidacy: Candidacy, peer: str) -> None:
        first = candidacy.next_from(peer)
        step.send(peer, Prepare(candidacy.ballot, first, candidacy.released))

    def on_promise(self, step: Step, sender: str, message: Promise) -> None:
        """One more promise, or a part of one."""
        candidacy = self.candidacy
        if candidacy is None or candidacy.ballot != message.ballot:
            return
        part = candidacy.parts.get(sender)
        if part is not None and part.replica != message.replica:
            del candidacy.parts[sender]  # Its disk was lost between two parts: from the beginning.
            part = None
        if sender in candidacy.promises or message.first != candidacy.next_from(sender):
            return
        if part is not None:
            accepted = part.accepted + message.accepted
            message = msgspec.structs.replace(message, accepted=accepted)
        if not message.more:
            candidacy.promises[sender] = message
            self._conclude(step)
            return
        candidacy.parts[sender] = message
        candidacy.deadline = step.mono + self._node.configuration.prepare_ms * MS
        self.favour(self._node.name, step.mono)
        self._ask(step, candidacy, sender)

    def _conclude(self, step: Step) -> None:
        """Lead, if every configuration that matters has promised with a quorum."""
        node, candidacy = self._node, self.candidacy
        assert candidacy is not None
        if node.acceptor.promised != candidacy.ballot:
            self.candidacy = None
            return
        promises = candidacy.promises
        recovered = still_open(highest(promises.values()), promises.values())
        if node.bug == names.SKIPS_HIGHEST_ACCEPTED:
            recovered = dict(promises[node.name].accepted)
        votes = {name: promise.replica for name, promise in promises.items()}
        if not all(self._has_quorum(group, votes) for group in self._groups(recovered)):
            return
        self.candidacy = None
        node.counters.elections_won += 1
        node.leader = candidacy.ballot
        node.heard_at = step.mono
        step.log("leads", round=candidacy.ballot.round, recovered=len(recovered))
        node.leadership = Leadership(node, candidacy.ballot)
        settled = max(promise.group_slot for promise in promises.values())
        node.leadership.begin(step, candidacy.first, recovered, settled)

    def _groups(self, recovered: dict[int, Entry]) -> list[Group]:
        """The configurations in force in the slots to recover, and after them."""
        assert self.candidacy is not None
        newest = max(self.candidacy.promises.values(), key=lambda promise: promise.group_slot)
        base = groups.decode(newest.group)
        entries = [(slot, group_in(entry.payload)) for slot, entry in sorted(recovered.items())]
        behind = [(slot, group) for slot, group in entries if group and slot > newest.group_slot]
        return [base, *(group for _, group in groups.follow(base, behind))]


def highest(promises: Iterable[Promise]) -> dict[int, Entry]:
    """In each slot what was accepted in the highest ballot: the rule for choosing a value."""
    chosen: dict[int, Entry] = {}
    for promise in promises:
        for slot, entry in promise.accepted:
            known = chosen.get(slot)
            if known is None or known.ballot < entry.ballot:
                chosen[slot] = entry
    return chosen


def still_open(recovered: dict[int, Entry], promises: Iterable[Promise]) -> dict[int, Entry]:
    """What was recovered, without what no quorum can come to hold any more.

    Such a suffix need not be proposed again, and may hold a configuration that has no quorum left:
    of a leader that was cut off, told to add a member, and came back when the next one was dead.
    """
    openings = {promise.opening for promise in promises}
    return {
        slot: entry
        for slot, entry in recovered.items()
        if not any(opening.ends(slot, entry.ballot) for opening in openings)
    }
