"""A node of the local environment: a process on this machine."""

from __future__ import annotations

import os
import signal
import subprocess
import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Literal

from systems_under_test.environments.cluster import (
    ClockReading,
    DiskQuality,
    EnvironmentFailed,
    NodeState,
)
from systems_under_test.environments.local.control_channel import ControlChannel
from systems_under_test.environments.local.launch import LOG, node_command, spawn, tail
from systems_under_test.environments.local.processes import look
from systems_under_test.host.clock import MILLION, ClockSetting
from systems_under_test.host.incarnation import read_incarnation
from systems_under_test.replica import StorageDamaged

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from systems_under_test.environments.cluster import ClusterSpec
    from systems_under_test.environments.local.guarded import Guardian
    from systems_under_test.environments.local.loop_thread import LoopThread

Address = tuple[str, int]

SIGNAL_S_MAX: Final = 5.0
"""So long a process may take to obey a signal that the kernel itself carries out."""
ANSWER_S_MAX: Final = 2.0
CLOCK_SAMPLES_S: Final = 0.01
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
    environment: Mapping[str, str]


class LocalNode:
    """One node. Its verbs may be called from any thread, one at a time for each node."""

    def __init__(self, site: Site, guardian: Guardian, loop: LoopThread) -> None:
        self._site = site
        self._guardian = guardian
        self._loop = loop
        self._lock = threading.RLock()
        self._process: subprocess.Popen[bytes] | None = None
        self._control: ControlChannel | None = None
        self._clock = ClockSetting()
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
            self._let_go()
            self._incarnation = self._next_incarnation()
            command = node_command(
                self._site.spec,
                node=self.name,
                directory=self._data,
                client=self._site.client,
                listen=self._site.listen,
                peers=self._site.peers,
                clock=self._clock,
            )
            environment = self._site.environment
            process = spawn(command, node=self.name, log=self.log, environment=environment)
            self._process, self._killed, self._death_told = process, False, False
            control = self._control = ControlChannel(self.name)
            self._guardian.watch(process.pid)
            assert process.stdin is not None
            assert process.stdout is not None
            opening = control.open(process.stdin, process.stdout)
            self._loop.run(opening, timeout_s=ANSWER_S_MAX, what=f"starting {self.name}")

    async def wait_ready(self, timeout_s: float) -> None:
        """Wait until it serves, in the loop's thread. Raises EnvironmentFailed if it does not."""
        assert self._control is not None
        try:
            if await self._control.ready(timeout_s):
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
            self._let_go()

    def pause(self) -> None:
        """SIGSTOP, and wait until it has stopped. Dead: no change."""
        self._signal(signal.SIGSTOP, "running")

    def resume(self) -> None:
        """SIGCONT, and wait until it goes on. Dead: no change."""
        self._signal(signal.SIGCONT, "paused")

    def power_off(self) -> None:
        """Not carried here."""
        raise self._not_carried("power")

    def set_clock(self, *, wall_offset_ns: int | None = None, rate_ppm: int | None = None) -> None:
        """Set the wall clock's offset, or how much faster both clocks run.

        They are the place's clocks: a dead node has them when it is started, a paused one when it
        goes on, a running one when this returns.
        """
        if rate_ppm is not None and rate_ppm <= -MILLION:
            raise ValueError(f"a clock at {rate_ppm} ppm would stand still or run back")
        now = time.monotonic_ns()
        before = self._clock
        setting = self._clock = ClockSetting(
            since_ns=now,
            wall_offset_ns=before.wall_offset_at(now) if wall_offset_ns is None else wall_offset_ns,
            rate_ppm=before.rate_ppm if rate_ppm is None else rate_ppm,
        )
        state = self.state()
        if state == "dead" or self._control is None:
            return
        fields = {
            "since_ns": setting.since_ns,
            "wall_offset_ns": setting.wall_offset_ns,
            "rate_ppm": setting.rate_ppm,
        }
        control = self._control
        if state == "running":
            self._ask("clock", **fields)
        else:
            self._loop.do(lambda: control.post("clock", **fields), what="setting a clock")

    def read_clock(self) -> ClockReading:
        """The node's clocks as it reads them, against ours."""
        before = time.time_ns()
        first = self._ask("read_clock")
        after = time.time_ns()
        time.sleep(CLOCK_SAMPLES_S)
        second = self._ask("read_clock")
        machine = second["machine"] - first["machine"]
        gained = second["mono"] - first["mono"] - machine
        return ClockReading(
            wall_offset=first["wall"] - (before + after) // 2,
            mono_rate_ppm=round(gained * MILLION / machine),
        )

    def set_disk(self, quality: DiskQuality) -> None:
        """Not carried here."""
        raise self._not_carried("disk")

    def disk_quality(self) -> DiskQuality:
        """Not carried here."""
        raise self._not_carried("disk")

    def disk_counters(self) -> Mapping[str, int]:
        """What its storage did in this life: `commits`, `commits_unsynced`, `changes`."""
        life = self._ask("counters")["life"]
        prefix = "storage_"
        return {k.removeprefix(prefix): v for k, v in life.items() if k.startswith(prefix)}

    def damage_disk(self, kind: Literal["torn", "flip"]) -> Mapping[str, Any]:
        """Not carried here."""
        raise self._not_carried("disk")

    def counters(self) -> Mapping[str, Any]:
        """Everything that the node's host counts in this life."""
        return self._ask("counters")

    async def passes(self, waits: Mapping[str, float]) -> Mapping[str, bool]:
        """Which nodes a message of this one reaches within so many seconds; in the loop's thread.

        A node that is dead or paused reaches none.
        """
        none = dict.fromkeys(waits, False)
        if self._control is None or self.state() != "running":
            return none
        patience_s = max(waits.values(), default=0.0) + ANSWER_S_MAX
        try:
            answer = await self._control.ask("probe", timeout_s=patience_s, to=dict(waits))
        except EnvironmentFailed:
            return none
        passed: Mapping[str, bool] = answer["passed"]
        return passed

    def died_unprovoked(self) -> bool:
        """Whether its process has died and no verb of ours killed it; True once for each death."""
        with self._lock:
            process = self._process
            if process is None or process.poll() is None or self._killed or self._death_told:
                return False
            self._death_told = True
            return True

    def _next_incarnation(self) -> int:
        try:
            return read_incarnation(self._data) + 1
        except (StorageDamaged, OSError):
            return self._incarnation + 1  # The node will say what is wrong, and not start.

    def _ending(self) -> str:
        assert self._process is not None
        try:
            return f"ended with status {self._process.wait(SIGNAL_S_MAX)}"
        except subprocess.TimeoutExpired:
            return "closed its control"

    @property
    def _data(self) -> Path:
        return self._site.directory / "data"

    def _ask(self, do: str, **fields: Any) -> Mapping[str, Any]:
        if self._control is None:
            raise self.failure("does not run")
        asking = self._control.ask(do, timeout_s=ANSWER_S_MAX, **fields)
        return self._loop.run(asking, timeout_s=2 * ANSWER_S_MAX, what=f"asking {self.name}")

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

    def _let_go(self) -> None:
        """Close what belonged to the life before."""
        if self._control is not None:
            closing = self._control.close()
            self._loop.run(closing, timeout_s=ANSWER_S_MAX, what=f"letting go of {self.name}")
            self._control = None

    def _not_carried(self, capability: str) -> EnvironmentFailed:
        return EnvironmentFailed(
            f"node {self.name}: the local environment does not carry `{capability}`"
        )
