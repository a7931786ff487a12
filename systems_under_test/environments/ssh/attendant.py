"""What attends to a node on its machine: starts it, kills and pauses it, cuts its links, cleans up.

It is the command of an SSH session. Lines of JSON come from the harness, `{"id": 1, "do": ...}`;
answers with the same id go back, and events: what the node says, what is new in its log, its end.

The node is a daemon: of a session of its own, without a terminal. It ends with the SSH session all
the same, since nothing may outlive a run. This is two processes: the first only waits for the
second, which does the work, and then removes what the run has left. The second ends, and kills the
node, when its input ends, when it has heard nothing for `LEASE_S` (the harness beats every second:
a network that is gone ends no connection), or when the first is gone. If the second is killed, the
kernel kills the node with it.

Imports the standard library only.
"""

from __future__ import annotations

import argparse
import contextlib
import ctypes
import json
import os
import selectors
import signal
import socket
import subprocess
import sys
import time

from systems_under_test.environments.cluster import EnvironmentFailed
from systems_under_test.environments.local import resources
from systems_under_test.environments.local.processes import look
from systems_under_test.environments.ssh.firewall import Firewall, Refused, reset
from systems_under_test.environments.ssh.leftovers import LIMITED, MARK, clean, group_of
from systems_under_test.environments.ssh.network_stack import network_stack
from systems_under_test.environments.ssh.remote_disk import RemoteDisk

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any

LEASE_S = 15.0
TICK_S = 0.2
OBEY_S_MAX = 5.0
LOG_CHUNK_BYTES = 2**16
PR_SET_PDEATHSIG = 1


class LeaseEnded(BaseException):
    """Nothing was heard of the harness; whatever is being done is given up."""


class Attendant:
    """Attends to one node until the harness has gone."""

    def __init__(self, directory: str, chain: str) -> None:
        self._directory = directory
        self._chain = chain
        self._firewall: Firewall | None = None
        self._disk: RemoteDisk | None = None
        self._resources: resources.Resources | None = None
        self._selector = selectors.DefaultSelector()
        self._process: subprocess.Popen[bytes] | None = None
        self._life = 0
        self._said = b""
        self._log_read = 0
        self._ports: list[socket.socket] = []
        self._libc = ctypes.CDLL(None, use_errno=True)
        self._reaper = os.getppid()
        self._heard = time.monotonic()
        self._acts: dict[str, Callable[[Mapping[str, Any]], dict[str, Any]]] = {
            "beat": lambda request: {},
            "now": lambda request: _now(),
            "listen": self._listen,
            "start": self._start,
            "kill": self._kill,
            "stop": self._stop,
            "signal": self._signal,
            "state": lambda request: self._state(),
            "firewall": self._open_firewall,
            "cut": self._cut,
            "count": self._count,
            "chances": self._chances,
            "disk": self._spoil,
            "resources": self._limit,
            "reset": lambda request: {"reset": reset(map(tuple, request["to"]))},
        }

    def attend(self) -> None:
        """Until the harness has gone."""
        signal.signal(signal.SIGALRM, _end_lease)
        self._selector.register(0, selectors.EVENT_READ)
        waiting = b""
        self._hello()
        while os.getppid() == self._reaper:
            signal.setitimer(signal.ITIMER_REAL, LEASE_S)
            ready = [key.fd for key, _ in self._selector.select(TICK_S)]
            if 0 in ready:
                data = os.read(0, LOG_CHUNK_BYTES)
                if not data:
                    return
                *lines, waiting = (waiting + data).split(b"\n")
                for line in lines:
                    self._obey(json.loads(line))
            elif self._silent_s() > LEASE_S:
                return
            if any(fd != 0 for fd in ready):
                self._hear()
            self._reap()
            self._show_log()

    def end(self) -> None:
        """Kill the node, whatever state it is in."""
        process = self._process
        if process is not None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        with contextlib.suppress(OSError):
            self._show_log()

    # What the harness asks for.

    def _hello(self) -> None:
        client, _, server, _ = os.environ.get("SSH_CONNECTION", "- 0 - 0").split()
        self._tell(
            event="hello",
            directory=self._directory,
            harness=client,
            address=server,
            stack=network_stack(),
            user=os.geteuid(),
        )

    def _obey(self, request: Mapping[str, Any]) -> None:
        self._heard = time.monotonic()
        number = request["id"]
        try:
            if request["do"] == "node":
                self._pass_on({"id": number, **request["request"]})
                return
            answer = self._acts[request["do"]](request)
        except (Refused, EnvironmentFailed) as error:
            self._tell(id=number, error=str(error))
        except Exception as error:
            self._tell(id=number, error=f"{type(error).__name__}: {error}")
        else:
            if request["do"] != "beat":
                self._tell(id=number, **answer)

    def _listen(self, request: Mapping[str, Any]) -> dict[str, Any]:
        """Hold the node's ports, for all its lives: bound here, the node listens beside us."""
        for wanted in request["ports"]:
            held = socket.socket(_family(request["host"]), socket.SOCK_STREAM)
            self._ports.append(held)
            held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
            try:
                held.bind((request["host"], wanted))
            except OSError as error:
                raise Refused(
                    f"port {wanted} of {request['host']} cannot be had: {error.strerror}"
                ) from error
        return {"ports": [held.getsockname()[1] for held in self._ports]}

    def _start(self, request: Mapping[str, Any]) -> dict[str, Any]:
        self._reap()
        if self._process is not None:
            raise Refused(f"process {self._process.pid} runs already")
        if self._disk is not None:
            self._disk.begin_life()
        with open(self._log, "ab") as log:
            process = subprocess.Popen(
                [sys.executable, "-P", "-m", "systems_under_test.host", *request["arguments"]],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                cwd=self._directory,
                start_new_session=True,
                preexec_fn=self._die_together,
                bufsize=0,
            )
        assert process.stdin is not None
        assert process.stdout is not None
        os.set_blocking(process.stdin.fileno(), False)
        os.set_blocking(process.stdout.fileno(), False)
        self._process, self._said = process, b""
        self._life += 1
        self._selector.register(process.stdout, selectors.EVENT_READ)
        incarnation = self._incarnation() + 1
        if self._resources is not None:
            self._resources.join(process.pid)
        process.stdin.write(b"go\n")
        return {"pid": process.pid, "life": self._life, "incarnation": incarnation}

    def _die_together(self) -> None:
        self._libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)

    def _pass_on(self, message: Mapping[str, Any]) -> None:
        """To the node. One that is paused reads later; if it leaves too much, that is refused."""
        if self._process is None or self._process.stdin is None:
            raise Refused("the node does not run")
        line = json.dumps(message).encode() + b"\n"
        if self._process.stdin.write(line) != len(line):
            raise Refused("the node does not read what it is asked")

    def _kill(self, request: Mapping[str, Any]) -> dict[str, Any]:
        if self._process is not None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait(OBEY_S_MAX)
            self._reap()
        return self._state()

    def _stop(self, request: Mapping[str, Any]) -> dict[str, Any]:
        """Ask it to end; one that does not in time is left alone."""
        if self._process is not None:
            self._process.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(OBEY_S_MAX)
            self._reap()
        return self._state()

    def _signal(self, request: Mapping[str, Any]) -> dict[str, Any]:
        """SIGSTOP or SIGCONT, and wait until the process has obeyed."""
        number = signal.Signals[request["name"]]
        before = self._state()["state"]
        wanted = "paused" if number == signal.SIGSTOP else "running"
        if self._process is None or before in ("dead", wanted):
            return self._state()
        os.killpg(self._process.pid, number)
        deadline = time.monotonic() + OBEY_S_MAX
        while self._state()["state"] == before:
            if time.monotonic() > deadline:
                raise Refused(f"it did not obey {number.name} within {OBEY_S_MAX:g} s")
            time.sleep(0.001)
        return self._state()

    def _state(self) -> dict[str, Any]:
        self._reap()
        if self._process is None:
            return {"state": "dead"}
        seen = look(self._process.pid)
        return {"state": "paused" if seen is not None and seen.letter == "T" else "running"}

    def _open_firewall(self, request: Mapping[str, Any]) -> dict[str, Any]:
        with open(os.path.join(self._directory, MARK), "w") as mark:
            mark.write(self._chain)
        firewall = Firewall(self._chain)
        try:
            firewall.make()
        except Refused:
            os.unlink(mark.name)
            raise
        firewall.open(map(tuple, request["peers"]))
        self._firewall = firewall
        return {}

    def _cut(self, request: Mapping[str, Any]) -> dict[str, Any]:
        if self._firewall is None:
            raise Refused("this run has no chain here")
        self._firewall.become(request["addresses"], request["held"], request["lost"])
        return {}

    def _chances(self, request: Mapping[str, Any]) -> dict[str, Any]:
        return {"ppm": {} if self._firewall is None else self._firewall.chances()}

    def _count(self, request: Mapping[str, Any]) -> dict[str, Any]:
        return {"packets": {} if self._firewall is None else self._firewall.count()}

    def _spoil(self, request: Mapping[str, Any]) -> dict[str, Any]:
        """Open the disk of the node, or ask something of it."""
        if request["verb"] == "open":
            self._disk = RemoteDisk(self._directory, request)
            return {}
        if self._disk is None:
            raise Refused("the disk of this node was not opened")
        return self._disk.obey(request)

    def _limit(self, request: Mapping[str, Any]) -> dict[str, Any]:
        """Have the node's control groups ready, or ask something of them."""
        if request["verb"] == "open":
            if reason := resources.cannot():
                raise Refused(f"nothing can limit a process here: {reason}")
            with open(os.path.join(self._directory, LIMITED), "w"):
                self._resources = resources.Resources(group_of(self._directory))
            return {}
        if self._resources is None:
            raise Refused("this cluster was brought up without limits of resources")
        process = self._process
        if request["verb"] == "cpu":
            self._resources.limit_cpu(request["percent"], _pid(process))
        elif request["verb"] == "memory" and process is not None:
            self._resources.exhaust_memory(process.pid, lambda: process.poll() is not None)
            self._reap()
        return {"usage": dict(self._resources.usage(_pid(self._process)))}

    # What the node says and does.

    def _hear(self) -> bool:
        """Tell what the node has said; False when it will say no more."""
        process = self._process
        if process is None or process.stdout is None or process.stdout.closed:
            return False
        data: bytes | None = process.stdout.read(LOG_CHUNK_BYTES)
        if not data and (data == b"" or process.poll() is not None):
            self._selector.unregister(process.stdout)
            process.stdout.close()
            return False
        *lines, self._said = (self._said + (data or b"")).split(b"\n")
        for line in lines:
            self._tell(event="node", message=json.loads(line))
        return True

    def _reap(self) -> None:
        """If the node has ended: its last words, its log, and that."""
        process = self._process
        if process is None or process.poll() is None:
            return
        while self._hear():
            continue
        if process.stdin is not None:
            process.stdin.close()
        self._process = None
        self._show_log()
        self._tell(event="ended", life=self._life, status=process.returncode)

    def _show_log(self) -> None:
        with contextlib.suppress(FileNotFoundError), open(self._log, "rb") as log:
            log.seek(self._log_read)
            while chunk := log.read(LOG_CHUNK_BYTES):
                self._log_read += len(chunk)
                self._tell(event="log", text=chunk.decode("latin-1"))

    def _tell(self, **message: object) -> None:
        line = json.dumps(message).encode() + b"\n"
        while line:
            line = line[os.write(1, line) :]

    def _incarnation(self) -> int:
        try:
            with open(os.path.join(self._directory, "data", "incarnation"), "rb") as file:
                return int(file.read().split()[0])
        except (OSError, ValueError, IndexError):
            return 0  # If the file is damaged the node will say so, and not start.

    def _silent_s(self) -> float:
        return time.monotonic() - self._heard

    @property
    def _log(self) -> str:
        return os.path.join(self._directory, "node.log")


def _now() -> dict[str, int]:
    """This machine's clocks, and how long it took to read both."""
    mono, wall = time.monotonic_ns(), time.time_ns()
    return {"mono": mono, "wall": wall, "took_ns": time.monotonic_ns() - mono}


def _pid(process: subprocess.Popen[bytes] | None) -> int | None:
    return None if process is None else process.pid


def _end_lease(number: int, frame: object) -> None:
    raise LeaseEnded


def _family(host: str) -> socket.AddressFamily:
    return socket.AF_INET6 if ":" in host else socket.AF_INET


def main() -> int:
    """Attend in a second process, wait for its end, clean up."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--directory", required=True)
    parser.add_argument("--chain", required=True)
    given = parser.parse_args()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGPIPE):
        signal.signal(number, signal.SIG_IGN)
    child = os.fork()
    if child:
        os.waitpid(child, 0)
        return 0 if clean(given.directory, given.chain) else 1
    attendant = Attendant(given.directory, given.chain)
    reaper = os.getppid()
    try:
        attendant.attend()
    except (LeaseEnded, BrokenPipeError):
        pass
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        attendant.end()
        if os.getppid() != reaper:
            clean(given.directory, given.chain)
    os._exit(0)


if __name__ == "__main__":
    sys.exit(main())
