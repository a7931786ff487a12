"""A node of the local environment: a process on this machine."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from systems_under_test.environments.cluster import (
    ClockReading,
    EnvironmentFailed,
    NodeState,
)
from systems_under_test.environments.local.disk import FILE, NodeDisk
from systems_under_test.environments.local.launch import LOG, node_command, spawn, tail
from systems_under_test.environments.local.processes import look
from systems_under_test.environments.local.resources import Resources
from systems_under_test.environments.local.steering import Steering
from systems_under_test.host.incarnation import read_incarnation
from systems_under_test.replica import StorageDamaged

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from systems_under_test.environments.cluster import ClusterSpec, DamageKind, DiskQuality
    from systems_under_test.environments.local.guarded import Guardian
    from systems_under_test.environments.local.loop_thread import LoopThread

Address = tuple[str, int]

STOP_S_MAX: Final = 5.0
SIGNAL_S_MAX: Final = 5.0
"""So long a process may take to obey a signal that the kernel itself carries out."""
LOOK_S: Final = 0.001


@dataclass(frozen=True, kw_only=True, slots=True)
class Site:
    """Where a node stands: what it is told at every start."""

    spec: ClusterSpec
    name: str
    directory: Path
    client: Address
    listen: Address
    peers: Mapping[str, Address]
    clients: Mapping[str, Address]
    environment: Mapping[str, str]
    group: str
    """What the names of its control groups begin with."""


class LocalNode:
    """One node. Its verbs may be called from any thread, one at a time for each node."""

    def __init__(self, site: Site, guardian: Guardian, loop: LoopThread) -> None:
        self._site = site
        self._guardian = guardian
        self._steering = Steering(site.name, loop)
        self._disk = NodeDisk(
            site.name, site.directory, engine=site.spec.engine, seed=site.spec.seed
        )
        self._resources = Resources(f"{site.group}{site.name}")
        self._lock = threading.RLock()
        self._process: subprocess.Popen[bytes] | None = None
        self._incarnation = 0
        self._killed = False
        self._death_told = False

    @property
    def name(self) -> str:
        """Its name, as `n1`."""
        return self._site.name

    @property
    def log(self) -> Path:
        """Where its process writes its log."""
        return self._site.directory / LOG

    @property
    def client_address(self) -> Address:
        """Where clients reach it, in every life."""
        return self._site.client

    @property
    def pid(self) -> int | None:
        """The number of its process, None before the first start."""
        return None if self._process is None else self._process.pid

    def state(self) -> NodeState:
        """What the operating system says of its process, asked now."""
        process = self._process
        if process is None or process.poll() is not None:
            return "dead"
        seen = look(process.pid)
        if seen is None or seen.letter == "Z":
            # Its first thread has ended and another is ending: a moment later it can be fetched,
            # and who asks then why it died shall be told.
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(SIGNAL_S_MAX)
            return "dead"
        return "paused" if seen.letter == "T" else "running"

    def exit_status(self) -> int | None:
        """What its process ended with; negative for a signal, None while it lives."""
        return None if self._process is None else self._process.poll()

    def incarnation(self) -> int:
        """How often it has been started; the number of its latest life."""
        return self._incarnation

    def start(self) -> None:
        """Start it on what it had stored; does not wait until it is ready. Alive: no change."""
        with self._lock:
            if self.state() != "dead":
                return
            self._steering.let_go()
            self._incarnation = self._next_incarnation()
            command = node_command(
                self._site.spec,
                node=self.name,
                directory=self._data,
                client=self._site.client,
                listen=self._site.listen,
                peers=self._site.peers,
                clients=self._site.clients,
                clock=self._steering.clock,
                lives=self._incarnation - 1,
                disk=self._site.directory / FILE,
            )
            self._disk.begin_life()
            environment = self._site.environment
            process = spawn(command, node=self.name, log=self.log, environment=environment)
            self._process, self._killed, self._death_told = process, False, False
            self._guardian.watch(process.pid)
            self._resources.join(process.pid)
            stdin, stdout = process.stdin, process.stdout
            assert stdin is not None
            assert stdout is not None
            self._steering.begin(lambda control: control.open(stdin, stdout))

    async def wait_ready(self, timeout_s: float) -> None:
        """Wait until it serves, in the loop's thread. Raises EnvironmentFailed if it does not."""
        try:
            if await self._steering.ready(timeout_s):
                return
            reason = f"{self._ending()} before it was ready"
        except TimeoutError:
            reason = f"was not ready within {timeout_s:g} s"
        raise self.failure(reason)

    def failure(self, reason: str) -> EnvironmentFailed:
        """An error that names the node and shows the end of its log."""
        return EnvironmentFailed(
            f"node {self.name} {reason}; its log {self.log} ends:\n{tail(self.log)}"
        )

    def kill(self) -> None:
        """SIGKILL, and wait until it is dead. Dead: no change."""
        with self._lock:
            process = self._process
            if process is None or process.poll() is not None:
                return
            self._killed = True
            process.kill()
            try:
                process.wait(SIGNAL_S_MAX)
            except subprocess.TimeoutExpired:
                raise self.failure(f"was not dead {SIGNAL_S_MAX} s after SIGKILL") from None
            self._guardian.forget(process.pid)
            self._steering.let_go()

    def stop(self) -> None:
        """SIGTERM, and wait until it has ended; EnvironmentFailed if it does not. Dead: no change.

        One that does not end is left alone, and if it ends later that is no death by itself.
        """
        with self._lock:
            process = self._process
            if process is None or process.poll() is not None:
                return
            self._killed = True
            process.terminate()
            try:
                process.wait(STOP_S_MAX)
            except subprocess.TimeoutExpired:
                raise self.failure(f"did not end {STOP_S_MAX:g} s after SIGTERM") from None
            self._guardian.forget(process.pid)
            self._steering.let_go()

    def let_go(self) -> None:
        """Kill it for good, and let go of its files."""
        self.kill()
        self._resources.let_go()
        self._disk.close()

    def pause(self) -> None:
        """SIGSTOP, and wait until it has stopped. Dead: no change."""
        self._signal(signal.SIGSTOP, "running")

    def resume(self) -> None:
        """SIGCONT, and wait until it goes on. Dead: no change."""
        self._signal(signal.SIGCONT, "paused")

    def power_off(self) -> None:
        """SIGKILL, and what it had not synced is taken back."""
        with self._lock:
            self.kill()
            self._disk.lose_power()

    def limit_cpu(self, percent: int | None) -> None:
        """Let it have so many percent of one processor; None: all that there are."""
        with self._lock:
            self._resources.limit_cpu(percent, self._living_pid())

    def exhaust_memory(self) -> None:
        """Leave it no memory, so that the kernel kills its process, then give it back."""
        with self._lock:
            process = self._process
            if process is None or process.poll() is not None:
                return
            self._killed = True
            self._resources.exhaust_memory(process.pid, lambda: process.poll() is not None)
            self._guardian.forget(process.pid)
            self._steering.let_go()

    def usage(self) -> Mapping[str, int]:
        """As its control group says: `cpu_percent`, `throttled`, `memory`, `oom_kills`."""
        with self._lock:
            return self._resources.usage(self._living_pid())

    def _living_pid(self) -> int | None:
        return None if self.state() == "dead" else self.pid

    def set_clock(self, *, wall_offset_ns: int | None = None, rate_ppm: int | None = None) -> None:
        """Set the wall clock's offset, or how much faster both clocks run.

        They are the place's clocks: a dead node has them when it is started, a paused one when it
        goes on, a running one when this returns.
        """
        self._steering.set_clock(self.state(), wall_offset_ns=wall_offset_ns, rate_ppm=rate_ppm)

    def read_clock(self) -> ClockReading:
        """The node's clocks as it reads them, against ours."""
        return self._steering.read_clock()

    def clock_setting(self) -> ClockReading:
        """What its clocks were set to and where a rate has brought them, dead or alive."""
        return self._steering.clock_setting()

    def set_disk(self, quality: DiskQuality) -> None:
        """Change how its disk behaves, in this life and the next ones."""
        self._disk.set(quality)

    def disk_quality(self) -> DiskQuality:
        """How its disk behaves now."""
        return self._disk.quality()

    def disk_counters(self) -> Mapping[str, int]:
        """What its disk did in all its lives."""
        return self._disk.counters()

    def damage_disk(self, kind: DamageKind) -> Mapping[str, Any]:
        """Damage what it has stored, in its files; it must be dead."""
        with self._lock:
            if self.state() != "dead":
                raise EnvironmentFailed(f"{self.name} runs: kill it before its disk is damaged")
            return self._disk.damage(kind)

    def counters(self) -> Mapping[str, Any]:
        """Everything that the node's host counts in this life."""
        return self._steering.counters()

    async def round_trips(self, waits: Mapping[str, float]) -> Mapping[str, int | None]:
        """As `Steering`, of this node as it is now."""
        return await self._steering.round_trips(waits, self.state())

    def died_unprovoked(self) -> bool:
        """Whether its process has died and no verb of ours killed it; True once for each death."""
        with self._lock:
            process = self._process
            if process is None or process.poll() is None or self._killed or self._death_told:
                return False
            self._death_told = True
            return not self._disk.killed_by(process.poll())

    def _next_incarnation(self) -> int:
        """One more than any life that the node or the harness knows of."""
        try:
            known = read_incarnation(self._data)
        except (StorageDamaged, OSError):
            known = 0  # The node will say what is wrong.
        return max(known, self._incarnation) + 1

    def _ending(self) -> str:
        assert self._process is not None
        try:
            return f"ended with status {self._process.wait(SIGNAL_S_MAX)}"
        except subprocess.TimeoutExpired:
            return "closed its control"

    @property
    def _data(self) -> Path:
        return self._site.directory / "data"

    def _signal(self, number: signal.Signals, before: NodeState) -> None:
        with self._lock:
            process = self._process
            if process is None or self.state() != before:
                return
            os.kill(process.pid, number)
            deadline = time.monotonic() + SIGNAL_S_MAX
            while self.state() == before:
                if time.monotonic() > deadline:
                    raise self.failure(f"did not obey {number.name} within {SIGNAL_S_MAX} s")
                time.sleep(LOOK_S)
