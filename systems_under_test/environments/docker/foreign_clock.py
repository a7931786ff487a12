"""The wall clock of a foreign system's programs on one node, moved by a library loaded into them.

Their monotonic clocks stay true. Whether a program asks the library for the time at all shows only
when it does: a clock that nobody asks counts as one that was not moved.
"""

from __future__ import annotations

import inspect
import shutil
import time
from typing import TYPE_CHECKING, Final

from systems_under_test.environments.cluster import ClockReading, EnvironmentFailed
from systems_under_test.environments.docker.places import INSIDE
from systems_under_test.preload import programs
from systems_under_test.preload.wall_clock import WallClock, preloaded

if TYPE_CHECKING:
    from pathlib import Path

    from systems_under_test.environments.docker.supervised import Supervised

BLOCK: Final = "clock"
LIBRARY: Final = "wall_clock.so"
ASKED_S_MAX: Final = 2.0
"""A program that has not asked for the time for so long does not ask the library."""
LOOK_S: Final = 0.01
ERROR_NS_MAX: Final = 50_000_000
"""A reading that may be further off is taken again: the container was slow to run a program."""
READINGS_MAX: Final = 3
_JUDGE: Final = f"{inspect.getsource(programs)}\nimport sys\nprint(why_not(sys.argv[1]) or '')\n"


class ForeignClock:
    """Moves and reads it. The programs must be started with its environment."""

    def __init__(self, node: str, directory: Path, supervised: Supervised, library: Path) -> None:
        """`directory` is the node's folder. Raises EnvironmentFailed."""
        self._node = node
        self._supervised = supervised
        self._clock = WallClock(directory / BLOCK)
        self._asked = 0
        try:
            shutil.copy(library, directory / LIBRARY)
        except OSError as error:
            raise EnvironmentFailed(f"{node}: {directory}: {error}") from error

    def environment_for(self, program: str) -> dict[str, str]:
        """What a program is to be started with. Raises EnvironmentFailed if it cannot be moved."""
        reason = self._supervised.run([(["python3", "-", program], _JUDGE)])[0].strip()
        if reason:
            raise EnvironmentFailed(f"node {self._node}: no clock faults: {reason}")
        return self._preloaded()

    def set(self, *, wall_offset_ns: int | None, rate_ppm: int | None) -> None:
        """Jump, or run at another rate."""
        self._clock.change(wall_offset_ns=wall_offset_ns, rate_ppm=rate_ppm)
        self._asked = self._clock.reads

    def read(self) -> ClockReading:
        """The clock as a program in the container reads it, against ours; true if none asks."""
        deadline = time.monotonic() + ASKED_S_MAX
        while self._clock.reads == self._asked:
            if time.monotonic() > deadline:
                return ClockReading(0, 0)
            time.sleep(LOOK_S)
        best = self._read()
        for _ in range(READINGS_MAX - 1):
            if best.error_ns <= ERROR_NS_MAX:
                break
            best = min(best, self._read(), key=lambda reading: reading.error_ns)
        return best

    def setting(self) -> ClockReading:
        """What it was set to and where a rate has brought it."""
        setting = self._clock.setting
        return ClockReading(setting.wall_offset_at(time.monotonic_ns()), setting.rate_ppm)

    def _read(self) -> ClockReading:
        """One reading, at some moment between the request and the answer."""
        clock = [f"{name}={value}" for name, value in self._preloaded().items()]
        setting = self._clock.setting
        began, before = time.monotonic_ns(), time.time_ns()
        said = self._supervised.run([(["env", *clock, "date", "+%s%N"], "")])[0]
        after = time.time_ns()
        error = (after - before + 1) // 2
        return ClockReading(
            wall_offset=int(said) - (before + after) // 2,
            mono_rate_ppm=setting.rate_ppm,
            error_ns=error,
            age_ns=began + error - setting.since_ns,
        )

    def close(self) -> None:
        """Let go of the files."""
        self._clock.close()

    def _preloaded(self) -> dict[str, str]:
        return preloaded(str(INSIDE / LIBRARY), str(INSIDE / BLOCK))
