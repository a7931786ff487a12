"""What runs in a node's container: a replica in our host, or the programs of a foreign system.

The node starts it, kills it and pauses it without knowing which of the two it is. Only a replica
has clocks that can be set, counters, and messages of its own to try a link with.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, Protocol

from systems_under_test.environments.cluster import ClockReading, EnvironmentFailed, NodeState
from systems_under_test.environments.docker.foreign_clock import ForeignClock
from systems_under_test.environments.docker.places import ANYWHERE, CLIENT_PORT, INSIDE, PEER_PORT
from systems_under_test.environments.local.disk import FILE
from systems_under_test.environments.local.launch import LOG, node_command
from systems_under_test.environments.local.ports import LOOPBACK
from systems_under_test.environments.local.steering import Steering
from systems_under_test.foreign import ForeignCluster
from systems_under_test.host.incarnation import read_incarnation
from systems_under_test.replica import StorageDamaged

if TYPE_CHECKING:
    import socket
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from systems_under_test.environments.docker.places import Place
    from systems_under_test.environments.docker.supervised import Supervised
    from systems_under_test.environments.local.loop_thread import LoopThread
    from systems_under_test.foreign import Adopted

DATA: Final = "data"
READY_POLL_S: Final = 0.05


class Occupant(Protocol):
    """What a node's container is there for."""

    @property
    def logs(self) -> list[Path]:
        """Where its programs write."""
        ...

    def next_incarnation(self, latest: int) -> int:
        """The number of its next life, if this was the latest that we know of."""
        ...

    def load(self) -> None:
        """Load what the first life will run; it begins nothing. Raises EnvironmentFailed."""
        ...

    def start(self) -> None:
        """Begin a life; what was of the one before is gone. Raises EnvironmentFailed."""
        ...

    async def ready(self, timeout_s: float) -> bool:
        """Wait, in the loop's thread, until it serves; False if it ended first. TimeoutError."""
        ...

    def let_go(self) -> None:
        """Close what belonged to the life before."""
        ...

    def set_clock(
        self, state: NodeState, *, wall_offset_ns: int | None, rate_ppm: int | None
    ) -> None:
        """Set its clocks."""
        ...

    def read_clock(self) -> ClockReading:
        """Its clocks as it reads them, against ours."""
        ...

    def clock_setting(self) -> ClockReading:
        """What its clocks were set to and where a rate has brought them."""
        ...

    def counters(self) -> Mapping[str, Any]:
        """Everything that it counts in this life."""
        ...

    async def round_trips(
        self, waits: Mapping[str, float], state: NodeState
    ) -> Mapping[str, int | None]:
        """Nanoseconds that a message of its own takes to each node and back, within these waits."""
        ...


class ReplicaProcess(Steering):
    """A replica of a bundled system, in a host process that is steered over its standard input."""

    def __init__(self, place: Place, supervised: Supervised, loop: LoopThread) -> None:
        super().__init__(place.name, loop)
        self._place = place
        self._supervised = supervised
        self._lives = 0
        self._loaded: socket.socket | None = None

    @property
    def logs(self) -> list[Path]:
        """As the protocol says."""
        return [self._place.directory / LOG]

    def next_incarnation(self, latest: int) -> int:
        """One more than any life that its files or we know of."""
        try:
            known = read_incarnation(self._place.directory / DATA)
        except (StorageDamaged, OSError):
            known = 0  # The node will say what is wrong.
        self._lives = max(known, latest)
        return self._lives + 1

    def load(self) -> None:
        """Start the process, which waits for our `go` before it opens, listens or connects.

        The others may be nowhere yet: a connection to an address that nobody has takes seconds to
        fail.
        """
        self.next_incarnation(0)
        self._loaded = self._launch()

    def start(self) -> None:
        """As the protocol says."""
        loaded, self._loaded = self._loaded, None
        self.let_go()
        connection = self._launch() if loaded is None else loaded
        self.begin(lambda control: control.open_socket(connection))

    def let_go(self) -> None:
        """As the protocol says; a process that waits for `go` ends."""
        super().let_go()
        if self._loaded is not None:
            self._loaded.close()
            self._loaded = None

    def _launch(self) -> socket.socket:
        command = node_command(
            self._place.spec,
            node=self._place.name,
            directory=INSIDE / DATA,
            client=(ANYWHERE, CLIENT_PORT),
            listen=(ANYWHERE, PEER_PORT),
            peers=self._place.peers,
            clock=self.clock,
            lives=self._lives,
            disk=INSIDE / FILE,
            interpreter="python3",
        )
        _, connection = self._supervised.start(command, log=str(INSIDE / LOG))
        return connection


@dataclass(slots=True)
class Programs:
    """The programs of a foreign system on one node; also the `ForeignNode` that it is given."""

    system: Adopted
    place: Place
    supervised: Supervised
    address: str
    ports: Mapping[int, int]
    """Its ports -> those of loopback on this machine."""
    neighbours: dict[str, Programs]
    """All of the cluster by name, this one too; complete once the cluster is made."""
    clock: ForeignClock | None = field(init=False, default=None)

    def __post_init__(self) -> None:
        if self.place.preload is not None:
            directory, library = self.place.directory, self.place.preload
            self.clock = ForeignClock(self.name, directory, self.supervised, library)

    @property
    def name(self) -> str:
        """As `n1`."""
        return self.place.name

    @property
    def cluster(self) -> ForeignCluster:
        """What the system is told of the cluster."""
        return ForeignCluster(self.neighbours, self.place.spec.options)

    @property
    def logs(self) -> list[Path]:
        """As the protocol says."""
        return sorted(self.place.directory.glob("*.log"))

    def reach(self, port: int) -> tuple[str, int]:
        """Where clients reach one of the ports. Raises ValueError for another than those."""
        if port not in self.system.ports:
            raise ValueError(f"{port} is none of the ports of {self.system.name}")
        return LOOPBACK, self.ports[port]

    def path(self, name: str) -> str:
        """A file of the node's own, as its programs see it."""
        return str(INSIDE / DATA / name)

    def exists(self, name: str) -> bool:
        """Whether that file is there."""
        return (self.place.directory / DATA / name).exists()

    def write(self, name: str, text: str) -> str:
        """Write that file anew; its path."""
        file = self.place.directory / DATA / name
        try:
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text, encoding="utf-8")
        except OSError as error:
            raise EnvironmentFailed(f"{self.name}: {file} cannot be written: {error}") from error
        return self.path(name)

    def daemon(
        self, name: str, command: Sequence[str], environment: Mapping[str, str] | None = None
    ) -> None:
        """Start a program under a name. Runs: no change."""
        (self.place.directory / DATA).mkdir(parents=True, exist_ok=True)
        moved = {} if self.clock is None else self.clock.environment_for(command[0])
        self.supervised.ask(
            "daemon",
            name=name,
            command=list(command),
            environment={**moved, **(environment or {})},
            log=str(INSIDE / f"{name}.log"),
            directory=str(INSIDE / DATA),
        )

    def run(self, command: Sequence[str]) -> str:
        """What a command prints that ends by itself."""
        return self.supervised.run([(list(command), "")])[0]

    def next_incarnation(self, latest: int) -> int:
        """One more: its files do not say."""
        return latest + 1

    def load(self) -> None:
        """Nothing: when its programs start, the system says."""

    def start(self) -> None:
        """As the protocol says."""
        self.system.start(self, self.cluster)

    async def ready(self, timeout_s: float) -> bool:
        """When the system says that the node serves; why not is in the TimeoutError."""
        why: str | None = ""
        try:
            async with asyncio.timeout(timeout_s):
                while (why := await asyncio.to_thread(self.system.silence, self)) is not None:
                    if (await asyncio.to_thread(self.supervised.ask, "state"))["state"] == "dead":
                        return False
                    await asyncio.sleep(READY_POLL_S)
        except TimeoutError:
            raise TimeoutError(why) from None
        return True

    def let_go(self) -> None:
        """Nothing is held between lives."""

    def set_clock(
        self, state: NodeState, *, wall_offset_ns: int | None, rate_ppm: int | None
    ) -> None:
        """Set the wall clock that its programs see."""
        if self.clock is None:
            raise self._not_carried()
        self.clock.set(wall_offset_ns=wall_offset_ns, rate_ppm=rate_ppm)

    def read_clock(self) -> ClockReading:
        """The wall clock as a program there reads it."""
        if self.clock is None:
            raise self._not_carried()
        return self.clock.read()

    def clock_setting(self) -> ClockReading:
        """What that clock was set to."""
        if self.clock is None:
            raise self._not_carried()
        return self.clock.setting()

    def counters(self) -> Mapping[str, Any]:
        """It counts nothing that we know of."""
        return {}

    async def round_trips(
        self, waits: Mapping[str, float], state: NodeState
    ) -> Mapping[str, int | None]:
        """Its messages are its own: links are tried by datagrams instead."""
        raise self._not_carried()

    def _not_carried(self) -> EnvironmentFailed:
        return EnvironmentFailed(f"{self.name}: {self.system.name} takes no part in that")
