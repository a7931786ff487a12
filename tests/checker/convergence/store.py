"""A tiny multi-value store with strict quorums, driven at random, and switches that break it.

Three replicas, W = R = 2. Every message is a step of its own, so operations overlap; clients give
up, messages are lost, answers come late. A version carries the exact set of dots that its writer
had seen, and so does a token: the store is correct by inspection, which is the point of it.
"""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from checker.history.columns import History
from checker.history.events import Event

if TYPE_CHECKING:
    from collections.abc import Iterator

NODES = ("n1", "n2", "n3")
KEYS = ("a", "b")
QUORUM = 2

BUGS = {
    "keeps-one-of-siblings": "lost-update",
    "reuses-dots": "lost-update",
    "acknowledges-before-storing": "lost-update",
    "context-covers-more-than-was-read": "lost-update",
    "keeps-what-was-replaced": "false-sibling",
    "two-dots-for-one-put": "false-sibling",
    "collects-tombstones-early": "resurrection",
    "leaves-a-replica-behind": "no-convergence",
    "makes-up-a-version": "no-convergence",
    "gives-one-token-for-all": "dishonest-context",
    "accepts-tokens-of-other-keys": "dishonest-context",
    "reads-one-replica": "read-your-writes",
    "answers-before-writing-back": "monotonic-reads",
}


@dataclass(frozen=True, slots=True)
class Stored:
    """A version: its dot, the dots that its writer had seen, and its value (None: a tombstone)."""

    dot: str
    seen: frozenset[str]
    value: int | None


Versions = frozenset[Stored]


@dataclass(slots=True)
class Client:
    """A process, the last token that it was given for each key, and whether it is waiting."""

    process: int
    tokens: dict[str, str] = field(default_factory=dict)
    busy: bool = False


class Drive:
    """One run. `events` is its history when `all()` has returned."""

    def __init__(
        self,
        seed: int,
        bug: str | None = None,
        *,
        write_back: bool = True,
        contexts_hold: int = 1_000,
    ) -> None:
        """`contexts_hold` is how many of the versions that it shows a read's token covers."""
        self.contexts_hold = contexts_hold
        self.rng = random.Random(seed)
        self.bug = bug
        self.write_back = write_back and bug != "answers-before-writing-back"
        self.replicas: list[dict[str, Versions]] = [
            {key: frozenset() for key in KEYS} for _ in NODES
        ]
        self.counters = dict.fromkeys(NODES, 0)
        self.clients = [Client(process) for process in range(self.rng.choice((2, 4, 8)))]
        self.processes = len(self.clients)
        self.events: list[Event] = []
        self.time = 0
        self.value = 0
        self.loss, self.patience, self.exchanges = (
            self.rng.choice(choices) for choices in ((0.0, 0.2, 0.4), (0.8, 0.97, 1.0), (0.02, 0.1))
        )
        self.on_their_way: dict[str, int] = dict.fromkeys(KEYS, 0)
        self.dots_of_key: dict[str, set[str]] = {key: set() for key in KEYS}

    def all(self, operations: int) -> History:
        """Operations at random, then rest, dumps and final reads."""
        running: list[tuple[str, Iterator[None]]] = []
        asked = 0
        while asked < operations or running:
            free = [client for client in self.clients if not client.busy]
            if asked < operations and free and self.rng.random() < 0.3:
                asked += 1
                running.append(self.operation(self.rng.choice(free)))
            elif self.rng.random() < self.exchanges:
                self.exchange()
            elif running:
                position = self.rng.randrange(len(running))
                key, steps = running[position]
                if next(steps, self) is self:
                    self.on_their_way[key] -= 1
                    running.pop(position)
        self.rest()
        return History.of(self.events)

    def operation(self, client: Client) -> tuple[str, Iterator[None]]:
        """The steps of an operation that this client begins now."""
        key = self.rng.choice(KEYS)
        self.on_their_way[key] += 1
        client.busy = True
        token = client.tokens.get(key)
        if self.bug == "accepts-tokens-of-other-keys" and client.tokens:
            token = self.rng.choice(list(client.tokens.values()))
        kind = self.rng.random()
        if kind < 0.45:
            return key, self.get(client, key)
        if kind < 0.6 and token is not None:
            return key, self.write(client, key, "delete", None, token)
        self.value += 1
        blind = self.rng.random() < 0.3
        return key, self.write(client, key, "put", self.value, None if blind else token)

    def get(self, client: Client, key: str) -> Iterator[None]:
        node = self.rng.choice(NODES)
        self.event(client, "invoke", "get", key, node)
        found: Versions = frozenset()
        wanted = 1 if self.bug == "reads-one-replica" else QUORUM
        for replica in self.some_order()[:wanted]:
            yield
            found = self.merged(found, replica[key])
        if self.write_back:
            for replica in self.some_order()[:QUORUM]:
                yield
                replica[key] = self.merged(replica[key], found)
        yield
        if self.rng.random() < 0.05:
            self.event(client, "fail", "get", key, node, error="timeout")
            client.busy = False
            return
        self.answer_get(client, key, node, found)

    def answer_get(self, client: Client, key: str, node: str, found: Versions) -> None:
        inside = sorted_by_dot(found)[: self.contexts_hold]
        seen = frozenset().union(*(v.seen | {v.dot} for v in inside))
        if self.bug == "context-covers-more-than-was-read":
            seen = frozenset(self.dots_of_key[key])
        token = self.token(key, seen) if seen else None
        shown = listed(found)
        for version in shown[self.contexts_hold :]:
            version["covered"] = False
        output = {"versions": shown, "context": token}
        self.event(client, "ok", "get", key, node, output=output)
        client.busy = False
        if token is not None:
            client.tokens[key] = token

    def write(
        self, client: Client, key: str, f: str, value: int | None, token: str | None
    ) -> Iterator[None]:
        node = self.rng.choice(NODES)
        asked = {"context": token} if f == "delete" else {"value": value, "context": token}
        self.event(client, "invoke", f, key, node, input=asked)
        seen = dots_in(token) if token is not None else frozenset()
        version = Stored(self.new_dot(node, key), seen, value)
        sent = [version]
        if self.bug == "two-dots-for-one-put" and value is not None and self.rng.random() < 0.3:
            sent.append(Stored(self.new_dot(node, key), seen, value))
        stored, answered = 0, False
        if self.bug == "acknowledges-before-storing" and self.rng.random() < 0.3:
            self.acknowledge(client, key, f, node, version)
            return
        for replica in self.some_order():
            yield
            if not answered and self.rng.random() > self.patience:
                answered = self.give_up(client, key, f, node)
            if self.rng.random() < self.loss:
                continue
            replica[key] = self.merged(replica[key], frozenset(sent))
            stored += 1
            if stored == QUORUM and not answered:
                answered = True
                self.acknowledge(client, key, f, node, version)
        yield
        if not answered:
            self.give_up(client, key, f, node)

    def acknowledge(self, client: Client, key: str, f: str, node: str, version: Stored) -> None:
        token = self.token(key, version.seen | {version.dot})
        self.event(client, "ok", f, key, node, output={"id": version.dot, "context": token})
        client.tokens[key] = token
        client.busy = False

    def give_up(self, client: Client, key: str, f: str, node: str) -> bool:
        """The client's process is retired; it goes on under a new number, knowing nothing."""
        self.event(client, "info", f, key, node, error="timeout")
        position = self.clients.index(client)
        self.clients[position] = Client(self.processes)
        self.processes += 1
        return True

    def exchange(self) -> None:
        """Two replicas merge a key; or a tombstone that all hold is collected."""
        key = self.rng.choice(KEYS)
        one, other = self.some_order()[:2]
        one[key] = other[key] = self.merged(one[key], other[key])
        held = frozenset.intersection(*(replica[key] for replica in self.replicas))
        early = self.bug == "collects-tombstones-early"
        if self.rng.random() < 0.3 and (early or not self.on_their_way[key]):
            dead = {v for v in (one[key] if early else held) if v.value is None}
            for replica in [one, other] if early else self.replicas:
                replica[key] -= dead

    def rest(self) -> None:
        """Everything that is on its way has arrived or is lost; replicas agree; all is read."""
        for key in KEYS:
            everywhere: Versions = frozenset()
            for replica in self.replicas:
                everywhere = self.merged(everywhere, replica[key])
            if self.bug == "makes-up-a-version":
                everywhere |= {Stored("n9.1.1", frozenset(), 99_999)}
            behind = self.replicas[0] if self.bug == "leaves-a-replica-behind" else None
            for replica in self.replicas:
                if replica is not behind:
                    replica[key] = everywhere
        self.note("quiescent")
        reader = Client(self.processes)
        for node, replica in zip(NODES, self.replicas, strict=True):
            self.event(reader, "invoke", "dump", None, node)
            output = {key: listed(replica[key]) for key in KEYS if replica[key]}
            self.event(reader, "ok", "dump", None, node, output=output)
        for node in NODES:
            for key in KEYS:
                self.event(reader, "invoke", "get", key, node, input={"r": "all"})
                found: Versions = frozenset()
                for replica in self.replicas:
                    found = self.merged(found, replica[key])
                self.answer_get(reader, key, node, found)

    def merged(self, one: Versions, other: Versions) -> Versions:
        both = one | other
        if self.bug == "reuses-dots":
            both = frozenset({version.dot: version for version in sorted_by_dot(both)}.values())
        if self.bug == "keeps-what-was-replaced":
            return both
        seen = frozenset().union(*(version.seen for version in both))
        current = frozenset(version for version in both if version.dot not in seen)
        if self.bug == "keeps-one-of-siblings" and current:
            return frozenset({max(current, key=lambda version: version.dot)})
        return current

    def new_dot(self, node: str, key: str) -> str:
        self.counters[node] += 1
        if self.bug == "reuses-dots" and self.rng.random() < 0.2:
            self.counters[node] = max(1, self.counters[node] - 3)
        dot = f"{node}.1.{self.counters[node]}"
        self.dots_of_key[key].add(dot)
        return dot

    def token(self, key: str, seen: frozenset[str]) -> str:
        shown = "all" if self.bug == "gives-one-token-for-all" else key
        return f"{shown}:{'' if shown == 'all' else ','.join(sorted(seen))}"

    def some_order(self) -> list[dict[str, Versions]]:
        return self.rng.sample(self.replicas, len(self.replicas))

    def event(
        self, client: Client, type: Any, f: str, key: str | None, node: str, **fields: Any
    ) -> None:
        self.time += self.rng.choice((0, 1, 1, 7))
        self.events.append(
            Event(
                index=len(self.events),
                time=self.time,
                process=client.process,
                type=type,
                f=f,
                key=key,
                node=node,
                **fields,
            )
        )

    def note(self, f: str) -> None:
        self.time += 1
        event = Event(index=len(self.events), time=self.time, process="nemesis", type="info", f=f)
        self.events.append(event)
        self.time += 1


def dots_in(token: str) -> frozenset[str]:
    return frozenset(token.partition(":")[2].split(",")) - {""}


def sorted_by_dot(versions: Versions) -> list[Stored]:
    return sorted(versions, key=lambda v: (v.dot, v.value is None, v.value or 0))


def listed(versions: Versions) -> list[dict[str, Any]]:
    return [
        {"id": v.dot, "tombstone": True} if v.value is None else {"id": v.dot, "value": v.value}
        for v in sorted_by_dot(versions)
    ]
