"""Gossip membership: once a second each node reconciles what it knows with a random peer.

That is the view (`views.py`), of which the higher number wins, and for each node its latest life,
of which the later wins: so they converge whatever the order in which nodes meet. Peers are those of
the view and the seeds, the nodes that everyone was started with (option `seeds`): a node that was
cut off while all others of its view were replaced meets the ring again through a seed, and the
ring does not stay split.

The views that a node has gone through are persisted, each in the input in which it comes to it; it
starts again in the last one. In that same input it forgets what it holds if it belongs to the
cluster no more, or anew (`View.since`).

Source: DeCandia et al., SOSP 2007, 4.8.1.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import msgspec

from systems_under_test.dynamo.configuration import MS
from systems_under_test.dynamo.dots import META
from systems_under_test.dynamo.messages import Gossip, GossipBack, Lives
from systems_under_test.dynamo.views import CONFIRM, STABLE, TRANSFER, View

if TYPE_CHECKING:
    from collections.abc import Callable

    from systems_under_test.dynamo.node import Node
    from systems_under_test.dynamo.step import Step

MEMBERS: Final = "members"
VIEWS: Final = "views"
GOSSIP: Final = "gossip"
SINCE: Final = b"since"
HISTORY_MAX: Final = 1_000
"""Views that are kept."""

_record = msgspec.msgpack.Decoder(tuple[int, int])
_view = msgspec.msgpack.Decoder(View)


def stored_view(step: Step) -> View | None:
    """The view in which an earlier life was last."""
    last = None
    for _, record in step.scan(VIEWS):
        last = record
    return None if last is None else _view.decode(last)


class Membership:
    """What this node knows of the others. `on_view` is called when it comes to another view.

    With whether the node was given up with all that it held, and belongs no more, or anew.
    """

    def __init__(self, node: Node, on_view: Callable[[Step, bool], None]) -> None:
        self._node = node
        self._on_view = on_view
        self._tokens = node.configuration.tokens(node.nodes)
        self._interval = node.configuration.gossip_interval_ms * MS
        self._incarnations = dict.fromkeys(sorted(node.nodes), 0)

    def start(self, step: Step) -> None:
        """Take up what was persisted, and enter this life into it."""
        for name, record in step.scan(MEMBERS):
            if (member := name.decode()) in self._incarnations:
                self._incarnations[member] = _record.decode(record)[0]
        self.enter(step)
        if step.get(META, SINCE) is None:
            self._belong(step)
        if len(self._node.nodes) > 1:
            step.set_jittered(GOSSIP, self._interval)

    def enter(self, step: Step) -> None:
        """This life of the node is its latest."""
        self._enter(step, self._node.name, self._node.incarnation)

    def latest_life(self, name: str) -> int:
        """The latest life of a node that is known of; 0 if none is."""
        return self._incarnations.get(name, 0)

    def heard(self, step: Step, name: str, life: int) -> None:
        """A node has named its life itself."""
        if life > self._incarnations.get(name, life):
            self._enter(step, name, life)

    @property
    def lives(self) -> Lives:
        """The latest life of each node that is known, as it travels."""
        return tuple((name, life, self._tokens[name]) for name, life in self._incarnations.items())

    def history(self, step: Step) -> list[View]:
        """The views that this node has gone through, oldest first."""
        return [_view.decode(record) for _, record in step.scan(VIEWS)]

    def on_timer(self, step: Step) -> None:
        """Reconcile with a random peer, also with one that is left out: that may be over."""
        step.set_jittered(GOSSIP, self._interval)
        node = self._node
        known = dict.fromkeys((*node.view.involved, *node.configuration.seeds_of(node.nodes)))
        peers = tuple(peer for peer in known if peer != node.name)
        if peers:
            peer = step.rng.choice(peers)
            node.detector.asked(step, peer)
            node.counters.gossip_rounds += 1
            step.send(peer, Gossip(self.lives, node.view))

    def on_gossip(self, step: Step, sender: str, message: Gossip) -> None:
        """Take what is newer, and answer with the result."""
        self.merge(step, sender, message)
        step.send(sender, GossipBack(self.lives, self._node.view))

    def merge(self, step: Step, sender: str, message: Gossip | GossipBack) -> None:
        """Take what is newer."""
        for name, life, tokens in message.lives:
            if self._tokens.get(name) != tokens:
                step.log("other-ring", sender=sender, member=name, tokens=tokens)
            elif life > self._incarnations[name]:
                self._enter(step, name, life)
        self.come_to(step, message.view)

    def come_to(self, step: Step, view: View) -> None:
        """Go on in this view, unless it is behind."""
        node = self._node
        if view.number <= node.view.number:
            return
        step.write(VIEWS, view.number.to_bytes(8, "big"), msgspec.msgpack.encode(view))
        if view.number > HISTORY_MAX:
            step.write(VIEWS, (view.number - HISTORY_MAX).to_bytes(8, "big"), None, durable=False)
        self._count(node.view, view)
        node.come_to(step, view)
        step.log("view", number=view.number, phase=view.phase, members=list(view.electorate))
        self._on_view(step, self._belong(step))

    def _count(self, before: View, view: View) -> None:
        counters = self._node.counters
        counters.views_seen += 1
        counters.transfers_begun += view.phase == TRANSFER
        counters.transfers_confirmed += view.phase == CONFIRM
        counters.changes_ended += view.phase == STABLE != before.phase

    def _belong(self, step: Step) -> bool:
        """Forget everything that was held in another membership than the present one.

        Whether this node had belonged to another one.
        """
        since = self._node.view.since(self._node.name) or 0
        stored = step.get(META, SINCE)
        before = 0 if stored is None else int.from_bytes(stored, "big")
        if stored is None or since != before:
            step.write(META, SINCE, since.to_bytes(8, "big"))
        gave_up = bool(before) and since != before
        if gave_up:
            dropped = self._node.versions.clear(step) + self._node.hints.clear(step)
            self._node.counters.keys_given_up += dropped
            step.log("gave-up-data", keys=dropped, since=before)
        return gave_up

    def _enter(self, step: Step, name: str, life: int) -> None:
        self._incarnations[name] = life
        record = msgspec.msgpack.encode((life, self._tokens[name]))
        # Not durable at once: what power loss takes of it, gossip brings back.
        step.write(MEMBERS, name.encode(), record, durable=False)
