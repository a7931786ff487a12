"""Availability: the share of requests that succeeded, by windows of time.

A window is five minutes or a tenth of the run, whichever is shorter (DynamoDB reports it by five
minutes: Elhemali et al., USENIX ATC 2022). What ended `fail` or `info` counts as failed: a client
that does not know was not served. Judges nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from checker.history.columns import History

DUMP: Final = "dump"
"""What a run asks every node at its end; no request of a client."""
WINDOWS: Final = 10
WINDOW_NS_MAX: Final = 300_000_000_000


@dataclass(frozen=True, slots=True)
class Window:
    """Requests asked from `start` until before `end` (nanoseconds of the run)."""

    start: int
    end: int
    asked: int
    succeeded: int

    @property
    def share(self) -> float | None:
        """Of those asked; None if nothing was."""
        return round(self.succeeded / self.asked, 4) if self.asked else None


def windows(history: History) -> list[Window]:
    """The windows in order, from the first request to the last before the cluster came to rest."""
    rest = history.quiescent_time
    asked = [
        (operation.call, operation.outcome == "ok")
        for operation in history
        if operation.f != DUMP and (rest is None or operation.call < rest)
    ]
    if not asked:
        return []
    first, last = asked[0][0], max(call for call, _ in asked)
    length = min(WINDOW_NS_MAX, (last - first) // WINDOWS + 1)
    counts = [[0, 0] for _ in range((last - first) // length + 1)]
    for call, succeeded in asked:
        count = counts[(call - first) // length]
        count[0] += 1
        count[1] += succeeded
    return [
        Window(first + i * length, first + (i + 1) * length, total, ok)
        for i, (total, ok) in enumerate(counts)
    ]


def availability(history: History) -> dict[str, Any]:
    """Overall, in the worst window, and in each; None where nothing was asked."""
    found = windows(history)
    shares = [window.share for window in found]
    asked = sum(window.asked for window in found)
    return {
        "share": round(sum(window.succeeded for window in found) / asked, 4) if asked else None,
        "worst": min((share for share in shares if share is not None), default=None),
        "window_ns": found[0].end - found[0].start if found else None,
        "windows": shares,
    }
