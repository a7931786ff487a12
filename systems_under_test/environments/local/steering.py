"""What the harness asks of a node while it lives, wherever that is: clocks, counters, probes.

The clocks are those of the place and not of the life: a node that is dead has them when it is
started, a paused one when it goes on.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, Final

from systems_under_test.environments.cluster import ClockReading, EnvironmentFailed
from systems_under_test.environments.local.control_channel import ControlChannel
from systems_under_test.host.clock import MILLION, ClockSetting, true_wall_at

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Mapping

    from systems_under_test.environments.cluster import NodeState
    from systems_under_test.environments.local.loop_thread import LoopThread

ANSWER_S_MAX: Final = 2.0
CLOCK_SAMPLES_S: Final = 0.01
CLOCK_ERROR_NS_MAX: Final = 1_000_000
"""A reading that may be further off was interrupted, and is taken again."""
CLOCK_READINGS_MAX: Final = 3

_STORAGE: Final = "storage_"


class Steering:
    """The control of one node through all its lives."""

    def __init__(self, node: str, loop: LoopThread) -> None:
        self._node = node
        self._loop = loop
        self._control: ControlChannel | None = None
        self.clock = ClockSetting()

    def begin(self, open_channel: Callable[[ControlChannel], Coroutine[None, None, None]]) -> None:
        """A life has begun: open its channel, which says `go`."""
        control = self._control = ControlChannel(self._node)
        opening = open_channel(control)
        self._loop.run(opening, timeout_s=ANSWER_S_MAX, what=f"starting {self._node}")

    def let_go(self) -> None:
        """Close what belonged to the life before."""
        if self._control is not None:
            closing = self._control.close()
            self._loop.run(closing, timeout_s=ANSWER_S_MAX, what=f"letting go of {self._node}")
            self._control = None

    async def ready(self, timeout_s: float) -> bool:
        """Wait, in the loop's thread, until it serves; False if it ended first. TimeoutError."""
        assert self._control is not None
        return await self._control.ready(timeout_s)

    def set_clock(
        self, state: NodeState, *, wall_offset_ns: int | None, rate_ppm: int | None
    ) -> None:
        """Set the wall clock's offset, or how much faster both clocks run, of a node so."""
        if rate_ppm is not None and rate_ppm <= -MILLION:
            raise ValueError(f"a clock at {rate_ppm} ppm would stand still or run back")
        now = time.monotonic_ns()
        before = self.clock
        setting = self.clock = ClockSetting(
            since_ns=now,
            wall_offset_ns=before.wall_offset_at(now) if wall_offset_ns is None else wall_offset_ns,
            rate_ppm=before.rate_ppm if rate_ppm is None else rate_ppm,
        )
        if state == "dead" or self._control is None:
            return
        fields = {
            "since_ns": setting.since_ns,
            "wall_offset_ns": setting.wall_offset_ns,
            "rate_ppm": setting.rate_ppm,
        }
        control = self._control
        if state == "running":
            self.ask("clock", **fields)
        else:
            self._loop.do(lambda: control.post("clock", **fields), what="setting a clock")

    def read_clock(self) -> ClockReading:
        """The node's clocks as it reads them, against ours: the best of a few readings."""
        best = self._read_clock()
        for _ in range(CLOCK_READINGS_MAX - 1):
            if best.error_ns <= CLOCK_ERROR_NS_MAX:
                break
            best = min(best, self._read_clock(), key=lambda reading: reading.error_ns)
        return best

    def _read_clock(self) -> ClockReading:
        """One reading.

        A node may be long in answering, behind a slow disk. It says when, on the monotonic clock of
        the machine that it shares with us, it read its own: so the wait is no part of the error.
        """
        first = self.ask("read_clock")
        time.sleep(CLOCK_SAMPLES_S)
        second = self.ask("read_clock")
        moment = first["machine"] + first["took_ns"] // 2
        true_wall, error = true_wall_at(moment)
        passed = second["boot"] - first["boot"]
        gained = second["mono"] - first["mono"] - passed
        return ClockReading(
            wall_offset=first["wall"] - true_wall,
            mono_rate_ppm=round(gained * MILLION / passed),
            error_ns=error + (first["took_ns"] + 1) // 2,
            age_ns=moment - self.clock.since_ns,
        )

    def clock_setting(self) -> ClockReading:
        """What its clocks were set to, and where a rate has brought them by now."""
        now = time.monotonic_ns()
        return ClockReading(self.clock.wall_offset_at(now), self.clock.rate_ppm)

    def counters(self) -> Mapping[str, Any]:
        """Everything that the node's host counts in this life."""
        return self.ask("counters")

    def storage_counters(self) -> dict[str, int]:
        """What its storage did in this life: `commits`, `commits_unsynced`, `changes`."""
        life = self.counters()["life"]
        return {k.removeprefix(_STORAGE): v for k, v in life.items() if k.startswith(_STORAGE)}

    async def round_trips(
        self, waits: Mapping[str, float], state: NodeState
    ) -> Mapping[str, int | None]:
        """How many nanoseconds a message of this one takes to each node and back.

        None for those that it does not reach within so many seconds: a node that is dead or paused
        reaches none. In the loop's thread.
        """
        none: dict[str, int | None] = dict.fromkeys(waits)
        if self._control is None or state != "running":
            return none
        patience_s = max(waits.values(), default=0.0) + ANSWER_S_MAX
        try:
            answer = await self._control.ask("probe", timeout_s=patience_s, to=dict(waits))
        except EnvironmentFailed:
            return none
        took: Mapping[str, int | None] = answer["took_ns"]
        return took

    def ask(self, do: str, **fields: Any) -> Mapping[str, Any]:
        """The answer to a request. Raises EnvironmentFailed."""
        if self._control is None:
            raise EnvironmentFailed(f"node {self._node} does not run: it cannot {do}")
        asking = self._control.ask(do, timeout_s=ANSWER_S_MAX, **fields)
        return self._loop.run(asking, timeout_s=2 * ANSWER_S_MAX, what=f"asking {self._node}")
