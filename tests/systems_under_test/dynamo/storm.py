"""A storm: random clients and random faults on a simulated cluster, and a plain judge of the end.

The judge knows nothing of dots or intervals: it keeps, for each write, the ids that stood under the
context that the write passed, as the read that gave the context showed them, and closes over them
at the end, when every id that anybody read is known.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Final

from systems_under_test.dynamo.codec import SiblingsCodec
from systems_under_test.environments.cluster import LinkQuality
from systems_under_test.rng import Rng
from tests.systems_under_test.dynamo.driving import MILLISECOND, SECOND
from workloads.invocations import invoke

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from tests.systems_under_test.dynamo.driving import Drive
    from workloads.client import Completion, Failure, Reply
    from workloads.invocations import Invocation

CODEC: Final = SiblingsCodec()


@dataclass
class Written:
    """A put or a delete as its client knows it."""

    key: str
    value: int | None
    observed: frozenset[str]
    acknowledged: bool = False
    failed: bool = False
    id: str | None = None


@dataclass
class Storm:
    """What was asked and answered."""

    drive: Drive
    rng: Rng
    keys: int = 8
    clients: int = 8
    pause_ms: int = 40
    deletes: bool = True
    monotonic: bool = False
    """Whether no client may see less than it has seen."""
    writes: list[Written] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    outcomes: dict[str, int] = field(default_factory=dict)
    _under: dict[str, frozenset[str]] = field(default_factory=dict)
    """The ids that stand under each context that a client was given."""
    _reads: list[frozenset[str]] = field(default_factory=list)
    _seen: list[tuple[int, str, frozenset[str]]] = field(default_factory=list)
    """Who has read what of which key, in the order of the answers."""
    _ids: dict[int, str] = field(default_factory=dict)
    """The id of each value that anybody has read."""
    settled_ms: int = 0
    _until: int = 0
    _value: int = 0

    def blow(self, seconds: int, faults: Callable[[Storm], None] | None = None) -> None:
        """Clients and faults for so many virtual seconds, then rest and judgement."""
        cluster = self.drive.cluster
        self._until = cluster.now + seconds * SECOND
        for client in range(self.clients):
            self._later(client, None, None)
        if faults is not None:
            self._break(faults)
        cluster.run_until(self._until)
        self.settled_ms = self.drive.settle()
        died = cluster.unprovoked_deaths()
        self.problems += [f"{node} died, and nobody had killed it" for node in died]
        self._judge()

    # --- clients ---

    def _later(self, client: int, key: str | None, context: str | None) -> None:
        if self.drive.cluster.now < self._until:
            wait = self.rng.between(1, self.pause_ms) * MILLISECOND
            at = self.drive.cluster.now + wait
            self.drive.cluster.at(at, lambda: self._act(client, key, context))

    def _act(self, client: int, key: str | None, context: str | None) -> None:
        nodes = list(self.drive.cluster.nodes)
        node = nodes[client % len(nodes)] if self.rng.below(3) else self.rng.choice(nodes)
        key = key if key is not None else f"k{self.rng.below(self.keys)}"
        kind = self.rng.below(10)
        if kind < 4:
            self._ask(client, node, invoke("get", key=key))
            return
        if kind == 4 and context is not None and self.deletes:
            self._ask(client, node, invoke("delete", {"context": context}, key=key))
            return
        if self.rng.below(4) == 0:
            context = None
        self._value += 1
        self._ask(client, node, invoke("put", {"value": self._value, "context": context}, key=key))

    def _ask(self, client: int, node: str, invocation: Invocation) -> None:
        write = None
        if invocation.f != "get":
            under = self._under.get(invocation.input["context"] or "", frozenset())
            write = Written(invocation.key, invocation.input.get("value"), under)
            self.writes.append(write)

        def done(reply: Reply | Failure) -> None:
            completion = CODEC.decode(invocation, reply)
            counted = f"{invocation.f} {completion.type}"
            self.outcomes[counted] = self.outcomes.get(counted, 0) + 1
            if write is not None:
                write.failed = completion.type == "fail"
            context = None
            if completion.type == "ok":
                context = self._learn(completion, write)
                if write is None:
                    self._seen.append((client, invocation.key, self._reads[-1]))
            keeps = context is not None and self.rng.below(4)
            self._later(client, invocation.key if keeps else None, context if keeps else None)

        deadline = self.drive.cluster.now + 3 * SECOND
        self.drive.cluster.submit(node, CODEC.encode(invocation, "r"), deadline, done)

    def _learn(self, completion: Completion, write: Written | None) -> str | None:
        context: str | None = completion.output["context"]
        if write is not None:
            assert context is not None
            write.acknowledged, write.id = True, completion.output["id"]
            self._under[context] = write.observed | {completion.output["id"]}
            return context
        versions = completion.output["versions"]
        self._ids.update((v["value"], v["id"]) for v in versions if "value" in v)
        shown = frozenset(version["id"] for version in versions)
        self._reads.append(shown)
        if context is not None:
            self._under[context] = shown
        return context

    # --- faults ---

    def _break(self, faults: Callable[[Storm], None]) -> None:
        if self.drive.cluster.now < self._until:
            faults(self)
            at = self.drive.cluster.now + self.rng.between(100, 900) * MILLISECOND
            self.drive.cluster.at(at, lambda: self._break(faults))

    # --- the end ---

    def _judge(self) -> None:
        final = {key: self._final(key) for key in sorted({write.key for write in self.writes})}
        for write in self.writes:
            if write.id is None and write.value is not None:
                write.id = self._ids.get(write.value)
            if write.failed and write.id is not None:
                self.problems.append(f"{write} failed for certain, and was read")
        ids = [write.id for write in self.writes if write.id is not None]
        if len(ids) != len(set(ids)):
            self.problems.append("two writes have the same id")
        direct = {write.id: write.observed for write in self.writes if write.id is not None}
        for shown in self._reads:
            below = _down(
                frozenset[str]().union(*(direct.get(i, frozenset()) for i in shown)), direct
            )
            if below & shown:
                self.problems.append(f"{sorted(below & shown)} was read beside what replaced it")
        if self.monotonic:
            self._judge_clients(direct)
        for key, versions in final.items():
            self._judge_key(key, versions, direct)

    def _judge_clients(self, direct: Mapping[str, frozenset[str]]) -> None:
        """What a client read is under what it reads next, unless a delete may have covered it."""
        deletes = [write for write in self.writes if write.value is None]
        gone = _down(frozenset[str]().union(*(d.observed | {d.id or ""} for d in deletes)), direct)
        told = set(direct) - {d.id for d in deletes}
        last: dict[tuple[int, str], frozenset[str]] = {}
        for client, key, shown in self._seen:
            missing = (last.get((client, key), frozenset()) & told) - _down(shown, direct) - gone
            if missing:
                self.problems.append(f"{key}: client {client} had read {sorted(missing)}")
            last[client, key] = shown

    def _final(self, key: str) -> list[dict[str, Any]]:
        reads = [
            CODEC.decode(invoke("get", key=key), self.drive.ask(node, _read_all(key)))
            for node in self.drive.cluster.nodes
        ]
        for read in reads:
            self._learn(read, None)
        finals = [read.output["versions"] for read in reads]
        # Tombstones may be collected between two of the reads: then they are gone for good.
        values = [[v for v in versions if "value" in v] for versions in finals]
        tombs = [{v["id"] for v in versions if "value" not in v} for versions in finals]
        come = any(not later <= earlier for earlier, later in pairwise(tombs))
        if come or any(shown != values[0] for shown in values):
            self.problems.append(f"{key}: nodes read differently at the end: {finals}")
        return list(finals[-1])

    def _judge_key(
        self, key: str, versions: list[dict[str, Any]], direct: Mapping[str, frozenset[str]]
    ) -> None:
        writes = [write for write in self.writes if write.key == key]
        shown = frozenset(version["id"] for version in versions)
        down = _down(shown, direct)
        values = {write.value for write in writes if write.value is not None}
        strangers = [v for v in versions if "value" in v and v["value"] not in values]
        if strangers:
            self.problems.append(f"{key}: nobody wrote {strangers}")
        maybe = frozenset[str]().union(
            *(w.observed for w in writes if not w.acknowledged and not w.failed)
        )
        # What a delete has covered leaves no trace once its tombstone is collected.
        deletes = [w for w in writes if w.value is None and not w.failed]
        covered = frozenset[str]().union(*(w.observed | {w.id or ""} for w in deletes))
        excused = _down(maybe | covered, direct)
        for write in writes:
            if not write.acknowledged:
                continue
            if write.id not in down and write.id not in excused:
                self.problems.append(f"{key}: lost {write}")
            if write.value is None and (back := _down(write.observed, direct) & shown):
                self.problems.append(f"{key}: {sorted(back)} came back after {write.id}")


def _down(ids: frozenset[str], direct: Mapping[str, frozenset[str]]) -> frozenset[str]:
    """These ids, with everything that they had observed, directly or not."""
    found, todo = set(ids), list(ids)
    while todo:
        fresh = direct.get(todo.pop(), frozenset()) - found
        found |= fresh
        todo += fresh
    return frozenset(found)


def _read_all(key: str) -> Any:
    return CODEC.encode(invoke("get", {"r": "all"}, key=key), "r")


def any_fault(storm: Storm) -> None:
    """One random change for the worse or the better, of every kind the simulation has."""
    rng, cluster = storm.rng, storm.drive.cluster
    names = list(cluster.nodes)
    node = cluster.nodes[rng.choice(names)]
    kind = rng.choice(
        [
            "cut",
            "cut",
            "one-way",
            "mend",
            "mend",
            "kill",
            "power",
            "start",
            "start",
            "pause",
            "resume",
            "resume",
            "link",
            "links",
            "clock",
        ]
    )
    storm.faults.append(f"{cluster.now / SECOND:.3f} {kind} {node.name}")
    if kind == "cut":
        storm.drive.isolate(*rng.shuffled(names)[: rng.between(1, len(names) - 1)])
    elif kind == "one-way":
        cluster.set_cut((a, b) for a in names for b in names if a != b and rng.below(3) == 0)
    elif kind == "mend":
        storm.drive.heal()
    elif kind == "kill":
        node.kill()
    elif kind == "power":
        node.power_off()
    elif kind == "start":
        for each in cluster.nodes.values():
            each.start()
    elif kind == "pause":
        node.pause()
    elif kind == "resume":
        for each in cluster.nodes.values():
            each.resume()
    elif kind == "clock":
        node.set_clock(
            wall_offset_ns=rng.between(-60, 60) * SECOND, rate_ppm=rng.between(-50_000, 50_000)
        )
    else:
        bad = LinkQuality(
            jitter_ns=rng.below(300) * MILLISECOND,
            loss_ppm=rng.below(400_000),
            duplicate_ppm=rng.below(400_000),
            reorder_ppm=rng.below(400_000),
        )
        every = ((a, b) for a in names for b in names if a != b)
        chosen = {link: bad for link in every if rng.below(2)}
        cluster.shape(chosen if kind == "links" else {})


def storm(drive: Drive, seed: int, **shape: Any) -> Storm:
    """A storm of this seed."""
    return Storm(drive, Rng(f"storm/{seed}"), **shape)
