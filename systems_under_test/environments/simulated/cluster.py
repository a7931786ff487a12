"""A simulated cluster: implements `environments.cluster.Cluster`, and carries clients' requests.

Whoever drives it calls `step` or `run_until`; nothing happens between. The same spec, options and
calls at the same virtual times give the same events, on every machine.
"""

from __future__ import annotations

import importlib
from contextlib import contextmanager
from typing import TYPE_CHECKING

from systems_under_test.environments.cluster import CAPABILITIES, EnvironmentFailed
from systems_under_test.environments.simulated.calls import REFUSED, TIMED_OUT, Call
from systems_under_test.environments.simulated.kernel import Kernel
from systems_under_test.environments.simulated.network import Network
from systems_under_test.environments.simulated.node import SimulatedNode
from systems_under_test.environments.simulated.objects import SimulatedObjects
from systems_under_test.environments.simulated.options import SimulationOptions
from systems_under_test.replica import Place
from systems_under_test.rng import Rng

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping
    from typing import Any

    from systems_under_test.environments.cluster import ClusterSpec, Link, LinkQuality
    from systems_under_test.replica import Replica
    from workloads.client import Failure, Reply, Request

CARRIED = frozenset(CAPABILITIES) - {"cpu", "memory"}
"""There is no kernel here that could limit anything."""


class SimulatedCluster:
    """Every node of a cluster, the network between them, and the clients' way in."""

    environment = "simulated"
    capabilities = CARRIED
    method: Mapping[str, str] = dict.fromkeys(CARRIED, "simulator")

    def __init__(
        self,
        spec: ClusterSpec,
        options: SimulationOptions = SimulationOptions(),  # noqa: B008 - frozen
    ) -> None:
        rng = Rng(str(spec.seed))
        make = _maker(spec.replica_path)
        self.options = options
        self._spec = spec
        self._kernel = Kernel()
        self._clients = rng.stream("clients")
        self._network = Network(self._kernel, options, rng.stream("net"))
        self.objects = SimulatedObjects(self._kernel, options, rng.stream("objects"))
        self.nodes: Mapping[str, SimulatedNode] = {
            name: SimulatedNode(
                spec,
                Place(name, spec.nodes),
                make,
                options,
                self._kernel,
                self._network,
                self.objects,
                rng.stream(name),
            )
            for name in spec.nodes
        }
        self._network.connect(self.nodes.values())

    # --- life and time ---

    @property
    def now(self) -> int:
        """Virtual nanoseconds since the beginning; each event has a tick of its own."""
        return self._kernel.now

    @property
    def events(self) -> int:
        """How many events have been processed."""
        return self._kernel.events

    def up(self) -> None:
        """Start every node."""
        for node in self.nodes.values():
            node.start()

    def down(self) -> None:
        """End every node, and write the logs if the spec names a directory for them."""
        for node in self.nodes.values():
            node.kill()
        if self._spec.directory is None:
            return
        for name in self.nodes:
            folder = self._spec.directory / name
            folder.mkdir(parents=True, exist_ok=True)
            text = "".join(f"{line}\n" for line in self.log(name))
            (folder / "node.log").write_text(text, encoding="utf-8")

    def at(self, time: int, call: Callable[[], None]) -> None:
        """Call this at that time; in the past means on the next tick."""
        self._kernel.push(time, _call, call)

    def step(self) -> bool:
        """Process one event; False if there is none."""
        return self._kernel.step()

    def run_until(self, time: int) -> None:
        """Process every event that is due by this time, and let the time come."""
        self._kernel.run_until(time)

    @contextmanager
    def driven_by(self, drive: Callable[[], bool]) -> Iterator[None]:
        """Meanwhile time goes on by this, an event with each call, also within a verb that waits.

        It returns False if there is nothing left to do.
        """
        before, self._kernel.drive = self._kernel.drive, drive
        try:
            yield
        finally:
            self._kernel.drive = before

    def log(self, node: str) -> list[str]:
        """The lines of a node's log, oldest first."""
        return list(self.nodes[node].log.lines(self.now))

    # --- clients ---

    def submit(
        self,
        node: str,
        request: Request,
        deadline: int,
        done: Callable[[Reply | Failure], None],
    ) -> None:
        """Send a client's request to a node; `done` is called once, by the deadline."""
        call = Call(self.nodes[node], request, done)
        delay = self.options.client_latency.draw(self._clients)
        self._kernel.push(self._kernel.now + delay, self._request_arrived, call)
        self._kernel.push(deadline, call.finish, TIMED_OUT)

    def _request_arrived(self, call: Call) -> None:
        if not call.open:
            return
        if call.node.life is None:
            delay = self.options.client_latency.draw(self._clients)
            self._kernel.push(self._kernel.now + delay, call.finish, REFUSED)
        else:
            call.node.life.serve(call)

    # --- verbs of a cluster ---

    def set_cut(self, links: Iterable[Link]) -> None:
        """Cut exactly these links."""
        self._network.set_cut(links)

    def shape(self, qualities: Mapping[Link, LinkQuality]) -> None:
        """Give exactly these links these qualities."""
        self._network.shape(qualities)

    def link_qualities(self) -> Mapping[Link, LinkQuality]:
        """The qualities of all links now."""
        return {link: channel.quality for link, channel in self._network.channels.items()}

    def probe(self, links: Iterable[Link]) -> Mapping[Link, bool]:
        """Whether a message passes each link."""
        return self._network.probe(links)

    def latencies(self, links: Iterable[Link]) -> Mapping[Link, int | None]:
        """Nanoseconds that a message takes over each link; None where it does not pass."""
        return self._network.latencies(links)

    def link_counters(self) -> Mapping[Link, Mapping[str, int]]:
        """What each link has done since the start."""
        return {link: channel.counters() for link, channel in self._network.channels.items()}

    def unprovoked_deaths(self) -> list[str]:
        """Nodes whose replica raised since the last time this was asked."""
        dead = [name for name, node in self.nodes.items() if node.unprovoked]
        for name in dead:
            self.nodes[name].unprovoked = False
        return dead


def _call(call: Callable[[], None]) -> None:
    call()


def _maker(path: str) -> Callable[[Place, Mapping[str, Any], str | None], Replica]:
    """The function that a `module:function` path names."""
    module, _, function = path.partition(":")
    try:
        make = getattr(importlib.import_module(module), function)
    except (ImportError, AttributeError) as error:
        raise EnvironmentFailed(f"no replica maker at {path!r}: {error}") from error
    return make  # type: ignore[no-any-return]
