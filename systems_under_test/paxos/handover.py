"""Planned hand-over: a leader that stops on purpose leaves no lease to wait for (P9).

By an order, by itself from time to time, or because its process was asked to end: then it stays
until another one leads and the requests that it had taken in are answered.

It stops reading and proposing for good in its ballot, then sends every grantor a release bound to
that ballot and asks the follower that holds most, of those heard just now, to take over; that one
passes the release on with its `Prepare`, should the release itself be late. A late answer to an
earlier renewal finds no leadership that it could revive; a release of another ballot, or a second
one, is ignored (`Acceptor.release`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from systems_under_test.paxos import names
from systems_under_test.paxos.configuration import MS
from systems_under_test.paxos.group import STORAGE
from systems_under_test.paxos.messages import NO_BALLOT, Release, TakeOver

if TYPE_CHECKING:
    from systems_under_test.paxos.node import Node
    from systems_under_test.paxos.step import Step

HEARTBEATS_MISSED_MAX: Final = 3
"""Nobody is asked to lead who has not answered for so many heartbeats: nobody would lead then until
the others suspect it."""


def why_not(step: Step, node: Node, name: str) -> str:
    """Why this leader does not leave its place to a node, empty if it may."""
    leadership = node.leadership
    assert leadership is not None
    member = node.groups.newest.member(name)
    if member is None or member.role != STORAGE:
        return f"{name} is no storage member of the group"
    peer = leadership.peers[name]
    silent = step.mono - peer.heard_at
    if peer.replica != member.replica:
        return f"{name} has not answered this leader"
    if silent > HEARTBEATS_MISSED_MAX * node.configuration.heartbeat_ms * MS:
        return f"{name} has not answered for {silent // MS} ms"
    return ""


def successor(step: Step, node: Node, wanted: str) -> str | None:
    """The node to lead next: the one that was asked for, else the one that holds most.

    Of those that hold as much it is the one that was heard last: another one may just have died.
    """
    leadership = node.leadership
    assert leadership is not None
    peers = leadership.peers
    able = [name for name in node.peers if not why_not(step, node, name)]
    if wanted:
        return wanted if wanted in able else None
    return max(able, key=lambda name: (peers[name].held, peers[name].heard_at), default=None)


def why_nobody(step: Step, node: Node, wanted: str) -> str:
    """Why there is no successor."""
    if wanted:
        return f"{why_not(step, node, wanted)}, and cannot lead now"
    return f"nobody could lead now: {'; '.join(why_not(step, node, name) for name in node.peers)}"


def hand_over(step: Step, node: Node, to: str) -> None:
    """Stop leading, and tell everyone."""
    leadership = node.leadership
    assert leadership is not None
    ballot = leadership.ballot
    if node.bug == names.LATE_ACK_REVIVES_LEASE:
        leadership.handed_over = True
        leadership.echoed.clear()
    else:
        node.step_down(step, f"handing over to {to}")
        node.heard_at = step.mono  # Give the successor time, and do not stand against it.
    node.acceptor.release(ballot)
    node.counters.releases_sent += 1
    step.send(to, TakeOver(ballot))
    for peer in node.peers:
        if peer != to:
            step.send(peer, Release(ballot))


class Departure:
    """The end of a node's process, as far as it was asked for beforehand."""

    def __init__(self, node: Node) -> None:
        self._node = node
        self.begun = False
        self._waits = False
        self._over = False

    def begin(self, step: Step) -> None:
        """The process is to end. One that does not lead leaves nothing behind, and goes at once."""
        node = self._node
        if not self.begun and node.leadership is not None:
            node.clients.hand_over(step, "")
            self._waits = node.leadership is None
        self.begun = True
        step.log("stopping", handed_over=self._waits)

    def go_on(self, step: Step) -> None:
        """Leave once another one leads and nobody waits here; the host bounds how long."""
        if not self.begun or self._over:
            return
        succeeded = self._node.leader != NO_BALLOT and not self._node.clients.open
        if succeeded or not self._waits:
            self._over = True
            step.leave()
