"""The guardian: a process that outlives the harness by at most two seconds, to clean up after it.

It reads lines from a pipe whose other end only the harness holds: `watch PID BIRTH`, answered by
`ok`, and `forget PID`. When the pipe ends, or its parent is no more, whatever the reason, it kills
every process that it watches, stopped ones too, and ends. A process is known by its number and by
when it began, so that a number used again is left alone.

What is no process, as a container, is cleaned up by a function: `MODULE:FUNCTION ARGUMENT` on its
command line is called with the argument at the end, unless `spare` has been read. It says `ready`
once it can be called.
"""

from __future__ import annotations

import importlib
import os
import select
import signal
import sys
import time
from typing import TYPE_CHECKING

from systems_under_test.environments.local.processes import look

if TYPE_CHECKING:
    from collections.abc import Callable

LOOK_S = 0.25
KILL_S_MAX = 2.0


def main() -> int:
    """Watch until the harness is gone, then kill; 1 if a process would not die."""
    # What ends the harness from the terminal must not end its guardian first.
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    charges = Charges()
    try:
        charges.clean(*sys.argv[2:])
        os.write(1, b"ready\n")
        _watch(int(sys.argv[1]), charges)
    finally:  # Also if we are broken ourselves: better no run than nodes that stay.
        dead = kill_all(charges.watched)
        for clean, argument in charges.cleaners:
            clean(argument)
    return 0 if dead else 1


class Charges:
    """What it watches over: processes by number, and what is cleaned up by a function."""

    def __init__(self) -> None:
        self.watched: dict[int, str] = {}
        self.cleaners: list[tuple[Callable[[str], object], str]] = []

    def clean(self, *words: str) -> None:
        """At the end, call the functions of these words, each with the word after it."""
        for path, argument in zip(words[::2], words[1::2], strict=True):
            module, _, function = path.partition(":")
            self.cleaners.append((getattr(importlib.import_module(module), function), argument))

    def obey(self, line: str) -> None:
        """Do as a line of the pipe says."""
        word, *arguments = line.split()
        if word == "watch":
            self.watched[int(arguments[0])] = arguments[1]
            os.write(1, b"ok\n")
        elif word == "forget":
            self.watched.pop(int(arguments[0]), None)
        elif word == "spare":
            self.cleaners.clear()


def _watch(harness: int, charges: Charges) -> None:
    """Do as the pipe says until it ends, or the harness does."""
    waiting = b""
    # The parent is looked at too: a child that the harness forked may hold the pipe open.
    while os.getppid() == harness:
        if not select.select([0], [], [], LOOK_S)[0]:
            continue
        data = os.read(0, 4096)
        if not data:
            return
        *lines, waiting = (waiting + data).split(b"\n")
        for line in lines:
            charges.obey(line.decode("ascii"))


def kill_all(watched: dict[int, str]) -> bool:
    """Kill every process that is still the one watched; whether all are gone in time."""
    deadline = time.monotonic() + KILL_S_MAX
    while time.monotonic() < deadline:
        left = [pid for pid, birth in watched.items() if _lives(pid, birth)]
        if not left:
            return True
        for pid in left:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                continue
        time.sleep(0.01)
    return False


def _lives(pid: int, birth: str) -> bool:
    seen = look(pid)
    if seen is None or seen.letter == "Z":
        return False
    return "_".join(seen.birth.split()) == birth


if __name__ == "__main__":
    sys.exit(main())
