"""Writes the history while it happens: every event is in the file before it is acted on."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from checker.history.encoding import encode
from checker.history.events import Event
from systems_under_test.environments.cluster import EnvironmentFailed

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path
    from types import TracebackType

    from checker.history.events import EventType


class Recorder:
    """Appends events to a file, numbering them. Used by one thread.

    Each event is one `write` to an unbuffered file, so that a killed harness leaves at most one
    broken line, the last. `listen` is told of each event after it was written.
    """

    def __init__(self, path: Path, listen: Callable[[Event], None] = lambda event: None) -> None:
        self.path = path
        self.events = 0
        self._listen = listen
        self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND, 0o644)

    def record(
        self, *, time: int, process: int | str, type: EventType, f: str, **rest: Any
    ) -> Event:
        """Write one event; it gets the next index. EnvironmentFailed where the disk refuses."""
        event = Event(index=self.events, time=time, process=process, type=type, f=f, **rest)
        line = encode(event)
        try:
            written = os.write(self._file, line)
            if written != len(line):
                raise OSError(f"only {written} of {len(line)} bytes were written; is it full?")
        except OSError as error:
            raise EnvironmentFailed(
                f"cannot write the history {self.path}: {error}; "
                "what was recorded so far is kept and can be checked"
            ) from error
        self.events += 1
        self._listen(event)
        return event

    def close(self) -> None:
        """Close the file. A second call does nothing."""
        if self._file >= 0:
            os.close(self._file)
            self._file = -1

    def __enter__(self) -> Recorder:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()
