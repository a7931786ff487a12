"""An observer of every replica of a simulated cluster, asserting the invariants at every input.

* One value per slot, on chosen values.
* Promises never decrease: not within a life, and not below what left an earlier life.
* Within a life accepted ballots never decrease in any slot, also where it is no longer held.
* Within a life the chosen index never goes back, and is at least the snapshot's.
* One holder of the lease on true time.
* The digest of what was applied is the same on every replica at the same slot.
* The state applied is that of the log's prefix, by a twin that is a dictionary.
* Nothing that names an older configuration than a replica knows to be chosen changes its vote.
* With an archive, no log begins behind what is archived without a gap: whoever leads can go on.

It looks and changes nothing. Violations are collected: raising would only end the replica.
"""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from unittest.mock import patch

import msgspec

from lineal.definition import Test
from lineal.running import run
from systems_under_test.environments.simulated.cluster import SimulatedCluster
from systems_under_test.paxos import commands
from systems_under_test.paxos.archive import Inventory
from systems_under_test.paxos.log import LOG_TABLE
from systems_under_test.paxos.messages import (
    NO_BALLOT,
    OF_A_CONFIGURATION,
    Accepted,
    Ballot,
    Entry,
    NotUnderstood,
    Promise,
    unseal,
)
from systems_under_test.paxos.replica import make_replica as make_plain
from systems_under_test.paxos.state_machine import VALUES
from systems_under_test.paxos.system import Paxos
from systems_under_test.replica import PeerMessage, Started, Write, WriteLater

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from checker.judgement import Judgement
    from systems_under_test.paxos.group import Group
    from systems_under_test.paxos.node import Node
    from systems_under_test.paxos.replica import PaxosReplica
    from systems_under_test.replica import Effect, Input, OnDamage, Place, Storage, Turn

_json = msgspec.json.Decoder().decode
_entry = msgspec.msgpack.Decoder(Entry).decode


@dataclass
class Twin:
    """The state after each slot, by the openly simple way: a copy of a dictionary for each."""

    states: list[dict[str, Any]] = field(default_factory=lambda: [{}])
    seen: set[tuple[str, int]] = field(default_factory=set)

    def apply(self, payload: bytes) -> None:
        """The state after one more slot."""
        state = dict(self.states[-1])
        if payload[:1] == commands.COMMAND:
            command = commands.decode(payload)
            name = (command.session, command.sequence)
            if name not in self.seen:
                self.seen.add(name)
                state = _after(state, command.steps) or state
        self.states.append({key: value for key, value in state.items() if value is not None})


def _after(state: dict[str, Any], steps: Sequence[tuple[str, str, bytes]]) -> dict[str, Any] | None:
    state = dict(state)
    for verb, key, content in steps:
        value, held = _json(content), state.get(key)
        if verb == "r" and value is not None and held != value:
            return None
        if verb == "w":
            state[key] = value
        elif verb == "append":
            state[key] = [*(held or []), value]
        elif verb == "concat":
            state[key] = (held or "") + value
        elif verb == "cas" and held == value[0]:
            state[key] = value[1]
    return state


class Observer:
    """Watches the replicas that `make_replica` makes while it is the current one."""

    current: Observer | None = None

    def __init__(self) -> None:
        self.violations: list[str] = []
        self.inputs = 0
        self.compared = 0
        self.cluster: SimulatedCluster | None = None
        self.chosen: dict[int, bytes] = {}
        self.twin = Twin()
        self.digests: dict[int, bytes] = {}
        self.groups: dict[int, Group] = {}
        self.outdated = 0
        self._left: dict[str, Ballot] = {}
        self._vote_before: tuple[Any, ...] | None = None
        self.lives: dict[str, PaxosReplica] = {}
        self._promised: dict[str, Ballot] = {}
        self._known: dict[str, int] = {}
        self._checked: dict[str, int] = {}
        self._accepted: dict[str, dict[int, Ballot]] = {}
        self.truncated: dict[str, int] = {}

    def wrong(self, sentence: str) -> None:
        """Note a violation."""
        if len(self.violations) < 20:
            self.violations.append(sentence)

    def before(self, replica: PaxosReplica, name: str, event: Input, storage: Storage) -> None:
        """What holds before an input: all earlier writes are visible now."""
        self._vote_before = None
        if isinstance(event, PeerMessage):
            self._message_left(event, replica.node)
        if replica.node is not None:
            self._compare_state(replica.node, storage)

    def after(
        self, replica: PaxosReplica, name: str, event: Input, effects: Sequence[Effect]
    ) -> None:
        """What holds after it."""
        self.inputs += 1
        node = replica.node
        assert node is not None
        if isinstance(event, Started):
            self.lives[name] = replica
            self._promised[name] = NO_BALLOT
            self._known[name] = 0
            # What was not durable was not said either, and may be gone.
            self._accepted[name] = {s: entry.ballot for s, entry in node.log.entries.items()}
            if node.acceptor.replica and node.acceptor.promised < self._left.get(name, NO_BALLOT):
                self.wrong(f"{name} has forgotten a promise that it had sent")
        if node.acceptor.promised < self._promised[name]:
            self.wrong(f"{name} lowered its promise")
        self._promised[name] = node.acceptor.promised
        if self._vote_before not in (None, vote_of(node)):
            self.wrong(f"{name} has followed a message of a configuration that is no more")
        self._look_at_slots(node)
        self._look_at_accepted(name, effects)
        self._look_at_configuration(node)
        self._look_at_leases()
        self._look_at_archive(node)

    def _message_left(self, event: PeerMessage, receiver: Node | None) -> None:
        try:
            configuration, message = unseal(event.body)
        except NotUnderstood:
            return
        old = receiver is not None and configuration < receiver.groups.base.id
        if receiver is not None and old and isinstance(message, OF_A_CONFIGURATION):
            self.outdated += 1
            self._vote_before = vote_of(receiver)
        if isinstance(message, Promise | Accepted) and message.replica:
            known = self._left.get(event.sender, NO_BALLOT)
            self._left[event.sender] = max(known, message.ballot)

    def _look_at_slots(self, node: Node) -> None:
        known, now = self._known[node.name], node.learner.chosen
        if now < known:
            self.wrong(f"the chosen index of {node.name} went back from {known} to {now}")
        if now < max(node.head.applied, node.log.start):
            self.wrong(f"{node.name} knows less to be chosen than its snapshot holds")
        for slot in range(known + 1, now + 1):
            entry = node.log.entries.get(slot)
            if entry is None:
                continue
            if self.chosen.setdefault(slot, entry.payload) != entry.payload:
                self.wrong(f"slot {slot} has two values, the second on {node.name}")
        self._known[node.name] = now
        while len(self.twin.states) in self.chosen:
            self.twin.apply(self.chosen[len(self.twin.states)])

    def _look_at_accepted(self, name: str, effects: Sequence[Effect]) -> None:
        """Of whatever is written to the log: how a slot leaves it and comes again is no excuse."""
        accepted = self._accepted[name]
        for effect in effects:
            if not isinstance(effect, Write | WriteLater) or effect.table != LOG_TABLE:
                continue
            if effect.value is None:
                continue
            slot, ballot = int.from_bytes(effect.key, "big"), _entry(effect.value).ballot
            if ballot < accepted.get(slot, NO_BALLOT):
                self.wrong(f"{name} accepted a lower ballot in slot {slot}")
            accepted[slot] = ballot

    def _look_at_configuration(self, node: Node) -> None:
        """Of each id one configuration at most is ever in force."""
        base = node.groups.base
        if self.groups.setdefault(base.id, base) != base:
            self.wrong(f"configuration {base.id} is another one on {node.name} than on others")

    def _look_at_leases(self) -> None:
        """Each on its own clock at this moment of true time, paused ones too."""
        if self.cluster is None:
            return
        holders = []
        for name, replica in self.lives.items():
            place = self.cluster.nodes[name]
            node, life = replica.node, place.life
            if node is None or life is None or node.incarnation != life.incarnation:
                continue  # Dead, or started anew and not yet asked anything.
            leadership = node.leadership
            if leadership is None:
                continue
            mono = place.clock.read(self.cluster.now).mono
            if leadership.has_lease(_At(mono)):  # type: ignore[arg-type]
                holders.append(name)
        if len(holders) > 1:
            self.wrong(f"{' and '.join(holders)} hold the lease at {self.cluster.now} ns")

    def _look_at_archive(self, node: Node) -> None:
        """What is gone from a log was archived before."""
        start = node.log.start
        if self.cluster is None or not node.archiver.on or start == self.truncated.get(node.name):
            return
        self.truncated[node.name] = start
        reach = archived_without_gap(Inventory(self.cluster.objects.contents))
        if start > reach:
            self.wrong(f"the log of {node.name} begins behind {start}, the archive ends at {reach}")

    def _compare_state(self, node: Node, storage: Storage) -> None:
        applied = node.learner.applied
        if not node.stores or applied == self._checked.get(node.name):
            return
        if applied >= len(self.twin.states):
            return
        self._checked[node.name] = applied
        digest = node.learner.digest
        if self.digests.setdefault(applied, digest) != digest:
            self.wrong(f"{node.name} has another digest at slot {applied} than others")
        self.compared += 1
        table = node.state.table(VALUES)
        state = {key.decode(): _json(value) for key, value in storage.scan(table)}
        if state != self.twin.states[applied]:
            self.wrong(f"the state of {node.name} at slot {applied} is not the log's")


def vote_of(node: Node) -> tuple[Any, ...]:
    """What a message of an old configuration must not change."""
    acceptor, leads = node.acceptor, node.leadership is not None
    granted = acceptor.granted, acceptor.granted_until, acceptor.released
    return acceptor.promised, *granted, acceptor.held, node.learner.chosen, node.leader, leads


def archived_without_gap(there: Inventory) -> int:
    """Up to which slot the archive has the log without a gap, from where it begins."""
    if not there.segments:
        return there.snapshots[-1].slot
    reach = there.segments[0].first - 1
    for segment in there.segments:
        if segment.first > reach + 1:
            break
        reach = max(reach, segment.last)
    return reach


@dataclass(frozen=True)
class _At:
    """As much of a step as a question about a lease needs."""

    mono: int


class Observed:
    """A replica with an observer."""

    def __init__(self, place: Place, replica: PaxosReplica, observer: Observer) -> None:
        self._place = place
        self._replica = replica
        self._observer = observer

    @property
    def on_damage(self) -> OnDamage:
        """The replica's own."""
        return self._replica.on_damage

    @property
    def hears_stopping(self) -> bool:
        """The replica's own."""
        return self._replica.hears_stopping

    def handle(self, event: Input, turn: Turn) -> Sequence[Effect]:
        """The replica's own effects."""
        self._observer.before(self._replica, self._place.node, event, turn.storage)
        effects = self._replica.handle(event, turn)
        self._observer.after(self._replica, self._place.node, event, effects)
        return effects


def make_replica(place: Place, options: Mapping[str, Any], bug: str | None) -> Observed:
    """An observed life of a node."""
    assert Observer.current is not None
    return Observed(place, make_plain(place, options, bug), Observer.current)


class ObservedPaxos(Paxos):
    """The store, with an observer in every replica."""

    replica_path = f"{__name__}:make_replica"  # type: ignore[misc]


@contextmanager
def watching() -> Iterator[Observer]:
    """An observer of the cluster that comes up meanwhile."""
    observer, plain = Observer(), SimulatedCluster.up

    def up(cluster: SimulatedCluster) -> None:
        observer.cluster = cluster
        plain(cluster)

    with patch.object(Observer, "current", observer), patch.object(SimulatedCluster, "up", up):
        yield observer


def observe(seed: int, runs: Path, **given: Any) -> tuple[Judgement, Observer]:
    """One simulated run of the default length, judged, with an observer in every replica."""
    with watching() as observer:
        test = Test(system=ObservedPaxos(), environment="simulated", seed=seed, **given)
        return run(test, runs=runs, report=False).judgement, observer
