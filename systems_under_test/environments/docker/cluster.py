"""The Docker environment: every node a container on one bridge, its links cut by the kernel.

Clients reach nodes by ports of loopback, so a cut between nodes never touches them. A guardian
process removes everything if the harness ends without taking it down.
"""

from __future__ import annotations

import asyncio
import contextlib
import secrets
import sys
import time
from typing import TYPE_CHECKING, Final, Self

from systems_under_test.environments.cluster import EnvironmentFailed
from systems_under_test.environments.docker import slow_writes
from systems_under_test.environments.docker.construction import Site, build
from systems_under_test.environments.docker.datagrams import datagram_latencies
from systems_under_test.environments.docker.engine import Engine
from systems_under_test.environments.docker.options import CONTAINER, LOOP, PROXY, DockerOptions
from systems_under_test.environments.docker.partitions import reset_connections
from systems_under_test.environments.docker.wheels import cache_directory
from systems_under_test.environments.local.guarded import Guardian
from systems_under_test.environments.local.launch import child_environment
from systems_under_test.environments.local.loop_thread import LoopThread
from systems_under_test.foreign import ForeignCluster
from systems_under_test.preload.wall_clock import library

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping
    from types import TracebackType

    from systems_under_test.environments.cluster import ClusterSpec, Link, LinkQuality
    from systems_under_test.environments.docker.node import DockerNode

Address = tuple[str, int]

READY_S_MAX: Final = 15.0
LINKS_S_MAX: Final = 5.0
PROBE_S: Final = 0.15
VERB_S_MAX: Final = 10.0
DEFAULT: Final = DockerOptions()
CLEANER: Final = "systems_under_test.environments.docker.cleanup:remove_run"


def say(line: str) -> None:
    """Tell whoever waits, on standard error."""
    sys.stderr.write(f"{line}\n")


class DockerCluster:
    """A cluster of containers; use it in a `with` statement, or call `up` and `down`."""

    def __init__(
        self,
        spec: ClusterSpec,
        options: DockerOptions = DEFAULT,
        *,
        needs: Collection[str] = (),
        qualities: Collection[str] = (),
        tell: Callable[[str], None] = say,
    ) -> None:
        """Nothing happens before `up`. `needs` are the capabilities that faults will ask for.

        `qualities` are the fields of `LinkQuality` and `DiskQuality` that they use.
        `tell` is given a line when an image has to be made, which may take minutes.
        """
        if spec.directory is None:
            raise ValueError("the docker environment needs a directory for its nodes' files")
        foreign = spec.foreign is not None
        problems = options.problems(needs, qualities, foreign=foreign)
        if problems:
            raise ValueError("; ".join(problems))
        self._spec = spec
        self._options = options.resolved(needs, foreign=foreign)
        self._qualities = frozenset(qualities)
        self._moves_clocks = foreign and "clock" in needs
        self._tell = tell
        self._guardian: Guardian | None = None
        self._loop: LoopThread | None = None
        self._engine: Engine | None = None
        self._site: Site | None = None
        self._cut: frozenset[Link] = frozenset()
        self.run_id = secrets.token_hex(5)
        """The value of the label `lineal` on everything that this cluster makes."""

    def __enter__(self) -> Self:
        self.up()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.down()

    @property
    def environment(self) -> str:
        """`docker`."""
        return "docker"

    @property
    def capabilities(self) -> frozenset[str]:
        """Which of `CAPABILITIES` it carries."""
        return frozenset(self.method)

    @property
    def nodes(self) -> Mapping[str, DockerNode]:
        """The nodes by name, in order."""
        return {} if self._site is None else self._site.nodes

    @property
    def method(self) -> Mapping[str, str]:
        """How each capability is carried here."""
        options = self._options
        cutting = PROXY if self._site is None else self._site.cutting
        methods = {
            "partition": cutting,
            "kill": "docker kill" if options.kill == CONTAINER else "SIGKILL",
            "stop": "SIGTERM",
            "pause": "docker pause" if options.pause == CONTAINER else "SIGSTOP",
            "cpu": "cgroup",
            "memory": "cgroup",
        }
        if self._spec.foreign is None:
            methods |= {"clock": "host", "disk": "host", "power": "log cut to what was synced"}
        else:
            methods |= {"disk": "files", **({"clock": "preload"} if self._moves_clocks else {})}
        if options.disk == LOOP:
            methods["power"] = "copy of the disk"
            by_kernel = slow_writes.cannot() is None
            if self._spec.foreign is None:
                slow = ", slow by the cgroup" if by_kernel else ""
                methods["disk"] = f"host; full by a file that takes the space{slow}"
            else:
                slow = "; slow by the cgroup" if by_kernel else ""
                methods["disk"] = f"files; full by a file that takes the space{slow}"
        shaped = None if self._site is None else self._site.kernel_links
        methods["link"] = options.links if shaped is None else shaped.method
        return methods

    def client_address(self, node: str) -> Address:
        """Where clients reach a node, in every life of it."""
        return self.nodes[node].client_address

    @property
    def foreign(self) -> ForeignCluster:
        """The cluster as a foreign system sees it."""
        return ForeignCluster(self._running[0].programs, self._spec.options)

    def up(self) -> None:
        """Make every node and wait until each serves and reaches every other one.

        Raises EnvironmentFailed; then everything is down again.
        """
        if self._engine is not None:
            raise RuntimeError("this cluster is up already")
        spec = self._spec
        try:
            environment = child_environment(spec.replica_path)
            guardian = self._guardian = Guardian(environment, CLEANER, self.run_id)
            loop = self._loop = LoopThread("docker-cluster")
            engine = self._engine = Engine()
            site = self._site = Site(run=self.run_id, spec=spec, options=self._options)
            if self._moves_clocks:
                site.preload = library(cache_directory())
            build(site, engine, loop, tell=self._tell)
            guardian.await_ready()  # It was told at its start; here we see that it could be.
            if site.kernel_links is not None:
                site.kernel_links.check(spec.nodes[0], self._qualities)
            self._check_slow_disk(site)
            engine.side_by_side(lambda node: node.start(), site.nodes.values())
            loop.run(self._wait_ready(), timeout_s=READY_S_MAX + VERB_S_MAX, what="starting nodes")
            self._check_links()
        except BaseException:
            self.down()
            raise

    def down(self) -> None:
        """Remove everything that was made. Can be called twice.

        Whatever goes wrong on the way, the rest is still taken down; then an error is raised.
        """
        site, engine, guardian, loop = self._site, self._engine, self._guardian, self._loop
        self._guardian = self._loop = self._engine = None
        with contextlib.ExitStack() as steps:  # The last one that is entered is the first done.
            if guardian is not None:
                steps.callback(guardian.end)
                steps.callback(self._spare_if_gone, guardian, site)
            if engine is not None:
                steps.callback(engine.close)
            if loop is not None:
                steps.callback(loop.stop)
            if site is not None and engine is not None:
                steps.callback(site.remove, engine)

    def set_cut(self, links: Iterable[Link]) -> None:
        """Cut exactly these directed links and mend all others.

        Connections over links that are mended are reset, to be made anew at once.
        """
        cut = self._known(links)
        site = self._running[0]
        mended, self._cut = self._cut - cut, cut
        if site.proxied is not None:
            site.proxied.set_cut(cut)
            return
        site.cutter.cut(cut)
        if mended:
            alive = {name for name, node in site.nodes.items() if node.container_pid}
            whole = [link for link in mended if alive.issuperset(link)]
            reset_connections(site.entrance, whole, site.addresses)

    def shape(self, qualities: Mapping[Link, LinkQuality]) -> None:
        """Give exactly these links these qualities, and all others none."""
        self._known(qualities)
        self._running[0].shaper.shape(qualities)

    def link_qualities(self) -> Mapping[Link, LinkQuality]:
        """The qualities of all links now, as the kernel tells or the proxy has them."""
        return self._running[0].shaper.qualities()

    def probe(self, links: Iterable[Link]) -> Mapping[Link, bool]:
        """Whether something passes each link now, and both its ends run.

        Where the kernel cuts, a datagram is tried: TCP needs both directions, so it would make a
        one-way cut look like one both ways. Where links are proxied, a message is.
        """
        return {link: took is not None for link, took in self.latencies(links).items()}

    def latencies(self, links: Iterable[Link]) -> Mapping[Link, int | None]:
        """Nanoseconds that a datagram takes over each link now; None where it does not pass.

        Where links are proxied, that a message takes, and its answer back.
        """
        wanted = self._known(links)
        site, engine, _ = self._running
        if site.proxied is not None:
            return self._round_trips(wanted)
        within_s = {link: PROBE_S + site.shaper.slowness_s(link) for link in sorted(wanted)}
        return datagram_latencies(engine, site.nodes, within_s)

    def try_messages(self, links: Iterable[Link]) -> Mapping[Link, bool]:
        """Whether a message of a node's own passes each link now, there and its answer back."""
        took = self._round_trips(self._known(links))
        return {link: nanoseconds is not None for link, nanoseconds in took.items()}

    def _round_trips(self, wanted: Iterable[Link]) -> Mapping[Link, int | None]:
        site, engine, loop = self._running
        waits: dict[str, dict[str, float]] = {}
        for sender, receiver in sorted(wanted):
            slow_s = site.shaper.slowness_s((sender, receiver))
            waits.setdefault(sender, {})[receiver] = PROBE_S + slow_s
        states = dict(
            zip(waits, engine.side_by_side(lambda n: site.nodes[n].state(), waits), strict=True)
        )

        async def asking() -> list[Mapping[str, int | None]]:
            return await asyncio.gather(
                *(site.nodes[name].round_trips(to, states[name]) for name, to in waits.items())
            )

        longest_s = max((s for receivers in waits.values() for s in receivers.values()), default=0)
        answers = loop.run(asking(), timeout_s=longest_s + VERB_S_MAX, what="probing links")
        return {
            (sender, receiver): took
            for sender, answer in zip(waits, answers, strict=True)
            for receiver, took in answer.items()
        }

    def link_counters(self) -> Mapping[Link, Mapping[str, int]]:
        """What became of what each link carried: packets with links=kernel, else messages."""
        site = self._running[0]
        return site.shaper.counters() if site.proxied is not None else site.counters()

    def unprovoked_deaths(self) -> list[str]:
        """Nodes that are dead though no verb of ours killed them, each reported once."""
        return [name for name, node in self.nodes.items() if node.died_unprovoked()]

    @property
    def _running(self) -> tuple[Site, Engine, LoopThread]:
        if self._site is None or self._engine is None or self._loop is None:
            raise EnvironmentFailed("the docker cluster is not up")
        return self._site, self._engine, self._loop

    def _spare_if_gone(self, guardian: Guardian, site: Site | None) -> None:
        if site is None or site.removed:
            guardian.spare()

    def _check_slow_disk(self, site: Site) -> None:
        """A bundled replica's host can be slow instead; a foreign program is the kernel's alone."""
        if self._spec.foreign is None or "slow_ns" not in self._qualities:
            return
        reason = site.nodes[self._spec.nodes[0]].cannot_be_slow()
        if reason:
            raise EnvironmentFailed(f"the kernel cannot make disks slow: {reason}")

    async def _wait_ready(self) -> None:
        waits = [asyncio.create_task(n.wait_ready(READY_S_MAX)) for n in self.nodes.values()]
        try:
            await asyncio.gather(*waits)
        finally:
            for wait in waits:
                wait.cancel()

    def _check_links(self) -> None:
        links = self._running[0].links
        deadline = time.monotonic() + LINKS_S_MAX
        broken: list[str] = []
        while time.monotonic() < deadline:
            passed = self.try_messages(links) if self._spec.foreign is None else self.probe(links)
            broken = [f"{sender}->{to}" for (sender, to), passes in passed.items() if not passes]
            if not broken:
                return
        raise EnvironmentFailed(
            f"nodes do not reach each other within {LINKS_S_MAX:g} s: {', '.join(broken)}; "
            f"their logs are in {self._spec.directory}"
        )

    def _known(self, links: Iterable[Link]) -> frozenset[Link]:
        known = frozenset(links)
        strange = sorted(known.difference(self._running[0].links))
        if strange:
            raise ValueError(f"there are no such links: {strange}; nodes: {list(self.nodes)}")
        return known
