"""A run from start to end: a cluster comes up, is driven and broken, goes down, and is judged."""

from __future__ import annotations

import contextlib
import logging
import subprocess
import sys
import time
import traceback
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from checker.history.columns import History
from checker.judgement import judge
from lineal.dumping import DumpingCodec
from lineal.health import STATUS_TIMEOUT_NS, BundledHealth, ForeignHealth, roles_in
from lineal.interpreters.desk import Desk
from lineal.live_check import live_check_of
from lineal.patience import within
from lineal.phases import Phases
from lineal.recorder import Recorder
from lineal.registry import UsageProblem
from lineal.repeating import command_of
from nemesis.administration import administer, dismiss
from nemesis.plan import Fault
from reports.run_directory import RunDirectory, make_run_directory
from systems_under_test.environments.cluster import ClusterSpec
from systems_under_test.rng import Rng
from workloads.client import Reply
from workloads.conversation import conversing

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from contextlib import AbstractContextManager

    from checker.claims import Promises
    from checker.history.events import Event
    from checker.judgement import Judgement
    from checker.verdict import Budget
    from lineal.definition import Test
    from lineal.health import Health
    from lineal.interpreters.world import World
    from lineal.live_check import LiveCheck
    from systems_under_test.environments.cluster import LiveCluster
    from workloads.client import Client, Codec

LAST_HEALING_TIMEOUT_S: Final = 30.0
"""How long each fault that a run has left open may take to be healed before it is let be."""

logger = logging.getLogger("lineal.running")


@dataclass(frozen=True, slots=True)
class Listener:
    """Who is told while a run goes on: of phases by name, and of every event recorded."""

    phase: Callable[[str], None] = lambda name: None
    event: Callable[[Event], None] = lambda event: None


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a run left: its folder and its judgement."""

    directory: RunDirectory
    judgement: Judgement
    reported: bool = True
    """Whether the report could be written."""

    @property
    def verdict(self) -> Judgement:
        """The judgement; its `status` is `valid`, `invalid` or `unknown`."""
        return self.judgement


def run(
    test: Test,
    *,
    runs: Path = Path("runs"),
    listener: Listener = Listener(),
    report: bool = True,
) -> Outcome:
    """Run a test, judge it, and leave a run directory.

    Raises UsageProblem with every problem of the definition before anything starts, and
    EnvironmentFailed when the harness could not do its part; what was recorded is kept then.
    """
    problems = test.problems()
    if problems:
        raise UsageProblem(problems)
    directory = make_run_directory(runs, test.name, test.seed, datetime.now(UTC))
    directory.write_test(describe(test))
    with logging_to(directory.log):
        try:
            live = live_check_of(test) if test.live_check else None
            hear = listener.event if live is None else _both(listener.event, live.event)
            with Recorder(directory.history, hear) as recorder:
                _drive(test, directory, recorder, listener, live)
        except BaseException as error:
            error.add_note(_what_is_kept(directory))
            logger.exception("the run was ended")
            raise
        listener.phase("checking")
        judgement = judge_run(test, directory)
    reported = False
    if report:
        listener.phase("reporting")
        reported = write_report(directory, judgement) is not None
    return Outcome(directory, judgement, reported=reported)


def _what_is_kept(directory: RunDirectory) -> str:
    """What a run has left that was ended by an error."""
    if directory.history.exists() and directory.history.stat().st_size:
        return f"the history so far is kept: `lineal recheck {directory.path}`"
    return f"it ended before anything was recorded; its log is {directory.log}"


def describe(test: Test) -> dict[str, Any]:
    """What `test.json` holds: the definition, who ran it, and the command that repeats it."""
    promises = test.promises()
    return {
        **test.to_json(),
        "promises": sorted(promises.claims),
        "withdrawn": dict(promises.withdrawn),
        "bounds": dict(promises.bounds),
        "version": version("lineal"),
        "commit": _commit(),
        "python": sys.version.split()[0],
        "started": datetime.now(UTC).isoformat(timespec="milliseconds"),
        "command": command_of(test),
    }


def judge_run(test: Test, directory: RunDirectory, *, drop_partial_line: bool = False) -> Judgement:
    """Judge the history of a run by the test's promises, and write the verdict."""
    history = History.read(directory.history, drop_partial_line=drop_partial_line)
    return judge_history(history, test, directory, test.budget)


def judge_history(
    history: History,
    test: Test,
    directory: RunDirectory,
    budget: Budget,
    promises: Promises | None = None,
) -> Judgement:
    """Judge a history by the test's workload and its promises, or these; write the verdict."""

    def on_crash(name: str, error: BaseException) -> None:
        trace = "".join(traceback.format_exception(error))
        logger.error("checker %s raised:\n%s", name, trace)

    judges = test.made_workload.judges
    promises = promises or test.promises(history)
    judgement = judge(history, judges, promises, budget=budget, on_crash=on_crash)
    directory.write_verdict(judgement)
    return judgement


def write_report(directory: RunDirectory, judgement: Judgement) -> Path | None:
    """Write the report; a failure is told and logged, and never changes the verdict."""
    from reports.html import render

    try:
        history = History.read(directory.history, drop_partial_line=True)
        text = render(history, judgement, directory.read_test())
        directory.report.write_text(text, encoding="utf-8")
    except Exception:
        with logging_to(directory.log):
            logger.exception("the report could not be written; the verdict stands")
        return None
    return directory.report


def _both(
    first: Callable[[Event], None], second: Callable[[Event], None]
) -> Callable[[Event], None]:
    def hear(event: Event) -> None:
        first(event)
        second(event)

    return hear


def _drive(
    test: Test,
    directory: RunDirectory,
    recorder: Recorder,
    listener: Listener,
    live: LiveCheck | None,
) -> None:
    desk = Desk(
        recorder=recorder,
        clients=test.concurrency,
        nodes=test.nodes,
        rng=Rng(f"{test.seed}/generator"),
        pure=test.made_workload.pure | {"dump"},
        zones=test.zones,
        spares=test.spares,
    )
    foreign = test.foreign
    spec = ClusterSpec(
        nodes=test.nodes,
        replica_path=test.bundled.replica_path if foreign is None else foreign.path,
        options=test.system_options,
        bug=test.bug,
        engine=test.bundled.engine(test.system_options) if foreign is None else "memory",
        seed=test.seed,
        directory=directory.nodes,
        objects=directory.nodes.parent / "objects" if test.environment == "local" else None,
        foreign=foreign,
    )
    open_world = _simulated_world if test.environment == "simulated" else _live_world
    with open_world(test, spec, desk) as (world, health):
        try:
            Phases(test, world, health, listener.phase, live).all()
        finally:
            directory.write_counters(health.counters.to_json())
            _heal_what_is_open(test, world)


def _heal_what_is_open(test: Test, world: World) -> None:
    """After a crash of ours too: what outlives the nodes must not outlive the run."""
    for number, cause in sorted(world.desk.faults.items()):
        fault = Fault(number, cause.f, cause.input or {})
        try:
            within(
                LAST_HEALING_TIMEOUT_S,
                partial(test.plan.nemesis.heal, world.cluster, fault),
            )
        except Exception:
            # One that cannot be healed, or never comes back, must not keep the others and the nodes
            # from their end, or hide why the run ended.
            logger.exception("fault %s could not be healed", number)


@contextlib.contextmanager
def _simulated_world(test: Test, spec: ClusterSpec, desk: Desk) -> Iterator[tuple[World, Health]]:
    from lineal.administering import SimulatedOrders
    from lineal.interpreters.simulated import SimulatedWorld
    from systems_under_test.environments.simulated.cluster import SimulatedCluster

    cluster = SimulatedCluster(spec)
    cluster.up()
    if test.administration is not None:
        administer(cluster, SimulatedOrders(cluster, test.administration))
    try:
        world = SimulatedWorld(
            cluster=cluster,
            desk=desk,
            codec=_codec_of(test),
            nemesis=test.plan.nemesis,
            status_request=test.bundled.status_request,
            roles=partial(roles_in, test.bundled),
            timeout_ns=int(test.operation_timeout_s * 1e9),
        )
        yield world, BundledHealth(test.bundled, test.nodes, world)
    finally:
        dismiss(cluster)
        cluster.down()


@contextlib.contextmanager
def _live_world(test: Test, spec: ClusterSpec, desk: Desk) -> Iterator[tuple[World, Health]]:
    from lineal.administering import LiveOrders
    from lineal.interpreters.conversing import TalkingClient
    from lineal.interpreters.live import LiveWorld
    from lineal.interpreters.workers import CodecClient
    from systems_under_test.environments.http_client import HttpClient

    start_ns = time.monotonic_ns()
    foreign = test.foreign
    with _live_cluster(test, spec) as cluster:

        def ask_node(node: str, request: Any, timeout_s: float) -> Any:
            with contextlib.closing(HttpClient(cluster.client_address(node))) as client:
                return client.call(request, timeout_s)

        orders = None
        if test.administration is not None:
            orders = LiveOrders(cluster, test.administration, ask_node)
            administer(cluster, orders)

        def http(node: str) -> HttpClient:
            return HttpClient(cluster.client_address(node))

        def connect(node: str) -> Client:
            if foreign is None:
                codec = _codec_of(test)
                if (talking := conversing(codec)) is not None:
                    return TalkingClient(talking, node, http)
                return CodecClient(codec, http(node))
            return foreign.client(cluster.foreign.nodes[node], cluster.foreign)

        def roles() -> Mapping[str, tuple[str, ...]]:
            if foreign is not None:
                return foreign.roles(cluster.foreign)
            request = test.bundled.status_request
            answers = world.ask(dict.fromkeys(test.nodes, request), STATUS_TIMEOUT_NS)
            statuses = {n: r for n, r in answers.items() if isinstance(r, Reply)}
            return roles_in(test.bundled, statuses)

        world = LiveWorld(
            cluster=cluster,
            desk=desk,
            connect=connect,
            ask_node=ask_node,
            nemesis=test.plan.nemesis,
            roles=roles,
            timeout_ns=int(test.operation_timeout_s * 1e9),
            start_ns=start_ns,
        )
        health: Health
        if foreign is None:
            health = BundledHealth(test.bundled, test.nodes, world)
        else:
            health = ForeignHealth(foreign, cluster.foreign)
        try:
            yield world, health
        finally:
            if orders is not None:
                orders.close()
                dismiss(cluster)
            world.close()


def _codec_of(test: Test) -> Codec:
    """The codec of the test's workload, as the client that the options ask for uses it."""
    codec = test.offer.codec
    assert codec is not None, "a bundled system has a codec for every workload"
    dumping = DumpingCodec(test.bundled, codec)
    client: Callable[[Codec, Mapping[str, Any]], Codec] | None
    client = getattr(test.bundled, "client", None)
    return dumping if client is None else client(dumping, test.system_options)


def _live_cluster(test: Test, spec: ClusterSpec) -> AbstractContextManager[LiveCluster]:
    """The cluster of an environment in real time, not yet up."""
    if test.environment == "ssh":
        from systems_under_test.environments.ssh.cluster import SshCluster
        from systems_under_test.environments.ssh.places import options_of, places_of

        return SshCluster(
            spec,
            places_of(test.addresses),
            options_of(test.environment_options),
            needs=test.plan.nemesis.needs,
        )
    if test.environment == "docker":
        from systems_under_test.environments.docker.cluster import DockerCluster
        from systems_under_test.environments.docker.options import options_of as docker_options_of

        options = docker_options_of(test.environment_options)
        plan = test.plan
        return DockerCluster(spec, options, needs=plan.nemesis.needs, qualities=plan.qualities)
    from systems_under_test.environments.local.cluster import LocalCluster

    return LocalCluster(spec)


@contextlib.contextmanager
def logging_to(path: Path) -> Iterator[None]:
    """Let what the harness has to say go to the run's own log."""
    handler = logging.FileHandler(path, encoding="utf-8")
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s %(message)s"))
    root = logging.getLogger()
    root.addHandler(handler)
    try:
        yield
    finally:
        root.removeHandler(handler)
        handler.close()


def _commit() -> str | None:
    """The commit of the checkout that this runs from, None where there is none."""
    try:
        shown = subprocess.run(
            ["git", "-C", str(Path(__file__).parent), "rev-parse", "--short=12", "HEAD"],
            capture_output=True,
            text=True,
            timeout=5,
            check=True,
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return shown.stdout.strip()
