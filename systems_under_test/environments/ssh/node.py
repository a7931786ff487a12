"""A node on a machine that is reached by SSH."""

from __future__ import annotations

import json
import threading
import time
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Final

from systems_under_test.environments.cluster import (
    ClockReading,
    DamageKind,
    DiskQuality,
    EnvironmentFailed,
    NodeState,
)
from systems_under_test.environments.local.disk import FILE
from systems_under_test.environments.local.launch import LOG, tail
from systems_under_test.host.clock import MILLION, ClockSetting

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from systems_under_test.environments.cluster import ClusterSpec, DamageKind
    from systems_under_test.environments.ssh.session import Answer, Session

Address = tuple[str, int]

CLOCK_SAMPLES_S: Final = 0.01
NODE_ANSWER_S_MAX: Final = 5.0


@dataclass(frozen=True, kw_only=True, slots=True)
class Site:
    """Where a node stands: what it is told at every start."""

    spec: ClusterSpec
    name: str
    log: Path
    """Where its log is collected, here."""
    directory: str
    """Where its files are, there."""
    client: Address
    """Where clients reach it."""
    bound: Address
    """The same as its machine knows it."""
    listen: Address
    """Where other nodes reach it."""
    peers: Mapping[str, Address]


class SshNode:
    """One node. Its verbs may be called from any thread, one at a time for each node."""

    def __init__(self, site: Site, session: Session) -> None:
        self._site = site
        self._session = session
        self._lock = threading.RLock()
        self._clock = ClockSetting()
        self._incarnation = 0
        self._started = False
        self._killed = False
        self._death_told = False
        self.pid: int | None = None
        """The number of its process, on its machine."""

    @property
    def name(self) -> str:
        """Its name, as `n1`."""
        return self._site.name

    @property
    def client_address(self) -> Address:
        """Where clients reach it, in every life."""
        return self._site.client

    @property
    def listen_address(self) -> Address:
        """Where other nodes reach it, in every life."""
        return self._site.listen

    @property
    def session(self) -> Session:
        """The way to who attends to it."""
        return self._session

    def state(self) -> NodeState:
        """What its machine says of its process, asked now. Raises EnvironmentFailed."""
        state: NodeState = self._session.ask("state")["state"]
        return state

    def exit_status(self) -> int | None:
        """What its process ended with; negative for a signal, None while it lives."""
        ended = self._session.ended
        return None if ended is None else int(ended["status"])

    def incarnation(self) -> int:
        """How often it has been started; the number of its latest life."""
        return self._incarnation

    def start(self) -> None:
        """Start it on what it had stored; does not wait until it is ready. Alive: no change."""
        with self._lock:
            if self.state() != "dead":
                return
            self._session.new_life()
            started = self._session.ask("start", arguments=self._arguments())
            self.pid, self._incarnation = int(started["pid"]), int(started["incarnation"])
            self._started, self._killed, self._death_told = True, False, False

    def wait_ready(self, timeout_s: float) -> None:
        """Wait until it serves. Raises EnvironmentFailed if it does not."""
        session = self._session
        session.wait(
            lambda: session.ready is not None or session.ended is not None,
            timeout_s,
            f"node {self.name} was not ready, its log {self._site.log},",
        )
        if session.ended is not None:
            raise self.failure(f"ended with status {session.ended['status']} before it was ready")

    def failure(self, reason: str) -> EnvironmentFailed:
        """An error that names the node and shows the end of its log."""
        log = self._site.log
        return EnvironmentFailed(
            f"node {self._session.way} {reason}; its log {log} ends:\n{tail(log)}"
        )

    def kill(self) -> None:
        """SIGKILL, and wait until it is dead. Dead: no change."""
        with self._lock:
            before = self._killed
            self._killed = self._session.ended is None or before
            if self._session.ask("kill")["state"] != "dead":
                self._killed = before
                raise self.failure("was not dead after SIGKILL")

    def stop(self) -> None:
        """SIGTERM, and wait until it has ended; EnvironmentFailed if it does not in time."""
        with self._lock:
            self._killed = self._session.ended is None or self._killed
            if self._session.ask("stop")["state"] != "dead":
                raise self.failure("did not end in time after SIGTERM")

    def pause(self) -> None:
        """SIGSTOP, and wait until it has stopped. Dead: no change."""
        with self._lock:
            self._session.ask("signal", name="SIGSTOP")

    def resume(self) -> None:
        """SIGCONT, and wait until it goes on. Dead: no change."""
        with self._lock:
            self._session.ask("signal", name="SIGCONT")

    def power_off(self) -> None:
        """Kill it, and take back what it had not synced."""
        with self._lock:
            self.kill()
            self._on_disk("lose-power")

    def set_clock(self, *, wall_offset_ns: int | None = None, rate_ppm: int | None = None) -> None:
        """Set the wall clock's offset, or how much faster both clocks run.

        They are the place's clocks: a dead node has them when it is started, a paused one when it
        goes on, a running one when this returns. The setting counts on the machine's own
        monotonic clock, which the machine is asked for.
        """
        if rate_ppm is not None and rate_ppm <= -MILLION:
            raise ValueError(f"a clock at {rate_ppm} ppm would stand still or run back")
        with self._lock:
            now = int(self._session.ask("now")["mono"])
            before = self._clock
            offset = before.wall_offset_at(now) if wall_offset_ns is None else wall_offset_ns
            self._clock = ClockSetting(
                since_ns=now,
                wall_offset_ns=offset,
                rate_ppm=before.rate_ppm if rate_ppm is None else rate_ppm,
            )
            state = self.state()
            if state == "dead":
                return
            setting = {
                "since_ns": self._clock.since_ns,
                "wall_offset_ns": self._clock.wall_offset_ns,
                "rate_ppm": self._clock.rate_ppm,
            }
            answer = self.post("clock", **setting)
            if state == "running":
                self._session.result(answer, "clock", NODE_ANSWER_S_MAX)

    def read_clock(self) -> ClockReading:
        """The node's clocks as it reads them, against those of its machine."""
        first = self._ask("read_clock")
        true = self._session.ask("now")
        time.sleep(CLOCK_SAMPLES_S)
        second = self._ask("read_clock")
        passed = second["boot"] - first["boot"]
        gained = second["mono"] - first["mono"] - passed
        moment = first["machine"] + first["took_ns"] // 2
        # What the machine's wall clock showed when the node read its own.
        wall = true["wall"] - (true["mono"] + true["took_ns"] // 2 - moment)
        return ClockReading(
            wall_offset=first["wall"] - wall,
            mono_rate_ppm=round(gained * MILLION / passed),
            error_ns=(first["took_ns"] + true["took_ns"]) // 2 + 1,
            age_ns=moment - self._clock.since_ns,
        )

    def clock_setting(self) -> ClockReading:
        """What its clocks were set to and where a rate has brought them, dead or alive."""
        now = int(self._session.ask("now")["mono"])
        return ClockReading(self._clock.wall_offset_at(now), self._clock.rate_ppm)

    def open_disk(self) -> None:
        """Have its disk ready to be spoilt, before it is first started."""
        spec = self._site.spec
        self._on_disk("open", node=self.name, engine=spec.engine, seed=spec.seed)

    def set_disk(self, quality: DiskQuality) -> None:
        """Change how its disk behaves, in this life and the next ones."""
        self._on_disk("set", quality=asdict(quality))

    def disk_quality(self) -> DiskQuality:
        """How its disk behaves now."""
        return DiskQuality(**self._on_disk("look")["quality"])

    def disk_counters(self) -> Mapping[str, int]:
        """What its disk did in all its lives."""
        counters: Mapping[str, int] = self._on_disk("look")["counters"]
        return counters

    def damage_disk(self, kind: DamageKind) -> Mapping[str, Any]:
        """Damage what it has stored, in its files; it must be dead."""
        with self._lock:
            if self.state() != "dead":
                raise EnvironmentFailed(f"{self.name} runs: kill it before its disk is damaged")
            damaged: Mapping[str, Any] = self._on_disk("damage", kind=kind)["damaged"]
            return damaged

    def open_resources(self) -> None:
        """Have its machine ready to limit it. Raises EnvironmentFailed where it cannot."""
        self._session.ask("resources", verb="open")

    def limit_cpu(self, percent: int | None) -> None:
        """Let it have so many percent of one processor; None: all that there are."""
        with self._lock:
            self._session.ask("resources", verb="cpu", percent=percent)

    def exhaust_memory(self) -> None:
        """Leave it no memory, so that the kernel kills its process, then give it back."""
        with self._lock:
            if self.state() != "dead":
                self._killed = True
                self._session.ask("resources", verb="memory")

    def usage(self) -> Mapping[str, int]:
        """As its control group says: `cpu_percent`, `throttled`, `memory`, `oom_kills`."""
        told: Mapping[str, int] = self._session.ask("resources", verb="usage")["usage"]
        return told

    def counters(self) -> Mapping[str, Any]:
        """Everything that the node's host counts in this life."""
        return self._ask("counters")

    def post(self, do: str, **fields: Any) -> Answer:
        """Ask the node itself; a paused one answers when it goes on."""
        return self._session.post("node", request={"do": do, **fields})

    def died_unprovoked(self) -> bool:
        """Whether its process has died and no verb of ours killed it; True once for each death."""
        with self._lock:
            if not self._started or self._killed or self._death_told or self.state() != "dead":
                return False
            self._death_told = True
            killed = self._on_disk("killed-by", status=self.exit_status())["killed"]
            return not killed

    def _on_disk(self, verb: str, **fields: Any) -> Mapping[str, Any]:
        return self._session.ask("disk", verb=verb, **fields)

    def _ask(self, do: str, **fields: Any) -> Mapping[str, Any]:
        if self.state() != "running":
            raise EnvironmentFailed(f"node {self.name} does not run: it cannot {do}")
        return self._session.result(self.post(do, **fields), do, NODE_ANSWER_S_MAX)

    def _arguments(self) -> list[str]:
        site, spec, clock = self._site, self._site.spec, self._clock
        words = ["--control", "--reuse-port", "--node", self.name, "--nodes", ",".join(spec.nodes)]
        words += ["--replica", spec.replica_path, "--options", json.dumps(dict(spec.options))]
        words += ["--engine", spec.engine, "--directory", f"{site.directory}/data"]
        words += [f"--seed={spec.seed}", "--client", _text(site.bound)]
        words += ["--listen", _text(site.listen), "--disk", f"{site.directory}/{FILE}"]
        words += [f"--clock={clock.since_ns},{clock.wall_offset_ns},{clock.rate_ppm}"]
        for name, address in site.peers.items():
            words += ["--peer", f"{name}={_text(address)}"]
        if spec.bug is not None:
            words += ["--bug", spec.bug]
        return words


def log_of(directory: Path, name: str) -> Path:
    """Where the log of a node is collected."""
    return directory / name / LOG


def _text(address: Address) -> str:
    return f"{address[0]}:{address[1]}"
