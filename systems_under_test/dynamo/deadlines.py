"""Deadlines of requests that all wait equally long: one queue, one timer."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Container

    from systems_under_test.dynamo.step import Step


class Deadlines:
    """Because the wait is the same for all, the oldest is due first and one timer serves all.

    A timer for each request would cost two effects (set, cancel) in the common case that nothing
    is late.
    """

    __slots__ = ("_armed", "_delay", "_queue", "_timer")

    def __init__(self, timer: str, delay: int) -> None:
        self._timer = timer
        self._delay = delay
        self._queue: deque[tuple[int, int]] = deque()
        self._armed = False

    def add(self, step: Step, request: int) -> None:
        """This request is due after the delay."""
        self._queue.append((step.mono + self._delay, request))
        if not self._armed:
            self._armed = True
            step.set_timer(self._timer, self._delay)

    def due(self, step: Step, is_open: Container[int]) -> list[int]:
        """Called when the timer fired: the requests that are due and still open."""
        late: list[int] = []
        queue = self._queue
        while queue and (queue[0][0] <= step.mono or queue[0][1] not in is_open):
            request = queue.popleft()[1]
            if request in is_open:
                late.append(request)
        self._armed = bool(queue)
        if queue:
            step.set_timer(self._timer, queue[0][0] - step.mono)
        return late
