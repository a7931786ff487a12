"""A line that carries so many bytes a second: what comes while it is busy queues, to a bound."""

from __future__ import annotations

from typing import Final

BILLION: Final = 1_000_000_000
QUEUE_NS_MAX: Final = 2 * BILLION
"""What would wait longer is dropped, as a router with a full buffer does."""


class Narrow:
    """One line. Times are nanoseconds of whatever clock the caller has."""

    __slots__ = ("_free_at",)

    def __init__(self) -> None:
        self._free_at = 0

    def delay_ns(self, size_bytes: int, rate_bytes_s: int, now: int) -> int | None:
        """How long a message takes that is sent now, its turn included; None if it is dropped."""
        waits = max(0, self._free_at - now)
        if waits > QUEUE_NS_MAX:
            return None
        self._free_at = now + waits + size_bytes * BILLION // rate_bytes_s
        return self._free_at - now
