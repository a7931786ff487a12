"""The write buffer: new versions wait in memory, and a writer stores them together later.

A node answers a write as soon as it has it in memory, so what a client waits for is no disk. To
lose less, the coordinator asks one of the N for a durable write and does not wait for it: W other
answers are enough. **That is the trade-off, and it loses data**: where all nodes that buffered a
write crash before their writers ran, and the one durable copy was not made or cannot be had, an
acknowledged write is gone. Nothing else may wait: hints, and what is handed off, exchanged or
repaired, is stored before it is acknowledged, since the sender may forget it then.

Dots need no durable counter here: they carry the life of the node.

Source: DeCandia et al., SOSP 2007, 6.1.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from systems_under_test.dynamo.configuration import MS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from systems_under_test.dynamo.configuration import Configuration
    from systems_under_test.dynamo.counters import Counters
    from systems_under_test.dynamo.step import Step

WRITER: Final = "writer"
ENTRIES_MAX: Final = 10_000
"""So many entries wait; one more, and what comes is stored at once."""


class WriteBuffer:
    """One table, with what waits laid over what is stored. Without an interval nothing waits."""

    def __init__(self, table: str, configuration: Configuration, counters: Counters) -> None:
        self._table = table
        self._interval = configuration.write_buffer_ms * MS
        self._counters = counters
        self.waiting: dict[bytes, bytes] = {}

    def get(self, step: Step, key: bytes) -> bytes | None:
        """The value under a key."""
        found = self.waiting.get(key)
        return step.get(self._table, key) if found is None else found

    def write(
        self, step: Step, key: bytes, value: bytes | None, *, durable: bool, may_wait: bool
    ) -> None:
        """Put a value, None deletes; in memory alone where it may wait."""
        if may_wait and self._interval and value is not None and len(self.waiting) < ENTRIES_MAX:
            if not self.waiting:
                step.set_timer(WRITER, self._interval)
            self.waiting[key] = value
            self._counters.writes_buffered += 1
            return
        self.waiting.pop(key, None)
        step.write(self._table, key, value, durable=durable)

    def settle(self, step: Step, key: bytes) -> None:
        """Store this one now if it waits: whoever has it sent may forget it next."""
        value = self.waiting.pop(key, None)
        if value is not None:
            step.write(self._table, key, value)

    def on_writer(self, step: Step) -> None:
        """Store what waits, in one durable commit."""
        for key, value in self.waiting.items():
            step.write(self._table, key, value)
        self._counters.buffer_flushes += bool(self.waiting)
        self.waiting.clear()

    def scan(
        self, step: Step, start: bytes = b"", stop: bytes | None = None
    ) -> Iterator[tuple[bytes, bytes]]:
        """The entries with start <= key < stop, in order of key."""
        if not self.waiting:
            return step.scan(self._table, start, stop)
        return self._laid_over(step, start, stop)

    def _laid_over(
        self, step: Step, start: bytes, stop: bytes | None
    ) -> Iterator[tuple[bytes, bytes]]:
        waiting = {
            key: value
            for key, value in self.waiting.items()
            if start <= key and (stop is None or key < stop)
        }
        yield from sorted({**dict(step.scan(self._table, start, stop)), **waiting}.items())
