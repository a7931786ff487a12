"""Drives a plan's schedule against a cluster, as a run would: faults are numbered."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

from checker.history.events import NEMESIS, Event
from nemesis.plan import Fault
from nemesis.schedule import ROLES
from nemesis.zones import thirds
from systems_under_test.rng import Rng
from tests.nemesis.memory_cluster import MemoryCluster
from workloads.generators.protocol import Context, Pending

if TYPE_CHECKING:
    from collections.abc import Iterator

    from nemesis.plan import FaultPlan
    from systems_under_test.environments.cluster import Cluster

MS = 1_000_000
SECOND = 1_000 * MS
ACTION_NS = 30 * MS
"""So long the nemesis thread is busy with each action."""
ASK_NS = 50 * MS
"""Clients cause an event so often, after each of which the schedule is asked again."""


class Stage(Protocol):
    """A cluster, and time that passes for it."""

    @property
    def cluster(self) -> Cluster:
        """The cluster."""
        ...

    def advance(self, now: int, time: int) -> None:
        """Let it be that time; there is traffic meanwhile."""
        ...


class MemoryStage:
    """A cluster in memory."""

    def __init__(self, size: int) -> None:
        self.cluster = MemoryCluster(size)

    def advance(self, now: int, time: int) -> None:
        self.cluster.pass_time(time - now)
        self.cluster.traffic()


class Rehearsal:
    """The events of a plan's nemesis thread over some seconds, and what they did."""

    def __init__(
        self,
        plan: FaultPlan,
        *,
        seconds: int = 20,
        size: int = 5,
        seed: int = 1,
        stage: Stage | None = None,
        roles: dict[str, tuple[str, ...]] | None = None,
    ) -> None:
        self._stage = stage or MemoryStage(size)
        self.cluster = self._stage.cluster
        self.events: list[Event] = []
        self.roles = {"leader": ("n2",)} if roles is None else roles
        self.open: dict[int, Fault] = {}
        self._plan = plan
        self._schedule = plan.schedule
        self._rng = Rng(f"{seed}/rehearsal")
        self._time = 0
        self._faults = 0
        while self._time < seconds * SECOND:
            self._step()

    def heal(self) -> None:
        """Heal what is open, the newest first, as the end of a run does."""
        for fault in sorted(self.open, reverse=True):
            self._act("heal", {"fault": fault})

    def _context(self, *, free: bool) -> Context:
        threads = (NEMESIS,) if free else ()
        nodes = tuple(self.cluster.nodes)
        zones = thirds(nodes)
        return Context(self._time, threads, {NEMESIS: NEMESIS}, nodes, self._rng, zones)

    def _step(self) -> None:
        answer = self._schedule.op(self._context(free=True))
        if answer is None:
            self._pass(self._time + ASK_NS)
            return
        op, after = answer
        if isinstance(op, Pending):
            self._schedule = after
            until = self._time + ASK_NS if op.until is None else op.until
            self._pass(max(self._time + 1, min(until, self._time + ASK_NS)))
            return
        assert op.process == NEMESIS
        assert op.time is not None
        if op.time > self._time:
            self._pass(min(op.time, self._time + ASK_NS))
            return
        self._schedule = after
        self._act(op.f, op.input)

    def _pass(self, time: int) -> None:
        self._stage.advance(self._time, time)
        self._time = time

    def _act(self, f: str, value: Any) -> None:
        if f == ROLES:
            self._record("invoke", f, None, input=value)
            self._pass(self._time + ACTION_NS)
            self._record("info", f, None, output={ROLES: self.roles})
            return
        healing = f == "heal"
        if healing:
            fault = self.open.pop(value["fault"])
        else:
            self._faults += 1
            fault = self.open[self._faults] = Fault(self._faults, f, value)
        self._record("invoke", f, fault.fault, input=value)
        act = self._plan.nemesis.heal if healing else self._plan.nemesis.inject
        effect = act(self.cluster, fault)
        self._pass(self._time + ACTION_NS)
        self._record("info", f, fault.fault, output=effect.output())

    def _record(self, kind: Any, f: str, fault: int | None, **fields: Any) -> None:
        event = Event(
            index=len(self.events),
            time=self._time,
            process=NEMESIS,
            type=kind,
            f=f,
            fault=fault,
            **fields,
        )
        self.events.append(event)
        self._schedule = self._schedule.update(self._context(free=kind != "invoke"), event)

    def invoked(self, *names: str) -> list[Event]:
        """The invocations, of these names if any are given."""
        return [e for e in self.events if e.type == "invoke" and (not names or e.f in names)]

    def effects(self) -> set[tuple[str, str]]:
        """What injections and healings answered."""
        ended = [e for e in self.events if e.type == "info" and e.f != ROLES]
        return {(e.f, e.output["effect"]) for e in ended}

    def windows(self) -> Iterator[tuple[Event, Event | None]]:
        """Each injection with the healing's completion, if there was one."""
        for event in self.invoked():
            if event.f not in ("heal", ROLES):
                ends = [
                    e
                    for e in self.events
                    if e.f == "heal" and e.type == "info" and e.fault == event.fault
                ]
                yield event, ends[0] if ends else None
