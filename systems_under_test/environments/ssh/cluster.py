"""The SSH environment: a node on each of several machines, cut from each other by iptables.

Nothing is installed on the machines and nothing stays: each has an attendant for the run, which is
the command of an SSH session and cleans up when the session ends, whatever ended it.
"""

from __future__ import annotations

import logging
import secrets
import threading
from typing import TYPE_CHECKING, Any, Final, Self

from systems_under_test.environments.cluster import EnvironmentFailed, LinkQuality
from systems_under_test.environments.ssh.machines import (
    Machine,
    attend_all,
    cannot_cut,
    chain_of,
    side_by_side,
)
from systems_under_test.environments.ssh.node import Address, Site, SshNode, log_of
from systems_under_test.environments.ssh.payload import node_closure
from systems_under_test.rng import MILLION

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from pathlib import Path
    from types import TracebackType

    from systems_under_test.environments.cluster import ClusterSpec, Link
    from systems_under_test.environments.ssh.places import Place, SshOptions
    from systems_under_test.foreign import ForeignCluster

logger = logging.getLogger("lineal.ssh")

PARTITION: Final = "partition"
LINK: Final = "link"
LIMITS: Final = {"cpu": "cgroup", "memory": "cgroup"}
CLEAR: Final = LinkQuality()
READY_S_MAX: Final = 20.0
LINKS_TRIES: Final = 20
PROBE_S: Final = 0.25
ROUND_TRIPS: Final = 4
"""A probe that has to connect first takes so many."""


class SshCluster:
    """A cluster of machines; use it in a `with` statement, or call `up` and `down`."""

    def __init__(
        self,
        spec: ClusterSpec,
        places: Sequence[Place],
        options: SshOptions,
        *,
        needs: frozenset[str] = frozenset({PARTITION}),
    ) -> None:
        """Nothing happens before `up`. `needs` are the capabilities that the run will use.

        Packet filters are touched only if a partition or a link fault is among them.
        """
        if spec.directory is None:
            raise ValueError("the ssh environment needs a directory for its nodes' logs")
        if tuple(place.name for place in places) != spec.nodes:
            raise ValueError("the places are not those of the nodes")
        self._spec = spec
        self._directory = spec.directory
        self._places = tuple(places)
        self._options = options
        self._cuts = not needs.isdisjoint({PARTITION, LINK})
        self._limits = not needs.isdisjoint(LIMITS)
        self._machines: list[Machine] = []
        self._nodes: dict[str, SshNode] = {}
        self._cut: dict[str, frozenset[str] | None] = {}
        self._shaped: dict[Link, LinkQuality] = {}
        self._cutting = threading.Lock()
        self._probe_s = PROBE_S
        self.run_id = secrets.token_hex(4)

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
        """`ssh`."""
        return "ssh"

    @property
    def capabilities(self) -> frozenset[str]:
        """Which of `CAPABILITIES` it carries."""
        return frozenset(self.method)

    @property
    def nodes(self) -> Mapping[str, SshNode]:
        """The nodes by name, in order."""
        return self._nodes

    @property
    def method(self) -> Mapping[str, str]:
        """How each capability is carried here."""
        cutting = {PARTITION: "iptables", LINK: "iptables"} if self._cuts else {}
        return {
            **cutting,
            **(LIMITS if self._limits else {}),
            "kill": "SIGKILL",
            "stop": "SIGTERM",
            "pause": "SIGSTOP",
            "clock": "host",
            "power": "log cut to what was synced",
            "disk": "host",
        }

    @property
    def chain(self) -> str:
        """The name of our chain on every machine."""
        return chain_of(self.run_id)

    def client_address(self, node: str) -> Address:
        """Where clients reach a node, in every life of it."""
        return self._nodes[node].client_address

    @property
    def foreign(self) -> ForeignCluster:
        """Not carried here."""
        raise EnvironmentFailed("the environment ssh has no place for foreign systems")

    def up(self) -> None:
        """Reach every machine, start every node, wait until each serves and reaches every other.

        Raises EnvironmentFailed, naming the machine or the node; then everything is down again.
        """
        if self._machines:
            raise RuntimeError("this cluster is up already")
        try:
            logs = {place.name: self._log(place.name) for place in self._places}
            self._machines = attend_all(
                self._places,
                self._options,
                closure=node_closure(self._spec.replica_path),
                run_id=self.run_id,
                on_log=logs,
            )
            self._probe_s = PROBE_S + ROUND_TRIPS * max(m.round_trip_s for m in self._machines)
            self._build()
            if self._cuts:
                self._open_firewalls()
            if self._limits:
                side_by_side(lambda node: node.open_resources(), self._nodes.values())
            side_by_side(lambda node: node.open_disk(), self._nodes.values())
            side_by_side(lambda node: node.start(), self._nodes.values())
            side_by_side(lambda node: node.wait_ready(READY_S_MAX), self._nodes.values())
            self._check_links()
        except BaseException:
            self._down(quietly=True)
            raise

    def down(self) -> None:
        """Kill every node and leave every machine as it was. Can be called twice."""
        self._down(quietly=False)

    def set_cut(self, links: Iterable[Link]) -> None:
        """Cut exactly these directed links and mend all others.

        What was mended connects anew at once: its old connections are reset where `ss` can.
        """
        if not self._cuts:
            raise EnvironmentFailed("this cluster was brought up without partitions")
        silenced: dict[str, set[str]] = {name: set() for name in self._nodes}
        for sender, receiver in self._known(links):
            silenced[receiver].add(sender)
        with self._cutting:
            changed = {
                receiver: frozenset(senders)
                for receiver, senders in silenced.items()
                if self._cut.get(receiver, frozenset()) != frozenset(senders)
            }
            mended: dict[str, list[Address]] = {}
            for receiver, senders in changed.items():
                before = self._cut.get(receiver, frozenset())
                for sender in sorted(frozenset(self._nodes) if before is None else before):
                    if sender != receiver and sender not in senders:
                        mended.setdefault(sender, []).append(self._nodes[receiver].listen_address)
                self._cut[receiver] = None  # Until it is known to be so.
            self._filter(changed)
            self._cut.update(changed)
            self._on_each("reset", {sender: {"to": to} for sender, to in mended.items()})

    def _filter(self, cut: Mapping[str, frozenset[str]]) -> None:
        """Let the chains of these receivers cut these senders, and spoil what is to be spoilt."""
        addresses = {name: node.listen_address[0] for name, node in self._nodes.items()}
        requests: dict[str, dict[str, Any]] = {}
        for receiver, senders in cut.items():
            spoilt = {a: q for (a, b), q in self._shaped.items() if b == receiver}
            requests[receiver] = {
                "addresses": sorted(addresses[sender] for sender in senders),
                "held": sorted(addresses[a] for a, quality in spoilt.items() if quality.hold),
                "lost": {addresses[a]: q.loss_ppm for a, q in spoilt.items() if q.loss_ppm},
            }
        self._on_each("cut", requests)

    def shape(self, qualities: Mapping[Link, LinkQuality]) -> None:
        """Give exactly these links these qualities, and all others none: loss, or a hold."""
        wanted = {link: quality for link, quality in qualities.items() if quality != CLEAR}
        self._known(wanted)
        if wanted and not self._cuts:
            raise EnvironmentFailed("this cluster was brought up without link faults")
        for quality in wanted.values():
            if quality != LinkQuality(loss_ppm=quality.loss_ppm, hold=quality.hold):
                raise EnvironmentFailed("iptables loses and holds packets, and nothing else")
        with self._cutting:
            was, self._shaped = self._shaped, wanted
            links = was.keys() | wanted.keys()
            touched = {link[1] for link in links if was.get(link) != wanted.get(link)}
            if touched:
                self._filter({name: self._cut.get(name) or frozenset() for name in touched})

    def link_qualities(self) -> Mapping[Link, LinkQuality]:
        """The qualities of all links now, as the kernels of the receivers tell."""
        links = [(a, b) for b in self._nodes for a in self._nodes if a != b]
        if not self._cuts:
            return dict.fromkeys(links, CLEAR)
        told = self._on_each("chances", {name: {} for name in self._nodes})
        found: dict[Link, LinkQuality] = {}
        for sender, receiver in links:
            ppm = told[receiver]["ppm"].get(self._nodes[sender].listen_address[0], 0)
            wanted = self._shaped.get((sender, receiver), CLEAR)
            # What is dropped whole is cut or held: then no chance to lose is seen.
            found[sender, receiver] = wanted if ppm == MILLION else LinkQuality(loss_ppm=ppm)
        return found

    def probe(self, links: Iterable[Link]) -> Mapping[Link, bool]:
        """Whether a message passes each link now: every sender sends one, all at the same time."""
        return {link: took is not None for link, took in self.latencies(links).items()}

    def latencies(self, links: Iterable[Link]) -> Mapping[Link, int | None]:
        """Nanoseconds that a message takes over each link now, and its answer back."""
        waits: dict[str, dict[str, float]] = {}
        wanted = self._known(links)
        for sender, receiver in wanted:
            waits.setdefault(sender, {})[receiver] = self._probe_s
        states = self._on_each("state", {sender: {} for sender in waits})
        asked = {
            sender: self._nodes[sender].post("probe", to=receivers)
            for sender, receivers in waits.items()
            if states[sender]["state"] == "running"
        }
        took: dict[Link, int | None] = dict.fromkeys(wanted)
        for sender, answer in asked.items():
            try:
                said = self._nodes[sender].session.result(answer, "probe")["took_ns"]
            except EnvironmentFailed:
                continue  # It has ended, or was paused, meanwhile: nothing passed.
            took.update({(sender, receiver): said[receiver] for receiver in waits[sender]})
        return took

    def link_counters(self) -> Mapping[Link, Mapping[str, int]]:
        """`passed`, `dropped`, `delayed` of each link since the start of the run, in packets."""
        names = {node.listen_address[0]: name for name, node in self._nodes.items()}
        counted = self._on_each("count", {name: {} for name in self._nodes})
        return {
            (names[address], receiver): {**packets, "duplicated": 0}
            for receiver, answer in counted.items()
            for address, packets in answer["packets"].items()
        }

    def unprovoked_deaths(self) -> list[str]:
        """Nodes that are dead though no verb of ours killed them, each reported once."""
        return [name for name, node in self._nodes.items() if node.died_unprovoked()]

    def _build(self) -> None:
        """Say to every node where it and the others listen."""
        options = self._options
        together: dict[str, int] = {}

        def ports(machine: Machine) -> tuple[int, int]:
            # Nodes that share an address take one port after the other.
            step = places[machine.place.name]
            wanted = [p + step if p else 0 for p in (options.client_port, options.peer_port)]
            held = machine.session.ask("listen", host=machine.address, ports=wanted)["ports"]
            return int(held[0]), int(held[1])

        places: dict[str, int] = {}
        for machine in self._machines:
            places[machine.place.name] = together.get(machine.address, 0)
            together[machine.address] = places[machine.place.name] + 1
        held = side_by_side(ports, self._machines)
        listen = {
            machine.place.name: (machine.address, peer)
            for machine, (_, peer) in zip(self._machines, held, strict=True)
        }
        for machine, (client, _) in zip(self._machines, held, strict=True):
            name = machine.place.name
            site = Site(
                spec=self._spec,
                name=name,
                log=log_of(self._directory, name),
                directory=machine.directory,
                client=(machine.reached_at, client),
                bound=(machine.address, client),
                listen=listen[name],
                peers={to: address for to, address in listen.items() if to != name},
            )
            self._nodes[name] = SshNode(site, machine.session)

    def _open_firewalls(self) -> None:
        reasons = cannot_cut(self._machines)
        if reasons:
            raise EnvironmentFailed("no partition can be made:\n" + "\n".join(reasons))
        addresses = {name: node.listen_address for name, node in self._nodes.items()}
        self._on_each(
            "firewall",
            {
                name: {
                    "peers": [
                        [address, node.listen_address[1]]
                        for other, (address, _) in addresses.items()
                        if other != name
                    ]
                }
                for name, node in self._nodes.items()
            },
        )
        logger.info("partitions are made by iptables in the chain %s", self.chain)

    def _check_links(self) -> None:
        links = [(a, b) for a in self._nodes for b in self._nodes if a != b]
        broken: list[str] = []
        for _ in range(LINKS_TRIES):
            broken = [f"{a}->{b}" for (a, b), passes in self.probe(links).items() if not passes]
            if not broken:
                return
        raise EnvironmentFailed(
            f"nodes do not reach each other: {', '.join(broken)}; is there a firewall between the "
            "machines? --environment-option peer-port=PORT names the port to open; "
            f"the nodes' logs are in {self._directory}"
        )

    def _on_each(
        self, do: str, requests: Mapping[str, Mapping[str, Any]]
    ) -> dict[str, Mapping[str, Any]]:
        """Ask some attendants at the same time; every failure in one error."""
        sessions = {name: self._nodes[name].session for name in requests}
        posted = {name: sessions[name].post(do, **fields) for name, fields in requests.items()}
        answers: dict[str, Mapping[str, Any]] = {}
        failures: list[str] = []
        for name, answer in posted.items():
            try:
                answers[name] = sessions[name].result(answer, do)
            except EnvironmentFailed as error:
                failures.append(str(error))
        if failures:
            raise EnvironmentFailed("\n".join(failures))
        return answers

    def _down(self, *, quietly: bool) -> None:
        machines, self._machines = self._machines, []
        left = [said for said in side_by_side(lambda m: m.session.end(), machines) if said]
        for said in left:
            logger.error("%s", said)
        if left and not quietly:
            raise EnvironmentFailed("\n".join(left))

    def _log(self, name: str) -> Callable[[bytes], None]:
        path: Path = log_of(self._directory, name)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch()
        except OSError as error:
            raise EnvironmentFailed(f"the log {path} cannot be written: {error}") from error

        def write(data: bytes) -> None:
            with path.open("ab") as file:
                file.write(data)

        return write

    def _known(self, links: Iterable[Link]) -> list[Link]:
        known = sorted(frozenset(links))
        strange = [
            link
            for link in known
            if link[0] == link[1] or not self._nodes.keys() >= frozenset(link)
        ]
        if strange:
            raise ValueError(f"there are no such links: {strange}; nodes: {list(self._nodes)}")
        return known
