"""The local environment: every node a process on 127.0.0.1, every directed link through a proxy.

Nothing here needs a privilege. A guardian process kills the nodes if the harness ends without
taking them down, and no node serves before the guardian knows of it.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import time
from typing import TYPE_CHECKING, Final, Self

from systems_under_test.environments.cluster import EnvironmentFailed
from systems_under_test.environments.local import resources
from systems_under_test.environments.local.guarded import Guardian
from systems_under_test.environments.local.launch import child_environment
from systems_under_test.environments.local.loop_thread import LoopThread
from systems_under_test.environments.local.node import LocalNode, Site
from systems_under_test.environments.local.ports import LOOPBACK, HeldPort
from systems_under_test.environments.local.proxied_links import ProxiedLinks

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from types import TracebackType

    from systems_under_test.environments.cluster import ClusterSpec, Link, LinkQuality
    from systems_under_test.foreign import ForeignCluster

Address = tuple[str, int]

READY_S_MAX: Final = 15.0
LINKS_S_MAX: Final = 5.0
PROBE_S: Final = 0.15
VERB_S_MAX: Final = 10.0


class LocalCluster:
    """A cluster of processes; use it in a `with` statement, or call `up` and `down`."""

    def __init__(self, spec: ClusterSpec, *, direct: bool = False) -> None:
        """Nothing happens before `up`. `direct`: nodes talk without proxies, nothing can be cut."""
        if spec.directory is None:
            raise ValueError("the local environment needs a directory for its nodes' files")
        self._spec = spec
        self._directory = spec.directory
        self._direct = direct
        self._guardian: Guardian | None = None
        self._loop: LoopThread | None = None
        self._ports: list[HeldPort] = []
        self._links: ProxiedLinks | None = None
        self._nodes: dict[str, LocalNode] = {}

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
        """`local`."""
        return "local"

    @property
    def capabilities(self) -> frozenset[str]:
        """Which of `CAPABILITIES` it carries."""
        return frozenset(self.method)

    @property
    def nodes(self) -> Mapping[str, LocalNode]:
        """The nodes by name, in order."""
        return self._nodes

    @property
    def method(self) -> Mapping[str, str]:
        """How each capability is carried here."""
        proxied = {} if self._direct else {"partition": "proxy", "link": "proxy"}
        return {
            **proxied,
            "kill": "SIGKILL",
            "stop": "SIGTERM",
            "pause": "SIGSTOP",
            "clock": "host",
            "power": "log cut to what was synced",
            "disk": "host",
            **({} if resources.cannot() else {"cpu": "cgroup", "memory": "cgroup"}),
        }

    def client_address(self, node: str) -> Address:
        """Where clients reach a node, in every life of it."""
        return self._nodes[node].client_address

    @property
    def foreign(self) -> ForeignCluster:
        """Not carried here."""
        raise EnvironmentFailed("the environment local has no place for foreign systems")

    def up(self) -> None:
        """Start every node and wait until each serves and reaches every other one.

        Raises EnvironmentFailed, naming the node and its log; then everything is down again.
        """
        if self._loop is not None:
            raise RuntimeError("this cluster is up already")
        try:
            self._build()
            for node in self._nodes.values():
                node.start()
            self._running[0].run(
                self._wait_ready(), timeout_s=READY_S_MAX + VERB_S_MAX, what="starting nodes"
            )
            self._check_links()
        except BaseException:
            self.down()
            raise

    def down(self) -> None:
        """Kill every node, end the proxies and the guardian. Can be called twice.

        Whatever goes wrong on the way, the rest is still taken down; then an error is raised.
        """
        with contextlib.ExitStack() as steps:  # The last one that is entered is the first done.
            for port in self._ports:
                steps.callback(port.release)
            self._ports = []
            if self._guardian is not None:
                steps.callback(self._guardian.end)
                self._guardian = None
            if self._loop is not None:
                steps.callback(self._loop.stop)
                if self._links is not None:
                    steps.callback(self._links.close)
                self._loop = None
            for node in self._nodes.values():
                steps.callback(node.let_go)

    def set_cut(self, links: Iterable[Link]) -> None:
        """Cut exactly these directed links and mend all others."""
        wanted = self._known(links)
        self._through_proxies().set_cut(wanted)

    def shape(self, qualities: Mapping[Link, LinkQuality]) -> None:
        """Give exactly these links these qualities, and all others none."""
        self._known(qualities)
        self._through_proxies().shape(qualities)

    def link_qualities(self) -> Mapping[Link, LinkQuality]:
        """The qualities of all links now."""
        return {} if self._links is None else self._links.qualities()

    def probe(self, links: Iterable[Link]) -> Mapping[Link, bool]:
        """Whether a message passes each link now: every sender sends one, all at the same time."""
        return {link: took is not None for link, took in self.latencies(links).items()}

    def latencies(self, links: Iterable[Link]) -> Mapping[Link, int | None]:
        """Nanoseconds that a message takes over each link now, and its answer back."""
        wanted = self._known(links)
        loop, network = self._running
        waits: dict[str, dict[str, float]] = {}
        for link in self._all_links():
            if link in wanted:
                waits.setdefault(link[0], {})[link[1]] = PROBE_S + network.slowness_s(link)

        async def asking() -> list[Mapping[str, int | None]]:
            return await asyncio.gather(
                *(self._nodes[sender].round_trips(receivers) for sender, receivers in waits.items())
            )

        longest_s = max((s for receivers in waits.values() for s in receivers.values()), default=0)
        answers = loop.run(asking(), timeout_s=longest_s + VERB_S_MAX, what="probing links")
        return {
            (sender, receiver): took
            for sender, answer in zip(waits, answers, strict=True)
            for receiver, took in answer.items()
        }

    def link_counters(self) -> Mapping[Link, Mapping[str, int]]:
        """`passed`, `dropped`, `delayed`, `duplicated` of each link since the start of the run."""
        return {} if self._links is None else self._links.counters()

    def unprovoked_deaths(self) -> list[str]:
        """Nodes that are dead though no verb of ours killed them, each reported once."""
        return [name for name, node in self._nodes.items() if node.died_unprovoked()]

    @property
    def _running(self) -> tuple[LoopThread, ProxiedLinks]:
        if self._loop is None or self._links is None:
            raise EnvironmentFailed("the local cluster is not up")
        return self._loop, self._links

    def _through_proxies(self) -> ProxiedLinks:
        if self._direct:
            raise EnvironmentFailed("the links of this cluster are direct: they cannot be changed")
        return self._running[1]

    def _build(self) -> None:
        spec = self._spec
        try:
            self._directory.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise EnvironmentFailed(
                f"the nodes' directory {self._directory} cannot be used: {error}"
            ) from error
        environment = child_environment(spec.replica_path)
        group = f"lineal-{os.getpid()}-{time.time_ns():x}-"
        cleaner = () if resources.cannot() else (resources.CLEANER, group)
        guardian = self._guardian = Guardian(environment, *cleaner)
        loop = self._loop = LoopThread("local-cluster")
        self._nodes.clear()
        links = self._links = ProxiedLinks(loop, seed=spec.seed)
        client = {name: self._port() for name in spec.nodes}
        listen = {name: self._port() for name in spec.nodes}
        entrances = {link: listen[link[1]] for link in self._all_links()}
        if not self._direct:
            entrances = links.listen(LOOPBACK, listen)
        for name in spec.nodes:
            site = Site(
                spec=spec,
                name=name,
                directory=self._directory / name,
                client=client[name],
                listen=listen[name],
                peers={to: entrances[name, to] for to in spec.nodes if to != name},
                clients=client,
                environment=environment,
                group=group,
            )
            self._nodes[name] = LocalNode(site, guardian, loop)

    def _port(self) -> Address:
        port = HeldPort()
        self._ports.append(port)
        return port.address

    async def _wait_ready(self) -> None:
        waits = [asyncio.create_task(n.wait_ready(READY_S_MAX)) for n in self._nodes.values()]
        try:
            await asyncio.gather(*waits)
        finally:
            for wait in waits:
                wait.cancel()

    def _check_links(self) -> None:
        broken: list[str] = []
        for _ in range(int(LINKS_S_MAX / PROBE_S)):
            passed = self.probe(self._all_links())
            broken = [f"{sender}->{to}" for (sender, to), passes in passed.items() if not passes]
            if not broken:
                return
        raise EnvironmentFailed(
            f"nodes do not reach each other within {LINKS_S_MAX:g} s: {', '.join(broken)}; "
            f"their logs are in {self._directory}"
        )

    def _all_links(self) -> list[Link]:
        return [
            (sender, to) for sender in self._spec.nodes for to in self._spec.nodes if sender != to
        ]

    def _known(self, links: Iterable[Link]) -> frozenset[Link]:
        known = frozenset(links)
        strange = sorted(known - set(self._all_links()))
        if strange:
            raise ValueError(f"there are no such links: {strange}; nodes: {list(self._nodes)}")
        return known
