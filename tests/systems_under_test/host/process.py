"""A host as a process of its own, started as a person would start it."""

from __future__ import annotations

import contextlib
import json
import os
import re
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

ROOT = Path(__file__).parents[3]
TALLY = "tests.systems_under_test.host.tally:make_replica"
_READY = re.compile(r' ready client="([0-9.]+):(\d+)" listen="([0-9.]+):(\d+)"')

Address = tuple[str, int]


class HostProcess:
    def __init__(self, directory: Path, *arguments: str) -> None:
        self.log = _free(directory)
        defaults = {
            "--node": "n1",
            "--nodes": "n1",
            "--replica": TALLY,
            "--directory": str(directory),
        }
        given = [word for pair in defaults.items() if pair[0] not in arguments for word in pair]
        command = [sys.executable, "-P", "-m", "systems_under_test.host"]
        with self.log.open("wb") as out:
            self.process = subprocess.Popen(
                [*command, *given, *arguments],
                stderr=out,
                env={**os.environ, "PYTHONPATH": str(ROOT)},
            )

    def wait_ready(self) -> Address:
        deadline = time.monotonic() + 10
        while time.monotonic() < deadline:
            if found := _READY.search(self.said()):
                return found[1], int(found[2])
            assert self.process.poll() is None, self.said()
            time.sleep(0.01)
        raise AssertionError(f"not ready: {self.said()}")

    def wait_end(self) -> int:
        return self.process.wait(10)

    def said(self) -> str:
        return self.log.read_text()

    def end(self) -> int:
        self.process.terminate()
        return self.wait_end()


@contextlib.contextmanager
def host(directory: Path, *arguments: str) -> Iterator[HostProcess]:
    running = HostProcess(directory, *arguments)
    try:
        yield running
    finally:
        running.process.kill()
        running.process.wait()


@contextlib.contextmanager
def controlled(directory: Path) -> Iterator[tuple[Address, Callable[[str], Any]]]:
    """A host under control, as the local environment starts it; and how to ask it."""
    with socket.socket() as held:
        held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        held.bind(("127.0.0.1", 0))
        address: Address = held.getsockname()[:2]
        command = [sys.executable, "-P", "-m", "systems_under_test.host", "--control"]
        command += ["--reuse-port", "--client", f"127.0.0.1:{address[1]}", "--replica", TALLY]
        command += ["--node", "n1", "--nodes", "n1", "--directory", str(directory)]
        with subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
        ) as process:
            assert process.stdin is not None
            assert process.stdout is not None
            stdin, stdout = process.stdin, process.stdout

            def ask(do: str) -> Any:
                stdin.write(json.dumps({"id": 1, "do": do}).encode() + b"\n")
                stdin.flush()
                return json.loads(stdout.readline())

            stdin.write(b"go\n")
            stdin.flush()
            assert json.loads(stdout.readline()) == {"event": "ready", "incarnation": 1}
            yield address, ask
            stdin.close()
            assert process.wait(10) == 0


def _free(directory: Path) -> Path:
    """A log beside the directory, in the nearest one that exists, under a name of its own."""
    folder = next(parent for parent in directory.parents if parent.is_dir())
    lives = range(1_000)
    logs = (folder / f"{directory.name}-{life}.log" for life in lives)
    return next(log for log in logs if not log.exists())
