"""What a person sees while a run goes on: one live line on a terminal, plain lines elsewhere."""

from __future__ import annotations

import sys
import time
from collections import Counter
from typing import TYPE_CHECKING, Final, TextIO

if TYPE_CHECKING:
    from checker.history.events import Event

TERMINAL_INTERVAL_S: Final = 0.2
PLAIN_INTERVAL_S: Final = 5.0


class Progress:
    """Counts events and shows elapsed time, operations by outcome, and the faults now open.

    `time_ns` is the run's own time: virtual in a simulation.
    """

    def __init__(self, stream: TextIO | None = None) -> None:
        self._stream = stream or sys.stderr
        self._terminal = self._stream.isatty()
        self._interval = TERMINAL_INTERVAL_S if self._terminal else PLAIN_INTERVAL_S
        self._shown = time.monotonic()
        self._phase = ""
        self._outcomes: Counter[str] = Counter()
        self._faults: dict[int, str] = {}
        self._time_ns = 0

    def phase(self, name: str) -> None:
        """A new phase has begun."""
        self._phase = name
        self._show()

    def event(self, event: Event) -> None:
        """An event was recorded."""
        self._time_ns = event.time
        if event.is_client:
            self._outcomes[event.type] += event.type != "invoke"
        elif event.fault is not None:
            self._note_fault(event, event.fault)
        if time.monotonic() - self._shown >= self._interval:
            self._show()

    def done(self) -> None:
        """End the live line."""
        if self._terminal:
            self._stream.write("\r\x1b[K")
            self._stream.flush()

    def line(self) -> str:
        """The line as it would be shown now."""
        counts = " ".join(f"{kind} {self._outcomes[kind]}" for kind in ("ok", "fail", "info"))
        faults = ", ".join(self._faults.values()) or "none"
        return f"{self._time_ns / 1e9:7.1f} s  {self._phase:<10} {counts}  faults: {faults}"

    def _note_fault(self, event: Event, fault: int) -> None:
        if event.f != "heal":
            targets = (event.input or {}).get("targets") if event.type == "invoke" else None
            if event.type == "invoke":
                self._faults[fault] = f"{event.f} {'+'.join(targets)}" if targets else event.f
        elif event.type != "invoke":
            self._faults.pop(fault, None)

    def _show(self) -> None:
        self._shown = time.monotonic()
        text = self.line()
        self._stream.write(f"\r\x1b[K{text}" if self._terminal else f"{text}\n")
        self._stream.flush()
