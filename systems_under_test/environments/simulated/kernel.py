"""Virtual time: a heap of events in order of (time, sequence), each on a tick of its own."""

from __future__ import annotations

from heapq import heappop, heappush
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable


class Kernel:
    """The clock and the agenda of a simulation.

    `now` is in nanoseconds and grows strictly with each event, so that no two events carry one
    stamp: an event due at a time that has been used happens one nanosecond later.
    """

    __slots__ = ("_heap", "_sequence", "drive", "events", "now")

    def __init__(self) -> None:
        self.now = 0
        self.events = 0
        self.drive: Callable[[], bool] = self.step
        """By which time goes on while something is awaited, an event at a time."""
        self._heap: list[tuple[int, int, Callable[[Any], None], Any]] = []
        self._sequence = 0

    def push(self, time: int, call: Callable[[Any], None], argument: Any) -> None:
        """Call this with the argument at that time; a time in the past means as soon as can be."""
        self._sequence += 1
        heappush(self._heap, (time, self._sequence, call, argument))

    def step(self) -> bool:
        """Process one event; False if there is none."""
        if not self._heap:
            return False
        time, _, call, argument = heappop(self._heap)
        self.now = time if time > self.now else self.now + 1
        self.events += 1
        call(argument)
        return True

    def run_until(self, time: int) -> None:
        """Process every event that is due by this time, and let the time come."""
        heap = self._heap
        while heap and heap[0][0] <= time:
            due, _, call, argument = heappop(heap)
            self.now = due if due > self.now else self.now + 1
            self.events += 1
            call(argument)
        self.now = max(self.now, time)

    def wait(self, over: Callable[[], bool], duration: int) -> None:
        """Let time go on, within an event too, until it is over, and for so long at most."""
        limit = self.now + duration
        self.push(limit, _nothing, None)
        while not over() and self.now < limit and self.drive():
            pass


def _nothing(_: None) -> None:
    """What happens when nobody is waited for any longer."""
