"""The harness's end of the guardian's pipe."""

from __future__ import annotations

import contextlib
import os
import select
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Final

from systems_under_test.environments.cluster import EnvironmentFailed
from systems_under_test.environments.local.processes import look

if TYPE_CHECKING:
    from collections.abc import Mapping

START_S_MAX: Final = 30.0
"""A new interpreter; a starved machine may take long over that."""
ANSWER_S_MAX: Final = 5.0
END_S_MAX: Final = 5.0

_MODULE: Final = "systems_under_test.environments.local.guardian"


class Guardian:
    """A guardian process, from its start to its end. Used by one thread at a time."""

    def __init__(self, environment: Mapping[str, str], *cleaner: str) -> None:
        """Start it; does not wait until it is ready. Raises EnvironmentFailed.

        `cleaner` is `module:function` and a word, with which it will call that after our end.
        """
        try:
            self._process = subprocess.Popen(
                [sys.executable, "-P", "-m", _MODULE, str(os.getpid()), *cleaner],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                env=dict(environment),
                bufsize=0,
                # A session of its own: Ctrl-C is sent to the whole group of the harness.
                start_new_session=True,
            )
        except OSError as error:
            raise EnvironmentFailed(f"the guardian process cannot be started: {error}") from error
        self._ready = False

    @property
    def pid(self) -> int:
        """Its process number."""
        return self._process.pid

    def await_ready(self) -> None:
        """Return once it will clean up after our end. Raises EnvironmentFailed."""
        if not self._ready:
            self._await(b"ready\n", START_S_MAX)
            self._ready = True

    def watch(self, pid: int) -> None:
        """Return once it will kill that process after our end. Raises EnvironmentFailed."""
        self.await_ready()
        seen = look(pid)
        if seen is None:
            raise EnvironmentFailed(f"process {pid} ended before it could be watched over")
        # A birth in more than one word, as `ps` gives it, is one word to the guardian.
        birth = "_".join(seen.birth.split())
        self._tell(f"watch {pid} {birth}\n")
        self._await(b"ok\n", ANSWER_S_MAX)

    def forget(self, pid: int) -> None:
        """That process is dead and its number free. A guardian that is gone forgets as well."""
        with contextlib.suppress(EnvironmentFailed):
            self._tell(f"forget {pid}\n")

    def spare(self) -> None:
        """There is nothing to clean up any more."""
        with contextlib.suppress(EnvironmentFailed):
            self._tell("spare\n")

    def end(self) -> None:
        """Let go of the pipe and wait until it has gone; never raises."""
        pipes = (self._process.stdin, self._process.stdout)
        for pipe in pipes:
            if pipe is not None:
                with contextlib.suppress(OSError):
                    pipe.close()
        try:
            self._process.wait(END_S_MAX)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def _tell(self, line: str) -> None:
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(line.encode("ascii"))
        except OSError as error:
            raise EnvironmentFailed("the guardian process is gone") from error

    def _await(self, line: bytes, wait_s: float) -> None:
        assert self._process.stdout is not None
        deadline = time.monotonic() + wait_s
        said = b""
        while said != line:
            left_s = deadline - time.monotonic()
            if left_s <= 0 or not select.select([self._process.stdout], [], [], left_s)[0]:
                raise EnvironmentFailed(f"the guardian process did not answer within {wait_s} s")
            data = os.read(self._process.stdout.fileno(), len(line) - len(said))
            if not data:
                raise EnvironmentFailed("the guardian process is gone")
            said += data
