"""A node of the simulation: its clock, disk and log, and the life that it lives now, if any."""

from __future__ import annotations

import traceback
from typing import TYPE_CHECKING, Any

from systems_under_test.environments.cluster import EnvironmentFailed
from systems_under_test.environments.simulated.clock import Clock
from systems_under_test.environments.simulated.disk import FULL, Disk, ReadFailed
from systems_under_test.environments.simulated.life import Life
from systems_under_test.environments.simulated.log import Log, packed
from systems_under_test.replica import (
    STOPPING_NS_MAX,
    Place,
    Started,
    Stopping,
    StorageDamaged,
    on_damage,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from systems_under_test.environments.cluster import (
        ClockReading,
        ClusterSpec,
        DamageKind,
        DiskQuality,
        NodeState,
    )
    from systems_under_test.environments.simulated.disk import Change
    from systems_under_test.environments.simulated.kernel import Kernel
    from systems_under_test.environments.simulated.network import Channel, Network
    from systems_under_test.environments.simulated.objects import SimulatedObjects
    from systems_under_test.environments.simulated.options import SimulationOptions
    from systems_under_test.replica import OnDamage, Replica
    from systems_under_test.rng import Rng


class SimulatedNode:
    """One place in a simulated cluster; implements `environments.cluster.Node`.

    `count` is the durable incarnation. It lies, as a few bytes reserved on the disk, where neither
    a full nor a failing disk keeps it from growing; writing it makes durable whatever an earlier
    life left behind, so that a life never shows what power loss could still take away.
    """

    def __init__(
        self,
        spec: ClusterSpec,
        place: Place,
        make: Callable[[Place, Mapping[str, Any], str | None], Replica],
        options: SimulationOptions,
        kernel: Kernel,
        network: Network,
        objects: SimulatedObjects,
        rng: Rng,
    ) -> None:
        self.options = options
        self.kernel = kernel
        self.network = network
        self.objects = objects
        self.channels: dict[str, Channel] = {}
        self.durable = spec.engine != "memory"
        self.count = 0
        self.begun = False
        """Whether anything has left a life: stands on the disk beside the count."""
        self.life: Life | None = None
        self.unprovoked = False
        """Whether its replica has raised by itself since the cluster was last asked."""
        self.overflowed = 0
        """Inputs that were dropped because too many waited for it."""
        self.gaps = rng.stream("effects")
        self.clients = rng.stream("clients")
        self.commits = rng.stream("commits")
        self._boots = rng.stream("clock")
        skew = options.wall_skew_ns
        self.clock = Clock(self._boots.below(1 << 40), self._boots.between(-skew, skew))
        self.disk = Disk(options, rng.stream("disk"))
        self._lives = rng.stream("replica")
        self._spec = spec
        self._place = place
        self._make = make
        self.log = Log(place.node, options.log_lines_max)

    @property
    def name(self) -> str:
        """Its name."""
        return self._place.node

    def state(self) -> NodeState:
        """Running, paused or dead."""
        if self.life is None:
            return "dead"
        return "paused" if self.life.paused else "running"

    def incarnation(self) -> int:
        """How often it has been started."""
        return self.count

    # --- verbs ---

    def start(self) -> None:
        """Begin a new life on what was stored."""
        if self.life is not None:
            return
        self.count += 1
        self.disk.settle()
        self._note("started", incarnation=self.count)
        try:
            replica = self._make(self._place, self._spec.options, self._spec.bug)
        except Exception as error:
            self.replica_raised(error)
            return
        damage = self._look_at_disk(on_damage(replica))
        self.life = Life(self, replica, self.count, self._lives.stream(str(self.count)))
        self.life.begin(Started(self.count, damage, not self.begun))

    def _look_at_disk(self, policy: OnDamage) -> str:
        """What was found damaged and set aside before a life begins, as the replica asks for it."""
        self.disk.checked = policy != "ignore"
        if policy != "set-aside" or not self.disk.damaged:
            return ""
        damage = next(self.disk.damaged_records(), "")
        self.disk.damaged = False
        if damage:
            self.disk.wipe()
            self._note("damage set aside", reason=damage)
        return damage

    def kill(self) -> None:
        """End the process; what it wrote survives."""
        if self.life is not None:
            self._die("killed")

    def stop(self) -> None:
        """End the process in order; a paused one does not hear it.

        Time goes on until a replica that hears of its end has left, up to `STOPPING_NS_MAX`.
        """
        life = self.life
        if life is None:
            return
        if life.paused:
            raise EnvironmentFailed(f"node {self.name} is paused, and did not end when asked")
        if life.hears_stopping:
            life.offer(Stopping())
            self.kernel.wait(lambda: self.life is not life, STOPPING_NS_MAX)
        if self.life is life:
            self._die("stopped")

    def pause(self) -> None:
        """Stop the process; a dead one stays dead."""
        if self.life is not None:
            self.life.paused = True

    def resume(self) -> None:
        """Let a stopped process go on."""
        if self.life is not None and self.life.paused:
            self.life.resume()

    def power_off(self) -> None:
        """End the process and lose what was not durable."""
        self._die("power lost")
        self.disk.power_lost()
        self.clock.reboot(self.kernel.now, self._boots.below(1 << 40))

    def set_clock(self, *, wall_offset_ns: int | None = None, rate_ppm: int | None = None) -> None:
        """Jump the wall clock, change the rate of both clocks."""
        self.clock.change(self.kernel.now, wall_offset_ns=wall_offset_ns, rate_ppm=rate_ppm)
        if rate_ppm is not None and self.life is not None:
            self.life.timers.clock_changed()

    def read_clock(self) -> ClockReading:
        """Its clocks against the true ones."""
        return self.clock.against_true(self.kernel.now)

    def clock_setting(self) -> ClockReading:
        """The same: here a reading is exact."""
        return self.read_clock()

    def set_disk(self, quality: DiskQuality) -> None:
        """Change how the disk behaves, from the commit in flight on."""
        self.disk.quality = quality

    def disk_quality(self) -> DiskQuality:
        """How the disk behaves now."""
        return self.disk.quality

    def disk_counters(self) -> dict[str, int]:
        """What the disk has done so far."""
        return dict(self.disk.counters)

    def damage_disk(self, kind: DamageKind) -> dict[str, Any]:
        """Damage a record of a dead node."""
        if self.life is not None:
            raise EnvironmentFailed(f"{self.name} runs: kill it before its disk is damaged")
        return self.disk.damage(kind)

    # --- what its life tells it ---

    def left(self) -> None:
        """The replica has nothing left to do."""
        self._die("stopped")

    def replica_raised(self, error: Exception) -> None:
        """The replica raised: log it and end the life. Reading what we damaged is our doing."""
        if isinstance(error, ReadFailed):
            self.disk_failed(str(error))
            return
        provoked = isinstance(error, StorageDamaged) and self.disk.damaged
        text = "".join(traceback.format_exception(error))
        self._die("replica raised", traceback=text, provoked=provoked)
        self.unprovoked |= not provoked

    def store(self, changes: Sequence[Change]) -> bool:
        """Show the changes of an input; False if the disk was full and that was the end."""
        if self.durable and self.disk.refuses():
            self.disk_failed(FULL)
            return False
        self.disk.apply(changes)
        return True

    def disk_failed(self, why: str) -> None:
        """A write or a read failed, as was injected: the life ends as the port demands."""
        self._die("disk failed", why=why, provoked=True)

    def _die(self, event: str, **fields: Any) -> None:
        """End the life if there is one, and say so in the log."""
        life, self.life = self.life, None
        if life is not None:
            self.log.take_back(self.kernel.now)
            life.end()
            self.disk.process_died()
            if not self.durable:
                self.disk.wipe()
        self._note(event, **fields)

    def _note(self, event: str, **fields: Any) -> None:
        """A line of the host's own."""
        now = self.kernel.now
        self.log.add(now, packed(self.clock.read(now), self.count, event, fields))
