"""Membership change through the log: one member at a time, by the leader.

A change is proposed only when the leader has chosen a slot in its own ballot (its no-op), and when
no other change is open. A node is added once it holds the log as far as the leader has chosen it
(`log-replica-counts-early`): it learns as a non-member before. With `repair`, the leader removes a
member that has lost its vote, adds nodes of the storage part that are no members under a new id,
and lets a waiting log replica stand in for a member that does not answer.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from systems_under_test.paxos import group as groups
from systems_under_test.paxos import names
from systems_under_test.paxos.commands import REGROUP
from systems_under_test.paxos.configuration import MS
from systems_under_test.paxos.group import LOG

if TYPE_CHECKING:
    from systems_under_test.paxos.group import Group, Member
    from systems_under_test.paxos.leadership import Leadership
    from systems_under_test.paxos.node import Node
    from systems_under_test.paxos.step import Step


class Reconfiguration:
    """What a leader does about the membership."""

    def __init__(self, node: Node, leadership: Leadership) -> None:
        self._node = node
        self._leadership = leadership
        self.wanted: list[tuple[str, str]] = []
        """Orders of an operator: ("add" or "remove", node), oldest first."""
        self._asked: dict[tuple[str, str], int] = {}
        """Since when a change is meant, and those who would be members are asked."""
        self._base = node.groups.base_slot

    def possible(self) -> bool:
        """Whether a change may be proposed now."""
        node = self._node
        return node.learner.chosen >= self._leadership.noop and not node.groups.pending

    def order(self, order: str, name: str) -> str | None:
        """Take an operator's order; why it cannot be, or None."""
        node = self._node
        member = node.groups.newest.member(name)
        if order == "add" and member is not None:
            return f"{name} is a member already"
        if order == "remove" and member is None:
            return f"{name} is no member"
        if order == "remove" and not node.groups.newest.without(name).storing():
            return f"{name} is the last member that keeps state"
        if (order, name) not in self.wanted:
            self.wanted.append((order, name))
        return None

    def on_heartbeat(self, step: Step) -> None:
        """Go on with what is wanted, or find what needs repair."""
        if not self.possible():
            return
        for order, name in self.wanted:
            if self._go_on(step, order, name):
                return
        if self._node.configuration.repair:
            self._repair(step)

    def on_chosen(self, step: Step) -> None:
        """More is chosen; a leader that is no member any longer hands over."""
        node = self._node
        if node.groups.base_slot != self._base:
            self._base = node.groups.base_slot
            if not self._leadership.handed_over:
                self._leadership.beat(step)  # Who does not know it needs a quorum of the old one.
        if not node.groups.pending and node.groups.base.member(node.name) is None:
            node.clients.hand_over(step, "")

    def _go_on(self, step: Step, order: str, name: str) -> bool:
        member = self._node.groups.newest.member(name)
        if (member is not None) == (order == "add"):
            self.wanted.remove((order, name))
            return True
        if order == "remove":
            return self._state_stays(name) and self._remove(step, name)
        return self._add(step, name)

    def _state_stays(self, name: str) -> bool:
        """Whether, of those that keep state and stay, another one than the leader can go on by the
        log as it is kept: else what was acknowledged would lie on the leader's disk alone."""
        node, peers = self._node, self._leadership.peers
        others = [member.node for member in node.groups.newest.without(name).storing()]
        held = [peers[other].held for other in others if other != node.name]
        return not held or max(held) >= node.log.start

    def _caught_up(self, name: str) -> bool:
        node = self._node
        return self._leadership.peers[name].held >= node.learner.chosen

    def _log_is_enough(self, alive: set[str]) -> bool:
        """Whether the log, as it is kept, begins no later than the others need it.

        Else the voter that answers and the log replica could not lead without this leader.
        """
        node, peers = self._node, self._leadership.peers
        needed = [
            peers[member.node].held
            for member in node.groups.newest.storing()
            if member.node in alive and member.node != node.name
        ]
        return all(held >= node.log.start for held in needed)

    def _add(self, step: Step, name: str) -> bool:
        """Propose to add a node, if it is sound, and with it a majority; whether so."""
        node = self._node
        life = self._leadership.peers[name].life
        group = node.groups.newest.with_member(name, node.role_of(name), life)
        sound = self._sound(step, ("add", name), group)
        if len(sound) < group.majority or group.member(name) not in sound:
            return False
        node.counters.members_added += 1
        self._propose(step, group)
        return True

    def _remove(self, step: Step, name: str) -> bool:
        """Propose to remove a member, if a majority of those that stay is sound; whether so.

        And if one of these keeps state: else nobody could lead.
        """
        group = self._node.groups.newest.without(name)
        sound = self._sound(step, ("remove", name), group)
        if len(sound) < group.majority or not sound & {*group.storing()}:
            return False
        self._node.counters.members_removed += 1
        self._propose(step, group)
        return True

    def _sound(self, step: Step, change: tuple[str, str], group: Group) -> set[Member]:
        """Who of the next configuration holds the log and has answered, under the id that it has
        there, what was sent since the change is meant.

        Without a majority of them nothing could be chosen any more, and the change not be undone:
        who was heard just before may be dead by now.
        """
        since = self._asked.get(change)
        if since is None or step.mono - since > self._node.configuration.suspect_ms * MS:
            since = self._asked[change] = step.mono
        return {member for member in group.members if self._is_sound(member, since)}

    def _is_sound(self, member: Member, since: int) -> bool:
        if member.node == self._node.name:
            return True
        peer = self._leadership.peers[member.node]
        is_new = member.replica > self._node.groups.newest.last
        votes = is_new or peer.replica == member.replica
        return votes and peer.echoed >= since and self._caught_up(member.node)

    def _propose(self, step: Step, group: Group) -> None:
        self._asked.clear()
        step.log("group-proposed", id=group.id, members=[m.node for m in group.members])
        self._leadership.propose(step, REGROUP + groups.encode(group))

    # --- repair ---

    def _repair(self, step: Step) -> None:
        """One repair at a time: amnesiacs, absent storage nodes, silent members, stand-ins."""
        node = self._node
        group = node.groups.newest
        alive = {name for name in node.peers if self._answers(step, name)} | {node.name}
        for member in group.members:
            if member.node in alive and self._lost_vote(member.node, member.replica):
                self._remove(step, member.node)
                return
        absent = [name for name in node.peers if group.member(name) is None and name in alive]
        for name in absent:
            if node.role_of(name) != LOG and self._caught_up(name):
                self._add(step, name)
                return
        silent = [member for member in group.members if self._silent(step, member.node)]
        storing = len(node.nodes) - node.configuration.log_replicas
        spare = [name for name in absent if node.role_of(name) == LOG]
        if silent and spare and node.bug == names.LOG_REPLICA_COUNTS_EARLY:
            life = self._leadership.peers[spare[0]].life
            replaced = group.without(silent[0].node).with_member(spare[0], LOG, life)
            self._propose(step, msgspec.structs.replace(replaced, id=group.id + 1))
        elif silent and spare and len(group.members) == storing:
            if self._caught_up(spare[0]) and self._log_is_enough(alive):
                self._add(step, spare[0])
        elif len(group.members) > storing:
            standing_in = [m.node for m in group.members if m.role == LOG]
            gone = silent[0].node if silent else standing_in[-1] if standing_in else None
            if gone is not None:
                self._remove(step, gone)

    def _answers(self, step: Step, name: str) -> bool:
        limit = self._node.configuration.suspect_ms * MS
        return step.mono - self._leadership.peers[name].heard_at < limit

    def _silent(self, step: Step, name: str) -> bool:
        if name == self._node.name:
            return False
        limit = self._node.configuration.replace_after_ms * MS
        return step.mono - self._leadership.peers[name].heard_at >= limit

    def _lost_vote(self, name: str, replica: int) -> bool:
        """Whether a member has answered that it may not vote under its id."""
        if name == self._node.name:
            return False
        peer = self._leadership.peers[name]
        return peer.replica != replica and peer.answered
