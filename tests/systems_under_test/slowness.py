"""How much slower than a machine with nothing else to do this one is, while something is timed.

A bound for a quiet machine can so be asked for on a busy one: what is timed is divided by how much
longer work takes than the processor spends on it.
"""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from types import TracebackType

WORK_S = 0.004
"""More than a scheduler gives at once to who was idle."""
EVERY_S = 0.05


@dataclass
class Slowness:
    """Looks again and again while it is open. Where there is nothing else to do `factor` is 1."""

    wall_s: float = 0.0
    worked_s: float = 0.0
    _ended: threading.Event = field(default_factory=threading.Event)
    _thread: threading.Thread | None = None

    def __enter__(self) -> Self:
        self._thread = threading.Thread(target=self._look, daemon=True)
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        assert self._thread is not None
        self._ended.set()
        self._thread.join()

    @property
    def factor(self) -> float:
        return max(1.0, self.wall_s / self.worked_s)

    def _look(self) -> None:
        while True:
            began, at = time.monotonic(), time.thread_time()
            while time.thread_time() - at < WORK_S:
                pass
            self.wall_s += time.monotonic() - began
            self.worked_s += time.thread_time() - at
            if self._ended.wait(EVERY_S):
                return
