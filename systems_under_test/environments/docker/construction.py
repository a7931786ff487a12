"""How a cluster of containers is put together, and taken apart again."""

from __future__ import annotations

import contextlib
import json
import secrets
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from systems_under_test.environments.cluster import EnvironmentFailed
from systems_under_test.environments.docker.cleanup import ABOUT, remove_run
from systems_under_test.environments.docker.container import Container, Recipe, own_user
from systems_under_test.environments.docker.disks import LoopDisk, cannot
from systems_under_test.environments.docker.engine import LABEL, OWNER_LABEL, in_words, owner
from systems_under_test.environments.docker.entrances import BySidecar, FromHost, Inside
from systems_under_test.environments.docker.image import ensure_image
from systems_under_test.environments.docker.kernel_links import KernelLinks, together
from systems_under_test.environments.docker.network import Bridge, free_ports, make_bridge
from systems_under_test.environments.docker.node import HELLO_S_MAX, DockerNode
from systems_under_test.environments.docker.occupants import Programs, ReplicaProcess
from systems_under_test.environments.docker.options import (
    AUTO,
    HOST_BRIDGE,
    IN_CONTAINER,
    LOOP,
    PROXY,
    SIDECAR,
)
from systems_under_test.environments.docker.partitions import (
    HostBridge,
    InNetworks,
    host_can,
)
from systems_under_test.environments.docker.places import (
    CLIENT_PORT,
    INSIDE,
    PEER_PORT,
    RECORD,
    Place,
)
from systems_under_test.environments.docker.supervised import Supervised
from systems_under_test.environments.docker.supervisor import CONTROL_PORT
from systems_under_test.environments.local.proxied_links import ProxiedLinks
from systems_under_test.rng import Rng

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from systems_under_test.environments.cluster import ClusterSpec, Link
    from systems_under_test.environments.docker.engine import Engine
    from systems_under_test.environments.docker.entrances import Entrance
    from systems_under_test.environments.docker.options import DockerOptions
    from systems_under_test.environments.docker.partitions import Cutter
    from systems_under_test.environments.local.loop_thread import LoopThread

SIDECAR_NAME: Final = "sidecar"
NET_ADMIN: Final = ("NET_ADMIN",)
SIDECAR_CAPABILITIES: Final = ("NET_ADMIN", "SYS_ADMIN", "SYS_PTRACE")
EVENTS: Final = "events.jsonl"


@dataclass(kw_only=True, slots=True)
class Site:
    """Everything that a cluster has made, as far as it has been made."""

    run: str
    spec: ClusterSpec
    options: DockerOptions
    nodes: dict[str, DockerNode] = field(default_factory=dict)
    programs: dict[str, Programs] = field(default_factory=dict)
    """Of a foreign system, by node."""
    disks: list[LoopDisk] = field(default_factory=list)
    preload: Path | None = None
    cutting: str = ""
    """The method by which links are cut."""
    proxied: ProxiedLinks | None = None
    bridge: Bridge | None = None
    removed: bool = False
    began: float = field(default_factory=time.time)
    _cutter: Cutter | None = None
    _entrance: Entrance | None = None
    kernel_links: KernelLinks | None = None

    @property
    def links(self) -> list[Link]:
        """Every directed link."""
        names = self.spec.nodes
        return [(a, b) for a in names for b in names if a != b]

    @property
    def addresses(self) -> dict[str, str]:
        """Where each node is on the bridge."""
        assert self.bridge is not None
        return {name: self.bridge.addresses[name] for name in self.spec.nodes}

    @property
    def labels(self) -> dict[str, str]:
        """The labels of everything that is made."""
        return {LABEL: self.run, OWNER_LABEL: owner()}

    @property
    def cutter(self) -> Cutter:
        """The method of cutting links; there is none where they are proxied."""
        assert self._cutter is not None
        return self._cutter

    @property
    def entrance(self) -> Entrance:
        """The way into the nodes' own networks."""
        assert self._entrance is not None
        return self._entrance

    @property
    def directory(self) -> Path:
        """Where each node has its folder."""
        assert self.spec.directory is not None
        return self.spec.directory

    @property
    def shaper(self) -> ProxiedLinks | KernelLinks:
        """What spoils links."""
        shaper = self.kernel_links if self.proxied is None else self.proxied
        assert shaper is not None
        return shaper

    def set_cutting(self, cutter: Cutter, entrance: Entrance) -> None:
        """From now on links are cut so, and spoilt by the kernel."""
        self._cutter, self._entrance = cutter, entrance
        self.kernel_links = KernelLinks(self.run, self.addresses, entrance, self.lives)

    def lives(self, node: str) -> bool:
        """Whether a node's container does, as far as our verbs know."""
        return bool(self.nodes[node].container_pid)

    def began_again(self, node: str) -> None:
        """A node's container has been started anew."""
        if self._cutter is not None:
            self._cutter.began_again(node)
        if self.kernel_links is not None:
            self.kernel_links.began_again(node)

    def counters(self) -> dict[Link, dict[str, int]]:
        """Packets of each link since the start of the run, where the kernel carries all."""
        return together(self.cutter.counters(), self.shaper.counters())

    def remove(self, engine: Engine) -> None:
        """Keep what the containers have to say, then remove everything that was made."""
        with contextlib.ExitStack() as steps:  # The last one that is entered is the first done.
            for disk in self.disks:
                steps.callback(disk.end)
            steps.callback(self._remove_all)
            if self.proxied is not None:
                steps.callback(self.proxied.close)
            steps.callback(self._keep_words, engine)
            for node in self.nodes.values():
                steps.callback(node.let_go)
        self.removed = True

    def _remove_all(self) -> None:
        if self._cutter is not None:
            with contextlib.suppress(EnvironmentFailed):  # What is left of it goes with the run.
                self._cutter.end()
        remove_run(self.run, disks=False)

    def _keep_words(self, engine: Engine) -> None:
        """Container events and what supervisors said go to the run directory."""
        wanted = {"label": f"{LABEL}={self.run}"}
        with in_words("reading the engine's events"):
            events = engine.client.api.events(
                since=int(self.began), until=int(time.time()) + 1, filters=wanted, decode=True
            )
            lines = [json.dumps(event) + "\n" for event in events]
        (self.directory / EVENTS).write_text("".join(lines), encoding="utf-8")
        for name, node in self.nodes.items():
            said = node.container.said()
            if said:
                (self.directory / name / "supervisor.log").write_bytes(said)


def build(
    site: Site,
    engine: Engine,
    loop: LoopThread,
    *,
    tell: Callable[[str], None],
) -> None:
    """Make image, network, containers and the method of cutting; no node begins its life.

    Whoever calls has a guardian by now.
    """
    spec, options = site.spec, site.options
    try:
        site.directory.mkdir(parents=True, exist_ok=True)
        json.dumps(dict(spec.options))
    except (OSError, TypeError, ValueError) as error:
        raise EnvironmentFailed(f"the cluster cannot be made: {error}") from error
    image = ensure_image(
        engine.client,
        spec.replica_path,
        base=options.base,
        foreign=None if spec.foreign is None else spec.foreign.image,
        tell=tell,
    )
    if options.disk == LOOP:
        reason = cannot()
        if reason:
            raise EnvironmentFailed(f"docker option disk=loop: {reason}")
    bridge = site.bridge = make_bridge(
        engine.client, run=site.run, hosts=(*spec.nodes, SIDECAR_NAME), labels=site.labels
    )
    token = secrets.token_hex(16)
    _choose_cutting(site)
    peers = _peers(site, loop, bridge)
    user = own_user(engine)
    inside = (CLIENT_PORT,) if spec.foreign is None else spec.foreign.ports
    inside = (*inside, CONTROL_PORT)
    ports = iter(free_ports(len(inside) * len(spec.nodes), Rng(f"{site.run}/ports")))
    for name in spec.nodes:
        directory = site.directory / name
        directory.mkdir(exist_ok=True)
        recipe = Recipe(
            name=f"lineal-{site.run}-{name}",
            hostname=name,
            image=image,
            labels=site.labels,
            environment=_environment(name, token, str(INSIDE / RECORD)),
            network=bridge.name,
            address=bridge.addresses[name],
            hosts=site.addresses,
            ports={port: next(ports) for port in inside},
            binds={str(directory.resolve()): str(INSIDE)},
            capabilities=NET_ADMIN if site.cutting == IN_CONTAINER else (),
            user=user,
        )
        site.nodes[name] = _node(site, Container(engine, recipe), token, peers[name], loop)
    engine.side_by_side(lambda disk: disk.make(), site.disks)
    sidecar = _make_containers(site, engine, image, token)
    _begin_cutting(site, engine, sidecar)
    _write_about(site, image, bridge)


def _node(
    site: Site,
    container: Container,
    token: str,
    peers: Mapping[str, tuple[str, int]],
    loop: LoopThread,
) -> DockerNode:
    """A node with what is to run in it, and its disk where it has one of its own."""
    name = container.recipe.hostname
    directory = site.directory / name
    disk = None
    if site.options.disk == LOOP:
        disk = LoopDisk(run=site.run, node=name, directory=directory)
        site.disks.append(disk)
    place = Place(
        spec=site.spec,
        options=site.options,
        name=name,
        directory=directory,
        token=token,
        peers=peers,
        disk=disk,
        preload=site.preload,
        began_again=site.began_again,
    )
    supervised = Supervised(name, container.control, token)
    foreign = site.spec.foreign
    if foreign is None:
        return DockerNode(place, container, supervised, ReplicaProcess(place, supervised, loop))
    programs = site.programs[name] = Programs(
        foreign,
        place,
        supervised,
        container.recipe.address,
        container.recipe.ports,
        site.programs,
    )
    return DockerNode(place, container, supervised, programs)


def _choose_cutting(site: Site) -> None:
    """Choose how links are cut, as far as can be known before. Raises EnvironmentFailed."""
    if site.options.links == PROXY:
        site.cutting = PROXY
        return
    wanted = site.options.partition
    reason = host_can() if wanted in (AUTO, HOST_BRIDGE) else None
    if wanted == HOST_BRIDGE and reason:
        raise EnvironmentFailed(f"partition={HOST_BRIDGE}: {reason}")
    if wanted == AUTO:
        wanted = HOST_BRIDGE if reason is None else SIDECAR
    site.cutting = wanted


def _make_containers(site: Site, engine: Engine, image: str, token: str) -> Supervised | None:
    """Make all side by side; the sidecar, where there is one. Raises EnvironmentFailed.

    An engine that allows no sidecar is only known by trying: then the nodes are made anew, with
    what cuts links inside them, unless the sidecar was asked for.
    """
    nodes = list(site.nodes.values())
    if site.cutting != SIDECAR:
        engine.side_by_side(lambda node: node.make(), nodes)
        return None
    sidecar = _sidecar(site, engine, image, token)
    supervised = Supervised(SIDECAR_NAME, sidecar.control, token)
    refused: list[EnvironmentFailed] = []

    def make_sidecar() -> None:
        try:
            sidecar.make()
            supervised.await_hello(HELLO_S_MAX)
        except EnvironmentFailed as error:
            refused.append(error)

    engine.side_by_side(lambda make: make(), [make_sidecar, *(node.make for node in nodes)])
    if not refused:
        return supervised
    if site.options.partition == SIDECAR:
        raise refused[0]
    site.cutting = IN_CONTAINER
    sidecar.remove()
    engine.side_by_side(lambda node: node.make_anew(NET_ADMIN), nodes)
    return None


def _sidecar(site: Site, engine: Engine, image: str, token: str) -> Container:
    assert site.bridge is not None
    recipe = Recipe(
        name=f"lineal-{site.run}-{SIDECAR_NAME}",
        hostname=SIDECAR_NAME,
        image=image,
        labels=site.labels,
        environment=_environment(SIDECAR_NAME, token, "/dev/null"),
        network=site.bridge.name,
        address=site.bridge.addresses[SIDECAR_NAME],
        hosts={},
        ports={CONTROL_PORT: free_ports(1, Rng(f"{site.run}/sidecar"))[0]},
        binds={},
        capabilities=SIDECAR_CAPABILITIES,
        pid_mode="host",
        user="0",
    )
    return Container(engine, recipe)


def _begin_cutting(site: Site, engine: Engine, sidecar: Supervised | None) -> None:
    def pid(node: str) -> int:
        return site.nodes[node].container_pid

    if site.cutting == PROXY:
        return
    if site.cutting == HOST_BRIDGE:
        cutter: Cutter = HostBridge(site.run, site.addresses, site.links)
        entrance: Entrance = FromHost(pid)
    else:
        if sidecar is not None:
            entrance = BySidecar(sidecar, pid)
        else:
            entrance = Inside(engine, lambda node: site.nodes[node].container.name)
        cutter = InNetworks(site.run, site.addresses, site.links, entrance, site.lives)
    site.set_cutting(cutter, entrance)
    cutter.begin()


def _peers(site: Site, loop: LoopThread, bridge: Bridge) -> dict[str, dict[str, tuple[str, int]]]:
    """Where each node reaches each other one."""
    direct = {name: (address, PEER_PORT) for name, address in site.addresses.items()}
    if site.cutting != PROXY:
        return {a: {b: direct[b] for b in direct if b != a} for a in direct}
    site.proxied = ProxiedLinks(loop, seed=site.spec.seed)
    entrances = site.proxied.listen(bridge.gateway, direct)
    return {a: {b: entrances[a, b] for b in direct if b != a} for a in direct}


def _environment(name: str, token: str, record: str) -> dict[str, str]:
    return {"LINEAL_NODE": name, "LINEAL_TOKEN": token, "LINEAL_RECORD": record}


def _write_about(site: Site, image: str, bridge: Bridge) -> None:
    """What whoever reads the run later wants to know of its containers."""
    about: dict[str, Any] = {
        "run": site.run,
        "owner": owner(),
        "image": image,
        "network": bridge.name,
        "partition": site.cutting,
        "addresses": site.addresses,
    }
    (site.directory / ABOUT).write_text(json.dumps(about, indent=1) + "\n", encoding="ascii")
