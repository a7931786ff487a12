"""Gossip membership: once a second each node reconciles its view with a random peer.

A view holds for each member its latest life and its number of tokens; the later life wins, so
views converge whatever the order in which they meet. It is persisted. Who is a member is static
here: the nodes that the cluster was started with. A name outside of it is reported and not let in.

Source: DeCandia et al., SOSP 2007, 4.8.1.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import msgspec

from systems_under_test.dynamo.configuration import MS
from systems_under_test.dynamo.messages import Gossip, GossipBack

if TYPE_CHECKING:
    from systems_under_test.dynamo.node import Node
    from systems_under_test.dynamo.step import Step

MEMBERS: Final = "members"
GOSSIP: Final = "gossip"

View = tuple[tuple[str, int, int], ...]
"""(node, latest incarnation, tokens) of each member, in order of names."""

_record = msgspec.msgpack.Decoder(tuple[int, int])


class Membership:
    """This node's view of the members."""

    def __init__(self, node: Node, tokens: dict[str, int]) -> None:
        self._node = node
        self._tokens = tokens
        self._interval = node.configuration.gossip_interval_ms * MS
        self._peers = tuple(name for name in sorted(tokens) if name != node.name)
        self._incarnations = dict.fromkeys(sorted(tokens), 0)

    def start(self, step: Step) -> None:
        """Take up the persisted view, and enter this life into it."""
        for name, record in step.scan(MEMBERS):
            if (member := name.decode()) in self._incarnations:
                self._incarnations[member] = _record.decode(record)[0]
        self._enter(step, self._node.name, self._node.incarnation)
        if self._peers:
            step.set_jittered(GOSSIP, self._interval)

    @property
    def view(self) -> View:
        """The view, as it travels."""
        return tuple((name, life, self._tokens[name]) for name, life in self._incarnations.items())

    def on_timer(self, step: Step) -> None:
        """Reconcile with a random peer, also with one that is left out: that may be over."""
        peer = step.rng.choice(self._peers)
        self._node.detector.asked(step, peer)
        self._node.counters.gossip_rounds += 1
        step.send(peer, Gossip(self.view))
        step.set_jittered(GOSSIP, self._interval)

    def on_gossip(self, step: Step, sender: str, view: View) -> None:
        """Take what is newer, and answer with the result."""
        self.merge(step, sender, view)
        step.send(sender, GossipBack(self.view))

    def merge(self, step: Step, sender: str, view: View) -> None:
        """Take what is newer."""
        for name, life, tokens in view:
            if self._tokens.get(name) != tokens:
                step.log("other-ring", sender=sender, member=name, tokens=tokens)
            elif life > self._incarnations[name]:
                self._enter(step, name, life)

    def _enter(self, step: Step, name: str, life: int) -> None:
        self._incarnations[name] = life
        record = msgspec.msgpack.encode((life, self._tokens[name]))
        # Not durable at once: what power loss takes of it, gossip brings back.
        step.write(MEMBERS, name.encode(), record, durable=False)
