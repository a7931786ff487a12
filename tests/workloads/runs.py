"""Runs a workload against a store in memory: under way, at rest, final reads, judges."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from checker.history.columns import History
from checker.history.events import NEMESIS, Event
from checker.verdict import CheckContext
from systems_under_test.rng import Rng
from tests.workloads.stores import Registers, Versioned
from workloads.generators import invoke
from workloads.generators.schedule import NODES, Ending, replay

if TYPE_CHECKING:
    from collections.abc import Callable

    from checker.findings import FindingKind
    from checker.verdict import Verdict
    from workloads.generators.protocol import Liftable
    from workloads.generators.protocol import Rng as AnyRng
    from workloads.invocations import Invocation
    from workloads.workload import Workload

    Store = Callable[[Invocation, AnyRng], Ending]


def record(workload: Workload, store: Store, *, seed: int = 1, operations: int = 400) -> History:
    """Under way, at rest, a dump of each node where the store has one, final reads."""
    rng = Rng(f"{seed}")
    events = list(
        replay(workload.generator, rng=rng, clients=5, ends=store, operations_max=operations).events
    )
    index, time = len(events), events[-1].time + 1
    rest = Event(index=index, time=time, process=NEMESIS, type="info", f="quiescent", output={})
    events.append(rest)
    if isinstance(store, Versioned | Registers):
        dumps = [invoke("dump").on(node) for node in NODES]
        events += _afterwards(events, dumps, lambda op, rng: Ending("ok", output=store.dump()))
    return History.of([*events, *_afterwards(events, workload.final_generator(NODES), store)])


def _afterwards(events: list[Event], generator: Liftable, store: Store) -> list[Event]:
    """What the generator asks once these events are over."""
    asked = replay(generator, rng=Rng("end"), clients=5, ends=store, operations_max=1000).events
    index, time = len(events), events[-1].time + 1
    return [
        msgspec.structs.replace(event, index=event.index + index, time=event.time + time)
        for event in asked
    ]


def verdicts(workload: Workload, history: History) -> dict[str, Verdict]:
    context = CheckContext(claims=workload.claims)
    return {judge.name: judge.check(history, context) for judge in workload.judges}


def kinds(workload: Workload, history: History) -> set[FindingKind]:
    return {
        finding.kind
        for verdict in verdicts(workload, history).values()
        for finding in verdict.findings
    }
