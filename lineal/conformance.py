"""Whether a nemesis keeps the rules of nemeses: a kit for those who write their own.

    from lineal.conformance import nemesis_problems

    assert nemesis_problems(bounce) == []

The plan is run against five nodes of the bundled store, in virtual time and then as real processes,
by the same machinery as any run. The rules stand in `docs/nemesis.md`.
"""

from __future__ import annotations

import contextlib
import tempfile
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, get_args

from checker.history.columns import History
from lineal.definition import Test
from lineal.patience import within
from lineal.registry import UsageProblem
from nemesis.kill import Kill
from nemesis.ledger import ledger
from nemesis.partition import Partition
from nemesis.pause import Pause
from nemesis.plan import Effect, EffectKind, Fault
from systems_under_test.dynamo.system import SYSTEM
from systems_under_test.environments.cluster import (
    ClockReading,
    ClusterSpec,
    DiskQuality,
    EnvironmentFailed,
    LinkQuality,
)
from systems_under_test.environments.simulated.cluster import SimulatedCluster

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from nemesis.plan import FaultPlan, Nemesis
    from systems_under_test.environments.cluster import Cluster

NODES: Final = ("n1", "n2", "n3", "n4", "n5")
ENVIRONMENTS: Final = ("simulated", "local")
TIME_LIMIT_S: Final = {"simulated": 15.0, "local": 8.0}
REPLAYED_MAX: Final = 10
"""So many recorded injections are injected again by themselves."""
MEDDLED_MAX: Final = 2
"""And so many beside the faults of others."""
NAMED_MAX: Final = 5
PATIENCE_S: Final = 30.0
"""So long an injection or a healing may take; what waits for ever would keep a run for ever."""
SETTLING_NS: Final = 2_000_000_000
CLOCK_ERROR_NS: Final = 100_000_000
INJECTIONS: Final = frozenset({"applied", "partly", "ineffective", "uncertain"})
HEALINGS: Final = frozenset({"healed", "leaked", "ineffective", "uncertain"})

CHANGING: Final = frozenset(
    {
        "start", "kill", "stop", "pause", "resume", "power_off", "set_clock", "set_disk",
        "damage_disk", "set_cut", "shape", "limit_cpu", "exhaust_memory",
    }
)  # fmt: skip
"""The verbs by which a nemesis changes anything."""


def nemesis_problems(
    plan: FaultPlan, *, environments: tuple[str, ...] = ENVIRONMENTS, seed: int = 1
) -> list[str]:
    """Every rule that the plan's nemesis breaks, in sentences; empty if it keeps them all.

    The local environment takes real seconds. One that does not carry what the nemesis needs is
    passed over, but not all of them.
    """
    if found := _member_problems(plan.nemesis):
        return found
    plan = replace(plan, nemesis=Watched(plan.nemesis))
    tried = 0
    for environment in environments:
        test = _test(plan, environment, seed)
        problems = test.problems()
        if any("does not carry" in problem for problem in problems):
            continue
        tried += 1
        found += [f"{environment}: {problem}" for problem in problems]
        if not problems:
            found += [f"{environment}: {problem}" for problem in _run_problems(test)]
    if not tried:
        found.append(f"none of {', '.join(environments)} carries {sorted(plan.nemesis.needs)}")
    return list(dict.fromkeys(found))


def _test(plan: FaultPlan, environment: str, seed: int) -> Test:
    return Test(
        system=SYSTEM,
        environment=environment,
        nodes=NODES,
        faults=plan,
        time_limit_s=TIME_LIMIT_S.get(environment, 8.0),
        seed=seed,
    )


def _run_problems(test: Test) -> list[str]:
    """What one run shows; of the simulated one also whether it comes out the same again."""
    with tempfile.TemporaryDirectory(prefix="lineal-conformance-") as scratch:
        try:
            lines, verdict = _run(test, Path(scratch))
        except (UsageProblem, EnvironmentFailed) as error:
            return [str(error).partition("\n")[0]]
        history = History.read(lines)
        found = _event_problems(test.plan, history)
        if verdict == "invalid":
            found.append("the store, which is correct, is found to be at fault")
        if test.environment == "simulated":
            again, _ = _run(test, Path(scratch) / "again")
            if again.read_bytes() != lines.read_bytes():
                found.append(
                    "two runs from one seed differ: it keeps something from the first, asks the "
                    "time, or draws from a stream that is not the run's"
                )
            inputs = [(w.f, w.input or {}) for w in history.faults][:REPLAYED_MAX]
            for f, value in inputs:
                found += _told(_injection_problems, test.plan, Fault(1, f, value))
            for f, value in inputs[:MEDDLED_MAX]:
                found += _told(_meddling, test.plan, Fault(1, f, value))
    return found


def _told(
    look: Callable[[FaultPlan, Fault], list[str]], plan: FaultPlan, fault: Fault
) -> list[str]:
    """What a look shows, be it that the nemesis raises."""
    try:
        return look(plan, fault)
    except Exception as error:
        return [f"{fault.f}, injected and healed by itself: the nemesis raised {error!r}"]


def _member_problems(nemesis: Nemesis) -> list[str]:
    """Which of the four members are missing, or are something else."""
    found = [
        f"`{name}` must be a set of names"
        for name in ("faults", "needs")
        if not isinstance(getattr(nemesis, name, None), frozenset)
    ]
    return found + [
        f"`{name}` must be a method"
        for name in ("inject", "heal")
        if not callable(getattr(nemesis, name, None))
    ]


class Watched:
    """A nemesis that has to come back in time, and to answer with an effect."""

    def __init__(self, inner: Nemesis) -> None:
        self._inner = inner

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    def inject(self, cluster: Cluster, fault: Fault) -> Effect:
        """Inject as the nemesis does."""
        return self._watch("inject", partial(self._inner.inject, cluster, fault))

    def heal(self, cluster: Cluster, fault: Fault) -> Effect:
        """Heal as the nemesis does."""
        return self._watch("heal", partial(self._inner.heal, cluster, fault))

    def _watch(self, name: str, act: Callable[[], Effect]) -> Effect:
        answer: object = within(PATIENCE_S, act)
        if not isinstance(answer, Effect):
            raise TypeError(f"`{name}` answers {answer!r}, which is no Effect")
        return answer


def _run(test: Test, runs: Path) -> tuple[Path, str]:
    from lineal.running import run

    outcome = run(test, runs=runs, report=False)
    return outcome.directory.history, outcome.judgement.status


def _event_problems(plan: FaultPlan, history: History) -> list[str]:
    """What the recorded effects show."""
    known: frozenset[str] = frozenset(get_args(EffectKind))
    found: list[str] = []
    effects: list[str] = []
    for event in history.nemesis():
        if event.type != "info" or event.fault is None:
            continue
        output = event.output if isinstance(event.output, dict) else {}
        effect = str(output.get("effect"))
        allowed = HEALINGS if event.f == "heal" else INJECTIONS
        if effect not in known or effect not in allowed:
            found.append(
                f"{event.f} of fault {event.fault} answers {effect!r}: there are {sorted(allowed)}"
            )
        if event.f != "heal":
            effects.append(effect)
        if effect == "leaked":
            found.append(f"the healing of fault {event.fault} leaked: {output.get('evidence')}")
        if effect == "applied" and not output.get("evidence"):
            found.append(f"{event.f} of fault {event.fault} is `applied` without evidence")
    strange = sorted({w.f for w in history.faults} - plan.nemesis.faults)
    if strange:
        found.append(f"the schedule injects {', '.join(strange)}, which the nemesis does not name")
    if not effects:
        found.append("nothing was injected: is the schedule too slow for this run?")
    elif not {"applied", "partly"} & set(effects):
        found.append(f"no injection took effect: {', '.join(sorted(set(effects)))}")
    if not history.nemesis("quiescent"):
        found.append("the cluster did not come to rest after the last healing")
    return found


def _injection_problems(plan: FaultPlan, fault: Fault) -> list[str]:
    """What one fault shows by itself: that it is undone, and that its proof is one."""
    found: list[str] = []
    with _Store() as cluster:
        plan.nemesis.inject(cluster, fault)
        cluster.run_until(cluster.now + SETTLING_NS)
        plan.nemesis.heal(cluster, fault)
        second = plan.nemesis.heal(cluster, fault)
        if second.effect == "leaked":
            found.append(f"{fault.f} cannot be healed twice: {dict(second.evidence)}")
        cluster.run_until(cluster.now + SETTLING_NS)
        found += [f"{fault.f}, once healed, leaves {left}" for left in _left_behind(cluster)]
    with _Store() as cluster:
        deaf = Deaf(cluster)
        try:
            effect = plan.nemesis.inject(deaf, fault).effect
        except EnvironmentFailed:
            effect = "ineffective"  # Told in the history as such.
        if effect == "applied":
            found.append(
                f"{fault.f} is `applied` in a cluster whose verbs do nothing: its proof is none"
            )
    with _Store() as cluster:
        plan.nemesis.inject(cluster, fault)
        deaf = Deaf(cluster)
        ledger(deaf).entries.update(ledger(cluster).entries)
        try:
            effect = plan.nemesis.heal(deaf, fault).effect
        except EnvironmentFailed:
            effect = "leaked"  # Told in the history as such.
        left = _left_behind(cluster)
        if effect == "healed" and left:
            found.append(
                f"{fault.f} is `healed` by verbs that do nothing, and leaves {left[0]}: the "
                "healing is not probed"
            )
    return found


OTHERS: Final[tuple[tuple[Nemesis, Fault], ...]] = (
    (Pause(), Fault(101, "pause", {"targets": list(NODES)})),
    (Kill(), Fault(102, "kill", {"targets": list(NODES)})),
    (Partition(), Fault(103, "partition", {"grudge": {n: [*NODES] for n in NODES}, "targets": []})),
)
"""What somebody else does to all nodes; a grudge against oneself cuts nothing."""


def _meddling(plan: FaultPlan, fault: Fault) -> list[str]:
    """What it takes back of what others did, that were at it before it or came after."""
    found: list[str] = []
    for nemesis, other in OTHERS:
        for is_first in (True, False):
            with _Store() as cluster:
                if not is_first:
                    _quietly(plan.nemesis.inject, cluster, fault)
                already = _held(cluster, other)
                nemesis.inject(cluster, other)
                theirs = _held(cluster, other) - already
                if is_first:
                    _quietly(plan.nemesis.inject, cluster, fault)
                _quietly(plan.nemesis.heal, cluster, fault)
                undone = sorted(theirs - _held(cluster, other))
            if undone:
                found.append(
                    f"{fault.f} and its healing undo the {other.f} of another fault: "
                    f"{', '.join(undone[:NAMED_MAX])}"
                )
    return found


def _held(cluster: SimulatedCluster, other: Fault) -> set[str]:
    """Where the fault of somebody else shows now."""
    if other.f == "partition":
        links = [(a, b) for a in NODES for b in NODES if a != b]
        return {f"{a}->{b}" for (a, b), passes in cluster.probe(links).items() if not passes}
    want = "paused" if other.f == "pause" else "dead"
    return {name for name, node in cluster.nodes.items() if node.state() == want}


def _quietly(act: Callable[[Cluster, Fault], Effect], cluster: Cluster, fault: Fault) -> None:
    """Inject or heal on what others have struck: that it cannot be done there is no fault."""
    with contextlib.suppress(EnvironmentFailed):
        act(cluster, fault)


class _Store:
    """A store in virtual time, at rest, for a `with` statement."""

    def __enter__(self) -> SimulatedCluster:
        spec = ClusterSpec(
            nodes=NODES,
            replica_path=SYSTEM.replica_path,
            options={},
            bug=None,
            engine="sqlite",
            seed=1,
        )
        self._cluster = SimulatedCluster(spec)
        self._cluster.up()
        self._cluster.run_until(SETTLING_NS)
        return self._cluster

    def __exit__(self, *error: object) -> None:
        self._cluster.down()


def _left_behind(cluster: SimulatedCluster) -> list[str]:
    """What is not as it was before the fault, in words."""
    states = {name: node.state() for name, node in cluster.nodes.items()}
    found = [f"{name} {state}" for name, state in states.items() if state != "running"]
    links = [(a, b) for a in NODES for b in NODES if a != b]
    found += [f"the link {a}->{b} cut" for (a, b), ok in cluster.probe(links).items() if not ok]
    found += [
        f"the link {a}->{b} spoilt"
        for (a, b), quality in cluster.link_qualities().items()
        if quality != LinkQuality()
    ]
    for name, node in cluster.nodes.items():
        clock: ClockReading = node.read_clock()
        if abs(clock.wall_offset) > CLOCK_ERROR_NS or clock.mono_rate_ppm:
            found.append(f"the clock of {name} wrong")
        if node.disk_quality() != DiskQuality():
            found.append(f"the disk of {name} spoilt")
    return found


class Deaf:
    """A cluster, or a node of one, whose changing verbs do nothing: for the test of proofs."""

    def __init__(self, inner: Any) -> None:
        self._inner = inner

    @property
    def nodes(self) -> Mapping[str, Any]:
        """The nodes, as deaf."""
        return {name: Deaf(node) for name, node in self._inner.nodes.items()}

    def __getattr__(self, name: str) -> Any:
        if name not in CHANGING:
            return getattr(self._inner, name)
        return lambda *given, **named: {} if name == "damage_disk" else None


if TYPE_CHECKING:
    _deaf: Cluster = Deaf(None)
