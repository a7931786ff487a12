"""A node of the Docker environment: a process in a container that outlives it."""

from __future__ import annotations

import contextlib
import threading
import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from systems_under_test.environments.cluster import (
    ClockReading,
    DiskQuality,
    EnvironmentFailed,
    NodeState,
)
from systems_under_test.environments.docker.options import CONTAINER
from systems_under_test.environments.docker.places import CLIENT_PORT
from systems_under_test.environments.docker.slow_writes import SlowWrites
from systems_under_test.environments.docker.supervised import Unreachable
from systems_under_test.environments.docker.supervisor import NODE
from systems_under_test.environments.local.disk import NodeDisk
from systems_under_test.environments.local.launch import LOG, tail
from systems_under_test.environments.local.ports import LOOPBACK

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from systems_under_test.environments.cluster import DamageKind
    from systems_under_test.environments.docker.container import Container
    from systems_under_test.environments.docker.occupants import Occupant
    from systems_under_test.environments.docker.places import Place
    from systems_under_test.environments.docker.supervised import Supervised

Address = tuple[str, int]

STOP_S_MAX: Final = 5.0
STOP_POLL_S: Final = 0.01
HELLO_S_MAX: Final = 15.0
SPARE_BYTES: Final = 8 * 2**20
"""What is left to a node that is to run out of memory; less would be refused by the kernel."""
BALLAST_BYTES: Final = 256 * 2**20
FOREIGN_DISK: Final = (
    "the disk of foreign programs can be full or slow if it is one of their own, and their files "
    "be damaged; nothing makes their reads and writes fail"
)


class DockerNode:
    """One node. Its verbs may be called from any thread, one at a time for each node."""

    def __init__(
        self, place: Place, container: Container, supervised: Supervised, occupant: Occupant
    ) -> None:
        self._place = place
        self.container = container
        self._supervised = supervised
        self._occupant = occupant
        self._disk = NodeDisk(
            place.name,
            place.directory,
            engine=place.spec.engine,
            seed=place.spec.seed,
            files=None if place.spec.foreign is None else place.spec.foreign.data_files,
        )
        self._slow = (
            None
            if place.disk is None
            else SlowWrites(place.disk.device, lambda: self._pid_of_container)
        )
        self._lock = threading.RLock()
        self._pid_of_container = 0
        self._frozen = False
        self._incarnation = 0
        self._started = False
        self._killed = False
        self._death_told = False
        self._refusal_noted = 0

    @property
    def name(self) -> str:
        """Its name, as `n1`."""
        return self._place.name

    @property
    def log(self) -> Path:
        """Where a replica's process writes its log."""
        return self._place.directory / LOG

    @property
    def client_address(self) -> Address:
        """Where clients reach it, in every life."""
        return LOOPBACK, self.container.recipe.ports[CLIENT_PORT]

    @property
    def address(self) -> str:
        """Where other nodes reach it, in every life."""
        return self.container.recipe.address

    @property
    def supervised(self) -> Supervised:
        """Its container's supervisor."""
        return self._supervised

    @property
    def container_pid(self) -> int:
        """The number of its container's process 1 on this machine, in this life of it; dead: 0."""
        return self._pid_of_container

    def make(self) -> None:
        """Make its container, and load its program once its supervisor answers.

        Raises EnvironmentFailed.
        """
        self.container.make()
        self._greet()
        self._occupant.load()

    def make_anew(self, capabilities: tuple[str, ...]) -> None:
        """Make its container once more, with these. Raises EnvironmentFailed."""
        self._occupant.let_go()
        self.container.remove()
        self.container.recipe = replace(self.container.recipe, capabilities=capabilities)
        self.make()

    def state(self) -> NodeState:
        """What the kernel says of its process, asked now."""
        if not self._frozen:
            try:
                said: NodeState = self._supervised.ask("state")["state"]
            except Unreachable:
                pass
            else:
                return said
        seen = self.container.look()
        if seen["Paused"]:
            return "paused"
        if seen["Running"] and not seen["Dead"]:
            raise self.failure("runs, and its supervisor does not answer")
        return "dead"

    def incarnation(self) -> int:
        """How often it has been started; the number of its latest life."""
        return self._incarnation

    def start(self) -> None:
        """Start it on what it had stored; does not wait until it is ready. Alive: no change."""
        with self._lock:
            if self._started and self.state() != "dead":
                return
            if not self.container.look()["Running"]:
                self.container.start()
                self._greet()
                if self._slow is not None:
                    self._slow.began_again()
                self._place.began_again(self.name)
            self._incarnation = self._occupant.next_incarnation(self._incarnation)
            self._note_refusal()
            loop = self._place.disk
            self._disk.begin_life(full=loop is not None and loop.is_full())
            self._started, self._killed, self._death_told = True, False, False
            self._occupant.start()

    async def wait_ready(self, timeout_s: float) -> None:
        """Wait until it serves, in the loop's thread. Raises EnvironmentFailed if it does not."""
        try:
            if await self._occupant.ready(timeout_s):
                return
            reason = "ended before it was ready"
        except TimeoutError as late:
            reason = f"was not ready within {timeout_s:g} s{f' ({late})' if str(late) else ''}"
        raise self.failure(reason)

    def failure(self, reason: str) -> EnvironmentFailed:
        """An error that names the node and shows the end of its log."""
        ends = [f"its log {log} ends:\n{tail(log)}" for log in self._occupant.logs]
        return EnvironmentFailed(f"node {self.name} {reason}; {'; '.join(ends) or 'it has no log'}")

    def kill(self) -> None:
        """SIGKILL to its process, or to its container by option. Dead: no change."""
        with self._lock:
            if not self.container.look()["Running"]:
                return
            self._killed = self._killed or self.state() != "dead"  # Who died before died by itself.
            if self._place.options.kill == CONTAINER or self._frozen:
                self._kill_container()
            else:
                self._supervised.ask("kill")
            self._occupant.let_go()

    def stop(self) -> None:
        """SIGTERM, and wait until all of it has ended; EnvironmentFailed if it does not.

        One that does not end is left alone, and if it ends later that is no death by itself.
        """
        with self._lock:
            if not self.container.look()["Running"]:
                return
            self._killed = self._killed or self.state() != "dead"
            self._supervised.ask("stop")
            deadline = time.monotonic() + STOP_S_MAX
            while self._supervised.ask("state")["living"]:
                if time.monotonic() > deadline:
                    raise self.failure(f"did not end {STOP_S_MAX:g} s after SIGTERM")
                time.sleep(STOP_POLL_S)
            self._occupant.let_go()

    def pause(self) -> None:
        """SIGSTOP to its process, or `docker pause` by option. Dead: no change."""
        with self._lock:
            if self.state() != "running":
                return
            if self._place.options.pause == CONTAINER:
                self.container.pause()
                self._frozen = True
            else:
                self._supervised.ask("pause")

    def resume(self) -> None:
        """Let it go on. Dead: no change."""
        with self._lock:
            if self.state() != "paused":
                return
            if self._frozen:
                self.container.unpause()
                self._frozen = False
            else:
                self._supervised.ask("resume")

    def power_off(self) -> None:
        """Kill its container, and take away what had not reached its disk."""
        with self._lock:
            self._killed = True
            self._kill_container()
            self._occupant.let_go()
            if self._place.disk is None:
                self._disk.lose_power()
            else:
                self._place.disk.lose_power()

    def limit_cpu(self, percent: int | None) -> None:
        """Let it have so many percent of one processor; None: all that there are."""
        self.container.limit_cpu(percent)

    def usage(self) -> Mapping[str, int]:
        """`cpu_percent`, `throttled`, `memory` in bytes, `oom_kills`, as its cgroup says."""
        return self._supervised.ask("usage")

    def exhaust_memory(self) -> None:
        """Leave it no memory, so that the kernel kills its process; the limit is lifted again."""
        with self._lock:
            if self.state() == "dead":
                return
            self._killed = True
            try:
                self.container.limit_memory(self.usage()["memory"] + SPARE_BYTES)
                self._supervised.ask("exhaust", bytes=BALLAST_BYTES)
            finally:
                self.container.limit_memory(None)
            self._occupant.let_go()

    def set_clock(self, *, wall_offset_ns: int | None = None, rate_ppm: int | None = None) -> None:
        """Set the wall clock's offset, or how much faster both clocks run: the node's own alone."""
        self._occupant.set_clock(self.state(), wall_offset_ns=wall_offset_ns, rate_ppm=rate_ppm)

    def read_clock(self) -> ClockReading:
        """The node's clocks as it reads them, against ours."""
        return self._occupant.read_clock()

    def clock_setting(self) -> ClockReading:
        """What its clocks were set to and where a rate has brought them, dead or alive."""
        return self._occupant.clock_setting()

    def cannot_be_slow(self) -> str | None:
        """Why the kernel cannot make its disk slow; None if it can."""
        return "it has no disk of its own" if self._slow is None else self._slow.missing()

    def set_disk(self, quality: DiskQuality) -> None:
        """Change how its disk behaves, in this life and the next ones.

        A disk of its own is filled by a file, so that the kernel refuses what is written, and the
        kernel makes it slow where it can. Of foreign programs nothing else is done.
        """
        loop, foreign = self._place.disk, self._place.spec.foreign is not None
        if foreign and (loop is None or quality.errors_ppm or quality.read_errors_ppm):
            raise EnvironmentFailed(f"{self.name}: {FOREIGN_DISK}")
        if loop is None or self._slow is None:
            self._disk.set(quality)
            return
        with self._lock:
            self._note_refusal()
            if quality.full:
                loop.fill()
            else:
                loop.free()
            by_kernel = self._slow.missing() is None
            self._slow.set(quality.slow_ns if by_kernel else 0)
            slow_ns = 0 if by_kernel else quality.slow_ns
            self._disk.set(replace(quality, full=False, slow_ns=slow_ns), full=quality.full)
            if foreign:
                self._note_refusal()

    def disk_quality(self) -> DiskQuality:
        """How its disk behaves now."""
        loop, seen = self._place.disk, self._disk.quality()
        if loop is None or self._slow is None:
            return seen
        return replace(seen, full=loop.is_full(), slow_ns=seen.slow_ns + self._slow.slow_ns())

    def disk_counters(self) -> Mapping[str, int]:
        """What its disk did in all its lives; of a mounted disk `lost` counts pages.

        Where the kernel makes it slow, `slowed` counts the writes that it let through meanwhile.
        """
        counters = dict(self._disk.counters())
        if self._place.disk is not None and self._slow is not None:
            counters["lost"] += self._place.disk.pages_lost
            counters["slowed"] += self._slow.slowed()
        return counters

    def damage_disk(self, kind: DamageKind) -> Mapping[str, Any]:
        """Damage what it has stored, in its files; it must be dead."""
        with self._lock:
            if self.state() != "dead":
                raise EnvironmentFailed(f"{self.name} runs: kill it before its disk is damaged")
            return self._disk.damage(kind)

    def counters(self) -> Mapping[str, Any]:
        """Everything that the node's host counts in this life."""
        return self._occupant.counters()

    async def round_trips(
        self, waits: Mapping[str, float], state: NodeState
    ) -> Mapping[str, int | None]:
        """Nanoseconds that a message of this one takes to each node and back; None: too many.

        In the loop's thread. `state` is the node's own, looked at before.
        """
        return await self._occupant.round_trips(waits, state)

    def died_unprovoked(self) -> bool:
        """Whether its process has died and no verb of ours killed it; True once for each death."""
        with self._lock:
            if self._killed or self._death_told or not self._started or self.state() != "dead":
                return False
            self._death_told = True
            return not self._disk.killed_by(self._exit_status())

    def let_go(self) -> None:
        """Close its control and its files, before its container is removed."""
        self._occupant.let_go()
        self._disk.close()

    def _greet(self) -> None:
        try:
            self._supervised.await_hello(HELLO_S_MAX)
        except Unreachable as error:
            said = self.container.said().decode("utf-8", "replace")[-2000:]
            raise EnvironmentFailed(f"{error}; its container says: {said or 'nothing'}") from error
        self._pid_of_container = self.container.pid()

    def _note_refusal(self) -> None:
        """Count a life that ended because the kernel found no space; once for each life.

        What foreign programs were refused they do not tell: a write of our own is tried instead.
        """
        loop = self._place.disk
        if self._place.spec.foreign is not None:
            if loop is not None and loop.refuses():
                self._disk.count_refusal()
            return
        if loop is None or self._refusal_noted == self._incarnation or not loop.is_full():
            return
        if self.state() == "dead" and self._disk.killed_by(self._exit_status()):
            self._refusal_noted = self._incarnation
            self._disk.count_refusal()

    def _kill_container(self) -> None:
        if self._slow is not None:
            with contextlib.suppress(EnvironmentFailed):  # The last look at what goes with it.
                self._slow.slowed()
        self._pid_of_container = 0
        self.container.kill()
        self._frozen = False

    def _exit_status(self) -> int | None:
        """What a replica's process ended with; None where its container is gone with it."""
        try:
            programs = self._supervised.ask("state")["programs"]
        except Unreachable:
            return None
        status: int | None = programs.get(NODE, {}).get("status")
        return status
